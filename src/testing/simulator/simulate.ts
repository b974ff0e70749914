/**
 * The simulator: n shipping members in one process, virtual time, everything drawn from one seed. A first phase with faults,
 * then a liveness phase in which the network heals and everybody is up: it must converge. The trace is hashed, so that the same
 * seed gives the same hash on every run and machine.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { headerDigest } from "../../batch/header.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../consensus/limits.ts";
import { utf8ToBytes } from "../../lib/bytes.ts";
import { addressOf } from "../../lib/ecdsa.ts";
import { bytesToHex, type Hex } from "../../lib/hex.ts";
import { maxFaulty } from "../../lib/math.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../member/limits.ts";
import { Member } from "../../member/member.ts";
import type { MemberConfig, MemberEffect, MemberInput } from "../../member/types.ts";
import type { Engine, Suite } from "../../threshold/types.ts";
import { createTestCommitteeWith, createTestGenesis, type TestCommittee } from "../committee.ts";
import { createRandom, type Random } from "../random.ts";
import { createStandInEngine, standInAddress } from "../stand-in.ts";
import { createChecker } from "./checker.ts";
import { SimulatedDisk } from "./disk.ts";
import { createEventQueue } from "./event-queue.ts";
import { type LatencyReport, summarize } from "./latency.ts";
import { createNetwork, type DelayModel, UNIT_MS } from "./network.ts";
import { createWorkload } from "./workload.ts";

export const ADVERSARIES = ["none", "crash", "chaos", "crash-chaos", "loss", "partition"] as const;
/**
 * none: honest network; crash: f members crash at random effects and come back; chaos: messages overtake each other by rounds;
 * loss: one message in five never arrives; partition: now and then two groups hear nothing of each other.
 */
export type Adversary = (typeof ADVERSARIES)[number];

export interface SimulationConfig {
  readonly members: number;
  readonly adversary: Adversary;
  readonly seed: bigint;
  /** Rounds of the phase with faults. */
  readonly rounds: number;
  /** Delays without chaos. */
  readonly delays: Exclude<DelayModel, "chaos">;
  /** Real engines, or undefined for the stand-in. */
  readonly engines?: Readonly<Record<Suite, Engine>> | undefined;
  /** Users that keep one instruction under way each. */
  readonly owners: number;
}

export interface SimulationReport {
  readonly members: number;
  readonly faulty: number;
  readonly adversary: Adversary;
  readonly seed: string;
  readonly agreement: boolean;
  readonly violations: readonly string[];
  readonly rounds: number;
  readonly commits: number;
  readonly batches: number;
  readonly certificates: number;
  readonly crashes: number;
  readonly messages: number;
  readonly instructions: { readonly submitted: number; readonly applied: number; readonly unsettled: number };
  /** In message delays, over all blocks of members that never crashed, at all such members. */
  readonly latency: LatencyReport;
  readonly traceHash: Hex;
}

type Event =
  | { readonly kind: "deliver"; readonly from: number; readonly to: number; readonly bytes: Uint8Array }
  | { readonly kind: "wake"; readonly member: number; readonly life: number }
  | { readonly kind: "input"; readonly member: number; readonly input: MemberInput }
  | { readonly kind: "crash"; readonly member: number }
  | { readonly kind: "restart"; readonly member: number }
  | { readonly kind: "submit" };

interface SimulatedMember {
  readonly disk: SimulatedDisk;
  member: Member | undefined;
  /** Counts restarts, so that a dead process's timers do not wake its successor. */
  life: number;
  wakeAtMs: number | undefined;
  /** Set: the next step with effects is cut off after this many sends. */
  crashAfter: number | undefined;
  everCrashed: boolean;
}

/** A run that has not converged this long (in message delays) after the network healed never will: a liveness violation. */
const CONVERGENCE_UNITS = 2000;

export function simulate(config: SimulationConfig): SimulationReport {
  return new Simulation(config).run();
}

