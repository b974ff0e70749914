import { request } from "node:http";
import { expect } from "chai";
import fc from "fast-check";
import { API_ERROR_STATUS } from "../../../src/api/errors.ts";
import { start, stopAll } from "../../api/server.ts";
import { ALICE, ALICE_ACCOUNT, CHAIN_ID, createWorld, hash } from "../../api/world.ts";

/** Sends a request exactly as given: fetch would tidy the path. */
function send(port: number, method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const outgoing = request({ port, host: "127.0.0.1", method, path, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const word = fc.oneof(
  fc.constantFrom(
    "v1",
    "committee",
    "status",
    "batches",
    "certificates",
    "latest",
    "destinations",
    "outbox",
    "history",
    "reconfiguration",
    "deals",
    "epochs",
    "snapshot",
    "checkpoints",
    "order",
    "handovers",
  ),
  fc.constantFrom(
    "accounts",
    "lanes",
    "instructions",
    "healthz",
    "..",
    ".",
    "",
    "%2e%2e",
    "%00",
    "constructor",
    "__proto__",
  ),
  fc.constantFrom("0", "1", "2", "-1", "1e3", "18446744073709551615", "18446744073709551616", "9".repeat(79), "0x"),
  fc.constantFrom(ALICE, ALICE_ACCOUNT, hash(1), CHAIN_ID.toString(), ALICE.toUpperCase()),
);
const parameter = fc.tuple(
  fc.constantFrom("suite", "sequence", "at", "from", "limit", "indexes", "size", "asset", "types", "__proto__", ""),
  fc.oneof(word, fc.constantFrom("bn254", "bls12-381", "1,2,3", "3,2,1", ",", "1,", "%zz")),
);

describe("the API under nonsense", () => {
  afterEach(stopAll);

  it("answers every path and query with JSON, and never with a bug of its own", async () => {
    const world = createWorld();
    for (let k = 0; k < 3; k++) world.certify(world.settle({ payouts: 2 }));
    const { port, errors } = await start(world);
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { maxLength: 5 }),
        fc.array(parameter, { maxLength: 3 }),
        async (words, parameters) => {
          const query = parameters.map(([name, value]) => `${name}=${value}`).join("&");
          const { status, text } = await send(port, "GET", `/${words.join("/")}${query === "" ? "" : `?${query}`}`);
          const body = JSON.parse(text) as { error?: { code: keyof typeof API_ERROR_STATUS } };
          expect(status, text).to.not.equal(500);
          if (status >= 400) expect(API_ERROR_STATUS[body.error!.code]).to.equal(status);
        },
      ),
      { numRuns: 500, verbose: true },
    );
    expect(errors).to.deep.equal([]);
  });

  it("answers every submitted JSON with one result per item or a typed refusal", async () => {
    const { port, errors } = await start(createWorld());
    const item = fc.oneof(
      fc.jsonValue(),
      fc.record({
        instruction: fc.record({
          head: fc.jsonValue(),
          body: fc.record({
            kind: fc.constantFrom("fills", "transfer", "withdraw", "openLane"),
            fills: fc.jsonValue(),
          }),
        }),
        signature: fc.jsonValue(),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 4 }), async (instructions) => {
        const { status, text } = await send(port, "POST", "/v1/instructions", JSON.stringify({ instructions }));
        expect(status, text).to.equal(202);
        const { results } = JSON.parse(text) as { results: { code: string }[] };
        expect(results.map(({ code }) => code)).to.deep.equal(instructions.map(() => "malformedInstruction"));
      }),
      { numRuns: 200, verbose: true },
    );
    expect(errors).to.deep.equal([]);
  });
});
