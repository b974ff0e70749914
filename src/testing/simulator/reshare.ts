/**
 * A run in which the committee changes again and again while users trade: proactive refreshes, growth, shrinking, new group keys with
 * handovers, attempts that never complete. Dealers cheat, members die at any effect, some never open their shares, messages are late or
 * lost. What must hold: one digest per sequence whatever the epoch, nothing signed twice, everything that users handed in settled
 * exactly once, the group key kept or handed over by signature, and every change completed or the old committee at work.
 */

import { instructionId } from "../../ledger/instruction.ts";
import type { SignedInstruction } from "../../ledger/types.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import { maxFaulty } from "../../lib/math.ts";
import type { MemberEffect, PersistWrite } from "../../member/types.ts";
import { createTestCommitteeWith, createTestGenesis, type TestCommittee } from "../committee.ts";
import { createRandom, type Random } from "../random.ts";
import { createStandInEngine, standInAddress } from "../stand-in.ts";
import { createStandInReshare } from "../stand-in-reshare.ts";
import { Cluster, type Scenario } from "./cluster.ts";
import { lose, partition } from "./conditions.ts";
import { hideClosing, switchEarly } from "./controls.ts";
import type { StoredEpoch } from "./disk.ts";
import { summarize } from "./latency.ts";
import { createNetwork, UNIT_MS } from "./network.ts";
import { Epochs } from "./reshare-epochs.ts";
import { SimulatedNode, type Surroundings } from "./reshare-node.ts";
import { LARGEST, Operators } from "./reshare-operators.ts";
import type { DealerFault } from "./reshare-plan.ts";
import { shareCodecs } from "./shared-codec.ts";
import { CONVERGENCE_UNITS, type SimulationConfig, type SimulationReport } from "./types.ts";
import { createWorkload } from "./workload.ts";

/**
 * What the checkers must catch. keep-applying: some members go on applying the old epoch's order after its closing batch;
 * early-switch: some members start the next epoch from a closing batch that is not certified.
 */