class Simulation {
  readonly #config: SimulationConfig;
  readonly #queue = createEventQueue<Event>();
  readonly #checker = createChecker();
  readonly #hash = keccak_256.create();
  readonly #random: Random;
  readonly #faults: Random;
  readonly #test: TestCommittee;
  readonly #genesis;
  readonly #workload;
  readonly #network;
  readonly #members: SimulatedMember[];
  readonly #proposedAt = new Map<Hex, number>();
  readonly #samples: number[] = [];
  #nowMs = 0;
  #crashes = 0;
  #messages = 0;
  #healed = false;

  constructor(config: SimulationConfig) {
    this.#config = config;
    this.#random = createRandom(config.seed);
    this.#faults = this.#random.stream("faults");
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
    const trouble = config.adversary === "loss" || config.adversary === "partition" ? config.adversary : undefined;
    this.#network = createNetwork(model, trouble, this.#random.stream("network"));
    this.#members = Array.from({ length: config.members }, () => ({
      disk: new SimulatedDisk(),
      member: undefined,
      life: 0,
      wakeAtMs: undefined,
      crashAfter: undefined,
      everCrashed: false,
    }));
  }

  run(): SimulationReport {
    const { members, adversary, seed, rounds } = this.#config;
    const faulty = maxFaulty(members);
    for (let index = 0; index < members; index++) this.#boot(index);
    this.#observeDeposits();
    this.#queue.push(UNIT_MS, { kind: "submit" });
    if (adversary.startsWith("crash")) for (let index = 0; index < faulty; index++) this.#scheduleCrash(index);
    this.#loop(() => this.#lowestRound() >= rounds);
    this.#heal();
    const deadline = this.#nowMs + CONVERGENCE_UNITS * UNIT_MS;
    this.#loop(() => this.#hasConverged() || this.#nowMs > deadline);
    if (!this.#hasConverged())
      this.#checker.violation(`liveness: not converged ${CONVERGENCE_UNITS} delays after the network healed`);
    return {
      members,
      faulty,
      adversary,
      seed: seed.toString(),
      agreement: this.#checker.violations.length === 0,
      violations: this.#checker.violations,
      rounds: this.#lowestRound(),
      commits: this.#checker.commits,
      batches: this.#checker.batches,
      certificates: this.#checker.certificates,
      crashes: this.#crashes,
      messages: this.#messages,
      instructions: {
        submitted: this.#workload.submitted,
        applied: this.#workload.applied,
        unsettled: this.#workload.pending.size,
      },
      latency: summarize(this.#samples, UNIT_MS),
      traceHash: bytesToHex(this.#hash.clone().digest()),
    };
  }

  #loop(isDone: () => boolean): void {
    while (!isDone()) {
      const next = this.#queue.pop();
      if (next === undefined) return;
      this.#nowMs = next.atMs;
      this.#handle(next.event);
    }
  }

  #handle(event: Event): void {
    switch (event.kind) {
      case "deliver":
        this.#messages++;
        this.#trace(`${this.#nowMs} ${event.from}>${event.to} ${event.bytes[0]} ${event.bytes.length}`);
        this.#step(event.to, { kind: "message", from: event.from, bytes: event.bytes });
        break;
      case "wake": {
        const target = this.#members[event.member]!;
        if (target.life !== event.life || target.wakeAtMs !== this.#nowMs) break;
        target.wakeAtMs = undefined;
        this.#step(event.member, { kind: "tick" });
        break;
      }
      case "input":
        this.#step(event.member, event.input);
        break;
      case "crash":
        if (!this.#healed) this.#members[event.member]!.crashAfter = this.#faults.below(2 * this.#config.members);
        break;
      case "restart":
        this.#boot(event.member);
        break;
      case "submit":
        this.#submit();
        break;
    }
  }

  #configOf(index: number): MemberConfig {
    const { committee, secrets, engines, identities, coinOf } = this.#test;
    return {
      committee,
      genesis: this.#genesis,
      self: index,
      secrets: secrets[index]!,
      engines,
      coin: coinOf(index),
      identities,
      blockSigner: identities,
      retainedRounds: 64,
      activityWindow: 32,
      consensusLimits: DEFAULT_CONSENSUS_LIMITS,
      limits: DEFAULT_MEMBER_LIMITS,
      // Full speed: a round a message delay, as the latency figures are defined.
      pacing: { busyIntervalMs: 0, idleIntervalMs: 0, retryMs: 5 * UNIT_MS },
    };
  }

  #boot(index: number): void {
    const target = this.#members[index]!;
    if (target.member !== undefined) return;
    const member = new Member(this.#configOf(index));
    member.restore(target.disk.recover(), (effect) => this.#apply(index, effect));
    target.member = member;
    target.life++;
    target.crashAfter = undefined;
    for (let peer = 0; peer < this.#members.length; peer++) {
      if (peer === index) continue;
      this.#queue.push(this.#nowMs, { kind: "input", member: index, input: { kind: "connected", peer } });
      if (target.life > 1)
        this.#queue.push(this.#nowMs + UNIT_MS, {
          kind: "input",
          member: peer,
          input: { kind: "connected", peer: index },
        });
    }
    this.#queue.push(this.#nowMs, { kind: "input", member: index, input: { kind: "tick" } });
    // A restarted watcher reads its inbox again from the start.
    if (target.life > 1) this.#observe(index);
  }

  #step(index: number, input: MemberInput): void {
    const target = this.#members[index]!;
    if (target.member === undefined) return;
    const effects = target.member.step(input, this.#nowMs);
    let sends = 0;
    for (const effect of effects) {
      if (effect.kind === "send" && target.crashAfter !== undefined && sends++ >= target.crashAfter) {
        this.#crash(index);
        return;
      }
      this.#apply(index, effect);
    }
    if (target.crashAfter !== undefined && effects.length > 0) {
      this.#crash(index);
      return;
    }
    this.#scheduleWake(index);
  }

  #apply(index: number, effect: MemberEffect): void {
    const target = this.#members[index]!;
    switch (effect.kind) {
      case "persist":
        for (const { kind, position, digest } of effect.write.register)
          this.#checker.signed(index, kind, position, digest);
        for (const conflict of target.disk.write(effect.write))
          this.#checker.violation(`S6: member ${index} overwrote ${conflict}`);
        for (const block of effect.write.blocks) {
          if (block.author === index) this.#proposedAt.set(block.digest, this.#nowMs);
        }
        break;
      case "send":
        if (effect.to !== "all") this.#send(index, effect.to, effect.bytes);
        else for (let to = 0; to < this.#members.length; to++) if (to !== index) this.#send(index, to, effect.bytes);
        break;
      case "ordered":
        this.#checker.output(index, effect.output);
        for (const commit of effect.output.commits) {
          this.#trace(`${index} commit ${commit.index} ${commit.digest}`);
          for (const block of commit.blocks) this.#sample(index, block.author, block.digest);
        }
        break;
      case "batch":
        this.#checker.batch(index, effect.batch.header.sequence, effect.batch.digest);
        for (const receipt of effect.batch.receipts) this.#workload.settled(receipt);
        break;
      case "certificate": {
        const digest = headerDigest(effect.certificate.header, this.#test.committee.id);
        this.#checker.certificate(index, effect.certificate, digest);
        this.#trace(`${index} certificate ${effect.certificate.suite} ${digest}`);
        break;
      }
      case "punish":
        this.#checker.violation(`honest member ${effect.member} was blamed by ${index}: ${effect.code}`);
        break;
      case "exposed":
        this.#checker.violation(`honest member ${effect.author} signed two blocks for round ${effect.first.round}`);
        break;
      case "verdict":
        if (effect.verdict.status === "refused") this.#workload.refused(effect.verdict.instructionId);
        break;
      case "behind":
        break;
    }
  }

  #send(from: number, to: number, bytes: Uint8Array): void {
    const delayMs = this.#network.delayMs(from, to, this.#nowMs);
    if (delayMs !== undefined) this.#queue.push(this.#nowMs + delayMs, { kind: "deliver", from, to, bytes });
  }

  #scheduleWake(index: number): void {
    const target = this.#members[index]!;
    const wakeAtMs = target.member?.wakeAtMs;
    if (wakeAtMs === undefined || target.wakeAtMs === wakeAtMs) return;
    target.wakeAtMs = Math.max(wakeAtMs, this.#nowMs);
    this.#queue.push(target.wakeAtMs, { kind: "wake", member: index, life: target.life });
  }

  #crash(index: number): void {
    const target = this.#members[index]!;
    target.member = undefined;
    target.wakeAtMs = undefined;
    target.crashAfter = undefined;
    target.everCrashed = true;
    this.#crashes++;
    this.#trace(`${this.#nowMs} crash ${index}`);
    this.#queue.push(this.#nowMs + (1 + this.#faults.below(40)) * UNIT_MS, { kind: "restart", member: index });
    this.#scheduleCrash(index);
  }

  #scheduleCrash(index: number): void {
    if (this.#healed) return;
    this.#members[index]!.everCrashed = true;
    this.#queue.push(this.#nowMs + (45 + this.#faults.below(60)) * UNIT_MS, { kind: "crash", member: index });
  }

  #heal(): void {
    this.#healed = true;
    this.#network.heal();
    for (let index = 0; index < this.#members.length; index++) {
      this.#members[index]!.crashAfter = undefined;
      this.#boot(index);
    }
  }

  #observeDeposits(): void {
    for (let index = 0; index < this.#members.length; index++) this.#observe(index);
  }

  #observe(index: number): void {
    const atMs = this.#nowMs + this.#random.below(5 * UNIT_MS);
    const entries = this.#workload.deposits;
    const observation = { kind: "inbox", chainId: this.#genesis.chains[0]!.chainId, entries } as const;
    this.#queue.push(atMs, { kind: "input", member: index, input: { kind: "observe", observations: [observation] } });
  }

  #submit(): void {
    if (this.#healed) return;
    this.#queue.push(this.#nowMs + 1 + this.#random.below(UNIT_MS), { kind: "submit" });
    // Users of a member that dies before it has gossiped go elsewhere; here they use one that does not crash.
    const index = this.#random.pick(this.#members.flatMap(({ everCrashed }, member) => (everCrashed ? [] : [member])));
    const signed = this.#workload.next(this.#members[index]!.member?.ledger.sequence ?? 0n);
    if (signed !== undefined) this.#step(index, { kind: "submit", instructions: [signed] });
  }

  #sample(index: number, author: number, digest: Hex): void {
    const proposedAt = this.#proposedAt.get(digest);
    if (proposedAt === undefined || this.#healed) return;
    if (this.#members[index]!.everCrashed || this.#members[author]!.everCrashed) return;
    this.#samples.push(this.#nowMs - proposedAt);
  }

  #lowestRound(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { member, everCrashed } of this.#members) {
      if (!everCrashed) lowest = Math.min(lowest, member?.consensus.highestRound ?? 0);
    }
    return lowest;
  }

  /** Everybody is up, has the same batches, all certified, and nobody's instruction is open. */
  #hasConverged(): boolean {
    if (this.#workload.pending.size > 0) return false;
    const newest = BigInt(this.#checker.batches);
    return this.#members.every(
      ({ member }) => member !== undefined && member.ledger.sequence === newest && member.certifiedSequence === newest,
    );
  }

  #trace(line: string): void {
    this.#hash.update(utf8ToBytes(`${line}\n`));
  }
}
