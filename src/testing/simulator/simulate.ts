/**
 * The simulator: shipping members in one process, virtual time, everything drawn from one seed. A first phase with faults, then a
 * liveness phase in which the network heals and every honest member is up, while malicious ones go on: it must converge. The trace is
 * hashed, so that the same seed gives the same hash on every run and machine.
 */

import { genesisHash } from "../../ledger/genesis.ts";
import { addressOf } from "../../lib/ecdsa.ts";
import { maxFaulty } from "../../lib/math.ts";
import { epochGenesis } from "../../member/member.ts";
import type { MemberConfig, MemberEffect, PersistWrite } from "../../member/types.ts";
import { createTestCommitteeWith, createTestGenesis, type TestCommittee } from "../committee.ts";
import { createRandom, type Random } from "../random.ts";
import { ruleOf } from "../rules/rules.ts";
import { createStandInEngine, standInAddress } from "../stand-in.ts";
import { BUSY_MS, BUSY_PERMILLE, Cluster, type Scenario } from "./cluster.ts";
import { oneCoinShare } from "./controls.ts";
import { SimulatedDisk } from "./disk.ts";
import { drawFaults, type Faults } from "./faults.ts";
import { CatchUp } from "./lag.ts";
import { Stopwatch, summarize } from "./latency.ts";
import { LostDisks } from "./lost-disks.ts";
import { createDriver, isPuppet } from "./malice/drivers.ts";
import { drawTwins, Malice } from "./malice/record.ts";
import type { World } from "./malice/world.ts";
import { parseAdversary } from "./names.ts";
import { UNIT_MS } from "./network.ts";
import { simulateReshare } from "./reshare.ts";
import { directed, MAX_OPEN_ROUNDS } from "./schedules.ts";
import { shareCodecs } from "./shared-codec.ts";
import { createSight } from "./sight.ts";
import { CONTROL_UNITS, CONVERGENCE_UNITS, type SimulationConfig, type SimulationReport } from "./types.ts";
import { RESUBMIT_UNITS, Users } from "./users.ts";
import { createWeather } from "./weather.ts";
import { createWorkload } from "./workload.ts";

export { ADVERSARIES, type Adversary, CONTROLS, type Control, parseAdversary } from "./names.ts";
export type { SimulationConfig, SimulationReport } from "./types.ts";

/**
 * `onLatency` gets every latency sample (milliseconds of virtual time) when the run is over; reshare has none.
 * @throws RangeError when the adversary or the rule is none that there is, or when reshare is asked for what it cannot do.
 */
export function simulate(
  config: SimulationConfig,
  onLatency?: (samplesMs: readonly number[]) => void,
): SimulationReport {
  const mix = parseAdversary(config.adversary);
  if (!mix.isReshare) {
    const simulation = new Simulation(config);
    const report = simulation.run();
    onLatency?.(simulation.samples);
    return report;
  }
  const { control, rule = "ours", ...rest } = config;
  if (control !== undefined) throw new RangeError("reshare has controls of its own (simulateReshare)");
  if (rule !== "ours") throw new RangeError("reshare runs with the shipping rule");
  return simulateReshare(rest);
}

/** The phase with faults ends here, however few rounds there were: some faults let nobody go on. */
const FAULTY_UNITS = { perRound: 3, least: 100 };

/** One committee for the whole run: person and index are the same, but for twins. */
class Simulation implements Scenario {
  readonly #config: SimulationConfig;
  readonly #random: Random;
  readonly #test: TestCommittee;
  readonly #genesis;
  readonly #workload;
  readonly #faults: Faults;
  readonly #cluster: Cluster;
  readonly #createCodec = shareCodecs();
  readonly #latency: Stopwatch;
  readonly #catchUp: CatchUp;
  /** Persons beyond the members, and under whose identity they run. */
  readonly #twins: ReadonlyMap<number, number>;
  readonly #malice: Malice;
  readonly #lostDisks: LostDisks;
  readonly #users: Users;

