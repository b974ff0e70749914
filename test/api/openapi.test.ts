import { expect } from "chai";
import fc from "fast-check";
import { ENDPOINTS } from "../../src/api/endpoints.ts";
import { signedInstruction } from "../../src/api/instruction.ts";
import { openApiDocument } from "../../src/api/openapi.ts";
import { ledgerEvent } from "../../src/api/wire.ts";
import { instructionFromJson, instructionToJson } from "../../src/ledger/json.ts";
import type { InstructionBody, SignedInstruction } from "../../src/ledger/types.ts";
import type { Hex } from "../../src/lib/hex.ts";

const hex = (size: number): fc.Arbitrary<Hex> =>
  // CAST: starts with 0x
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => `0x${Buffer.from(bytes).toString("hex")}` as Hex);
const amount = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

const body: fc.Arbitrary<InstructionBody> = fc.oneof(
  fc.record({
    kind: fc.constant("openLane" as const),
    account: hex(32),
    laneSigner: hex(20),
    laneNumber: uint64,
    marginLimit: amount,
    cashLimits: fc.array(fc.record({ asset: hex(32), limit: amount }), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant("fills" as const),
    fills: fc.array(
      fc.record({ instrument: hex(32), buyer: hex(32), seller: hex(32), quantity: amount, price: amount }),
      { maxLength: 3 },
    ),
  }),
  fc.record({ kind: fc.constant("transfer" as const), from: hex(32), to: hex(32), asset: hex(32), amount }),
  fc.record({
    kind: fc.constant("withdraw" as const),
    account: hex(32),
    asset: hex(32),
    amount,
    chainId: uint64,
    recipient: hex(20),
    relayerFee: amount,
  }),
);
const signed: fc.Arbitrary<SignedInstruction> = fc.record({
  instruction: fc.record({
    head: fc.record({ signer: hex(20), lane: uint64, nonce: uint64, namedBatch: uint64 }),
    body,
  }),
  signature: hex(65),
});

describe("the OpenAPI description", () => {
  it("names every endpoint with its errors, and every path parameter", () => {
    const document = openApiDocument("1.2.3") as {
      info: { version: string };
      paths: Record<
        string,
        Record<string, { operationId: string; parameters?: { name: string; in: string }[]; responses: object }>
      >;
    };
    expect(document.info.version).to.equal("1.2.3");
    for (const [id, { path, method, status }] of Object.entries(ENDPOINTS)) {
      const operation = document.paths[path]?.[method.toLowerCase()];
      expect(operation?.operationId).to.equal(id);
      expect(operation?.responses).to.include.keys(String(status), "400", "429", "500", "503");
      const named = operation?.parameters?.filter((parameter) => parameter.in === "path").map(({ name }) => name) ?? [];
      expect(named).to.deep.equal([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });

  it("names what is sent and answered as bytes, and what each transaction in a body must be", () => {
    const document = openApiDocument("1.2.3") as {
      paths: Record<string, Record<string, { requestBody?: object; responses: Record<string, { content: object }> }>>;
    };
    const snapshot = document.paths["/v1/epochs/{epoch}/snapshot"]?.get;
    expect(snapshot?.responses[200]?.content).to.have.all.keys("application/octet-stream");
    const submit = document.paths["/v1/reconfiguration/transactions"]?.post;
    expect(submit?.requestBody).to.have.nested.property(
      "content.application/json.schema.properties.transactions.items.maxLength",
      2 + 2 * (1 << 20),
    );
  });

  it("carries every step of a change in a batch, and steps of a newer member as well", () => {
    const event = {
      kind: "reconfiguration",
      step: "blamed",
      epoch: 3n,
      attempt: 2n,
      proposal: `0x${"ab".repeat(32)}`,
      member: `0x${"cd".repeat(20)}`,
      fault: { member: `0x${"cd".repeat(20)}`, code: "wrongSecret", suite: "bn254" },
    } as const;
    const json = ledgerEvent.encode(event) as object; // CAST: the JSON of an object
    expect(JSON.parse(JSON.stringify(json))).to.deep.equal({ ...event, epoch: "3", attempt: "2" });
    expect(ledgerEvent.decode(json as never)).to.deep.equal(event); // CAST: the schema takes unknown JSON; so below
    const { member: _, fault: __, ...bare } = event;
    expect(ledgerEvent.decode(ledgerEvent.encode(bare) as never)).to.deep.equal(bare);
    expect(ledgerEvent.decode({ ...json, step: "invented" } as never)).to.deep.equal({ ...event, step: "invented" });
    expect(() => ledgerEvent.decode({ ...json, step: "x".repeat(65) } as never)).to.throw();
  });

  it("describes instructions exactly as the ledger reads and writes them", () => {
    fc.assert(
      fc.property(signed, (value) => {
        const json = instructionToJson(value);
        expect(signedInstruction.encode(value)).to.deep.equal(json);
        expect(signedInstruction.decode(json as never)).to.deep.equal(instructionFromJson(json)); // CAST: the schema takes unknown JSON
      }),
      { verbose: true },
    );
  });
});
