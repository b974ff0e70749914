/**
 * Processes of shipping members in virtual time: messages between them, wake-ups, crashes at any effect and restarts from what was
 * written. Who runs which member, and what else happens, is the scenario's. Every process belongs to one person; which index that
 * person has depends on the committee that its transport was made for.
 */
import { headerDigest } from "../../batch/header.ts";
import type { Hex } from "../../lib/hex.ts";
import { Member } from "../../member/member.ts";
import type { MemberConfig, MemberEffect, MemberInput, PersistWrite } from "../../member/types.ts";
import type { Random } from "../random.ts";
import { type Checker, createChecker } from "./checker.ts";
import { DiskError } from "./disk-faults.ts";
import { createEventQueue } from "./event-queue.ts";
import { Links } from "./links.ts";
import { type Network, UNIT_MS } from "./network.ts";
import { type CrashPlan, createProcess, type Process, RARE_CRASHES } from "./process.ts";
import { createTrace } from "./trace.ts";

/** How many members have so much to do that messages wait for them, and for how many times how long. */
export const BUSY_PERMILLE = 250;
export const BUSY_MS = UNIT_MS / 10;

export interface Scenario {
  /** What a person's process runs now; undefined: nothing. */
  boot(person: number): { readonly config: MemberConfig; readonly peers: readonly number[] } | undefined;
  /** After the process runs. */
  booted(person: number): void;
  /** A process found its disk corrupt, and stopped. */
  corrupted?(person: number): void;
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
  /** Malicious persons; what they say and do is not checked. */
  readonly malicious?: ReadonlySet<number>;
  /** Persons that run under another person's identity, and whose. They come after all others. */
  readonly twins?: ReadonlyMap<number, number>;
}

export class Cluster {
  readonly checker: Checker;
  readonly processes: readonly Process[];
  readonly trace = createTrace();
  readonly links: Links;
  readonly #options: ClusterOptions;
  readonly #queue = createEventQueue<() => void>();
  #nowMs = 0;
  #crashes = 0;
  #isHealed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.checker = createChecker((person) => options.malicious?.has(person) !== true);
    this.processes = Array.from({ length: options.people }, createProcess);
    this.links = new Links(this, options.network, options.twins);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get crashes(): number {
    return this.#crashes;
  }

