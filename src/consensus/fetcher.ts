/**
 * Which missing ancestors to ask whom for, and when. The sender of the block that named an ancestor is asked first (it claims
 * to have it), then everybody else in turn, with back-off.
 */
import type { Hex } from "../lib/hex.ts";
import { RETRY_MAX_MS, RETRY_MIN_MS } from "./limits.ts";
import type { BlockRef } from "./types.ts";

/** An ancestor one round below is probably on its way from its author; asking at once would fetch most blocks twice. */
export const FETCH_GRACE_MS = 30;

interface Wanted {
  readonly ref: BlockRef;
  readonly sender: number;
  attempts: number;
  nextMs: number;
  /** Peers that answered notFound although the block is below the floor they claim. */
  readonly sunkAt: Set<number>;
}

export class Fetcher {
  readonly #n: number;
  readonly #self: number | undefined;
  readonly #maxRefs: number;
  readonly #wanted = new Map<Hex, Wanted>();

  readonly #onFirst: (ref: BlockRef) => void;

  /** `onFirst`: an ancestor is asked for the first time. */
  constructor(n: number, self: number | undefined, maxRefs: number, onFirst: (ref: BlockRef) => void) {
    this.#onFirst = onFirst;
    this.#n = n;
    this.#self = self;
    this.#maxRefs = maxRefs;
  }

  get size(): number {
    return this.#wanted.size;
  }

  isWanted(digest: Hex): boolean {
    return this.#wanted.has(digest);
  }

  /** True when somebody was asked for it already. */
  isAsked(digest: Hex): boolean {
    return (this.#wanted.get(digest)?.attempts ?? 0) > 0;
  }

  want(ref: BlockRef, sender: number, nowMs: number, isFresh: boolean): void {
    if (this.#wanted.has(ref.digest)) return;
    const nextMs = isFresh ? nowMs + FETCH_GRACE_MS : nowMs;
    this.#wanted.set(ref.digest, { ref, sender, attempts: 0, nextMs, sunkAt: new Set() });
  }

  /** The block arrived, or nobody waits for it any more. */
  drop(digest: Hex): void {
    this.#wanted.delete(digest);
  }

  /** Keeps only what satisfies the predicate. */
  retain(isNeeded: (ref: BlockRef) => boolean): void {
    for (const [digest, { ref }] of this.#wanted) if (!isNeeded(ref)) this.#wanted.delete(digest);
  }

  /** A peer does not have it: the next one is asked at once, until all were; then the back-off counts. Returns how many peers
   * say that the block lies below their floor. */
  notFound(peer: number, ref: BlockRef, peerFloor: number, nowMs: number): number {
    const wanted = this.#wanted.get(ref.digest);
    if (wanted === undefined) return 0;
    if (ref.round <= peerFloor) wanted.sunkAt.add(peer);
    if (wanted.attempts < this.#n) wanted.nextMs = nowMs;
    return wanted.sunkAt.size;
  }

  /** What to ask now, by peer; counts as asked. What is not needed any more (its asker was evicted) is forgotten. At most `maxRefs` per peer, oldest first; the rest waits for the next call. */
  due(nowMs: number, isNeeded: (ref: BlockRef) => boolean): ReadonlyMap<number, readonly BlockRef[]> {
    const requests = new Map<number, BlockRef[]>();
    if (this.#wanted.size === 0) return requests;
    const due: Wanted[] = [];
    for (const wanted of this.#wanted.values()) {
      if (wanted.nextMs > nowMs) continue;
      if (isNeeded(wanted.ref)) due.push(wanted);
      else this.#wanted.delete(wanted.ref.digest);
    }
    due.sort((a, b) => a.ref.round - b.ref.round || a.ref.author - b.ref.author);
    for (const wanted of due) {
      const peer = this.#peerFor(wanted);
      if (peer === undefined) continue;
      const refs = requests.get(peer);
      if (refs === undefined) requests.set(peer, [wanted.ref]);
      else if (refs.length < this.#maxRefs) refs.push(wanted.ref);
      else continue;
      if (wanted.attempts === 0) this.#onFirst(wanted.ref);
      const lap = Math.floor(wanted.attempts / Math.max(1, this.#n - 1));
      wanted.nextMs = nowMs + Math.min(RETRY_MIN_MS * 2 ** Math.min(lap, 10), RETRY_MAX_MS);
      wanted.attempts++;
    }
    return requests;
  }

  #peerFor(wanted: Wanted): number | undefined {
    for (let step = 0; step < this.#n; step++) {
      const peer = (wanted.sender + wanted.attempts + step) % this.#n;
      if (peer === this.#self) continue;
      // Passing over ourselves must not make the peer after us be asked twice in a row.
      if (step > 0) wanted.attempts += step;
      return peer;
    }
    return undefined;
  }
}
