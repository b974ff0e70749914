/**
 * Processes of shipping members in virtual time: messages between them, wake-ups, crashes at any effect and restarts from what was
 * written. Who runs which member, and what else happens, is the scenario's. Every process belongs to one person; which index that
 * person has depends on the committee that its transport was made for.
 */
import { headerDigest } from "../../batch/header.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../consensus/limits.ts";
import { utf8ToBytes } from "../../lib/bytes.ts";
import { createKeccakStream } from "../../lib/hash.ts";
import { bytesToHex, type Hex } from "../../lib/hex.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../member/limits.ts";
import { Member } from "../../member/member.ts";
import type { MemberConfig, MemberEffect, MemberInput, PersistWrite } from "../../member/types.ts";
import type { Random } from "../random.ts";
import { type Checker, createChecker } from "./checker.ts";
import { SimulatedDisk } from "./disk.ts";
import { createEventQueue } from "./event-queue.ts";
import { type Network, UNIT_MS } from "./network.ts";

/** What a member runs with: full speed, a round a message delay, as the latency figures are defined. */
export const SIMULATED_MEMBER: Pick<
  MemberConfig,
  "retainedRounds" | "activityWindow" | "consensusLimits" | "limits" | "pacing"
> = {
  retainedRounds: 64,
  activityWindow: 32,
  consensusLimits: DEFAULT_CONSENSUS_LIMITS,
  limits: DEFAULT_MEMBER_LIMITS,
  pacing: { busyIntervalMs: 0, idleIntervalMs: 0, retryMs: 5 * UNIT_MS },
};

export interface Process {
  readonly disk: SimulatedDisk;
  member: Member | undefined;
  /** Persons by index of the committee that the transport was made for. */
  peers: readonly number[];
  /** Counts restarts, so that a dead process's timers do not wake its successor. */
  life: number;
  wakeAtMs: number | undefined;
  /** Set: the next step with effects is cut off after this many sends. */
  crashAfter: number | undefined;
  everCrashed: boolean;
}

export interface Scenario {
  /** What a person's process runs now; undefined: nothing. */
  boot(person: number): { readonly config: MemberConfig; readonly peers: readonly number[] } | undefined;
  /** After the process runs. */
  booted(person: number): void;
  /** A write is durable. */
  persisted(person: number, write: PersistWrite): void;
  /** Everything that a node shows or acts upon. Persists, sends and checks are done by then. */
  shown(person: number, effect: Exclude<MemberEffect, { kind: "persist" | "send" }>): void;
}

export interface ClusterOptions {
  readonly people: number;
  readonly committeeId: Hex;
  readonly network: Network;
  readonly faults: Random;
  readonly scenario: Scenario;
}

