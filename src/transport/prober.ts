/** Asks the peer for a sign of life on our outgoing stream: finds connections that died in silence, and measures the round trip. */
import type { Clock } from "./clock.ts";
import { PROBE } from "./frame.ts";
import type { TransportLimits } from "./limits.ts";

export interface ProberOptions {
  readonly clock: Clock;
  readonly limits: Pick<TransportLimits, "probeIntervalMs" | "probeTimeoutMs">;
  /** Puts a probe on the wire as soon as the stream has room. */
  readonly request: () => void;
  /** No answer in time. */
  readonly onDead: () => void;
  /** Bytes that answer no probe. */
  readonly onBad: () => void;
}

export class Prober {
  readonly #options: ProberOptions;
  #sentMs: number | undefined;
  #answerBytes = 0;
  #roundTripMs: number | undefined;
  #cancel: (() => void) | undefined;
  #onFirst: (() => void) | undefined;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Starts with a probe that the caller has just sent; calls back on its answer. */
  start(onFirstAnswer: () => void): void {
    this.#onFirst = onFirstAnswer;
    this.#sentMs = this.#options.clock.nowMs();
    this.#arm();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    const { clock, limits } = this.#options;
    this.#cancel = clock.after(limits.probeIntervalMs, () => {
      this.#arm();
      this.#tick();
    });
  }

  #tick(): void {
    const now = this.#options.clock.nowMs();
    if (this.#sentMs === undefined) {
      this.#sentMs = now;
      this.#options.request();
    } else if (now - this.#sentMs > this.#options.limits.probeTimeoutMs) {
      this.stop();
      this.#options.onDead();
    }
  }

  /** The stream's other direction carried this many bytes. */
  answer(bytes: number): void {
    this.#answerBytes += bytes;
    if (this.#sentMs === undefined || this.#answerBytes > PROBE.length) {
      this.stop();
      this.#options.onBad();
      return;
    }
    if (this.#answerBytes < PROBE.length) return;
    this.#answerBytes = 0;
    this.#roundTripMs = this.#options.clock.nowMs() - this.#sentMs;
    this.#sentMs = undefined;
    this.#onFirst?.();
    this.#onFirst = undefined;
  }
}
