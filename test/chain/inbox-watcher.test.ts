import { expect } from "chai";
import { createInboxWatcher, type InboxWatcherOptions } from "../../src/chain/inbox-watcher.ts";
import { ChainError, type ChainInbox } from "../../src/chain/port.ts";
import { type Anvil, startAnvil } from "./support/anvil.ts";
import { ACCOUNT, deployInboxFixture, type InboxFixture, TOKEN } from "./support/inbox-fixture.ts";
import { type Behaviour, honestly, type LyingProxy, startProxy } from "./support/proxy.ts";
import { follow, type Recorded, recorded, recordingLogger, until } from "./support/recorder.ts";

type LogJson = Record<string, unknown> & { address: string; topics: string[]; data: string };

describe("chain: inbox watcher", () => {
  let anvil: Anvil;
  let vault: InboxFixture;
  let proxies: LyingProxy[];
  let snapshot: string;
  let watchers: ChainInbox[];

  before(async function () {
    const started = await startAnvil();
    if (started === undefined) return this.skip();
    anvil = started;
    vault = await deployInboxFixture(anvil);
    proxies = await Promise.all([startProxy(anvil.url), startProxy(anvil.url), startProxy(anvil.url)]);
  });

  after(async () => {
    await Promise.all((proxies ?? []).map((proxy) => proxy.stop()));
    await anvil?.stop();
  });

  beforeEach(async () => {
    watchers = [];
    for (const proxy of proxies) proxy.behave(honestly);
    snapshot = await anvil.rpc<string>("evm_snapshot");
  });

  afterEach(async () => {
    await Promise.all(watchers.map((watcher) => watcher.stop()));
    await anvil.rpc("evm_revert", [snapshot]);
  });

  function watch(into: Recorded, overrides: Partial<InboxWatcherOptions> = {}): ChainInbox {
    const watcher = createInboxWatcher({
      chainId: anvil.chainId,
      vault: vault.address,
      rpcs: proxies.map((proxy) => proxy.url),
      finality: { kind: "depth", blocks: 0 },
      fromIndex: 0n,
      fromBlock: 0n,
      pollingIntervalMs: 20,
      logger: recordingLogger(),
      onEvent: (event) => into.events.push(event),
      tuning: { backoffBaseMs: 5, backoffMaxMs: 40, timeoutMs: 30_000 },
      ...overrides,
    });
    watchers.push(watcher);
    follow(watcher, into);
    return watcher;
  }

  const indexes = (seen: Recorded) => seen.entries.map((entry) => Number(entry.index));
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

  it("emits deposits and forced requests as they are on chain, in order, each once", async () => {
    const seen = recorded();
    watch(seen);
    await vault.deposit(5n);
    await vault.requestForced("0xc0ffee");
    await until(() => seen.entries.length === 2, "two entries came");
    await vault.depositMany(100n, 3);
    await until(() => seen.entries.length === 5, "five entries came");
    expect(indexes(seen)).to.deep.equal(upTo(5));
    const sender = (await anvil.rpc<string[]>("eth_accounts"))[0];
    expect(seen.entries[0]).to.deep.equal({
      ...{ kind: "deposit", index: 0n, token: TOKEN, amount: 5n, account: ACCOUNT, refundTo: sender, total: 5n },
    });
    expect(seen.entries[1]).to.deep.equal({ kind: "forced", index: 1n, instruction: "0xc0ffee" });
    expect(seen.entries[4]).to.include({ amount: 102n, total: 5n + 100n + 101n + 102n });
  });

  it("emits nothing before the rule calls it final", async () => {
    const seen = recorded();
    const watcher = watch(seen, { finality: { kind: "depth", blocks: 3 } });
    await vault.deposit(5n);
    await anvil.mine(2);
    await until(() => watcher.status().finalBlock !== undefined, "it reads");
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(seen.entries).to.have.length(0);
    await anvil.mine(1);
    await until(() => seen.entries.length === 1, "the deposit is three blocks deep");
  });

  for (const kind of ["finalized", "safe"] as const) {
    it(`follows the ${kind} tag`, async () => {
      // Tags are in steps of slots; nothing about them is fast on a slow machine.
      const seen = recorded();
      watch(seen, { finality: { kind } });
      await vault.deposit(5n);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(seen.entries).to.have.length(0);
      await anvil.mine(70); // two epochs of 32 slots, anvil's distance of the tag
      await until(() => seen.entries.length === 1, `the block is ${kind}`);
    });
  }

  it("never shows a deposit that a reorg took back before finality, and shows what replaced it", async () => {
    const seen = recorded();
    watch(seen, { finality: { kind: "depth", blocks: 3 } });
    await vault.deposit(5n);
    await anvil.rpc("anvil_reorg", [1, []]);
    await vault.deposit(7n);
    await anvil.mine(4);
    await until(() => seen.entries.length >= 1, "the new history is final");
    expect(seen.entries).to.have.length(1);
    expect(seen.entries[0]).to.include({ index: 0n, amount: 7n, total: 7n });
  });

  it("halts on a reorg beyond the finality rule instead of swallowing another deposit", async () => {
    const seen = recorded();
    const watcher = watch(seen, { finality: { kind: "depth", blocks: 0 } });
    await vault.deposit(5n);
    await until(() => seen.entries.length === 1, "the deposit came");
    // Another chain where entry 0 is another deposit.
    await anvil.rpc("anvil_reorg", [1, []]);
    await vault.deposit(7n);
    await anvil.mine(3);
    await until(() => watcher.status().state === "halted", "it halts");
    await vault.deposit(8n);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen.entries).to.have.length(1);
    expect(seen.events.filter((event) => event.kind === "reorgBeyondFinality")).to.have.length(1);
  });

  it("goes on where it halted once endpoints agree again that our entries are in final history", async () => {
    const seen = recorded();
    const watcher = watch(seen);
    await vault.deposit(5n);
    await until(() => seen.entries.length === 1, "the deposit came");
    // Every endpoint shows another inbox: for the watcher, a chain that rewrote its final history.
    for (const proxy of proxies) {
      proxy.behave(async (call, honest) => {
        const answer = await honest();
        const isHash = "result" in answer && typeof answer.result === "string" && answer.result.length === 66;
        return call.method === "eth_call" && isHash && !answer.result.startsWith("0x00000000")
          ? { result: `0x${"ab".repeat(32)}` }
          : answer;
      });
    }
    await vault.deposit(6n);
    await until(() => watcher.status().state === "halted", "it halts");
    expect(seen.entries).to.have.length(1);
    for (const proxy of proxies) proxy.behave(honestly);
    await until(() => seen.entries.length === 2, "it goes on");
    expect(seen.entries[1]).to.include({ index: 1n, amount: 6n, total: 11n });
  });

  it("resumes from a cursor without a gap or a double, in bounded pages and bounded callbacks", async () => {
    await vault.depositMany(1n, 5);
    await anvil.mine(30);
    await vault.depositMany(10n, 6);
    const first = recorded();
    const watcher = watch(first, { maxBlockRange: 4n, maxEntries: 4n });
    await until(() => first.entries.length === 11, "all came");
    expect(indexes(first)).to.deep.equal(upTo(11));
    expect(first.cursors.map((cursor) => cursor.index)).to.deep.equal([4n, 8n, 11n]);
    await watcher.stop();
    for (const cursor of first.cursors.slice(0, 2)) {
      const second = recorded();
      watch(second, { fromIndex: cursor.index, fromHash: cursor.hash, fromBlock: cursor.block });
      await until(() => second.entries.length === 11 - Number(cursor.index), "the rest came");
      expect(second.entries).to.deep.equal(first.entries.slice(Number(cursor.index)));
    }
    const withoutHash = recorded();
    watch(withoutHash, { fromIndex: 9n, fromBlock: 0n });
    await until(() => withoutHash.entries.length === 2, "the rest came");
    expect(indexes(withoutHash)).to.deep.equal([9, 10]);
  });

  it("offers entries again when the callback throws", async () => {
    const calls: number[] = [];
    const watcher = createInboxWatcher({
      ...{ chainId: anvil.chainId, vault: vault.address, rpcs: [anvil.url], finality: { kind: "depth", blocks: 0 } },
      ...{ fromIndex: 0n, fromBlock: 0n, pollingIntervalMs: 20, logger: recordingLogger() },
    });
    watchers.push(watcher);
    await vault.deposit(1n);
    watcher.start((entries) => {
      calls.push(Number(entries[0]?.index));
      if (calls.length < 3) throw new Error("disk full");
    });
    await until(() => calls.length === 3, "the third offer");
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(calls).to.deep.equal([0, 0, 0]);
  });

  describe("with endpoints that misbehave", () => {
    const onLogs =
      (change: (logs: LogJson[]) => unknown): Behaviour =>
      async (call, honest) => {
        const answer = await honest();
        if (call.method !== "eth_getLogs" || !("result" in answer)) return answer;
        // CAST: anvil's own answer to eth_getLogs
        return { result: change(answer.result as LogJson[]) };
      };

    const attacks: Record<string, (logs: LogJson[]) => unknown> = {
      "drops the last log of a page": (logs) => logs.slice(0, -1),
      // The fixture emits an unrelated event before each deposit: log 1 is the first entry.
      "drops the first entry of a page": (logs) => logs.slice(2),
      "drops an entry inside": (logs) => logs.filter((_, i) => i !== 3),
      "drops every log": () => [],
      "repeats each log": (logs) => logs.flatMap((log) => [log, log]),
      "repeats the start of the page": (logs) => [...logs.slice(0, 4), ...logs],
      "reverses the page": (logs) => [...logs].reverse(),
      "shows a look-alike event of another contract": (logs) => logs.map((log) => ({ ...log, address: TOKEN })),
      "inflates an amount": (logs) =>
        logs.map((log) => (log.data.length > 2 ? { ...log, data: `0xff${log.data.slice(4)}` } : log)),
      "credits another account": (logs) =>
        logs.map((log) => ({
          ...log,
          topics: log.topics.map((topic, i) => (i === 3 ? `0x${"bb".repeat(32)}` : topic)),
        })),
      "marks logs as removed": (logs) => logs.map((log) => ({ ...log, removed: true })),
      "answers no list": () => ({}),
      "answers null": () => null,
      "answers garbage inside": (logs) => [...logs, 7, null, { address: "0x" }],
    };

    for (const [name, change] of Object.entries(attacks)) {
      it(`reads around an endpoint that ${name}`, async () => {
        const seen = recorded();
        await vault.depositMany(1n, 4);
        for (const proxy of proxies.slice(0, 2)) proxy.behave(onLogs(change));
        // The honest one has no logs to give before a liar was asked, whichever of them the pool prefers.
        const isCaught = (): boolean => seen.events.some((event) => event.kind === "logsRefused");
        proxies[2]!.behave((call, honest) =>
          call.method === "eth_getLogs" && !isCaught() ? { error: { code: -32000, message: "try later" } } : honest(),
        );
        watch(seen);
        await until(() => seen.entries.length === 4, "the honest endpoint was found");
        expect(seen.entries.map((entry) => (entry.kind === "deposit" ? entry.amount : 0n))).to.deep.equal([
          1n,
          2n,
          3n,
          4n,
        ]);
        expect(isCaught()).to.equal(true);
      });

      it(`emits nothing while every endpoint ${name}`, async () => {
        const seen = recorded();
        await vault.depositMany(1n, 4);
        for (const proxy of proxies) proxy.behave(onLogs(change));
        const watcher = watch(seen);
        await until(() => watcher.status().state === "abstaining", "it abstains");
        await new Promise((resolve) => setTimeout(resolve, 60));
        expect(seen.entries).to.have.length(0);
        for (const proxy of proxies) proxy.behave(honestly);
        await until(() => seen.entries.length === 4, "they are honest again");
      });
    }

    it("takes each entry once from an endpoint that gives every page twice", async () => {
      const seen = recorded();
      await vault.depositMany(1n, 2);
      await anvil.mine(5);
      await vault.depositMany(5n, 2);
      for (const proxy of proxies) proxy.behave(onLogs((logs) => [...logs, ...logs]));
      watch(seen);
      await until(() => seen.entries.length >= 4 || seen.events.some(({ kind }) => kind === "logsRefused"), "it read");
      for (const proxy of proxies) proxy.behave(honestly);
      await until(() => seen.entries.length >= 4, "all came");
      expect(indexes(seen)).to.deep.equal(upTo(4));
    });

    it("abstains when all honest endpoints are down and only the liar answers", async () => {
      const seen = recorded();
      await vault.depositMany(1n, 2);
      proxies[0]!.behave(() => ({ status: 503 }));
      proxies[1]!.behave(() => ({ hang: true }));
      const tuning = { backoffBaseMs: 5, backoffMaxMs: 40, timeoutMs: 500 };
      const watcher = watch(seen, { tuning });
      await until(() => watcher.status().state === "abstaining", "it abstains");
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect(seen.entries).to.have.length(0);
      expect(seen.events.some((event) => event.kind === "abstained" && event.code === "rpcUnavailable")).to.equal(true);
      proxies[1]!.behave(honestly);
      await until(() => seen.entries.length === 2, "a second endpoint is back");
    });

    it("abstains while two endpoints contradict each other on the inbox, whatever the liar claims to be final", async () => {
      const seen = recorded();
      await vault.depositMany(1n, 2);
      proxies[0]!.behave(async (call, honest) =>
        call.method === "eth_call" ? { result: `0x${"00".repeat(31)}01` } : honest(),
      );
      const rpcs = proxies.slice(0, 2).map((proxy) => proxy.url);
      const watcher = watch(seen, { rpcs });
      await until(() => watcher.status().state === "abstaining", "it abstains");
      expect(seen.events.some((event) => event.kind === "abstained" && event.code === "disagreement")).to.equal(true);
      expect(seen.entries).to.have.length(0);
    });

    it("follows two agreeing endpoints past a third that claims a block far ahead", async () => {
      const seen = recorded();
      await vault.depositMany(1n, 2);
      proxies[0]!.behave(async (call, honest) => {
        if (call.method === "eth_blockNumber") return { result: "0xffffffff" };
        if (call.method === "eth_getBlockByNumber") {
          return { result: { number: call.params[0], hash: `0x${"ee".repeat(32)}` } };
        }
        return honest();
      });
      watch(seen);
      await until(() => seen.entries.length === 2, "both came");
      expect(indexes(seen)).to.deep.equal([0, 1]);
    });

    it("ignores an endpoint of another chain", async () => {
      const seen = recorded();
      await vault.deposit(1n);
      proxies[0]!.behave(async (call, honest) => (call.method === "eth_chainId" ? { result: "0x1" } : honest()));
      watch(seen);
      await until(() => seen.entries.length === 1, "the others suffice");
      expect(proxies[0]!.calls.length).to.be.greaterThan(0);
    });

    it("survives endpoints that are down at the start", async () => {
      const seen = recorded();
      await vault.deposit(1n);
      for (const proxy of proxies) proxy.behave(() => ({ status: 500 }));
      watch(seen);
      await until(() => seen.events.some((event) => event.kind === "abstained"), "it says so");
      for (const proxy of proxies) proxy.behave(honestly);
      await until(() => seen.entries.length === 1, "they are up");
    });

    it("asks for smaller ranges while an endpoint refuses wide ones", async () => {
      const seen = recorded();
      await vault.depositMany(1n, 2);
      await anvil.mine(60);
      await vault.depositMany(1n, 2);
      for (const proxy of proxies) {
        proxy.behave(async (call, honest) => {
          if (call.method !== "eth_getLogs") return honest();
          // CAST: the watcher's own filter
          const filter = call.params[0] as { fromBlock: string; toBlock: string };
          const blocks = Number(BigInt(filter.toBlock) - BigInt(filter.fromBlock)) + 1;
          return blocks > 10 ? { error: { code: -32000, message: "range too wide" } } : honest();
        });
      }
      watch(seen);
      await until(() => seen.entries.length === 4, "all came");
      expect(indexes(seen)).to.deep.equal(upTo(4));
    });
  });

  it("refuses settings that cannot work, by code", () => {
    const bad: Partial<InboxWatcherOptions>[] = [
      { rpcs: [] },
      { rpcs: ["ftp://example.org"] },
      { rpcs: [anvil.url, anvil.url] },
      { requiredAgreement: 4 },
      { requiredAgreement: 0 },
      { finality: { kind: "depth", blocks: -1 } },
      { finality: { kind: "depth", blocks: 1.5 } },
    ];
    for (const overrides of bad) {
      expect(() => watch(recorded(), overrides))
        .to.throw(ChainError)
        .with.property("code", "badConfig");
    }
  });
});