  get isHealed(): boolean {
    return this.#isHealed;
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

  /** Starts a person's process unless it runs. */
  boot(person: number): void {
    const target = this.processes[person]!;
    if (target.member !== undefined) return;
    const order = this.#options.scenario.boot(person);
    if (order === undefined) return;
    target.peers = order.peers;
    target.member = this.#try(person, () => {
      const { driver, disk } = target;
      // A malicious member's driver keeps what it likes.
      const readBlock = driver === undefined ? (digest: Hex) => disk.block(digest) : undefined;
      const member = new Member({ ...order.config, readBlock });
      const recovered = target.disk.recover();
      member.restore(driver?.recovered?.(recovered) ?? recovered, (effect) => {
        if (driver === undefined) this.#apply(person, effect);
      });
      return member;
    });
    // CAST: the compiler does not see that restoring may end in #crash
    if ((target.member as Member | undefined) === undefined) return;
    target.life++;
    target.crashAfter = undefined;
    this.links.connect(person, target.life > 1);
    this.push(person, 0, { kind: "tick" });
    this.#options.scenario.booted(person);
  }

  /** Ends a process without a trace on its disk. */
  stop(person: number): void {
    const target = this.processes[person]!;
    target.member = undefined;
    target.wakeAtMs = undefined;
    target.crashAfter = undefined;
    target.inbox = [];
  }

  push(person: number, delayMs: number, input: MemberInput): void {
    this.after(delayMs, () => this.step(person, input));
  }

  /** A message came. A busy process looks at its inbox now and then, and takes all of it in one go, as a node does. */
  take(person: number, input: MemberInput): void {
    const { busyMs, inbox, life } = this.processes[person]!;
    if (busyMs === undefined) {
      this.step(person, input);
      return;
    }
    inbox.push(input);
    if (inbox.length === 1) this.after(busyMs, () => this.#drain(person, life));
  }

  #drain(person: number, life: number): void {
    const target = this.processes[person]!;
    if (target.life !== life) return;
    const inputs = target.inbox;
    target.inbox = [];
    for (const [i, input] of inputs.entries()) {
      // What a process has taken in dies with it.
      if (target.member === undefined || target.life !== life) return;
      this.step(person, input, i + 1 < inputs.length);
    }
  }

  step(person: number, input: MemberInput, isMore = false): void {
    const target = this.processes[person]!;
    const { member } = target;
    if (member === undefined) return;
    const effects = this.#try(person, () => member.step(input, this.#nowMs, isMore)) ?? [];
    if (target.driver !== undefined) {
      target.driver.act(effects);
      if (target.member === member) this.#scheduleWake(person);
      return;
    }
    let sends = 0;
    for (const effect of effects) {
      if (target.crashAfter !== undefined) {
        if (effect.kind === "persist" && target.crashAfter < 0) {
          this.#tear(person, effect.write);
          return;
        }
        if (effect.kind === "send" && sends++ >= target.crashAfter) {
          this.#crash(person, false);
          return;
        }
      }
      if (!this.#carryOut(person, effect)) return;
    }
    // A scenario may have replaced the process.
    if (target.member !== member) return;
    if (target.crashAfter !== undefined && effects.length > 0) {
      this.#crash(person, false);
      return;
    }
    this.#scheduleWake(person);
  }

  /** The person's process dies at a random effect now and then, and comes back. */
  scheduleCrash(person: number, plan: CrashPlan = RARE_CRASHES): void {
    this.processes[person]!.everCrashed = true;
    this.processes[person]!.crashes = plan;
    this.#nextCrash(person, plan);
  }

  #nextCrash(person: number, plan: CrashPlan): void {
    const { faults } = this.#options;
    const least = Math.ceil(plan.everyUnits * 0.4);
    this.after((least + faults.below(plan.everyUnits - least)) * UNIT_MS, () => {
      if (this.#isHealed) return;
      this.processes[person]!.crashAfter = faults.chance(250) ? -1 : faults.below(2 * this.#options.people);
      this.#nextCrash(person, plan);
    });
  }

  /** From now on nothing goes wrong any more, and everybody is up. */
  heal(): void {
    this.#isHealed = true;
    this.#options.network.heal();
    for (let person = 0; person < this.processes.length; person++) {
      const target = this.processes[person]!;
      target.crashAfter = undefined;
      target.disk.repair();
      this.boot(person);
    }
  }

  /** A member that throws has found itself broken, or its disk, and stops. */
  #try<T>(person: number, action: () => T): T | undefined {
    const { disk, driver } = this.processes[person]!;
    try {
      return action();
    } catch (error) {
      if (error instanceof DiskError) {
        this.#crash(person, false);
        return undefined;
      }
      this.stop(person);
      if (disk.isCorrupt) this.#options.scenario.corrupted?.(person);
      // Who breaks the rules may find them broken.
      else if (driver === undefined) this.checker.violation(`${person} stopped: ${String(error)}`);
      return undefined;
    }
  }

  /** False when the process did not survive it. */
  #carryOut(person: number, effect: MemberEffect): boolean {
    try {
      this.#apply(person, effect);
      return true;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#crash(person, false);
      return false;
    }
  }

  #apply(person: number, effect: MemberEffect): void {
    const { disk, peers } = this.processes[person]!;
    const { checker } = this;
    switch (effect.kind) {
      case "persist":
        for (const conflict of disk.write(effect.write)) checker.violation(`S6: ${person} overwrote ${conflict}`);
        // Only now it may leave.
        for (const { kind, position, digest } of effect.write.register) checker.signed(person, kind, position, digest);
        this.#options.scenario.persisted(person, effect.write);
        return;
      case "send":
        if (effect.to !== "all") this.links.send(person, peers[effect.to]!, effect.bytes);
        else for (const to of peers) if (to !== person) this.links.send(person, to, effect.bytes);
        return;
      case "ordered":
        for (const commit of effect.output.commits) {
          checker.commit(person, commit);
          this.trace.add(`${person} commit ${commit.index} ${commit.digest}`);
        }
        break;
      case "batch":
        checker.batch(person, effect.batch);
        break;
      case "certificate": {
        const digest = headerDigest(effect.certificate.header, this.#options.committeeId);
        checker.certificate(person, effect.certificate, digest);
        this.trace.add(`${person} certificate ${effect.certificate.suite} ${digest}`);
        break;
      }
      case "punish":
        checker.blamed(person, peers[effect.member]!, effect.code, effect.details);
        break;
      case "exposed":
        checker.exposed(person, peers[effect.author]!, effect.first, effect.second);
        break;
    }
    this.#options.scenario.shown(person, effect);
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

  #crash(person: number, isWriting: boolean): void {
    const target = this.processes[person]!;
    this.stop(person);
    target.disk.crash(isWriting);
    target.everCrashed = true;
    this.#crashes++;
    this.trace.add(`${this.#nowMs} crash ${person}`);
    const { downUnits } = target.crashes ?? RARE_CRASHES;
    this.after((1 + this.#options.faults.below(downUnits)) * UNIT_MS, () => this.boot(person));
  }

  /** The process dies while it writes. */
  #tear(person: number, write: PersistWrite): void {
    try {
      this.processes[person]!.disk.write(write);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
    this.#crash(person, true);
  }
}