export type Control = "keep-applying" | "early-switch";

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
  readonly #options: ReshareConfig;
  readonly #nodes: readonly SimulatedNode[];
  readonly #workload;
  readonly #epochs: Epochs;
  readonly #operators: Operators;
  readonly #forwards = new Map<Hex, SignedInstruction>();
  #deposits: number;

  constructor(options: ReshareConfig) {
    this.#options = options;
    const random = createRandom(options.seed);
    const plans = random.stream("plans");
    this.random = random.stream("nodes");
    const people = options.members + Math.max(0, options.members - LARGEST) + STRANGERS;
    const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
    this.test = createTestCommitteeWith(options.members, random.stream("keys"), "stand-in", engines);
    const strangers = random.stream("strangers");
    this.identities = Array.from({ length: people }, (_, i) => this.test.secrets[i]?.identity ?? strangers.bytes(32));
    this.addresses = this.identities.map(standInAddress);
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
    this.#deposits = options.owners;
    const trouble = plans.pick(["none", "none", "none", "loss", "partition"] as const);
    const model = plans.chance(400) ? "chaos" : options.delays;
    const conditions = random.stream("conditions");
    const condition = { none: [], loss: [lose(200, conditions)], partition: [partition(people, conditions)] };
    this.cluster = new Cluster({
      people,
      committeeId: this.test.committee.id,
      network: createNetwork(model, condition[trouble], random.stream("network")),
      faults: random.stream("faults"),
      scenario: this,
    });
    this.#nodes = this.identities.map((_, person) => new SimulatedNode(person, this));
    this.#epochs = new Epochs(this);
    this.#operators = new Operators(this, this.#epochs, this.#workload, plans, options);
  }

  run(): SimulationReport {
    const { cluster, test } = this;
    const { checker } = cluster;
    const { members, adversary, seed } = this.#options;
    const first = { committee: test.committee, start: undefined };
    for (const [person, { shares }] of test.secrets.entries()) {
      const { disk } = cluster.processes[person]!;
      disk.begin(first);
      disk.keepShares(0n, 0n, shares);
    }
    for (let person = 0; person < this.addresses.length; person++) {
      cluster.boot(person);
      this.#nodes[person]!.watch();
    }
    cluster.at(UNIT_MS, () => this.#submit());
    cluster.after(10 * UNIT_MS, () => this.#operators.operate());
    cluster.after(20 * UNIT_MS, () => this.#deposit());
    cluster.after(10 * UNIT_MS, () => this.#forwardAgain());
    // f of the first committee and some of those who come later die now and then.
    const mortal = [...Array(maxFaulty(members)).keys(), members, members + 3, members + 5];
    for (const person of mortal) cluster.scheduleCrash(person);
    cluster.run(() => this.#operators.isDone || cluster.nowMs > FAULTY_UNITS * UNIT_MS);
    cluster.heal();
    this.#operators.wakeAll();
    for (const node of this.#nodes) node.wake();
    const deadline = cluster.nowMs + CONVERGENCE_UNITS * UNIT_MS;
    cluster.run(() => this.#hasConverged() || cluster.nowMs > deadline);
    if (!this.#hasConverged()) checker.violation(`liveness: ${this.#whyNot()}`);
    // Conservation: what was deposited and not paid out is what accounts hold.
    for (const { member } of cluster.processes) member?.ledger.audit();
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
    return this.#nodes[person]!.boot();
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
      for (const receipt of batch.receipts) this.#workload.settled(receipt);
      const { control } = this.#options;
      if (control === "early-switch" && person % 2 === 1)
        switchEarly(this.cluster, person, this.addresses[person]!, batch);
    }
    if (effect.kind === "verdict") {
      const { instructionId: id, status, code } = effect.verdict;
      if (!this.#forwards.has(id)) {
        if (status === "refused") this.#workload.refused(id);
      } else if (!["early", "retired", "mempoolFull"].includes(code)) this.#forwards.delete(id);
    }
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
    for (const signed of instructions) this.#forwards.set(instructionId(signed.instruction), signed);
  }

  entered(person: number, stored: StoredEpoch): void {
    this.#epochs.entered(person, stored);
  }

  observe(person: number): void {
    const entries = this.#workload.deposits.slice(0, this.#deposits);
    const observation = { kind: "inbox", chainId: this.config.genesis.chains[0]!.chainId, entries } as const;
    this.cluster.push(person, this.random.below(5 * UNIT_MS), { kind: "observe", observations: [observation] });
  }

  #submit(): void {
    const { cluster } = this;
    if (cluster.isHealed) return;
    cluster.after(1 + this.random.below(Math.ceil((30 * UNIT_MS) / this.#options.owners)), () => this.#submit());
    // Users of a member that dies before it has gossiped go elsewhere; here they use one that does not crash.
    const hosts = this.#hosts();
    if (hosts.length === 0) return;
    const person = this.random.pick(hosts);
    const signed = this.#workload.next(cluster.processes[person]!.member?.ledger.sequence ?? 0n);
    if (signed !== undefined) cluster.step(person, { kind: "submit", instructions: [signed] });
  }

  /** Members, or such as were until just now, that never crash. */
  #hosts(): number[] {
    return [...this.cluster.processes.entries()].flatMap(([person, { member, everCrashed }]) =>
      member !== undefined && !member.isRetired && !everCrashed ? [person] : [],
    );
  }

  #deposit(): void {
    if (this.cluster.isHealed || this.#deposits >= this.#workload.deposits.length) return;
    this.cluster.after((10 + this.random.below(50)) * UNIT_MS, () => this.#deposit());
    this.#deposits++;
    for (const person of this.addresses.keys()) this.observe(person);
  }

  #forwardAgain(): void {
    this.cluster.after(10 * UNIT_MS, () => this.#forwardAgain());
    const hosts = this.#hosts();
    if (hosts.length === 0 || this.#forwards.size === 0) return;
    this.cluster.push(this.random.pick(hosts), 0, { kind: "submit", instructions: [...this.#forwards.values()] });
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
      if (!committee.includes(person)) {
        if (member !== undefined && !member.isRetired) return `${person} has not noticed that it left`;
        continue;
      }
      if (member === undefined) return `${person} does not run`;
      if (member.committee.epoch !== this.#epochs.newest) return `${person} is in epoch ${member.committee.epoch}`;
      if (!member.isSigner) return `${person} has no shares`;
      if (member.ledger.sequence !== newest) return `${person} is at batch ${member.ledger.sequence} of ${newest}`;
      if (member.certifiedSequence !== newest) return `${person} lacks certificates`;
      const credited = member.ledger.destinations[0]?.inboxCursor;
      if (credited !== BigInt(this.#deposits)) return `${credited} of ${this.#deposits} deposits are credited`;
    }
    return undefined;
  }
}
