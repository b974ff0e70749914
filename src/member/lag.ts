/**
 * Members that are not in the same epoch: what we answer to those that are behind, and how we come to think that we are.
 * A word about a later epoch proves nothing (anybody can say it), and an honest member is moments ahead of others at every change:
 * so the suspicion waits for a while, and then costs a look at what peers publish, where everything is verified.
 */
import type { Certificate } from "../batch/types.ts";

/** Looks are this many retries apart while the suspicion stays. */
const PATIENCE = 8;

export class Lag {
  readonly #retryMs: number;
  /** What closed the epoch before ours. */
  #certificates: readonly Certificate[];
  readonly #answeredAtMs = new Map<number, number>();
  #lookAtMs: number | undefined;

  constructor(retryMs: number, certificates: readonly Certificate[]) {
    this.#retryMs = retryMs;
    this.#certificates = certificates;
  }

  /** A new epoch began, closed before it by these. */
  renew(certificates: readonly Certificate[]): void {
    this.#certificates = certificates;
    this.#answeredAtMs.clear();
    this.#lookAtMs = undefined;
  }

  /** What to tell a peer that speaks of an older epoch; undefined when it was told moments ago. */
  answerTo(peer: number, nowMs: number): readonly Certificate[] | undefined {
    if (nowMs < (this.#answeredAtMs.get(peer) ?? Number.NEGATIVE_INFINITY) + this.#retryMs) return undefined;
    this.#answeredAtMs.set(peer, nowMs);
    return this.#certificates.length === 0 ? undefined : this.#certificates;
  }

  /** Nothing more needs to be found out. */
  get isSuspected(): boolean {
    return this.#lookAtMs !== undefined;
  }

  /** Somebody spoke of a later epoch. */
  suspect(nowMs: number): void {
    this.#lookAtMs ??= nowMs + this.#retryMs;
  }

  /** True when it is time to look. */
  isBehind(nowMs: number): boolean {
    if (this.#lookAtMs === undefined || nowMs < this.#lookAtMs) return false;
    this.#lookAtMs = nowMs + PATIENCE * this.#retryMs;
    return true;
  }
}
