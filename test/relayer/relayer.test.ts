import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { encodeAbiParameters, encodeFunctionData } from "viem";
import { settlementHubAbi } from "../../src/abi/settlement-hub.ts";
import type { JournalPort } from "../../src/chain/port.ts";
import { createSigner } from "../../src/chain/signer.ts";
import type { Address, Hex } from "../../src/lib/hex.ts";
import { type RelayerConfig, relayerConfigSchema } from "../../src/relayer/config.ts";
import { type Journal, openJournal } from "../../src/relayer/journal.ts";
import { createRelayer, type Relayer, type RelayerDependencies } from "../../src/relayer/relayer.ts";
import type { RelayerEvent } from "../../src/relayer/types.ts";
import { type Anvil, startAnvil } from "../chain/support/anvil.ts";
import { type LyingProxy, startProxy } from "../chain/support/proxy.ts";
import { recordingLogger, until } from "../chain/support/recorder.ts";
import { seed } from "../seed.ts";
import { engines, type MemberApi, serveMember, TestCommittee } from "./support/committee.ts";
import { type Deployment, deployHub } from "./support/deploy.ts";

const KEYS: readonly Hex[] = [
  // Anvil's first two development accounts.
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
];
const ALICE: Address = `0x${"a1".repeat(20)}`;
const ACCOUNT: Hex = `0x${"aa".repeat(20)}${"00".repeat(12)}`;

