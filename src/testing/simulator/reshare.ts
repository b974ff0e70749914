/**
 * A run in which the committee changes again and again while users trade: proactive refreshes, growth, shrinking, new group keys with
 * handovers, attempts that never complete. Dealers cheat, members die at any effect, some never open their shares, messages are late or
 * lost, and whatever `reshare` is joined with goes wrong as well (reshare-mix.ts). What must hold: one digest per sequence whatever the epoch, nothing signed twice, everything that users handed in settled
 * exactly once, the group key kept or handed over by signature, and every change completed or the old committee at work.
 */

import type { SignedInstruction } from "../../ledger/types.ts";
import type { Address } from "../../lib/hex.ts";
import { maxFaulty } from "../../lib/math.ts";
import type { MemberEffect, PersistWrite } from "../../member/types.ts";
import { createTestCommitteeWith, createTestGenesis, type TestCommittee } from "../committee.ts";
import { createRandom, type Random } from "../random.ts";
import { createStandInEngine, standInAddress } from "../stand-in.ts";
import { createStandInReshare } from "../stand-in-reshare.ts";
import { BUSY_MS, BUSY_PERMILLE, Cluster, type Scenario } from "./cluster.ts";
import { lose, partition } from "./conditions.ts";
import { hideClosing, switchEarly } from "./controls.ts";
import { SimulatedDisk, type StoredEpoch } from "./disk.ts";
import { summarize } from "./latency.ts";
import { LostDisks } from "./lost-disks.ts";
import { Malice } from "./malice/record.ts";
import { createNetwork, UNIT_MS } from "./network.ts";
import type { CrashPlan } from "./process.ts";
import { Epochs } from "./reshare-epochs.ts";
import { drawReshareMix, driverIn, type ReshareMix } from "./reshare-mix.ts";
import { SimulatedNode, type Surroundings } from "./reshare-node.ts";
import { LARGEST, Operators } from "./reshare-operators.ts";
import type { DealerFault } from "./reshare-plan.ts";
import { ReshareUsers } from "./reshare-users.ts";
import { shareCodecs } from "./shared-codec.ts";
import { createChangingSight, type Sight } from "./sight.ts";
import { CONVERGENCE_UNITS, type SimulationConfig, type SimulationReport } from "./types.ts";
import { createConditions } from "./weather.ts";
import { createWorkload } from "./workload.ts";

/**
 * What the checkers must catch. keep-applying: some members go on applying the old epoch's order after its closing batch;
 * early-switch: some members start the next epoch from a closing batch that is not certified; f-plus-one: the first committee has one
 * malicious member more than it bears; sign-after-loss: operators do not say that a disk was lost.
 */
export type Control = "keep-applying" | "early-switch" | "f-plus-one" | "sign-after-loss";

export interface ReshareConfig extends Omit<SimulationConfig, "control"> {
  readonly control?: Control | undefined;
  /** Changes to try, besides those that get stuck on purpose; default 4, and of large committees fewer (a day of theirs costs minutes). */
  readonly changes?: number | undefined;
}

/** People beside the first committee: enough for two new group keys in a row. */
const STRANGERS = 10;
/** Deposits that come while committees change. */
const LATER_DEPOSITS = 12;
/** The phase with faults ends here even if changes are missing: then the healed network must complete the last one. */
const FAULTY_UNITS = 3000;
/** Disks are lost within so many delays. */
const LOSING_UNITS = 100;

export function simulateReshare(config: ReshareConfig): SimulationReport {
  if (config.engines !== undefined) throw new RangeError("changes of committee are simulated with stand-in keys only");
  if (config.members < 4 || config.owners < 1) throw new RangeError("needs at least 4 members and a user");
  return new ReshareSimulation(config).run();
}

class ReshareSimulation implements Scenario, Surroundings {
  readonly cluster: Cluster;
  readonly test: TestCommittee;
  readonly random: Random;
  readonly config;
  readonly identities: readonly Uint8Array[];
  readonly addresses: readonly Address[];
  readonly mix: ReshareMix;
  readonly #options: ReshareConfig;
  readonly #nodes: readonly SimulatedNode[];
  readonly #workload;
  readonly #epochs: Epochs;
  readonly #operators: Operators;
  readonly #users: ReshareUsers;
  readonly #malice = new Malice();
  readonly #lostDisks: LostDisks;
  /** By person: the last epoch in which it may have signed what its disk does not know of. */
  readonly #lostThrough = new Map<number, bigint>();

