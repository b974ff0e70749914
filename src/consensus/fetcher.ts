/**
 * Which missing ancestors to ask whom for, and when. The sender of the block that named an ancestor is asked first (it claims
 * to have it), then everybody else in turn, with back-off.
 */
import type { Hex } from "../lib/hex.ts";
import { refKey, slotKey } from "./block.ts";
import { RETRY_MAX_MS, RETRY_MIN_MS, TWIN_TOKEN_MS, TWINS_PER_ROUND, twinBurst } from "./limits.ts";
import type { BlockRef } from "./types.ts";

/** An ancestor one round below is probably on its way from its author; asking at once would fetch most blocks twice. */
export const FETCH_GRACE_MS = 30;

interface Wanted {
  readonly ref: BlockRef;
  readonly sender: number;
  /** Whose blocks name it, the first one included. */
  readonly namedBy: Set<number>;
  /** It is the only one of its slot, or a token was taken for it. */
  isPaid: boolean;
  attempts: number;
  nextMs: number;
  /** Peers that answered notFound although the block is below the floor they claim. */
  readonly sunkAt: Set<number>;
}

export class Fetcher {
  readonly #n: number;
  readonly #self: number | undefined;
  readonly #maxRefs: number;
  /** By `refKey`: a false reference with the digest of a block must not stand in the way of true ones. */
  readonly #wanted = new Map<string, Wanted>();

  readonly #onFirst: (ref: BlockRef) => void;
  /** The first block of a slot that was asked for and has not come: another one of the slot is a twin. */
  readonly #askedAt = new Map<number, Hex>();
  /** Twins that may still be asked for because of what a member sent, and the round and time at which this was so. */
  readonly #tokens: { left: number; round: number; atMs: number }[];

  /** `onFirst`: an ancestor is asked for the first time. */
  constructor(n: number, self: number | undefined, maxRefs: number, onFirst: (ref: BlockRef) => void) {
    this.#onFirst = onFirst;
    this.#n = n;
    this.#self = self;
    this.#maxRefs = maxRefs;
    this.#tokens = Array.from({ length: n }, () => ({ left: twinBurst(n), round: 0, atMs: 0 }));
  }

  get size(): number {
    return this.#wanted.size;
  }

  isWanted(ref: BlockRef): boolean {
    return this.#wanted.has(refKey(ref));
  }

  /** True when somebody was asked for it already. */
  isAsked(ref: BlockRef): boolean {
    return (this.#wanted.get(refKey(ref))?.attempts ?? 0) > 0;
  }

  /** Whose blocks name it; nobody's when it is not wanted. */
  namedBy(ref: BlockRef): Iterable<number> {
    return this.#wanted.get(refKey(ref))?.namedBy ?? [];
  }

  want(ref: BlockRef, sender: number, nowMs: number, isFresh: boolean): void {
    const key = refKey(ref);
    const known = this.#wanted.get(key);
    known?.namedBy.add(sender);
    if (known !== undefined) return;
    const nextMs = isFresh ? nowMs + FETCH_GRACE_MS : nowMs;
    const namedBy = new Set([sender]);
    this.#wanted.set(key, { ref, sender, namedBy, isPaid: false, attempts: 0, nextMs, sunkAt: new Set() });
  }

  /** The block arrived, or nobody waits for it any more. */
  drop(ref: BlockRef): void {
    if (!this.#wanted.delete(refKey(ref))) return;
    const slot = slotKey(ref.round, ref.author);
    if (this.#askedAt.get(slot) === ref.digest) this.#askedAt.delete(slot);
  }

  /** Keeps only what satisfies the predicate. */
  retain(isNeeded: (ref: BlockRef) => boolean): void {
    for (const { ref } of this.#wanted.values()) if (!isNeeded(ref)) this.drop(ref);
  }

  /** A peer does not have it: the next one is asked at once, until all were; then the back-off counts. Returns how many peers
   * say that the block lies below their floor. */
  notFound(peer: number, ref: BlockRef, peerFloor: number, nowMs: number): number {
    const wanted = this.#wanted.get(refKey(ref));
    if (wanted === undefined) return 0;
    if (ref.round <= peerFloor) wanted.sunkAt.add(peer);
    if (wanted.attempts < this.#n) wanted.nextMs = nowMs;
    return wanted.sunkAt.size;
  }

  /** What to ask now, by peer; counts as asked. What is not needed any more (its asker was evicted) is forgotten. At most `maxRefs` per peer, oldest first; the rest waits for the next call.
   *
   * A second block of a slot costs a token of somebody whose block names it: an honest proposer brings few twins into its cone, and
   * equivocators make any number. Nothing is refused for ever, since tokens come with rounds and with time; but the twins that f
   * members can make us store and verify are as many as their tokens, whatever they sign.
   */
  due(
    nowMs: number,
    round: number,
    isNeeded: (ref: BlockRef) => boolean,
    isTaken: (ref: BlockRef) => boolean,
  ): ReadonlyMap<number, readonly BlockRef[]> {
    const requests = new Map<number, BlockRef[]>();
    if (this.#wanted.size === 0) return requests;
    const due: Wanted[] = [];
    for (const wanted of this.#wanted.values()) {
      if (wanted.nextMs > nowMs) continue;
      if (isNeeded(wanted.ref)) due.push(wanted);
      else this.drop(wanted.ref);
    }
    due.sort((a, b) => a.ref.round - b.ref.round || a.ref.author - b.ref.author);
    for (const wanted of due) {
      if (!this.#isPaid(wanted, isTaken(wanted.ref), round, nowMs)) continue;
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

  /**
   * True when we take a twin that comes before we asked for it: like asking, it costs a token; of whoever sends it, when it is named
   * only by what nobody needs yet.
   */
  admits(ref: BlockRef, from: number, round: number, nowMs: number): boolean {
    const wanted = this.#wanted.get(refKey(ref));
    return wanted === undefined ? this.#takeToken([from], round, nowMs) : this.#isPaid(wanted, true, round, nowMs);
  }

  #isPaid(wanted: Wanted, isTaken: boolean, round: number, nowMs: number): boolean {
    wanted.isPaid ||= this.#isOnly(wanted.ref, isTaken) || this.#takeToken(wanted.namedBy, round, nowMs);
    return wanted.isPaid;
  }

  /** The only block of its slot that we know of. */
  #isOnly({ round, author, digest }: BlockRef, isTaken: boolean): boolean {
    const slot = slotKey(round, author);
    const first = this.#askedAt.get(slot);
    if (isTaken || (first !== undefined && first !== digest)) return false;
    this.#askedAt.set(slot, digest);
    return true;
  }

  #takeToken(namedBy: Iterable<number>, round: number, nowMs: number): boolean {
    for (const member of namedBy) {
      const tokens = this.#tokens[member]!;
      const rounds = Math.max(0, round - tokens.round) * TWINS_PER_ROUND;
      const times = Math.floor(Math.max(0, nowMs - tokens.atMs) / TWIN_TOKEN_MS);
      if (rounds > 0 || times > 0) {
        tokens.left = Math.min(twinBurst(this.#n), tokens.left + rounds + times);
        tokens.round = Math.max(tokens.round, round);
        tokens.atMs = nowMs;
      }
      if (tokens.left < 1) continue;
      tokens.left--;
      return true;
    }
    return false;
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
