/**
 * How long to wait for stragglers once Q blocks of a round are there: full parents are what makes the three-delay window
 * close. Performance only: whatever these numbers are, safety and liveness are the same. Times come in as numbers.
 */
import { MAX_STRAGGLER_WAIT_MS, STRAGGLER_FRACTION, STRAGGLER_MEMORY_ROUNDS } from "./limits.ts";

/** Weight of a new sample in the moving average of the delay. */
const SMOOTHING = 0.25;
/** Wait only while waiting would have made the parents full in this share of the rounds; where it starts, and its weight. */
const WORTH_WAITING = 0.7;
const WORTH_AT_FIRST = 0.75;
const WORTH_SMOOTHING = 1 / 24;
/** Parents are full when everybody is among them that was in time within so many rounds: who dies distorts this for a while. */
const FULL_MEMORY_ROUNDS = 12;

export class Pacing {
  readonly #lastInTime: number[];
  #delayMs = 0;
  #quorumRound = 0;
  #quorumAtMs = 0;
  /** Authors lately in time that were not there when the newest round got its quorum, less those that came within the grace. */
  #stragglers = new Set<number>();
  #hadStragglers = false;
  /** Moving average of "all of them came"; measured whether or not we waited, so that waiting can start again. */
  #worth = WORTH_AT_FIRST;
  #proposedRound = 0;
  #proposedAtMs = 0;

  constructor(n: number) {
    this.#lastInTime = new Array<number>(n).fill(0);
  }

  /** Moving average of the time from our block of a round to Q blocks of it: about one message delay. */
  get delayMs(): number {
    return this.#delayMs;
  }

  /** The newest round that has a quorum. */
  get quorumRound(): number {
    return this.#quorumRound;
  }

  get graceMs(): number {
    return Math.min(STRAGGLER_FRACTION * this.#delayMs, MAX_STRAGGLER_WAIT_MS);
  }

  /** A block was accepted. In time means before its round had Q blocks, or within the grace after. */
  blockAccepted(author: number, round: number, nowMs: number): void {
    const isInTime =
      round > this.#quorumRound || (round === this.#quorumRound && nowMs - this.#quorumAtMs <= this.graceMs);
    if (!isInTime) return;
    this.#lastInTime[author] = Math.max(this.#lastInTime[author]!, round);
    if (round !== this.#quorumRound) return;
    this.#stragglers.delete(author);
    // What came together with the Qth block needed no waiting, unless our block was made in between.
    if (nowMs === this.#quorumAtMs && this.#proposedRound <= round) this.#hadStragglers = this.#stragglers.size > 0;
  }

  /** A round has Q blocks; `absent`: the other members that have a slot in it. */
  quorumReached(round: number, absent: readonly number[], nowMs: number): void {
    if (round <= this.#quorumRound) return;
    if (this.#hadStragglers) this.#worth += WORTH_SMOOTHING * ((this.#stragglers.size === 0 ? 1 : 0) - this.#worth);
    this.#stragglers = new Set(absent.filter((author) => this.#wasInTime(author, round, FULL_MEMORY_ROUNDS)));
    this.#hadStragglers = this.#stragglers.size > 0;
    this.#quorumRound = round;
    this.#quorumAtMs = nowMs;
    if (round !== this.#proposedRound) return;
    const sample = Math.max(0, nowMs - this.#proposedAtMs);
    this.#delayMs = this.#delayMs === 0 ? sample : this.#delayMs + SMOOTHING * (sample - this.#delayMs);
  }

  proposed(round: number, nowMs: number): void {
    this.#proposedRound = round;
    this.#proposedAtMs = nowMs;
  }

  /** Until when to wait for these authors at a round that has its quorum; undefined when nobody is worth waiting for. */
  waitUntil(round: number, absent: readonly number[], nowMs: number): number | undefined {
    if (round !== this.#quorumRound || this.#worth < WORTH_WAITING) return undefined;
    const untilMs = this.#quorumAtMs + this.graceMs;
    if (nowMs >= untilMs) return undefined;
    const isExpected = (author: number) => this.#wasInTime(author, round, STRAGGLER_MEMORY_ROUNDS);
    return absent.some(isExpected) ? untilMs : undefined;
  }

  #wasInTime(author: number, round: number, memoryRounds: number): boolean {
    return this.#lastInTime[author]! > 0 && this.#lastInTime[author]! >= round - memoryRounds;
  }
}
