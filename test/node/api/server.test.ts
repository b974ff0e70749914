import { connect } from "node:net";
import { expect } from "chai";
import { createApiClient } from "../../../src/api/client.ts";
import { signInstruction } from "../../../src/ledger/instruction.ts";
import type { SignedInstruction } from "../../../src/ledger/types.ts";
import { errorOf, start, stopAll } from "../../api/server.ts";
import {
  ALICE,
  ALICE_ACCOUNT,
  ALICE_SECRET,
  BOB_ACCOUNT,
  CHAIN_ID,
  createWorld,
  hash,
  USDC,
  type World,
} from "../../api/world.ts";

function transfer(world: World, nonce = 0n): SignedInstruction {
  return signInstruction(ALICE_SECRET, world.committeeId, {
    head: { signer: ALICE, lane: 0n, nonce, namedBatch: 1n },
    body: { kind: "transfer", from: ALICE_ACCOUNT, to: BOB_ACCOUNT, asset: USDC, amount: 3n },
  });
}

/** Writes bytes to a socket and returns what came back until the server closed it. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
}

describe("the API server", () => {
  afterEach(stopAll);

  it("answers every endpoint with what the node holds", async () => {
    const world = createWorld();
    world.settle({ payouts: 3, receipts: [hash(1)] });
    world.settle({ payouts: 2 });
    world.certify(1n);
    world.certify(2n);
    const { client, url } = await start(world);
    expect(await client.committee()).to.deep.equal(world.committee());
    expect(await client.status()).to.deep.equal(world.status());
    expect(await client.batch(1n)).to.deep.equal(world.batch(1n));
    expect(await client.certificate(1n)).to.deep.equal(world.certificate(1n, "bn254"));
    expect(await client.latestCertificate({ suite: "bn254" })).to.deep.equal(world.certificate(2n, "bn254"));
    expect(await client.destination(CHAIN_ID)).to.deep.equal(world.destination(CHAIN_ID, 2n));
    expect(await client.destination(CHAIN_ID, { sequence: 1n })).to.deep.equal(world.destination(CHAIN_ID, 1n));
    const range = await client.outbox(CHAIN_ID, { from: 1n, limit: 2 });
    expect(range.entries.map(({ index }) => index)).to.deep.equal([1n, 2n]);
    expect(range).to.deep.equal(world.outbox(CHAIN_ID, { kind: "range", from: 1n, limit: 2 }, 5n));
    const named = await client.outbox(CHAIN_ID, { indexes: [0n, 4n] });
    expect(named.proof?.indexes).to.deep.equal([0n, 4n]);
    expect(await client.history(1n)).to.deep.equal(world.history(1n, 2n));
    expect(await client.account(ALICE_ACCOUNT)).to.deep.equal(world.account(ALICE_ACCOUNT, undefined, 2n));
    expect(await client.lane(ALICE, 5n)).to.deep.equal({ signer: ALICE, lane: 5n, nextNonce: 0n });
    expect((await client.instruction(hash(1))).status).to.equal("final");
    expect(await (await fetch(`${url}/metrics`)).text()).to.contain("clockless_rounds_total");
    const description = (await (await fetch(`${url}/openapi.json`)).json()) as { openapi: string; paths: object };
    expect(description.openapi).to.equal("3.1.0");
    expect(Object.keys(description.paths)).to.include.members([
      "/v1/events",
      "/v1/instructions/{id}",
      "/metrics",
      "/healthz",
    ]);
  });

  it("says typed what it does not know", async () => {
    const world = createWorld();
    world.settle();
    const { client } = await start(world);
    expect((await errorOf(client.instruction(hash(9)))).code).to.equal("unknownInstruction");
    expect((await errorOf(client.latestCertificate())).code).to.equal("unknownSequence");
    expect((await errorOf(client.certificate(1n))).code).to.equal("unknownSequence");
    expect((await errorOf(client.batch(2n))).code).to.equal("unknownSequence");
    expect((await errorOf(client.destination(5n))).code).to.equal("unknownChain");
    expect((await errorOf(client.outbox(CHAIN_ID, { indexes: [0n] }))).code).to.equal("unknownEntry");
    expect((await errorOf(client.history(1n))).code).to.equal("unknownSequence");
    expect((await errorOf(client.account(hash(4)))).code).to.equal("unknownAccount");
  });

  it("refuses parameters it cannot read, by name", async () => {
    const { url } = await start(createWorld());
    const code = async (path: string, init?: RequestInit): Promise<[number, string]> => {
      const response = await fetch(`${url}${path}`, init);
      const body = (await response.json()) as { error: { code: string } };
      return [response.status, body.error.code];
    };
    expect(await code("/v1/batches/-1")).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/batches/01")).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/batches/18446744073709551616")).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/instructions/0xAB")).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/status?verbose=1")).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/status?__proto__=1")).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/certificates/latest?suite=bn254&suite=bn254")).to.deep.equal([400, "badRequest"]);
    expect(await code(`/v1/outbox/${CHAIN_ID}?indexes=3,2`)).to.deep.equal([400, "badRequest"]);
    expect(await code(`/v1/outbox/${CHAIN_ID}?indexes=2&from=1`)).to.deep.equal([400, "badRequest"]);
    expect(await code(`/v1/outbox/${CHAIN_ID}?limit=257`)).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/history/3?at=3")).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/events?types=blocks")).to.deep.equal([400, "badRequest"]);
    expect(await code("/v1/events", { headers: { "last-event-id": "x" } })).to.deep.equal([400, "badRequest"]);
    expect(await code("/nothing")).to.deep.equal([404, "unknownRoute"]);
    expect(await code("/v1/status", { method: "DELETE" })).to.deep.equal([405, "methodNotAllowed"]);
    expect(await code(`/v1/batches/1?x=${"a".repeat(9300)}`)).to.deep.equal([414, "urlTooLong"]);
  });

  it("takes instructions one by one: a bad one stops no other", async () => {
    const world = createWorld();
    const { url, client } = await start(world);
    const good = transfer(world, 0n);
    expect(await client.submit([good, transfer(world, 99n)])).to.have.nested.property("[1].code", "gap");
    const encoded = {
      instruction: {
        head: { signer: ALICE, lane: "0", nonce: "1", namedBatch: "1" },
        body: { kind: "transfer", from: ALICE_ACCOUNT, to: BOB_ACCOUNT, asset: USDC, amount: "3" },
      },
      signature: good.signature,
    };
    const negative = structuredClone(encoded);
    negative.instruction.body.amount = "-3";
    const response = await fetch(`${url}/v1/instructions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ instructions: [negative, null, encoded, { ...encoded, signature: 5 }] }),
    });
    expect(response.status).to.equal(202);
    const { results } = (await response.json()) as { results: { status: string; code?: string; figures?: object }[] };
    expect(results.map(({ status, code }) => code ?? status)).to.deep.equal([
      "malformedInstruction",
      "malformedInstruction",
      "accepted",
      "malformedInstruction",
    ]);
    expect(results[0]!.figures).to.have.property("instruction.body.amount");
    expect(world.received).to.have.length(3);
  });

  it("refuses bodies that are too large, no JSON, or not even declared as JSON", async () => {
    const world = createWorld();
    const { url, server } = await start(world, { maxBodyBytes: 1000 });
    const post = async (body: string, type = "application/json"): Promise<[number, string]> => {
      const response = await fetch(`${url}/v1/instructions`, {
        method: "POST",
        headers: { "content-type": type },
        body,
      });
      return [response.status, ((await response.json()) as { error: { code: string } }).error.code];
    };
    expect(await post(" ".repeat(1001))).to.deep.equal([413, "bodyTooLarge"]);
    expect(await post(" ".repeat(7000))).to.deep.equal([413, "bodyTooLarge"]);
    expect(await post("{")).to.deep.equal([400, "badRequest"]);
    expect(await post("{}")).to.deep.equal([400, "badRequest"]);
    expect(await post('{"instructions":[]}')).to.deep.equal([400, "badRequest"]);
    expect(await post("{}", "text/plain")).to.deep.equal([415, "unsupportedMediaType"]);
    // Undeclared length: counted while it arrives.
    const chunked = `POST /v1/instructions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${`400\r\n${" ".repeat(1024)}\r\n`.repeat(20)}`;
    expect(await raw(Number(new URL(url).port), chunked)).to.match(/^HTTP\/1\.1 413 .*bodyTooLarge/s);
    expect(world.received).to.have.length(0);
    expect(server.streams).to.equal(0);
  });

  it("answers below HTTP as well: giant headers, garbage, and requests that never finish", async () => {
    const { port } = await start(createWorld(), { requestTimeoutMs: 3_000, maxHeaderBytes: 2048 });
    expect(await raw(port, `GET / HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(4000)}\r\n\r\n`)).to.match(
      /^HTTP\/1\.1 431 .*headersTooLarge/s,
    );
    expect(await raw(port, "HELLO\r\n\r\n")).to.match(/^HTTP\/1\.1 400 .*badRequest/s);
    const slow =
      "POST /v1/instructions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    expect(await raw(port, slow)).to.match(/^HTTP\/1\.1 408 .*requestTimeout/s);
  });

  it("never leaks a stack trace", async () => {
    const world = createWorld();
    const { client, errors } = await start({
      ...world,
      status: () => {
        throw new Error("secret path /home/operator");
      },
    });
    const error = await errorOf(client.status());
    expect(error.code).to.equal("internal");
    expect(error.isTransient).to.equal(true);
    expect(JSON.stringify(error.details)).to.not.contain("operator");
    expect(errors).to.have.length(1);
  });

  it("limits requests per address but never the health checks", async () => {
    const { client, url } = await start(createWorld(), { rateLimit: { perSecond: 0.001, burst: 2 } });
    await client.status();
    await client.status();
    const error = await errorOf(client.status());
    expect(error.code).to.equal("rateLimited");
    expect(error.isTransient).to.equal(true);
    expect(error.details.retryAfterMs).to.be.within(1, 1_000_000);
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
  });

  it("tells its observer endpoint and status, never a path a stranger chose", async () => {
    const answers: [string, number][] = [];
    const { client, url } = await start(createWorld(), {
      onAnswer: ({ endpoint, status, seconds }) => {
        expect(seconds).to.be.within(0, 600);
        answers.push([endpoint, status]);
      },
    });
    await client.status();
    await errorOf(client.batch(5n));
    await (await fetch(`${url}/wp-login.php`)).text();
    while (answers.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(answers).to.deep.equal([
      ["getStatus", 200],
      ["getBatch", 404],
      ["other", 404],
    ]);
  });

  it("tells ready from healthy", async () => {
    const world = createWorld();
    const { url } = await start(world);
    expect((await fetch(`${url}/readyz`)).status).to.equal(200);
    world.setReady(false);
    const response = await fetch(`${url}/readyz`);
    expect(response.status).to.equal(503);
    expect(await response.json())
      .to.have.nested.property("checks[0].message")
      .that.contains("open the port");
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
  });

  it("refuses connections beyond its limit, typed", async () => {
    const { port, client, server } = await start(createWorld(), { maxConnections: 2 });
    const sockets = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    while (server.connections < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await errorOf(client.status())).code).to.equal("tooManyConnections");
    for (const socket of sockets) socket.destroy();
  });

  it("answers browsers of allowed origins only", async () => {
    const { url } = await start(createWorld(), { cors: { origins: ["https://app.example"] } });
    const allowed = await fetch(`${url}/v1/status`, { headers: { origin: "https://app.example" } });
    expect(allowed.headers.get("access-control-allow-origin")).to.equal("https://app.example");
    const foreign = await fetch(`${url}/v1/status`, { headers: { origin: "https://evil.example" } });
    expect(foreign.headers.get("access-control-allow-origin")).to.equal(null);
    const preflight = await fetch(`${url}/v1/instructions`, {
      method: "OPTIONS",
      headers: { origin: "https://app.example" },
    });
    expect(preflight.status).to.equal(204);
    expect(preflight.headers.get("access-control-allow-headers")).to.contain("content-type");
  });

  it("stops gracefully: a request in flight is answered, streams end, later requests are refused", async () => {
    const world = createWorld();
    let release: (() => void) | undefined;
    const waits = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isSubmitting = false;
    const { server, client, url } = await start({
      ...world,
      submit: async (items) => {
        isSubmitting = true;
        await waits;
        return world.submit(items);
      },
    });
    const inFlight = client.submit([transfer(world)]);
    const stream = await fetch(`${url}/v1/events`);
    while (!isSubmitting) await new Promise((resolve) => setTimeout(resolve, 5));
    const closed = server.close(60_000);
    release?.();
    expect((await inFlight)[0]?.status).to.equal("accepted");
    await stream.text();
    await closed;
    expect((await errorOf(createApiClient({ url }).status())).code).to.equal("networkFailure");
    expect(world.subscribers).to.equal(0);
  });
});
