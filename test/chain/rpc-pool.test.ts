import { expect } from "chai";
import { ChainError } from "../../src/chain/port.ts";
import type { RpcTuning } from "../../src/chain/rpc-endpoint.ts";
import { createRpcPool } from "../../src/chain/rpc-pool.ts";
import { type Behaviour, type LyingProxy, startProxy } from "./support/proxy.ts";

const CHAIN_ID = 77n;
/** Needs no chain behind it. */
const healthy: Behaviour = ({ method }) => ({ result: method === "eth_chainId" ? "0x4d" : `${method} answered` });

describe("chain: RPC pool", () => {
  let servers: LyingProxy[];
  let clock: number;

  beforeEach(async () => {
    clock = 1_000_000;
    servers = await Promise.all([startProxy("http://127.0.0.1:1", healthy), startProxy("http://127.0.0.1:1", healthy)]);
  });
  afterEach(() => Promise.all(servers.map((server) => server.stop())));

  function pool(tuning: Partial<RpcTuning> = {}) {
    const urls = servers.map(({ url }) => url);
    return createRpcPool({
      chainId: CHAIN_ID,
      urls,
      tuning: { now: () => clock, random: () => 1, timeoutMs: 60_000, ...tuning },
    });
  }

  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => "none",
      (error: unknown) => (error instanceof ChainError ? error.code : String(error)),
    );
  const asked = (server: LyingProxy) => server.calls.filter(({ method }) => method === "eth_gasPrice").length;

  const bad: Record<string, Behaviour> = {
    "is down": () => ({ status: 503 }),
    hangs: () => ({ hang: true }),
    "limits its rate": () => ({ status: 429 }),
    "answers no JSON": () => ({ status: 200, body: "<html>" }),
    "serves another chain": ({ method }) => ({ result: method === "eth_chainId" ? "0x1" : "0x0" }),
    "answers without end": () => ({ status: 200, body: `{"result":"${"a".repeat(3_000_000)}"}` }),
  };
  for (const [name, behaviour] of Object.entries(bad)) {
    it(`works on while one endpoint ${name}`, async () => {
      servers[0]!.behave(behaviour);
      // A limit that a healthy endpoint keeps on any machine, except where it is what the case is about.
      const rpc = pool({ maxResponseBytes: 1_000_000, ...(name === "hangs" ? { timeoutMs: 3_000 } : {}) });
      for (let i = 0; i < 3; i++) expect(await rpc.request("eth_gasPrice", [])).to.equal("eth_gasPrice answered");
      expect(rpc.health()[0]!.score).to.be.lessThan(1);
      expect(rpc.health()[0]!.pausedUntilMs).to.be.greaterThan(clock);
      expect(rpc.health()[1]!.score).to.equal(1);
    });
  }

  it("backs off further with each failure, and comes back when the endpoint does", async () => {
    for (const server of servers) server.behave(() => ({ status: 500 }));
    const rpc = pool({ backoffBaseMs: 100, backoffMaxMs: 1_000 });
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      expect(await codeOf(rpc.request("eth_gasPrice", []))).to.equal("rpcUnavailable");
      pauses.push(rpc.health()[0]!.pausedUntilMs - clock);
      clock = rpc.health()[0]!.pausedUntilMs + 1;
    }
    expect(pauses).to.deep.equal([100, 200, 400, 800, 1_000, 1_000]);
    for (const server of servers) server.behave(healthy);
    expect(await rpc.request("eth_gasPrice", [])).to.equal("eth_gasPrice answered");
    expect(rpc.health().some(({ pausedUntilMs }) => pausedUntilMs === 0)).to.equal(true);
  });

  it("does not hammer an endpoint while it is paused", async () => {
    for (const server of servers) server.behave(() => ({ status: 500 }));
    const rpc = pool();
    for (let i = 0; i < 20; i++) await codeOf(rpc.request("eth_gasPrice", []));
    for (const server of servers) expect(server.calls).to.have.length(1);
  });

  it("honours Retry-After, up to a limit that a hostile endpoint cannot stretch", async () => {
    for (const [given, expected] of [
      ["7", 7_000],
      ["999999999", 60_000],
    ] as const) {
      servers[0]!.behave(() => ({ status: 429, headers: { "retry-after": given } }));
      const rpc = pool({ random: () => 0 });
      await rpc.request("eth_gasPrice", []);
      expect(rpc.health()[0]!.pausedUntilMs - clock).to.equal(expected);
    }
  });

  it("takes a rate limit in JSON-RPC words for one", async () => {
    servers[0]!.behave(({ method }) =>
      method === "eth_chainId" ? { result: "0x4d" } : { error: { code: -32005, message: "limit exceeded" } },
    );
    const rpc = pool();
    expect(await rpc.request("eth_gasPrice", [])).to.equal("eth_gasPrice answered");
    expect(rpc.endpoints[0]!.isPaused()).to.equal(true);
  });

  it("passes a revert on at once, with its data, and asks nobody else", async () => {
    for (const server of servers) {
      server.behave(({ method }) =>
        method === "eth_chainId"
          ? { result: "0x4d" }
          : { error: { code: 3, message: "execution reverted", data: "0xdead" } },
      );
    }
    const rpc = pool();
    const error = await rpc.request("eth_gasPrice", []).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ChainError).with.property("code", "callReverted");
    expect(error instanceof ChainError && error.details.data).to.equal("0xdead");
    expect(servers.map(asked).sort()).to.deep.equal([0, 1]);
    expect(rpc.health().every(({ pausedUntilMs }) => pausedUntilMs === 0)).to.equal(true);
  });

  it("never shows a URL, because URLs hold keys", async () => {
    for (const server of servers) server.behave(() => ({ status: 401 }));
    const urls = servers.map(({ url }) => `${url}/v2/secret-key?token=secret-key`);
    const rpc = createRpcPool({ chainId: CHAIN_ID, urls, tuning: { timeoutMs: 60_000 } });
    const error = await rpc.request("eth_gasPrice", []).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ChainError);
    const shown =
      error instanceof ChainError ? `${error.stack}${JSON.stringify(error.details)}${String(error.cause)}` : "";
    expect(shown + JSON.stringify(rpc.health())).not.to.contain("secret-key");
  });
});
