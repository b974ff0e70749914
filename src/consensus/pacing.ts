/**
 * How long to wait for stragglers once Q blocks of a round are there: full parents are what makes the three-delay window
 * close. Performance only: whatever these numbers are, safety and liveness are the same. Times come in as numbers.
 */
import { MAX_STRAGGLER_WAIT_MS, STRAGGLER_FRACTION, STRAGGLER_MEMORY_ROUNDS } from "./limits.ts";

/** Weight of a new sample in the moving average of the delay. */
const SMOOTHING = 0.25;

export class Pacing {
  readonly #lastInTime: number[];
  #delayMs = 0;
  #quorumRound = 0;
  #quorumAtMs = 0;
  #proposedRound = 0;
  #proposedAtMs = 0;

  constructor(n: number) {
    this.#lastInTime = new Array<number>(n).fill(0);
  }

  /** Moving average of the time from our block of a round to Q blocks of it: about one message delay. */
  get delayMs(): number {
    return this.#delayMs;
  }

  get graceMs(): number {
    return Math.min(STRAGGLER_FRACTION * this.#delayMs, MAX_STRAGGLER_WAIT_MS);
  }

  /** A block was accepted. In time means before its round had Q blocks, or within the grace after. */
  blockAccepted(author: number, round: number, nowMs: number): void {
    const isInTime =
      round > this.#quorumRound || (round === this.#quorumRound && nowMs - this.#quorumAtMs <= this.graceMs);
    if (isInTime) this.#lastInTime[author] = Math.max(this.#lastInTime[author]!, round);
  }

  quorumReached(round: number, nowMs: number): void {
    if (round <= this.#quorumRound) return;
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
    if (round !== this.#quorumRound) return undefined;
    const untilMs = this.#quorumAtMs + this.graceMs;
    if (nowMs >= untilMs) return undefined;
    const isExpected = (author: number) =>
      this.#lastInTime[author]! > 0 && this.#lastInTime[author]! >= round - STRAGGLER_MEMORY_ROUNDS;
    return absent.some(isExpected) ? untilMs : undefined;
  }
}