describe("relayer", function () {
  this.timeout(600_000);
  let chains: Anvil[];
  let proxies: LyingProxy[];
  let committee: TestCommittee;
  let members: MemberApi[];
  let deployments: Deployment[];
  let directories: string[];
  let running: Relayer[];

  before(async function () {
    const started = await Promise.all([startAnvil({ chainId: 31_001 }), startAnvil({ chainId: 31_002 })]);
    chains = started.filter((anvil) => anvil !== undefined);
    if (chains.length < 2) return this.skip();
    proxies = await Promise.all(chains.map((chain) => startProxy(chain.url)));
  });
  after(async () => {
    await Promise.all((proxies ?? []).map((proxy) => proxy.stop()));
    await Promise.all((chains ?? []).map((chain) => chain.stop()));
  });

  beforeEach(async () => {
    directories = [];
    running = [];
    members = [];
    for (const proxy of proxies) proxy.behave((_call, honest) => honest());
    for (const chain of chains) {
      await chain.rpc("anvil_reset");
      await chain.rpc("evm_setAutomine", [true]);
    }
    committee = new TestCommittee();
    members = await Promise.all([serveMember(committee), serveMember(committee)]);
    // A chain with EIP-2537 and one that verifies the other suite.
    deployments = [
      await deployHub(chains[0]!, committee, "bls12-381"),
      await deployHub(chains[1]!, committee, "bn254"),
    ];
    for (const deployment of deployments) await deployment.deposit(1_000_000n, ACCOUNT);
  });
  afterEach(async () => {
    await Promise.all(running.map((relayer) => relayer.stop()));
    await Promise.all(members.map((member) => member.stop()));
    for (const directory of directories) rmSync(directory, { recursive: true });
  });

  function configFor(overrides: Record<string, unknown> = {}, chain: Record<string, unknown> = {}): RelayerConfig {
    const dataDir = mkdtempSync(join(tmpdir(), "clockless-relayer-"));
    directories.push(dataDir);
    return relayerConfigSchema.parse({
      apis: members.map(({ url }) => url),
      dataDir,
      pollingIntervalMs: 50,
      chains: deployments.map((deployment, i) => ({
        chainId: deployment.chainId.toString(),
        rpcUrls: [proxies[i]!.url],
        hub: deployment.hub,
        suite: i === 0 ? "bls12-381" : "bn254",
        finality: { kind: "depth", blocks: 2 },
        maxFeePerGasWei: "1000000000000",
        privateKeyEnvironment: "KEY_0",
        replaceAfterMs: 1_000,
        ...chain,
      })),
      ...overrides,
    });
  }

  async function relay(config: RelayerConfig, deps: Partial<RelayerDependencies> = {}) {
    const events: RelayerEvent[] = [];
    const relayer = await createRelayer(config, {
      logger: recordingLogger(),
      environment: { KEY_0: KEYS[0], KEY_1: KEYS[1] },
      engines,
      onEvent: (event) => events.push(event),
      rpcTuning: { backoffBaseMs: 5, backoffMaxMs: 20, timeoutMs: 60_000 },
      ...deps,
    });
    running.push(relayer);
    return { relayer, events };
  }

  const payout = (chain: number, amount: bigint, recipient = ALICE) =>
    ({ kind: "payout", chainId: chains[chain]!.chainId, recipient, amount }) as const;
  const nonceOf = async (chain: number, key = 0) =>
    Number(await chains[chain]!.rpc("eth_getTransactionCount", [createSigner(KEYS[key]!).address, "latest"]));
  const summary = (events: readonly RelayerEvent[]) =>
    events
      .flatMap((event) => {
        if (event.kind === "accepted") return [`${event.chainId} accepted ${event.sequence}`];
        if (event.kind === "delivered") return [`${event.chainId} delivered ${event.indices.join(",")}`];
        return event.kind === "final" || event.kind === "balance" ? [] : [`${event.kind}`];
      })
      .sort();

  async function turns(relayer: Relayer, count: number) {
    for (let i = 0; i < count; i++) {
      await relayer.runOnce();
      for (const chain of chains) await chain.mined();
    }
  }

  it("carries the newest certificate to every chain, skips older ones, and delivers each entry once", async () => {
    const { relayer, events } = await relay(configFor());
    committee.settle([payout(0, 5n), payout(1, 7n)]);
    committee.settle([payout(1, 8n)]);
    committee.settle([]);
    await turns(relayer, 4);
    expect(summary(events)).to.deep.equal([
      "31001 accepted 3",
      "31001 delivered 0",
      "31002 accepted 3",
      "31002 delivered 0,1",
    ]);
    expect(await deployments[0]!.balanceOf(ALICE)).to.equal(5n);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(15n);
    const before = [await nonceOf(0), await nonceOf(1)];
    await turns(relayer, 3);
    expect([await nonceOf(0), await nonceOf(1)]).to.deep.equal(before);
    for (const chain of chains) await chain.mine(3);
    await relayer.runOnce();
    expect(events.filter((event) => event.kind === "final")).to.have.length(4);
    expect(
      relayer.status().chains.every((chain) => chain.inFlight.length === 0 && chain.pendingEntries === 0),
    ).to.equal(true);
  });

  it("shows in a dry run what it would send and what that costs, and sends nothing", async () => {
    committee.settle([payout(0, 5n)]);
    const { relayer } = await relay(configFor(), { journal: "memory" });
    const plan = await relayer.runOnce({ dryRun: true });
    expect(plan.problems).to.deep.equal([]);
    expect(plan.actions.map(({ kind, chainId }) => `${kind} ${chainId}`).sort()).to.deep.equal([
      "accept 31001",
      "accept 31002",
    ]);
    for (const action of plan.actions) {
      expect(action.cost.expectedWei > 0n && action.cost.maxWei >= action.cost.expectedWei).to.equal(true);
      expect(action.transaction).to.equal(undefined);
    }
    expect(await nonceOf(0)).to.equal(0);
    expect(relayer.queue(10)).to.deep.equal([]);
  });

  it("delivers the rest when one entry cannot be delivered, and keeps trying that one", async () => {
    // The second entry promises more gas than this relayer's transactions may use.
    const data = encodeAbiParameters([{ type: "bytes32" }, { type: "int256" }], [`0x${"11".repeat(32)}`, 42n]);
    const call = { kind: "call", chainId: chains[1]!.chainId, receiver: deployments[1]!.receiver, data } as const;
    committee.settle([
      payout(1, 1n),
      { ...call, gasLimit: 4_000_000n },
      payout(1, 2n),
      { ...call, gasLimit: 100_000n },
      payout(1, 3n),
    ]);
    const { relayer, events } = await relay(configFor({}, { maxGas: 2_000_000 }));
    await turns(relayer, 8);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(6n);
    const delivered = events.flatMap((event) => (event.kind === "delivered" ? event.indices : []));
    expect([...delivered].sort()).to.deep.equal([0n, 2n, 3n, 4n]);
    const problems = events.filter((event) => event.kind === "error").map((event) => event.problem);
    expect(problems[0]).to.include({ code: "callReverted", index: 1n });
    const plan = await relayer.runOnce();
    expect(plan.waiting).to.deep.include({ chainId: chains[1]!.chainId, what: "deliver", reason: "retry" });
  });

  it("is not fooled by a member that lies, and needs only one that does not", async () => {
    const { relayer, events } = await relay(configFor());
    committee.settle([payout(1, 5n)]);
    const forged = JSON.stringify(committee.answer(new URL("http://m/v1/certificates/latest?suite=bn254")));
    members[0]!.behave((url, truth) => {
      if (url.pathname.endsWith("/latest")) {
        const certificate = JSON.parse(forged) as { header: { sequence: string }; suite: string };
        certificate.header.sequence = "999";
        certificate.suite = url.searchParams.get("suite") ?? "bn254";
        return certificate;
      }
      if (url.pathname.includes("/outbox/")) {
        // Pay somebody else.
        return JSON.parse(JSON.stringify(truth).replaceAll(ALICE, `0x${"ee".repeat(20)}`));
      }
      if (url.pathname.includes("/destinations/"))
        return JSON.parse(JSON.stringify(truth).replace(/"outboxSize":"\d+"/, '"outboxSize":"7"'));
      return truth;
    });
    await turns(relayer, 4);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(5n);
    expect(summary(events)).to.include("31002 delivered 0");
    expect(relayer.status().healthyApis).to.equal(1);
  });

  it("serves one chain while another is down, and survives all members being down", async () => {
    const { relayer, events } = await relay(configFor());
    proxies[0]!.behave(() => ({ status: 500 }));
    committee.settle([payout(0, 5n), payout(1, 7n)]);
    await turns(relayer, 4);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(7n);
    expect(events.some((event) => event.kind === "error" && event.problem.code === "rpcUnavailable")).to.equal(true);
    for (const member of members) member.behave(() => ({ nonsense: true }));
    proxies[0]!.behave((_call, honest) => honest());
    await new Promise((resolve) => setTimeout(resolve, 50));
    const plan = await relayer.runOnce();
    expect(plan.problems.map(({ code }) => code)).to.include("noSource");
    for (const member of members) member.behave((_url, truth) => truth);
    await turns(relayer, 4);
    expect(await deployments[0]!.balanceOf(ALICE)).to.equal(5n);
  });

  it("waits by rank, and acts when those before it do not", async () => {
    let clock = Date.now();
    const config = configFor({ rank: 2, backupDelayMs: 10_000 });
    const { relayer, events } = await relay(config, { now: () => clock });
    committee.settle([payout(0, 5n)]);
    const plan = await relayer.runOnce();
    expect(plan.waiting.map(({ reason }) => reason)).to.deep.equal(["backup", "backup"]);
    clock += 19_999;
    await relayer.runOnce();
    expect(events).to.deep.equal([]);
    clock += 1;
    await turns(relayer, 2);
    expect(summary(events)).to.include("31001 accepted 1");
    expect(await deployments[0]!.balanceOf(ALICE)).to.equal(0n);
    clock += 20_000;
    await turns(relayer, 2);
    expect(await deployments[0]!.balanceOf(ALICE)).to.equal(5n);
  });

  it("does not carry heads for nothing when told to be thrifty", async () => {
    const config = configFor({}, { idleAcceptIntervalMs: 3_600_000 });
    const { relayer, events } = await relay(config);
    committee.settle([payout(0, 5n)]);
    const plan = await relayer.runOnce();
    expect(plan.waiting).to.deep.include({ chainId: chains[1]!.chainId, what: "accept", reason: "idle" });
    await turns(relayer, 2);
    expect(summary(events)).to.deep.equal(["31001 accepted 1", "31001 delivered 0"]);
  });

  it("carries every head at once although the chain's clock runs an hour ahead of ours", async () => {
    const { relayer, events } = await relay(configFor());
    await chains[1]!.rpc("evm_increaseTime", [3_600]);
    committee.settle([payout(1, 5n)]);
    await turns(relayer, 3);
    committee.settle([]);
    await turns(relayer, 2);
    expect(summary(events)).to.include("31002 accepted 2");
  });

  it("goes on delivering while accept is paused, and accepts when the pause ends", async () => {
    const { relayer, events } = await relay(configFor());
    const { hub, admin } = deployments[1]!;
    const asAdmin = async (data: Hex) => {
      await chains[1]!.rpc("eth_sendTransaction", [{ from: admin, to: hub, data, gas: "0xf4240" }]);
      await chains[1]!.mine(1);
    };
    committee.settle([payout(1, 5n)]);
    await relayer.runOnce();
    await asAdmin(encodeFunctionData({ abi: settlementHubAbi, functionName: "pauseAccept", args: [3_600] }));
    committee.settle([payout(1, 6n)]);
    await turns(relayer, 3);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(5n);
    const plan = await relayer.runOnce();
    expect(plan.waiting).to.deep.equal([{ chainId: chains[1]!.chainId, what: "accept", reason: "paused" }]);
    await asAdmin(encodeFunctionData({ abi: settlementHubAbi, functionName: "resumeAccept" }));
    await turns(relayer, 3);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(11n);
    expect(events.some(({ kind }) => kind === "reverted")).to.equal(false);
  });

  it("refuses a hub of another committee", async () => {
    const other = new TestCommittee();
    other.groupKey = () => `0x${"00".repeat(128)}`;
    const liar = await serveMember(other);
    members.push(liar);
    const { relayer } = await relay(configFor({ apis: [liar.url] }));
    const plan = await relayer.runOnce();
    expect(plan.problems.map(({ code }) => code)).to.deep.equal(["foreignHub", "foreignHub"]);
    expect(await nonceOf(0)).to.equal(0);
  });

  it("two relayers race: everything is delivered once, and the loser pays little", async () => {
    const first = await relay(configFor());
    const second = await relay(configFor({}, { privateKeyEnvironment: "KEY_1" }));
    committee.settle([payout(1, 5n), payout(1, 6n)]);
    // Both see the same state before either transaction is mined.
    await chains[1]!.rpc("evm_setAutomine", [false]);
    await Promise.all([first.relayer.runOnce(), second.relayer.runOnce()]);
    await chains[1]!.mine(1);
    await Promise.all([first.relayer.runOnce(), second.relayer.runOnce()]);
    await chains[1]!.mine(1);
    await Promise.all([first.relayer.runOnce(), second.relayer.runOnce()]);
    await chains[1]!.mine(3);
    await Promise.all([first.relayer.runOnce(), second.relayer.runOnce()]);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(11n);
    const events = [...first.events, ...second.events].filter(
      (event) => "chainId" in event && event.chainId === chains[1]!.chainId,
    );
    expect(events.filter(({ kind }) => kind === "accepted")).to.have.length(1);
    expect(events.filter(({ kind }) => kind === "delivered")).to.have.length(1);
    const lost = events.filter((event) => event.kind === "raceLost");
    expect(lost).to.have.length(2);
    for (const event of lost) expect(Number(event.gasUsed)).to.be.lessThan(60_000);
  });

  it("is killed at every write of its journal and still delivers once", async () => {
    const config = configFor({ chains: configFor().chains.slice(1).map(unparsed) });
    committee.settle([payout(1, 5n), payout(1, 6n)]);
    let deaths = 0;
    for (let attempt = 0; attempt < 40; attempt++) {
      const journal = openJournal(config.dataDir);
      const { relayer } = await relay(config, { journal: dyingAt(journal, 1 + (attempt % 3)) });
      const died = await relayer
        .runOnce()
        .then(() => relayer.runOnce())
        .then(
          () => false,
          () => true,
        );
      if (died) deaths++;
      journal.close();
      await chains[1]!.mine(1);
      if (!died && (await deployments[1]!.balanceOf(ALICE)) === 11n) break;
    }
    expect(deaths).to.be.greaterThan(3);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(11n);
    expect(await nonceOf(1)).to.equal(2);
  });

  it("is killed with SIGKILL at random moments, again and again, and neither loses nor repeats a transaction", async () => {
    console.log(`    seed ${seed}`);
    const random = randomFrom(seed);
    // Without the chain that is not looked at here.
    const config = configFor({ chains: configFor().chains.slice(1).map(unparsed) });
    const file = join(config.dataDir, "config.json");
    writeFileSync(file, JSON.stringify({ ...config, chains: config.chains.map(unparsed) }));
    const rounds = 4;
    for (let round = 0; round < rounds; round++) {
      committee.settle([payout(1, 10n)]);
      const child = startChild(file);
      await child.ready;
      await new Promise((resolve) => setTimeout(resolve, random() * 400));
      await child.kill();
    }
    const child = startChild(file);
    await child.ready;
    const total = 10n * BigInt(rounds);
    while ((await deployments[1]!.balanceOf(ALICE)) < total) await new Promise((resolve) => setTimeout(resolve, 100));
    await child.kill();
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(total);
    // One more life, that reads the receipts of what the last one sent.
    await chains[1]!.mine(3);
    const { relayer } = await relay(config);
    await turns(relayer, 2);
    await relayer.stop();
    // Every nonce the account ever used is in the journal, each once, and each did something.
    const journal = openJournal(config.dataDir);
    const records = journal.list(1_000).filter(({ state }) => state !== "released");
    journal.close();
    expect(records.map(({ nonce }) => nonce).sort((a, b) => a - b)).to.deep.equal(
      Array.from({ length: await nonceOf(1) }, (_, i) => i),
    );
    for (const record of records) expect(record.receipt?.logCount, record.purpose).to.be.greaterThan(0);
  });

  it("runs by itself until stopped", async () => {
    const { relayer, events } = await relay(configFor());
    relayer.start();
    committee.settle([payout(0, 5n)]);
    await until(() => summary(events).includes("31001 delivered 0"), "it is delivered");
    committee.settle([payout(0, 6n)]);
    await until(() => summary(events).includes("31001 delivered 1"), "the next one, too");
    await relayer.stop();
    expect(relayer.status).to.be.a("function");
  });

  it("delivers again after a reorg took acceptance and delivery back", async () => {
    const { relayer } = await relay(configFor());
    committee.settle([payout(1, 5n)]);
    await turns(relayer, 3);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(5n);
    await chains[1]!.rpc("anvil_reorg", [2, []]);
    await chains[1]!.rpc("anvil_dropAllTransactions");
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(0n);
    await turns(relayer, 4);
    await chains[1]!.mine(1);
    await turns(relayer, 2);
    expect(await deployments[1]!.balanceOf(ALICE)).to.equal(5n);
  });

  it("refuses settings that cannot work", () => {
    const valid = configFor();
    const broken = [
      { ...valid, apis: [] },
      { ...valid, unknown: 1 },
      { ...valid, chains: [{ ...unparsed(valid.chains[0]!), privateKeyFile: "/k" }] },
      { ...valid, chains: [{ ...unparsed(valid.chains[0]!), maxGas: 20_000_000 }] },
    ];
    for (const config of broken) expect(relayerConfigSchema.safeParse(config).success).to.equal(false);
  });

  /** The same settings with the integers as the schema reads them. */
  function unparsed(chain: RelayerConfig["chains"][number]): Record<string, unknown> {
    return JSON.parse(
      JSON.stringify(chain, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value)),
    );
  }

  function startChild(file: string) {
    const script = fileURLToPath(new URL("./support/child.ts", import.meta.url));
    const child = spawn(process.execPath, [script, file, KEYS[0]!], { stdio: ["ignore", "pipe", "inherit"] });
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => void (chunk.includes("ready") && resolve()));
      child.once("exit", (code) => reject(new Error(`the relayer process ended by itself: ${code}`)));
    });
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    return {
      ready,
      async kill() {
        child.kill("SIGKILL");
        await gone;
      },
    };
  }

  /** A journal that dies, as the process would, right before its n-th write. */
  function dyingAt(journal: Journal, write: number): JournalPort {
    let count = 0;
    const tick = () => {
      if (++count >= write) throw new Error("killed");
    };
    return {
      reserve(record) {
        tick();
        return journal.reserve(record);
      },
      update(record) {
        tick();
        journal.update(record);
      },
      open: (chainId, sender) => journal.open(chainId, sender),
    };
  }
});

/** Mulberry32: small, seeded, good enough to choose moments. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