  constructor(config: SimulationConfig) {
    this.#config = config;
    this.#random = createRandom(config.seed);
    const { members, control, delays, owners } = config;
    const crypto = config.engines === undefined ? "stand-in" : "real";
    const engines = config.engines ?? {
      "bls12-381": createStandInEngine("bls12-381"),
      bn254: createStandInEngine("bn254"),
    };
    this.#test = createTestCommitteeWith(members, this.#random.stream("keys"), crypto, engines);
    const plan = this.#random.stream("plan");
    this.#faults = drawFaults(parseAdversary(config.adversary), members, delays, plan, control);
    // Where what users handed in can be lost with a member they ask again, and must not come too late then.
    this.#genesis = createTestGenesis(this.#test.committee, this.#faults.crashing.length > 0 ? { window: 4096n } : {});
    const toAddress = crypto === "real" ? addressOf : standInAddress;
    const workload = this.#random.stream("workload");
    this.#workload = createWorkload(this.#genesis, this.#test.identities, toAddress, owners, workload);
    const { malicious } = this.#faults;
    this.#twins = drawTwins(malicious, members, control, plan);
    const trusted = control === "trusted-equivocator";
    const sight = createSight(this.#test, (member) =>
      malicious.has(member) ? undefined : this.#cluster.processes[member]?.member?.consensus,
    );
    const weather = createWeather(this.#faults, this.#twins, sight, control, this.#random.stream("network"));
    this.#cluster = new Cluster({
      people: members + this.#twins.size,
      committeeId: this.#test.committee.id,
      network: config.schedule === undefined ? weather : directed(weather, config.schedule, sight),
      faults: this.#random.stream("faults"),
      scenario: this,
      malicious: new Set(trusted ? [] : malicious.keys()),
      twins: this.#twins,
    });
    this.#latency = new Stopwatch(this.#cluster);
    this.#malice = new Malice();
    const world: World = {
      cluster: this.#cluster,
      test: this.#test,
      rules: this.#faults.rules,
      indexOf: (person) => this.#twins.get(person) ?? person,
      keysOf: (person) => this.#test.secrets[this.#twins.get(person) ?? person]!,
      genesisHash: epochGenesis(this.#test.committee.id, genesisHash(this.#genesis)),
      random: this.#random.stream("malice"),
      honest: [...Array(members).keys()].filter((member) => !malicious.has(member)),
      behind: (person) => this.#catchUp.behind(person),
      acted: () => this.#malice.acted(),
      signed: (member, round, digest) => this.#malice.signed(member, round, digest),
    };
    for (const [person, process] of this.#cluster.processes.entries()) {
      const identity = this.#twins.get(person) ?? person;
      const kind = malicious.get(identity);
      if (kind !== undefined) process.driver = createDriver(kind, world, person, identity);
    }
    this.#catchUp = new CatchUp(this.#cluster, (person) => this.#configOf(person), this.#random.stream("lag"), control);
    this.#lostDisks = new LostDisks(this.#cluster, this.#random, control);
    this.#users = new Users(this.#cluster, this.#workload, this.#lostDisks.learners, this.#random);
    const disks = this.#random.stream("disks");
    const busy = this.#random.stream("busy");
    for (const [person, process] of this.#cluster.processes.entries()) {
      const { disk, driver } = process;
      if (driver !== undefined) continue;
      disk.spoil(this.#faults.disk, disks.stream(String(person)));
      // Not where latency is looked at.
      if (config.adversary !== "none" && busy.chance(BUSY_PERMILLE)) process.busyMs = (1 + busy.below(5)) * BUSY_MS;
    }
  }

  get samples(): readonly number[] {
    return this.#latency.samplesMs;
  }

  run(): SimulationReport {
    const { members, adversary, seed, rounds } = this.#config;
    const cluster = this.#cluster;
    const { checker } = cluster;
    for (let person = 0; person < cluster.processes.length; person++) cluster.boot(person);
    for (let index = 0; index < members; index++) this.#observe(index);
    cluster.at(UNIT_MS, () => this.#users.submit());
    this.#trouble();
    const untilMs = (FAULTY_UNITS.perRound * rounds + FAULTY_UNITS.least) * UNIT_MS;
    // What a broken run does further says nothing new, and may take for ever.
    const isBroken = (): boolean => checker.violations.length > 0;
    cluster.run(() => isBroken() || this.#lowestRound() >= rounds || cluster.nowMs > untilMs);
    if (this.#config.schedule !== undefined) this.#checkProgress();
    cluster.heal();
    for (const person of this.#faults.dead) cluster.stop(person);
    cluster.after(5 * UNIT_MS, () => this.#users.resubmit());
    const patience = this.#config.control === undefined ? CONVERGENCE_UNITS : CONTROL_UNITS;
    const deadline = cluster.nowMs + patience * UNIT_MS;
    cluster.run(() => isBroken() || this.#hasConverged() || cluster.nowMs > deadline);
    if (!isBroken() && !this.#hasConverged())
      checker.violation(`liveness: not converged ${patience} delays after the network healed`);
    this.#malice.check(checker);
    const { taken, refused } = this.#catchUp;
    return {
      members,
      faulty: maxFaulty(members),
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
      ...(taken + refused > 0 || adversary.includes("lag") ? { catchUps: { taken, refused } } : {}),
      ...(this.#faults.malicious.size > 0 ? { malice: this.#malice.report(this.#faults.malicious, cluster) } : {}),
      ...(this.#lostDisks.learners.size > 0 ? { learners: [...this.#lostDisks.learners] } : {}),
      messages: cluster.links.messages,
      instructions: {
        submitted: this.#workload.submitted,
        applied: this.#workload.applied,
        unsettled: this.#workload.pending.size,
      },
      latency: summarize(this.#latency.samplesMs, UNIT_MS),
      traceHash: cluster.trace.hash,
    };
  }

  boot(person: number): ReturnType<Scenario["boot"]> {
    if (this.#isDead(person)) return undefined;
    return { config: this.#configOf(person), peers: [...this.#test.committee.members.keys()] };
  }

  /** For good, once the network is well. */
  #isDead(person: number): boolean {
    return this.#cluster.isHealed && this.#faults.dead.has(person);
  }

  #configOf(person: number): MemberConfig {
    const { committee, secrets, engines, identities, createCoin } = this.#test;
    const self = this.#twins.get(person) ?? person;
    const { identity, shares } = secrets[self]!;
    const kind = this.#faults.malicious.get(self);
    const isFollower = kind !== undefined && isPuppet(kind);
    return {
      committee,
      genesis: this.#genesis,
      self: isFollower ? undefined : self,
      // Whose disk was declared lost follows the epoch without shares: it must not know what it would sign with.
      secrets: isFollower ? undefined : { identity, shares: this.#lostDisks.learners.has(person) ? undefined : shares },
      engines,
      createCoin:
        this.#config.control === "one-coin-share" ? oneCoinShare(this.#cluster, person, createCoin) : createCoin,
      identities,
      blockSigner: identities,
      ...this.#faults.rules,
      createRule: ruleOf(this.#config.rule ?? "ours"),
      createCodec: this.#createCodec,
      checkpoint: this.#cluster.processes[person]!.disk.checkpoint,
    };
  }

  booted(index: number): void {
    // A restarted watcher reads its inbox again from the start.
    if (this.#cluster.processes[index]!.life > 1) this.#observe(index);
  }

  /** Its operator finds out, and there is one path: learner until the next epoch. */
  corrupted(person: number): void {
    this.#cluster.trace.add(`${this.#cluster.nowMs} corrupt ${person}`);
    this.#lostDisks.declare(person, new SimulatedDisk());
  }

  persisted(index: number, { blocks }: PersistWrite): void {
    for (const block of blocks) if (block.author === index) this.#latency.made(block.digest);
  }

  shown(index: number, effect: Exclude<MemberEffect, { kind: "persist" | "send" }>): void {
    switch (effect.kind) {
      case "ordered":
        for (const { blocks } of effect.output.commits)
          for (const block of blocks) this.#latency.output(index, block.author, block.digest);
        break;
      case "batch":
        for (const receipt of effect.batch.receipts) this.#workload.settled(receipt);
        break;
      case "checkpoint": {
        const { disk } = this.#cluster.processes[index]!;
        disk.keepCheckpoint(effect.checkpoint, index, this.#faults.rules.retainedRounds);
        break;
      }
      case "behind":
        // A message of a later epoch is a lie here: nothing ever ends this one.
        if (effect.epoch === this.#test.committee.epoch) this.#catchUp.behind(index);
        break;
      case "verdict": {
        const { status, instructionId: id } = effect.verdict;
        if (status === "refused") this.#users.refused(id);
        break;
      }
    }
  }

  /** Under a schedule that hides nothing but the future coin, decisions must come in time. */
  #checkProgress(): void {
    for (const [person, { member }] of this.#cluster.processes.entries()) {
      if (member === undefined || this.#faults.malicious.has(person)) continue;
      const { highestRound, nextDecision } = member.consensus;
      const open = highestRound - nextDecision.round;
      if (open > MAX_OPEN_ROUNDS)
        this.#cluster.checker.violation(`liveness: ${person} has decided nothing for ${open} rounds`);
    }
  }

  /** Who dies when, and whose disk is lost. */
  #trouble(): void {
    const { crashing, everyUnits, downUnits, corrupting, losing } = this.#faults;
    const cluster = this.#cluster;
    for (const person of crashing) cluster.scheduleCrash(person, { everyUnits, downUnits });
    if (crashing.length > maxFaulty(this.#config.members))
      cluster.after(RESUBMIT_UNITS * UNIT_MS, () => this.#users.resubmit());
    this.#lostDisks.schedule(corrupting, losing, this.#config.rounds, this.#random.stream("loss of disks"));
  }

  #observe(index: number): void {
    const entries = this.#workload.deposits;
    const observation = { kind: "inbox", chainId: this.#genesis.chains[0]!.chainId, entries } as const;
    this.#cluster.push(index, this.#random.below(5 * UNIT_MS), { kind: "observe", observations: [observation] });
  }

  /** Of the honest members that never crashed, if there are any. */
  #lowestRound(): number {
    let lowest = Number.POSITIVE_INFINITY;
    let highest = 0;
    for (const { member, everCrashed, driver } of this.#cluster.processes) {
      if (driver !== undefined) continue;
      const round = member?.consensus.highestRound ?? 0;
      highest = Math.max(highest, round);
      if (!everCrashed) lowest = Math.min(lowest, round);
    }
    return Number.isFinite(lowest) ? lowest : highest;
  }

  /** Every honest member is up, they have the same batches, all certified, and nobody's instruction is open. */
  #hasConverged(): boolean {
    if (this.#workload.pending.size > 0) return false;
    const newest = BigInt(this.#cluster.checker.batches);
    return this.#cluster.processes.every(({ member, driver }, person) => {
      if (driver !== undefined || this.#isDead(person)) return true;
      return member !== undefined && member.ledger.sequence === newest && member.certifiedSequence === newest;
    });
  }
}