export class Cluster {
  readonly checker: Checker = createChecker();
  readonly processes: readonly Process[];
  readonly #options: ClusterOptions;
  readonly #queue = createEventQueue<() => void>();
  readonly #hash = createKeccakStream();
  #nowMs = 0;
  #crashes = 0;
  #messages = 0;
  #isHealed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.processes = Array.from({ length: options.people }, () => ({
      disk: new SimulatedDisk(),
      member: undefined,
      peers: [],
      life: 0,
      wakeAtMs: undefined,
      crashAfter: undefined,
      everCrashed: false,
    }));
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get crashes(): number {
    return this.#crashes;
  }

  get messages(): number {
    return this.#messages;
  }

  get isHealed(): boolean {
    return this.#isHealed;
  }

  get traceHash(): Hex {
    return bytesToHex(this.#hash.digest());
  }

  at(atMs: number, action: () => void): void {
    this.#queue.push(atMs, action);
  }

  after(delayMs: number, action: () => void): void {
    this.#queue.push(this.#nowMs + delayMs, action);
  }

  run(isDone: () => boolean): void {
    while (!isDone()) {
      const next = this.#queue.pop();
      if (next === undefined) return;
      this.#nowMs = next.atMs;
      next.event();
    }
  }

  trace(line: string): void {
    this.#hash.update(utf8ToBytes(`${line}\n`));
  }

  /** Starts a person's process unless it runs. */
  boot(person: number): void {
    const target = this.processes[person]!;
    if (target.member !== undefined) return;
    const order = this.#options.scenario.boot(person);
    if (order === undefined) return;
    target.peers = order.peers;
    target.member = this.#try(person, () => {
      const member = new Member(order.config);
      member.restore(target.disk.recover(), (effect) => this.#apply(person, effect));
      return member;
    });
    if (target.member === undefined) return;
    target.life++;
    target.crashAfter = undefined;
    this.connect(person, target.life > 1);
    this.push(person, 0, { kind: "tick" });
    this.#options.scenario.booted(person);
  }

  /** The transport's links are up; `isNew`: the peers notice it. */
  connect(person: number, isNew: boolean): void {
    for (const peer of this.processes[person]!.peers) {
      if (peer === person) continue;
      this.#pushConnected(person, peer, 0);
      if (isNew) this.#pushConnected(peer, person, UNIT_MS);
    }
  }

  /** Ends a process without a trace on its disk. */
  stop(person: number): void {
    const target = this.processes[person]!;
    target.member = undefined;
    target.wakeAtMs = undefined;
    target.crashAfter = undefined;
  }

  push(person: number, delayMs: number, input: MemberInput): void {
    this.after(delayMs, () => this.step(person, input));
  }

  step(person: number, input: MemberInput): void {
    const target = this.processes[person]!;
    const { member } = target;
    if (member === undefined) return;
    const effects = this.#try(person, () => member.step(input, this.#nowMs)) ?? [];
    let sends = 0;
    for (const effect of effects) {
      if (effect.kind === "send" && target.crashAfter !== undefined && sends++ >= target.crashAfter) {
        this.#crash(person);
        return;
      }
      this.#apply(person, effect);
    }
    // A scenario may have replaced the process.
    if (target.member !== member) return;
    if (target.crashAfter !== undefined && effects.length > 0) {
      this.#crash(person);
      return;
    }
    this.#scheduleWake(person);
  }

  /** The person's process dies at a random effect now and then, and comes back. */
  scheduleCrash(person: number): void {
    if (this.#isHealed) return;
    const { faults } = this.#options;
    this.processes[person]!.everCrashed = true;
    this.after((45 + faults.below(60)) * UNIT_MS, () => {
      if (!this.#isHealed) this.processes[person]!.crashAfter = faults.below(2 * this.#options.people);
    });
  }

  /** From now on nothing goes wrong any more, and everybody is up. */
  heal(): void {
    this.#isHealed = true;
    this.#options.network.heal();
    for (let person = 0; person < this.processes.length; person++) {
      this.processes[person]!.crashAfter = undefined;
      this.boot(person);
    }
  }

  /** A member that throws has found itself broken, and stops. */
  #try<T>(person: number, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      this.checker.violation(`${person} stopped: ${String(error)}`);
      this.stop(person);
      return undefined;
    }
  }

  #apply(person: number, effect: MemberEffect): void {
    const { disk, peers } = this.processes[person]!;
    const { checker } = this;
    switch (effect.kind) {
      case "persist":
        for (const { kind, position, digest } of effect.write.register) checker.signed(person, kind, position, digest);
        for (const conflict of disk.write(effect.write)) checker.violation(`S6: ${person} overwrote ${conflict}`);
        this.#options.scenario.persisted(person, effect.write);
        return;
      case "send":
        if (effect.to !== "all") this.#send(person, peers[effect.to]!, effect.bytes);
        else for (const to of peers) if (to !== person) this.#send(person, to, effect.bytes);
        return;
      case "ordered":
        for (const commit of effect.output.commits) {
          checker.commit(person, commit);
          this.trace(`${person} commit ${commit.index} ${commit.digest}`);
        }
        break;
      case "batch":
        checker.batch(person, effect.batch);
        break;
      case "certificate": {
        const digest = headerDigest(effect.certificate.header, this.#options.committeeId);
        checker.certificate(person, effect.certificate, digest);
        this.trace(`${person} certificate ${effect.certificate.suite} ${digest}`);
        break;
      }
      case "punish": {
        const details = JSON.stringify(effect.details, (_, value) =>
          typeof value === "bigint" ? value.toString() : value,
        );
        checker.violation(`honest member ${peers[effect.member]} was blamed by ${person}: ${effect.code} ${details}`);
        break;
      }
      case "exposed":
        checker.violation(`honest member ${peers[effect.author]} signed two blocks for round ${effect.first.round}`);
        break;
    }
    this.#options.scenario.shown(person, effect);
  }

  #send(from: number, to: number, bytes: Uint8Array): void {
    const delayMs = this.#options.network.delayMs(from, to, this.#nowMs);
    if (delayMs === undefined) return;
    this.after(delayMs, () => {
      this.#messages++;
      this.trace(`${this.#nowMs} ${from}>${to} ${bytes[4]} ${bytes.length}`);
      const { member, peers } = this.processes[to]!;
      const index = peers.indexOf(from);
      // A transport turns away whoever is not in its committee.
      if (member === undefined || index < 0) return;
      this.step(to, { kind: "message", epoch: member.committee.epoch, from: index, bytes });
    });
  }

  #pushConnected(person: number, peer: number, delayMs: number): void {
    this.after(delayMs, () => {
      const { member, peers } = this.processes[person]!;
      const index = peers.indexOf(peer);
      if (member !== undefined && index >= 0)
        this.step(person, { kind: "connected", epoch: member.committee.epoch, peer: index });
    });
  }

  #scheduleWake(person: number): void {
    const target = this.processes[person]!;
    const wakeAtMs = target.member?.wakeAtMs;
    if (wakeAtMs === undefined || target.wakeAtMs === wakeAtMs) return;
    const { life } = target;
    const dueMs = Math.max(wakeAtMs, this.#nowMs);
    target.wakeAtMs = dueMs;
    this.at(dueMs, () => {
      if (target.life !== life || target.wakeAtMs !== dueMs) return;
      target.wakeAtMs = undefined;
      this.step(person, { kind: "tick" });
    });
  }

  #crash(person: number): void {
    this.stop(person);
    this.processes[person]!.everCrashed = true;
    this.#crashes++;
    this.trace(`${this.#nowMs} crash ${person}`);
    this.after((1 + this.#options.faults.below(40)) * UNIT_MS, () => this.boot(person));
    this.scheduleCrash(person);
  }
}
