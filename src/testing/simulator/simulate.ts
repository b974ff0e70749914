/**
 * The simulator: shipping members in one process, virtual time, everything drawn from one seed. A first phase with faults, then a
 * liveness phase in which the network heals and everybody is up: it must converge. The trace is hashed, so that the same seed gives
 * the same hash on every run and machine.
 */
import { addressOf } from "../../lib/ecdsa.ts";
import type { Hex } from "../../lib/hex.ts";
import { maxFaulty } from "../../lib/math.ts";
import type { MemberConfig, MemberEffect, PersistWrite } from "../../member/types.ts";
import { createTestCommitteeWith, createTestGenesis, type TestCommittee } from "../committee.ts";
import { createRandom, type Random } from "../random.ts";
import { ruleOf } from "../rules/rules.ts";
import { createStandInEngine, standInAddress } from "../stand-in.ts";
import { Cluster, type Scenario, SIMULATED_MEMBER } from "./cluster.ts";
import { CatchUp, LAGGING_MEMBER } from "./lag.ts";
import { summarize } from "./latency.ts";
import { createNetwork, type DelayModel, UNIT_MS } from "./network.ts";
import { simulateReshare } from "./reshare.ts";
import { CONVERGENCE_UNITS, type LagControl, type SimulationConfig, type SimulationReport } from "./types.ts";
import { createWorkload } from "./workload.ts";

export { ADVERSARIES, type Adversary, type SimulationConfig, type SimulationReport } from "./types.ts";

/** `onLatency`: gets every latency sample (milliseconds of virtual time) when the run is over. */
export function simulate(
  config: SimulationConfig,
  onLatency?: (samplesMs: readonly number[]) => void,
): SimulationReport {
  if (config.adversary === "reshare") return simulateReshare(config);
  const simulation = new Simulation(config);
  const report = simulation.run();
  onLatency?.(simulation.samples);
  return report;
}

/** With `lag`, and with something left out that the run must not survive. */
export function simulateLag(config: Omit<SimulationConfig, "adversary">, control?: LagControl): SimulationReport {
  return new Simulation({ ...config, adversary: "lag" }, control).run();
}

/** One committee for the whole run: person and index are the same. */
class Simulation implements Scenario {
  readonly #config: SimulationConfig;
  readonly #random: Random;
  readonly #test: TestCommittee;
  readonly #genesis;
  readonly #workload;
  readonly #cluster: Cluster;
  readonly #proposedAt = new Map<Hex, number>();
  readonly #samples: number[] = [];
  readonly #catchUp: CatchUp | undefined;

