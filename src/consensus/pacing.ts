/**
 * How long to wait for stragglers once Q blocks of a round are there: full parents are what makes the three-delay window
 * close. Performance only: whatever these numbers are, safety and liveness are the same. Times come in as numbers.
 *
 * A wait is worth it while it makes the own parents full, and while that makes the window close: the second is everybody's doing
 * (who is slow on purpose keeps some from full parents and not others, and then those wait in vain). Three waits come before the
 * first window closes; where it does not, the next ones take one round more or two.
 */
import {
  LONG_STRAGGLER_FRACTION,
  MAX_STRAGGLER_WAIT_MS,
  STRAGGLER_FRACTION,
  STRAGGLER_MEMORY_ROUNDS,
} from "./limits.ts";

/** Weight of a new sample in the moving average of the delay. */
const SMOOTHING = 0.25;
/** Wait only while waiting would have made the parents full in this share of the rounds; where it starts, and its weight. */
const WORTH_WAITING = 0.7;
const WORTH_AT_FIRST = 0.75;
const WORTH_SMOOTHING = 1 / 24;
/**
 * The long grace is taken where it makes the parents full in so much larger a share of the rounds. Not from the start: a withholder's
 * first gifts would be waited for in vain, and longer.
 */
const LONG_GAIN = 0.15;
/** Weight of a new round in what the waits bring and cost, and how many rounds of waiting are judged at least. */
const PAY_SMOOTHING = 1 / 8;
const TRIAL_ROUNDS = 10;
/** What a round that the first window commits is spared: without full parents the second often fails as well. */
const ROUNDS_SAVED = 2;
/**
 * Rounds without waiting after it did not pay, doubled each time it again does not. Processes that have just started are too slow for it to
 * pay: long pauses would make the first minutes' latency that of not waiting.
 */
const PAUSE_ROUNDS = 64;
const MAX_PAUSE_ROUNDS = 512;
/**
 * Where it has paid for so many rounds something held members up for a moment (ten of them on two cores: now and then). That takes
 * a short pause, and the next ones begin anew: growing ones would have such a committee hardly ever wait.
 */