  constructor(options: ReshareConfig) {
    this.#options = options;
    const random = createRandom(options.seed);
    const plans = random.stream("plans");
    this.random = random.stream("nodes");
    const persons = options.members + Math.max(0, options.members - LARGEST) + STRANGERS;
    const mix = drawReshareMix(options, persons, random.stream("mix"));
    this.mix = mix;
    const people = persons + mix.twins.size;
    const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
    this.test = createTestCommitteeWith(options.members, random.stream("keys"), "stand-in", engines);
    const strangers = random.stream("strangers");
    const own = Array.from({ length: persons }, (_, i) => this.test.secrets[i]?.identity ?? strangers.bytes(32));
    this.identities = [...own, ...[...mix.twins.values()].map((identity) => own[identity]!)];
    this.addresses = this.identities.map(standInAddress);
    this.#epochs = new Epochs(this);
    this.config = {
      // Nothing expires while the network is bad: what gets lost is a violation.
      genesis: createTestGenesis(this.test.committee, { window: 4096n }),
      reshare: createStandInReshare(this.test.identities),
      createCodec: shareCodecs(),
    };
    this.#workload = createWorkload(
      this.config.genesis,
      this.test.identities,
      standInAddress,
      options.owners,
      random.stream("workload"),
      LATER_DEPOSITS,
    );
    this.#users = new ReshareUsers(this, this.#workload, options.owners);
    const trouble = plans.pick(["none", "none", "none", "loss", "partition"] as const);
    const model = plans.chance(400) ? "chaos" : options.delays;
    const conditions = random.stream("conditions");
    const condition = { none: [], loss: [lose(200, conditions)], partition: [partition(people, conditions)] };
    const { faults, twins } = mix;
    const control = options.control === "f-plus-one" ? "f-plus-one" : undefined;
    const weather = createConditions(faults, twins, this.#createSight(), persons, control, random.stream("weather"));
    const network = random.stream("network");
    this.cluster = new Cluster({
      people,
      committeeId: this.test.committee.id,
      network: createNetwork(
        faults.model === "chaos" ? "chaos" : model,
        [...condition[trouble], ...weather],
        network,
        faults.replayPerMille,
      ),
      faults: random.stream("faults"),
      scenario: this,
      malicious: new Set(faults.malicious.keys()),
      twins,
    });
    this.#nodes = this.identities.map((_, person) => new SimulatedNode(person, this));
    this.#operators = new Operators(this, this.#epochs, this.#workload, plans, options);
    this.#lostDisks = new LostDisks(this.cluster, random.stream("lost disks"), undefined, (person, disk, lost) => {
      disk.keepSharesOf(lost);
      this.#lostThrough.set(person, this.#operators.lastPossibleEpoch);
      if (disk.epoch === undefined) disk.begin({ committee: this.test.committee, start: undefined });
    });
  }

  /** Of the newest committee, by whoever is honest in it. */
  #createSight(): Sight {
    let newest = { committee: this.test.committee, persons: this.#epochs.committee };
    const shareOf = (person: number): Uint8Array | undefined =>
      this.#nodes[person]!.sharesIn(newest.committee)?.["bls12-381"];
    return createChangingSight(
      this.test.createCoin,
      () => {
        const committee = this.#epochs.newestCommittee;
        if (newest.committee !== committee) newest = { committee, persons: this.#epochs.committee };
        return { ...newest, shareOf };
      },
      (person, epoch) => {
        const { member, driver } = this.cluster.processes[person]!;
        return driver === undefined && member?.committee.epoch === epoch ? member.consensus : undefined;
      },
    );
  }

  run(): SimulationReport {
    const { cluster, test } = this;
    const { checker } = cluster;
    const { members, adversary, seed } = this.#options;
    const first = { committee: test.committee, start: undefined };
    for (const [person, { disk }] of cluster.processes.entries()) {
      const secrets = test.secrets[this.mix.identityOf(person)];
      if (secrets === undefined) continue;
      disk.begin(first);
      disk.keepShares(0n, 0n, secrets.shares);
    }
    this.#spoil();
    for (let person = 0; person < this.addresses.length; person++) {
      cluster.boot(person);
      this.#nodes[person]!.watch();
    }
    cluster.at(UNIT_MS, () => this.#users.submit());
    cluster.after(10 * UNIT_MS, () => this.#operators.operate());
    cluster.after(20 * UNIT_MS, () => this.#users.deposit());
    cluster.after(10 * UNIT_MS, () => this.#users.forwardAgain());
    for (const [person, plan] of this.#mortal()) cluster.scheduleCrash(person, plan);
    // What a broken run does further says nothing new, and may take for ever; but for members that show it later.
    const isBroken = (): boolean => checker.violations.length > 0 && this.#options.control !== "keep-applying";
    cluster.run(() => isBroken() || this.#operators.isDone || cluster.nowMs > FAULTY_UNITS * UNIT_MS);
    cluster.heal();
    this.#operators.wakeAll();
    for (const node of this.#nodes) node.wake();
    const deadline = cluster.nowMs + CONVERGENCE_UNITS * UNIT_MS;
    cluster.run(() => isBroken() || this.#hasConverged() || cluster.nowMs > deadline);
    if (!isBroken() && !this.#hasConverged()) checker.violation(`liveness: ${this.#whyNot()}`);
    // Conservation: what was deposited and not paid out is what accounts hold.
    for (const { member } of cluster.processes) member?.ledger.audit();
    this.#malice.check(checker);
    const { faults } = this.mix;
    const { learners } = this.#lostDisks;
    return {
      members,
      faulty: maxFaulty(members),
      adversary,
      seed: seed.toString(),
      agreement: checker.violations.length === 0,
      violations: checker.violations,
      rounds: Math.max(...cluster.processes.map(({ member }) => member?.consensus.highestRound ?? 0)),
      commits: checker.commits,
      batches: checker.batches,
      certificates: checker.certificates,
      epochs: this.#epochs.count,
      crashes: cluster.crashes,
      ...(faults.malicious.size > 0 ? { malice: this.#malice.report(faults.malicious, cluster) } : {}),
      ...(learners.size > 0 ? { learners: [...learners] } : {}),
      messages: cluster.links.messages,
      instructions: {
        submitted: this.#workload.submitted,
        applied: this.#workload.applied,
        unsettled: this.#workload.pending.size,
      },
      latency: summarize([], UNIT_MS),
      traceHash: cluster.trace.hash,
    };
  }

  // What the cluster asks of a scenario.

  boot(person: number): ReturnType<Scenario["boot"]> {
    this.turned(person);
    return this.#nodes[person]!.boot();
  }

  corrupted(person: number): void {
    this.cluster.trace.add(`${this.cluster.nowMs} corrupt ${person}`);
    this.#lostDisks.declare(person, new SimulatedDisk());
  }

  booted(person: number): void {
    if (this.#options.control === "keep-applying" && person % 2 === 1) hideClosing(this.cluster, person);
    this.#nodes[person]!.booted();
  }

  persisted(person: number, { blocks }: PersistWrite): void {
    this.#epochs.took(person, blocks);
  }

  shown(person: number, effect: Exclude<MemberEffect, { kind: "persist" | "send" }>): void {
    if (effect.kind === "batch") {
      const { batch } = effect;
      this.#users.settled(batch.receipts);
      const { control } = this.#options;
      if (control === "early-switch" && person % 2 === 1)
        switchEarly(this.cluster, person, this.addresses[person]!, batch);
    }
    if (effect.kind === "verdict") this.#users.told(effect.verdict);
    this.#nodes[person]!.shown(effect);
  }

  // What a node asks of the world around it.

  encryptionSecret(person: number, epoch: bigint, attempt: bigint): Uint8Array | undefined {
    return this.#operators.encryptionSecret(person, epoch, attempt);
  }

  dealerFault(person: number): DealerFault | undefined {
    return this.#operators.dealerFault(person);
  }

  sleeps(person: number, epoch: bigint, attempt: bigint): boolean {
    return this.#operators.sleeps(person, epoch, attempt);
  }

  forward(instructions: readonly SignedInstruction[]): void {
    this.#users.forward(instructions);
  }

  entered(person: number, stored: StoredEpoch): void {
    if (this.mix.kindOf(person) === undefined) this.#epochs.entered(person, stored);
  }

  signsIn(person: number, epoch: bigint): boolean {
    return this.#options.control === "sign-after-loss" || epoch > (this.#lostThrough.get(person) ?? -1n);
  }

  turned(person: number): void {
    const process = this.cluster.processes[person]!;
    const { epoch } = process.disk;
    if (epoch === undefined) return;
    process.driver = driverIn(this, this.#malice, person, epoch, this.random, (effect) =>
      this.#nodes[person]!.shown(effect),
    );
  }

  observe(person: number): void {
    this.#users.observe(person);
  }

  /** f of the first committee and some of those who come later die now and then; with some mixes others, and more often. */
  #mortal(): Map<number, CrashPlan | undefined> {
    const { members } = this.#options;
    const { faults } = this.mix;
    const rarely = [...Array(maxFaulty(members)).keys(), members, members + 3, members + 5];
    const plans = new Map<number, CrashPlan | undefined>(rarely.map((person) => [person, undefined]));
    for (const person of faults.crashing) plans.set(person, faults);
    for (const person of faults.malicious.keys()) plans.delete(person);
    return plans;
  }

  /** What the mix says about honest members' disks and processes. */
  #spoil(): void {
    const { cluster, mix, random } = this;
    if (this.#options.adversary === "reshare") return;
    const { disk: faults, corrupting, losing } = mix.faults;
    const [disks, busy] = [random.stream("disks"), random.stream("busy")];
    for (const [person, process] of cluster.processes.entries()) {
      if (mix.kindOf(person) !== undefined) continue;
      process.disk.spoil(faults, disks.stream(String(person)));
      if (busy.chance(BUSY_PERMILLE)) process.busyMs = (1 + busy.below(5)) * BUSY_MS;
    }
    this.#lostDisks.schedule(corrupting, losing, LOSING_UNITS, random.stream("loss of disks"));
    if (mix.isRestless) this.#users.submitAgain();
  }

  /** Whoever is in the newest committee is up, signs, and has the same certified batches; whoever is not has retired. */
  #hasConverged(): boolean {
    // Asked after every event: what takes time to say is said once, at the end.
    return this.#operators.isDone && this.#workload.pending.size === 0 && this.#whyNot() === undefined;
  }

  #whyNot(): string | undefined {
    if (!this.#operators.isDone) return this.#operators.whatIsMissing();
    for (const id of this.#workload.pending) {
      const holders = [...this.cluster.processes.entries()].flatMap(([person, { member }]) =>
        member?.isPending(id) === true ? [person] : [],
      );
      return `${this.#workload.pending.size} instructions are open; the first is held by ${holders.join(" ") || "nobody"}`;
    }
    const committee = this.#epochs.committee;
    const newest = BigInt(this.cluster.checker.batches);
    for (const [person, { member }] of this.cluster.processes.entries()) {
      if (this.mix.kindOf(person) !== undefined) continue;
      if (!committee.includes(person)) {
        if (member !== undefined && !member.isRetired) return `${person} has not noticed that it left`;
        continue;
      }
      if (member === undefined) return `${person} does not run`;
      if (member.committee.epoch !== this.#epochs.newest) return `${person} is in epoch ${member.committee.epoch}`;
      if (!member.isSigner && this.signsIn(person, this.#epochs.newest)) return `${person} has no shares`;
      if (member.ledger.sequence !== newest) return `${person} is at batch ${member.ledger.sequence} of ${newest}`;
      if (member.certifiedSequence !== newest) return `${person} lacks certificates`;
      const credited = member.ledger.destinations[0]?.inboxCursor;
      if (credited !== BigInt(this.#users.deposits))
        return `${credited} of ${this.#users.deposits} deposits are credited`;
    }
    return undefined;
  }
}
