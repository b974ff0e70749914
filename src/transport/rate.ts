/** Accounting of what a peer sends. Time comes in as an argument (milliseconds, monotonic). */

/** Exponential moving average of a rate per second with a time constant of ten seconds. */
export class RateMeter {
  static readonly WINDOW_MS = 10_000;
  #perSecond = 0;
  #lastMs: number;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  add(amount: number, nowMs: number): void {
    this.#decay(nowMs);
    this.#perSecond += (amount * 1_000) / RateMeter.WINDOW_MS;
  }

  perSecond(nowMs: number): number {
    this.#decay(nowMs);
    return this.#perSecond;
  }

  #decay(nowMs: number): void {
    this.#perSecond *= Math.exp(-Math.max(0, nowMs - this.#lastMs) / RateMeter.WINDOW_MS);
    this.#lastMs = nowMs;
  }
}

/** Allows `burst` at once and `perSecond` in the long run. May go into debt: what has arrived has arrived. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #lastMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#lastMs = nowMs;
  }

  /** Takes `amount`; returns for how many milliseconds the taker must now wait (0: go on). */
  take(amount: number, nowMs: number): number {
    const earned = (Math.max(0, nowMs - this.#lastMs) * this.#perSecond) / 1_000;
    this.#lastMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned) - amount;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1_000) / this.#perSecond);
  }
}
