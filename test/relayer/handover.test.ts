import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { z } from "zod";
import { handoversAnswer } from "../../src/api/reconfiguration.ts";
import { createSigner } from "../../src/chain/signer.ts";
import { describeRelayStatus, relayStatus } from "../../src/cli/relay-status.ts";
import type { SignedHandover } from "../../src/ledger/reconfiguration/types.ts";
import type { Address, Hex } from "../../src/lib/hex.ts";
import { type RelayerConfig, relayerConfigSchema } from "../../src/relayer/config.ts";
import { type Journal, openJournal } from "../../src/relayer/journal.ts";
import { createRelayer, type Relayer, type RelayerDependencies } from "../../src/relayer/relayer.ts";
import type { Plan, RelayerEvent } from "../../src/relayer/types.ts";
import { createPrometheusMetrics } from "../../src/telemetry/prometheus.ts";
import { SUITES } from "../../src/threshold/types.ts";
import { type Anvil, startAnvil } from "../chain/support/anvil.ts";
import { recordingLogger } from "../chain/support/recorder.ts";
import { seed } from "../seed.ts";
import { engines, handoverOf, type MemberApi, serveMember, TestCommittee } from "./support/committee.ts";
import { type Deployment, deployHub } from "./support/deploy.ts";

const KEYS: readonly Hex[] = [
  // Anvil's first two development accounts.
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
];
const ALICE: Address = `0x${"a1".repeat(20)}`;
const ACCOUNT: Hex = `0x${"aa".repeat(20)}${"00".repeat(12)}`;

