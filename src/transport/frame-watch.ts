/**
 * Ends streams of peers that begin a frame and do not go on with it, or byte by byte: what has come of it is memory of ours for as long as
 * they like. A frame may take `frameGraceMs` and as long as its bytes take at `minFrameBytesPerSecond`, counted while we read: a peer
 * that we hold cannot send.
 */
import type { Clock } from "./clock.ts";
import type { TransportLimits } from "./limits.ts";

export type FrameWatchLimits = Pick<TransportLimits, "frameGraceMs" | "minFrameBytesPerSecond">;

export class FrameWatch {
  readonly #clock: Clock;
  readonly #limits: FrameWatchLimits;
  readonly #onSlow: (bytes: number, forMs: number) => void;
  /** Of the unfinished frame; 0 between frames. */
  #bytes = 0;
  /** For how long the frame has been coming, up to `#markMs`. */
  #elapsedMs = 0;
  #markMs: number;
  #isReading = true;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, limits: FrameWatchLimits, onSlow: (bytes: number, forMs: number) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onSlow = onSlow;
    this.#markMs = clock.nowMs();
  }

  /** `bytes` of an unfinished frame are here; `isNew`: another one than when this was said last. */
  received(bytes: number, isNew: boolean): void {
    if (isNew || this.#bytes === 0) {
      this.#elapsedMs = 0;
      this.#markMs = this.#clock.nowMs();
    }
    this.#bytes = bytes;
    // One timer at a time, however many frames come: it looks at the one that is unfinished then.
    if (bytes > 0 && this.#cancel === undefined) this.#arm(this.#limits.frameGraceMs);
  }

  reading(isReading: boolean): void {
    this.#account();
    this.#isReading = isReading;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #account(): void {
    const now = this.#clock.nowMs();
    if (this.#isReading) this.#elapsedMs += now - this.#markMs;
    this.#markMs = now;
  }

  #arm(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => {
      this.#cancel = undefined;
      if (this.#bytes === 0) return;
      this.#account();
      const { frameGraceMs, minFrameBytesPerSecond } = this.#limits;
      const allowedMs = frameGraceMs + (this.#bytes * 1_000) / minFrameBytesPerSecond;
      if (this.#elapsedMs >= allowedMs) this.#onSlow(this.#bytes, this.#elapsedMs);
      else this.#arm(Math.max(1, Math.ceil(allowedMs - this.#elapsedMs)));
    });
  }
}