  constructor(config: SimulationConfig, control?: LagControl) {
    this.#config = config;
    this.#random = createRandom(config.seed);
    const crypto = config.engines === undefined ? "stand-in" : "real";
    const engines = config.engines ?? {
      "bls12-381": createStandInEngine("bls12-381"),
      bn254: createStandInEngine("bn254"),
    };
    this.#test = createTestCommitteeWith(config.members, this.#random.stream("keys"), crypto, engines);
    this.#genesis = createTestGenesis(this.#test.committee);
    const toAddress = crypto === "real" ? addressOf : standInAddress;
    this.#workload = createWorkload(
      this.#genesis,
      this.#test.identities,
      toAddress,
      config.owners,
      this.#random.stream("workload"),
    );
    const model: DelayModel = config.adversary.endsWith("chaos") ? "chaos" : config.delays;
    const { adversary } = config;
    const trouble = adversary === "loss" || adversary === "partition" || adversary === "lag" ? adversary : undefined;
    const lagging = { members: config.members, count: maxFaulty(config.members) };
    this.#cluster = new Cluster({
      people: config.members,
      committeeId: this.#test.committee.id,
      network: createNetwork(model, trouble, this.#random.stream("network"), lagging),
      faults: this.#random.stream("faults"),
      scenario: this,
    });
    if (adversary === "lag")
      this.#catchUp = new CatchUp(
        this.#cluster,
        (index) => this.boot(index).config,
        this.#random.stream("lag"),
        control,
      );
  }

  get samples(): readonly number[] {
    return this.#samples;
  }

  run(): SimulationReport {
    const { members, adversary, seed, rounds } = this.#config;
    const cluster = this.#cluster;
    const { checker } = cluster;
    const faulty = maxFaulty(members);
    for (let index = 0; index < members; index++) cluster.boot(index);
    for (let index = 0; index < members; index++) this.#observe(index);
    cluster.at(UNIT_MS, () => this.#submit());
    if (adversary.startsWith("crash")) for (let index = 0; index < faulty; index++) cluster.scheduleCrash(index);
    // Somebody may be away, and with a control stay so.
    const untilMs = adversary === "lag" ? 3 * rounds * UNIT_MS : Number.POSITIVE_INFINITY;
    // The first violation ends the run: a broken committee goes on for ever and says nothing new.
    const isBroken = (): boolean => checker.violations.length > 0;
    cluster.run(() => this.#lowestRound() >= rounds || cluster.nowMs > untilMs || isBroken());
    cluster.heal();
    const deadline = cluster.nowMs + CONVERGENCE_UNITS * UNIT_MS;
    cluster.run(() => this.#hasConverged() || cluster.nowMs > deadline || isBroken());
    if (!isBroken() && !this.#hasConverged())
      checker.violation(`liveness: not converged ${CONVERGENCE_UNITS} delays after the network healed`);
    return {
      members,
      faulty,
      adversary,
      seed: seed.toString(),
      agreement: checker.violations.length === 0,
      violations: checker.violations,
      rounds: this.#lowestRound(),
      commits: checker.commits,
      batches: checker.batches,
      certificates: checker.certificates,
      epochs: 1,
      crashes: cluster.crashes,
      ...(this.#catchUp === undefined
        ? {}
        : { catchUps: { taken: this.#catchUp.taken, refused: this.#catchUp.refused } }),
      messages: cluster.messages,
      instructions: {
        submitted: this.#workload.submitted,
        applied: this.#workload.applied,
        unsettled: this.#workload.pending.size,
      },
      latency: summarize(this.#samples, UNIT_MS),
      traceHash: cluster.traceHash,
    };
  }

  boot(index: number): { readonly config: MemberConfig; readonly peers: readonly number[] } {
    const { committee, secrets, engines, identities, createCoin } = this.#test;
    const config: MemberConfig = {
      committee,
      genesis: this.#genesis,
      self: index,
      secrets: secrets[index]!,
      engines,
      createCoin,
      identities,
      blockSigner: identities,
      ...this.#rules(),
      createRule: ruleOf(this.#config.rule ?? "ours"),
      checkpoint: this.#cluster.processes[index]!.disk.checkpoint,
    };
    return { config, peers: [...committee.members.keys()] };
  }

  #rules(): typeof SIMULATED_MEMBER & Pick<MemberConfig, "checkpointRounds" | "heartbeatRounds"> {
    const { adversary } = this.#config;
    if (adversary === "lag") return LAGGING_MEMBER;
    // A restart goes on from a checkpoint, too.
    return adversary.startsWith("crash") ? { ...SIMULATED_MEMBER, checkpointRounds: 16 } : SIMULATED_MEMBER;
  }

  booted(index: number): void {
    // A restarted watcher reads its inbox again from the start.
    if (this.#cluster.processes[index]!.life > 1) this.#observe(index);
  }

  persisted(index: number, { blocks }: PersistWrite): void {
    for (const block of blocks) if (block.author === index) this.#proposedAt.set(block.digest, this.#cluster.nowMs);
  }

  shown(index: number, effect: Exclude<MemberEffect, { kind: "persist" | "send" }>): void {
    switch (effect.kind) {
      case "ordered":
        for (const { blocks } of effect.output.commits)
          for (const block of blocks) this.#sample(index, block.author, block.digest);
        break;
      case "batch":
        for (const receipt of effect.batch.receipts) this.#workload.settled(receipt);
        break;
      case "checkpoint": {
        const { disk } = this.#cluster.processes[index]!;
        disk.keepCheckpoint(effect.checkpoint, index, this.#rules().retainedRounds);
        break;
      }
      case "behind":
        this.#catchUp?.behind(index);
        break;
      case "verdict":
        if (effect.verdict.status === "refused") this.#workload.refused(effect.verdict.instructionId);
        break;
    }
  }

  #observe(index: number): void {
    const entries = this.#workload.deposits;
    const observation = { kind: "inbox", chainId: this.#genesis.chains[0]!.chainId, entries } as const;
    this.#cluster.push(index, this.#random.below(5 * UNIT_MS), { kind: "observe", observations: [observation] });
  }

  #submit(): void {
    const cluster = this.#cluster;
    if (cluster.isHealed) return;
    cluster.after(1 + this.#random.below(UNIT_MS), () => this.#submit());
    // Users of a member that dies before it has gossiped go elsewhere; here they use one that does not crash.
    const index = this.#random.pick(
      cluster.processes.flatMap(({ everCrashed }, member) => (everCrashed ? [] : [member])),
    );
    const signed = this.#workload.next(cluster.processes[index]!.member?.ledger.sequence ?? 0n);
    if (signed !== undefined) cluster.step(index, { kind: "submit", instructions: [signed] });
  }

  #sample(index: number, author: number, digest: Hex): void {
    const { processes, isHealed, nowMs } = this.#cluster;
    const proposedAt = this.#proposedAt.get(digest);
    if (proposedAt === undefined || isHealed) return;
    if (processes[index]!.everCrashed || processes[author]!.everCrashed) return;
    this.#samples.push(nowMs - proposedAt);
  }

  #lowestRound(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { member, everCrashed } of this.#cluster.processes) {
      if (!everCrashed) lowest = Math.min(lowest, member?.consensus.highestRound ?? 0);
    }
    return lowest;
  }

  /** Everybody is up, has the same batches, all certified, and nobody's instruction is open. */
  #hasConverged(): boolean {
    if (this.#workload.pending.size > 0) return false;
    const newest = BigInt(this.#cluster.checker.batches);
    return this.#cluster.processes.every(
      ({ member }) => member !== undefined && member.ledger.sequence === newest && member.certifiedSequence === newest,
    );
  }
}