const PAID_ROUNDS = 40;
const HICCUP_PAUSE_ROUNDS = 8;
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
  /** When the last of them came, after the quorum. */
  #lastStragglerMs = 0;
  /** Moving averages of "all came within the grace"; measured whether or not we waited, so that waiting can start again. */
  #shortWorth = WORTH_AT_FIRST;
  #longWorth = WORTH_AT_FIRST;
  #proposedRound = 0;
  #proposedAtMs = 0;
  /** Moving averages while waiting: rounds whose slots the first window committed, and the time waited. */
  #firstWindow = 1;
  #waitedMs = 0;
  /** Until when it was last said to wait, and for a round of what quorum. */
  #asked = { round: 0, untilMs: 0 };
  /** Rounds since waiting was taken up; the round from which it may be taken up again; how long the next pause is. */
  #trial = 0;
  #resumeRound = 0;
  #pauseRounds = PAUSE_ROUNDS;

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

  /** A block was accepted. In time means before its round had Q blocks, or within the long grace after. */
  blockAccepted(author: number, round: number, nowMs: number): void {
    const isInTime =
      round > this.#quorumRound ||
      (round === this.#quorumRound && nowMs - this.#quorumAtMs <= this.#graceMs(LONG_STRAGGLER_FRACTION));
    if (!isInTime) return;
    this.#lastInTime[author] = Math.max(this.#lastInTime[author]!, round);
    if (round !== this.#quorumRound) return;
    if (this.#stragglers.delete(author)) this.#lastStragglerMs = nowMs - this.#quorumAtMs;
    // What came together with the Qth block needed no waiting, unless our block was made in between.
    if (nowMs === this.#quorumAtMs && this.#proposedRound <= round) this.#hadStragglers = this.#stragglers.size > 0;
  }

  /**
   * A round has Q blocks; `absent`: the other members that have a slot in it. `isFirstWindow`: the first window alone has committed
   * all slots three rounds below by now; the order waits for the slowest.
   */
  quorumReached(round: number, absent: readonly number[], isFirstWindow: boolean, nowMs: number): void {
    if (round <= this.#quorumRound) return;
    this.#judge(round, isFirstWindow);
    if (this.#hadStragglers) {
      const isLong = this.#stragglers.size === 0;
      const isShort = isLong && this.#lastStragglerMs <= this.#graceMs(STRAGGLER_FRACTION);
      this.#longWorth += WORTH_SMOOTHING * ((isLong ? 1 : 0) - this.#longWorth);
      this.#shortWorth += WORTH_SMOOTHING * ((isShort ? 1 : 0) - this.#shortWorth);
    }
    this.#lastStragglerMs = 0;
    this.#stragglers = new Set(absent.filter((author) => this.#wasInTime(author, round, FULL_MEMORY_ROUNDS)));
    this.#hadStragglers = this.#stragglers.size > 0;
    this.#quorumRound = round;
    this.#quorumAtMs = nowMs;
    if (round !== this.#proposedRound) return;
    const sample = Math.max(0, nowMs - this.#proposedAtMs);
    this.#delayMs = this.#delayMs === 0 ? sample : this.#delayMs + SMOOTHING * (sample - this.#delayMs);
  }

  proposed(round: number, nowMs: number): void {
    const isAsked = this.#asked.round === round - 1 && round - 1 === this.#quorumRound;
    const waitedMs = isAsked ? Math.min(nowMs, this.#asked.untilMs) - this.#quorumAtMs : 0;
    this.#waitedMs += PAY_SMOOTHING * (Math.max(0, waitedMs) - this.#waitedMs);
    this.#proposedRound = round;
    this.#proposedAtMs = nowMs;
  }

  /** Until when to wait for these authors at a round that has its quorum; undefined when nobody is worth waiting for. */
  waitUntil(round: number, absent: readonly number[], nowMs: number): number | undefined {
    const isLong = this.#longWorth >= this.#shortWorth + LONG_GAIN;
    const worth = isLong ? this.#longWorth : this.#shortWorth;
    if (round !== this.#quorumRound || worth < WORTH_WAITING || round < this.#resumeRound) return undefined;
    const untilMs = this.#quorumAtMs + this.#graceMs(isLong ? LONG_STRAGGLER_FRACTION : STRAGGLER_FRACTION);
    if (nowMs >= untilMs) return undefined;
    const isExpected = (author: number) => this.#wasInTime(author, round, STRAGGLER_MEMORY_ROUNDS);
    if (!absent.some(isExpected)) return undefined;
    this.#asked = { round, untilMs };
    return untilMs;
  }

  /** A pause ends where a multiple of its length does: members that see the same take waiting up together. */
  #judge(round: number, isFirstWindow: boolean): void {
    if (round < this.#resumeRound) return;
    this.#trial++;
    this.#firstWindow += PAY_SMOOTHING * ((isFirstWindow ? 1 : 0) - this.#firstWindow);
    if (this.#trial < TRIAL_ROUNDS) return;
    const isPaying = this.#firstWindow * ROUNDS_SAVED * (this.#delayMs + this.#waitedMs) >= 3 * this.#waitedMs;
    if (isPaying) return;
    const hasPaid = this.#trial >= PAID_ROUNDS;
    const pauseRounds = hasPaid ? HICCUP_PAUSE_ROUNDS : this.#pauseRounds;
    this.#resumeRound = (Math.floor(round / pauseRounds) + 1) * pauseRounds;
    this.#pauseRounds = hasPaid ? PAUSE_ROUNDS : Math.min(2 * this.#pauseRounds, MAX_PAUSE_ROUNDS);
    this.#trial = 0;
    this.#firstWindow = 1;
    this.#waitedMs = 0;
  }

  #graceMs(fraction: number): number {
    return Math.min(fraction * this.#delayMs, MAX_STRAGGLER_WAIT_MS);
  }

  #wasInTime(author: number, round: number, memoryRounds: number): boolean {
    return this.#lastInTime[author]! > 0 && this.#lastInTime[author]! >= round - memoryRounds;
  }
}