for (const suite of SUITES) {
  describe(`relayer, handovers in ${suite}`, function () {
    this.timeout(600_000);
    let chain: Anvil;
    let committee: TestCommittee;
    let members: MemberApi[];
    let deployment: Deployment;
    let directories: string[];
    let running: Relayer[];

    before(async function () {
      const started = await startAnvil({ chainId: suite === "bn254" ? 31_004 : 31_003 });
      if (started === undefined) return this.skip();
      chain = started;
    });
    after(() => chain?.stop());

    beforeEach(async () => {
      directories = [];
      running = [];
      await chain.rpc("anvil_reset");
      await chain.rpc("evm_setAutomine", [true]);
      committee = new TestCommittee();
      members = await Promise.all([serveMember(committee), serveMember(committee)]);
      deployment = await deployHub(chain, committee, suite);
      await deployment.deposit(1_000_000n, ACCOUNT);
    });
    afterEach(async () => {
      await Promise.all(running.map((relayer) => relayer.stop()));
      await Promise.all(members.map((member) => member.stop()));
      for (const directory of directories) rmSync(directory, { recursive: true });
    });

    function configFor(overrides: Record<string, unknown> = {}, onChain: Record<string, unknown> = {}) {
      const dataDir = mkdtempSync(join(tmpdir(), "clockless-relayer-"));
      directories.push(dataDir);
      return relayerConfigSchema.parse({
        apis: members.map(({ url }) => url),
        dataDir,
        pollingIntervalMs: 50,
        chains: [
          {
            chainId: deployment.chainId.toString(),
            rpcUrls: [chain.url],
            hub: deployment.hub,
            suite,
            finality: { kind: "depth", blocks: 2 },
            maxFeePerGasWei: "1000000000000",
            privateKeyEnvironment: "KEY_0",
            replaceAfterMs: 1_000,
            ...onChain,
          },
        ],
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

    const payout = (amount: bigint) => ({ kind: "payout", chainId: chain.chainId, recipient: ALICE, amount }) as const;
    const nonceOf = async (key = 0) =>
      Number(await chain.rpc("eth_getTransactionCount", [createSigner(KEYS[key]!).address, "latest"]));
    const summary = (events: readonly RelayerEvent[]) =>
      events.flatMap((event) => {
        if (event.kind === "handedOver") return [`handover ${event.number}`];
        if (event.kind === "accepted") return [`accepted ${event.sequence}`];
        if (event.kind === "delivered") return [`delivered ${event.indices.join(",")}`];
        if (event.kind === "error") return [event.problem.code];
        return event.kind === "final" || event.kind === "balance" ? [] : [`${event.kind}`];
      });

    async function turns(relayer: Relayer, count: number): Promise<Plan> {
      let plan: Plan | undefined;
      for (let i = 0; i < count; i++) {
        plan = await relayer.runOnce();
        await chain.mined();
      }
      return plan!;
    }

    /** What members say of handovers from now on, in the schema's form. */
    function show(handovers: readonly SignedHandover[], among: readonly MemberApi[] = members): void {
      const lie = z.encode(handoversAnswer, { handovers: [...handovers] });
      for (const member of among) member.behave((url, truth) => (url.pathname === "/v1/handovers" ? lie : truth));
    }

    it("brings the handover, then the head that only the new key signed, then what it owes", async () => {
      const metrics = createPrometheusMetrics();
      const { relayer, events } = await relay(configFor(), { metrics });
      committee.settle([payout(5n)]);
      await turns(relayer, 3);
      committee.handOver();
      committee.settle([payout(7n)]);
      expect((await relayer.runOnce()).actions.map(({ kind }) => kind)).to.deep.equal(["handover"]);
      expect(relayer.status().chains[0]).to.include({ handovers: 0n, pendingHandovers: 1 });
      await turns(relayer, 4);
      expect(summary(events)).to.deep.equal([
        ...["accepted 1", "delivered 0"],
        ...["handover 1", "accepted 2", "delivered 1"],
      ]);
      expect(await deployment.balanceOf(ALICE)).to.equal(12n);
      expect(await deployment.handovers()).to.equal(1n);
      expect(relayer.status().chains[0]).to.include({ handovers: 1n, pendingHandovers: 0, lastProblem: undefined });
      expect(relayer.queue(10).map(({ purpose }) => purpose)).to.include("handover:1");
      const { body: text } = await metrics.expose();
      expect(text).to.match(/relayer_handovers_total\{[^}]*\} 1/);
      expect(text).to.match(/relayer_pending_handovers_count\{[^}]*\} 0/);
      const before = await nonceOf();
      await turns(relayer, 3);
      expect(await nonceOf()).to.equal(before);
    });

    it("catches a hub up that slept through several, in sequence, and starts at any of them", async () => {
      committee.settle([payout(1n)]);
      for (let k = 0; k < 3; k++) {
        committee.handOver();
        committee.settle([payout(1n)]);
      }
      const { relayer, events } = await relay(configFor());
      await turns(relayer, 6);
      expect(summary(events)).to.deep.equal([
        ...["handover 1", "handover 2", "handover 3"],
        ...["accepted 4", "delivered 0,1,2,3"],
      ]);
      // A relayer that starts now finds the hub at key 3.
      committee.handOver();
      committee.settle([payout(1n)]);
      const later = await relay(configFor({}, { privateKeyEnvironment: "KEY_1" }));
      await turns(later.relayer, 4);
      expect(summary(later.events)).to.deep.equal(["handover 4", "accepted 5", "delivered 4"]);
    });

    it("brings no handover before the new key certified anything: the old one still serves", async () => {
      const { relayer, events } = await relay(configFor());
      committee.announceHandover();
      committee.settle([payout(5n)]);
      await turns(relayer, 4);
      expect(summary(events)).to.deep.equal(["accepted 1", "delivered 0"]);
      expect(await deployment.handovers()).to.equal(0n);
    });

    it("shows in a dry run the handover it would send and what that costs", async () => {
      committee.handOver();
      committee.settle([payout(5n)]);
      const { relayer } = await relay(configFor(), { journal: "memory" });
      const plan = await relayer.runOnce({ dryRun: true });
      expect(plan.problems).to.deep.equal([]);
      expect(plan.actions).to.have.length(1);
      const [action] = plan.actions;
      expect(action).to.include({ kind: "handover", number: 1n, transaction: undefined });
      expect(Number(action!.cost.gasLimit)).to.be.within(800_000, 3_000_000);
      expect(action!.cost.expectedWei > 0n).to.equal(true);
      expect(await nonceOf()).to.equal(0);
      expect(await deployment.handovers()).to.equal(0n);
    });

    it("believes no member: forged, skipped, foreign, repeated and impossible handovers are not sent", async () => {
      committee.handOver();
      committee.handOver();
      committee.settle([payout(5n)]);
      const good = handoverOf(1);
      const { statement } = good;
      const zeros = { "bls12-381": `0x${"00".repeat(256)}`, bn254: `0x${"00".repeat(128)}` } as const;
      const withStatement = (changed: Partial<typeof statement>): SignedHandover => ({
        ...good,
        statement: { ...statement, ...changed },
      });
      const lies: Record<string, readonly SignedHandover[]> = {
        none: [],
        "signed by the new key": [handoverOf(1, { by: 1 }), handoverOf(2)],
        "signed for another committee": [handoverOf(1, { committeeId: `0x${"77".repeat(32)}` }), handoverOf(2)],
        "to a key of the liar's": [withStatement({ newKeys: handoverOf(10).statement.newKeys }), handoverOf(2)],
        "the first left out": [handoverOf(2)],
        "the second renumbered": [handoverOf(1, { from: 1, to: 2, by: 1 })],
        "a number skipped": [handoverOf(2, { from: 0, to: 2, by: 0 })],
        "the identity": [withStatement({ newKeys: zeros }), handoverOf(2)],
        "the same key": [withStatement({ newKeys: handoverOf(1, { from: 5, to: 0 }).statement.newKeys })],
      };
      for (const [lie, handovers] of Object.entries(lies)) {
        show(handovers);
        const { relayer } = await relay(configFor(), { journal: "memory" });
        const plan = await relayer.runOnce();
        expect(plan.actions, lie).to.deep.equal([]);
        expect(
          plan.problems.map(({ code }) => code),
          lie,
        ).to.deep.equal(["foreignHub"]);
      }
      expect(await nonceOf()).to.equal(0);
      // One member that tells the truth is enough.
      show(lies["to a key of the liar's"]!, members.slice(0, 1));
      members[1]!.behave((_url, truth) => truth);
      const { relayer, events } = await relay(configFor());
      await turns(relayer, 5);
      expect(summary(events)).to.deep.equal(["handover 1", "handover 2", "accepted 1", "delivered 0"]);
    });

    it("is not led astray while it runs: a certificate by a stranger's key comes with no way to it", async () => {
      const { relayer, events } = await relay(configFor());
      committee.settle([payout(5n)]);
      await turns(relayer, 3);
      const stranger = new TestCommittee(9);
      stranger.handovers.push(handoverOf(1, { from: 8, to: 9 }));
      stranger.open({ chainId: chain.chainId, hub: deployment.hub, token: deployment.token });
      for (let k = 0; k < 9; k++) stranger.settle([payout(100n)]);
      members[0]!.behave((url) => stranger.answer(url));
      committee.settle([payout(6n)]);
      await turns(relayer, 4);
      expect(await deployment.balanceOf(ALICE)).to.equal(11n);
      expect(summary(events)).to.not.include("handover 1");
      expect(relayer.status().healthyApis).to.equal(1);
    });

    it("two relayers race: the hub is handed over once, and the loser pays little", async () => {
      const first = await relay(configFor());
      const second = await relay(configFor({}, { privateKeyEnvironment: "KEY_1" }));
      committee.settle([]);
      await Promise.all([turns(first.relayer, 2), turns(second.relayer, 2)]);
      await chain.mine(3);
      await Promise.all([turns(first.relayer, 1), turns(second.relayer, 1)]);
      first.events.length = 0;
      second.events.length = 0;
      committee.handOver();
      committee.settle([payout(5n)]);
      // Both see the same state before either transaction is mined.
      await chain.rpc("evm_setAutomine", [false]);
      const plans = await Promise.all([first.relayer.runOnce(), second.relayer.runOnce()]);
      expect(plans.flatMap(({ actions }) => actions.map(({ kind }) => kind))).to.deep.equal(["handover", "handover"]);
      await chain.mine(1);
      await chain.rpc("evm_setAutomine", [true]);
      for (let k = 0; k < 4; k++) for (const { relayer } of [first, second]) await turns(relayer, 1);
      expect(await deployment.handovers()).to.equal(1n);
      expect(await deployment.balanceOf(ALICE)).to.equal(5n);
      const events = [...first.events, ...second.events];
      expect(events.filter(({ kind }) => kind === "handedOver")).to.have.length(1);
      expect(events.filter(({ kind }) => kind === "reverted" || kind === "error")).to.deep.equal([]);
      const lost = events.filter((event) => event.kind === "raceLost");
      expect(lost.length).to.be.greaterThan(0);
      const gas = Number(lost[0]!.gasUsed);
      console.log(`      the loser's handover, ${suite}: ${gas} gas`);
      expect(gas).to.be.lessThan(60_000);
    });

    it("carries what the old key certified while the chain cannot carry out the handover", async () => {
      committee.settle([payout(5n)]);
      committee.handOver();
      committee.settle([payout(7n)]);
      // Too little gas for a new verifier, enough for everything else.
      const { relayer, events } = await relay(configFor({}, { maxGas: 900_000 }));
      await turns(relayer, 4);
      expect(await deployment.handovers()).to.equal(0n);
      expect(summary(events)).to.include.members(["callReverted", "accepted 1", "delivered 0"]);
      expect(await deployment.balanceOf(ALICE)).to.equal(5n);
      expect(relayer.status().chains[0]).to.include({ pendingHandovers: 1, certifiedSequence: 2n });
    });

    it("shows in the status which hubs lack a handover, beside a relayer that runs", async () => {
      committee.handOver();
      committee.settle([payout(5n)]);
      const config = configFor();
      const ask = () => relayStatus(config, { KEY_0: KEYS[0] }, new AbortController().signal);
      const before = await ask();
      expect(before).to.include({ newest: 1n, handovers: 1n });
      expect(before.chains[0]).to.include({ handovers: 0n, sequence: 0n, behind: 1n });
      expect(describeRelayStatus(before)).to.include("1 handovers to a new key missing");
      const { relayer } = await relay(config);
      await turns(relayer, 3);
      const after = await ask();
      expect(after.chains[0]).to.include({ handovers: 1n, sequence: 1n, behind: 0n });
      expect(describeRelayStatus(after)).to.not.include("missing");
    });

    it("takes members that lag behind the hub for late and not for strangers", async () => {
      committee.handOver();
      committee.settle([payout(5n)]);
      const first = await relay(configFor());
      await turns(first.relayer, 4);
      const late = new TestCommittee();
      late.open({ chainId: chain.chainId, hub: deployment.hub, token: deployment.token });
      late.settle([]);
      for (const member of members) member.behave((url) => late.answer(url));
      const { relayer } = await relay(configFor({}, { privateKeyEnvironment: "KEY_1" }));
      const { problems, actions } = await relayer.runOnce();
      expect(actions).to.deep.equal([]);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.include({ code: "foreignHub", isTransient: true });
      for (const member of members) member.behave((_url, truth) => truth);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await relayer.runOnce()).problems).to.deep.equal([]);
      expect(await nonceOf(1)).to.equal(0);
    });

    it("hands over again after a reorg took the handover back", async () => {
      const { relayer, events } = await relay(configFor());
      committee.handOver();
      committee.settle([payout(5n)]);
      await turns(relayer, 4);
      expect(await deployment.balanceOf(ALICE)).to.equal(5n);
      await chain.rpc("anvil_reorg", [3, []]);
      await chain.rpc("anvil_dropAllTransactions");
      expect(await deployment.handovers()).to.equal(0n);
      for (let k = 0; k < 6; k++) {
        await relayer.runOnce();
        await chain.mine(1);
      }
      expect(await deployment.handovers()).to.equal(1n);
      expect(await deployment.balanceOf(ALICE)).to.equal(5n);
      expect(events.some(({ kind }) => kind === "reverted")).to.equal(false);
    });

    it("is killed at every write of its journal and still hands over once", async () => {
      const config = configFor();
      committee.settle([payout(5n)]);
      committee.handOver();
      committee.settle([payout(6n)]);
      let deaths = 0;
      for (let attempt = 0; attempt < 60; attempt++) {
        const journal = openJournal(config.dataDir);
        const { relayer } = await relay(config, { journal: dyingAt(journal, 1 + (attempt % 3)) });
        const died = await turns(relayer, 2).then(
          () => false,
          () => true,
        );
        if (died) deaths++;
        journal.close();
        await chain.mine(1);
        if (!died && (await deployment.balanceOf(ALICE)) === 11n) break;
      }
      expect(deaths).to.be.greaterThan(4);
      expect(await deployment.balanceOf(ALICE)).to.equal(11n);
      expect(await deployment.handovers()).to.equal(1n);
      // Handover, accept, deliver: nothing was sent twice.
      expect(await nonceOf()).to.equal(3);
    });

    it("is killed with SIGKILL at random moments and neither loses nor repeats a handover", async () => {
      console.log(`      seed ${seed}`);
      const config = configFor();
      const { chains, ...rest } = config;
      const file = join(rest.dataDir, "config.json");
      const plain = JSON.stringify(chains, (_key, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
      writeFileSync(file, JSON.stringify({ ...rest, chains: JSON.parse(plain) }));
      const rounds = 3;
      for (let round = 0; round < rounds; round++) {
        committee.handOver();
        committee.settle([payout(10n)]);
        const child = startChild(file);
        await child.ready;
        await new Promise((resolve) => setTimeout(resolve, (seed >>> (round * 7)) % 400));
        await child.kill();
      }
      const child = startChild(file);
      await child.ready;
      while ((await deployment.balanceOf(ALICE)) < 10n * BigInt(rounds))
        await new Promise((resolve) => setTimeout(resolve, 100));
      await child.kill();
      // One more life, that reads the receipts of what the last one sent.
      await chain.mine(3);
      const { relayer } = await relay(config);
      await turns(relayer, 2);
      await relayer.stop();
      expect(await deployment.handovers()).to.equal(BigInt(rounds));
      expect(await deployment.balanceOf(ALICE)).to.equal(10n * BigInt(rounds));
      const journal = openJournal(rest.dataDir);
      const records = journal.list(1_000).filter(({ state }) => state !== "released");
      journal.close();
      const handovers = records.filter(({ purpose }) => purpose.startsWith("handover:"));
      expect(handovers.map(({ purpose }) => purpose).sort()).to.deep.equal(["handover:1", "handover:2", "handover:3"]);
      for (const { receipt, purpose } of records) expect(receipt?.succeeded, purpose).to.equal(true);
      expect(records).to.have.length(await nonceOf());
    });
  });
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
function dyingAt(journal: Journal, write: number): Pick<Journal, "reserve" | "update" | "open"> {
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
