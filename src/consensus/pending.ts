/**
 * Signed blocks that wait for ancestors. What nobody asked for is bounded per sender (the highest rounds go first: low ones
 * unblock more); an ancestor that was asked for is never refused, or two honest members could disagree on what is acceptable. Beyond a
 * bound only its head waits, and it is asked for once more when its turn has come: a malicious author's chain may be as long as K rounds,
 * and its oldest block withheld.
 */
import type { Hex } from "../lib/hex.ts";
import { isNamed, refKey, refOf, slotKey } from "./block.ts";
import { MAX_WIRE_REFS } from "./limits.ts";
import type { BlockRef, ConsensusLimits, VerifiedBlock } from "./types.ts";

const EMPTY = new Uint8Array(0);

interface Waiting {
  /** Without content if that had no room. */
  readonly block: VerifiedBlock;
  readonly isHead: boolean;
  /** The sender whose quota it uses; undefined for a requested ancestor. */
  readonly sender: number | undefined;
  /** By `refKey`. */
  readonly missing: Set<string>;
  /** Whose blocks need it: whose tokens what is missing for it may cost. Nobody's: nothing is fetched for it. */
  readonly neededBy: Set<number>;
}

export type PendingLimits = Pick<ConsensusLimits, "maxPendingPerPeer" | "maxPendingBytesPerPeer" | "maxRequestedBytes">;

export class Pending {
  readonly #limits: PendingLimits;
  /** Missing ancestors that the blocks of one sender may name: an honest peer's name n each, invented ones come by the hundred. */
  readonly #maxMissing: number;
  readonly #missingOf = new Map<number, number>();
  readonly #waiting = new Map<Hex, Waiting>();
  readonly #bySlot = new Map<number, Set<Hex>>();
  /** Missing ancestor, by `refKey` → who waits for it. */
  readonly #awaited = new Map<string, { readonly ref: BlockRef; readonly by: Set<Hex> }>();
  readonly #perSender = new Map<number, Set<Hex>>();
  /** By sender; undefined: of what was asked for. */
  readonly #bytesOf = new Map<number | undefined, number>();
  readonly #askAgain: (ref: BlockRef) => void;

  /** `askAgain`: a block of which only the head was kept waits for nothing any more. */
  constructor(limits: PendingLimits, n: number, askAgain: (ref: BlockRef) => void) {
    this.#askAgain = askAgain;
    this.#limits = limits;
    // One block may always name as many as a message can.
    this.#maxMissing = Math.max(limits.maxPendingPerPeer * n, MAX_WIRE_REFS);
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Of all that waits. */
  get bytes(): number {
    return [...this.#bytesOf.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Ancestors that somebody waits for. */
  get awaited(): number {
    return this.#awaited.size;
  }

  has(ref: BlockRef): boolean {
    return isNamed(this.#waiting.get(ref.digest)?.block, ref);
  }

  isAwaited(ref: BlockRef): boolean {
    return this.#awaited.has(refKey(ref));
  }

  get(digest: Hex): VerifiedBlock | undefined {
    return this.#waiting.get(digest)?.block;
  }

  at(round: number, author: number): VerifiedBlock[] {
    return [...(this.#bySlot.get(slotKey(round, author)) ?? [])].map((digest) => this.#waiting.get(digest)!.block);
  }

  /** True when a block of the slot waits here. */
  isHeldAt(round: number, author: number): boolean {
    return this.#bySlot.has(slotKey(round, author));
  }

  /** False when the sender's quota is used up by blocks of lower rounds. Nobody needs what is added: see `need`. */
  add(block: VerifiedBlock, sender: number | undefined, missing: readonly BlockRef[]): boolean {
    if (sender !== undefined && !this.#makeRoom(sender, block, missing.length)) return false;
    const isHead = sender === undefined && this.#bytes(undefined) + block.bytes.length > this.#limits.maxRequestedBytes;
    const kept = isHead ? { ...block, payload: EMPTY, coinShares: [], partials: [], bytes: EMPTY } : block;
    const keys = new Set(missing.map(refKey));
    this.#waiting.set(block.digest, { block: kept, isHead, sender, missing: keys, neededBy: new Set() });
    this.#bytesOf.set(sender, this.#bytes(sender) + kept.bytes.length);
    addTo(this.#bySlot, slotKey(block.round, block.author), block.digest);
    if (sender !== undefined) {
      addTo(this.#perSender, sender, block.digest);
      this.#count(sender, missing.length);
    }
    for (const ref of missing) {
      const awaited = this.#awaited.get(refKey(ref));
      if (awaited === undefined) this.#awaited.set(refKey(ref), { ref, by: new Set([block.digest]) });
      else awaited.by.add(block.digest);
    }
    return true;
  }

  /** A block of this member needs it: what is missing for it, once for each member. */
  need(digest: Hex, member: number): BlockRef[] {
    const waiting = this.#waiting.get(digest);
    if (waiting === undefined || waiting.neededBy.has(member)) return [];
    waiting.neededBy.add(member);
    return [...waiting.missing].map((ancestor) => this.#awaited.get(ancestor)!.ref);
  }

  /** An ancestor is there now: returns the blocks that wait for nothing any more, which are no longer pending. */
  resolve(ref: BlockRef): VerifiedBlock[] {
    const key = refKey(ref);
    const awaited = this.#awaited.get(key);
    if (awaited === undefined) return [];
    this.#awaited.delete(key);
    const ready: VerifiedBlock[] = [];
    for (const by of awaited.by) {
      const waiting = this.#waiting.get(by)!;
      waiting.missing.delete(key);
      if (waiting.sender !== undefined) this.#count(waiting.sender, -1);
      if (waiting.missing.size > 0) continue;
      this.remove(by);
      if (waiting.isHead) this.#askAgain(refOf(waiting.block));
      else ready.push(waiting.block);
    }
    return ready;
  }

  /** The floor rose: drops blocks at or below it, and returns those that waited only for what is below it. */
  raiseFloor(floor: number): VerifiedBlock[] {
    for (const { block } of [...this.#waiting.values()]) if (block.round <= floor) this.remove(block.digest);
    const sunk = [...this.#awaited.values()].filter(({ ref }) => ref.round <= floor);
    return sunk.flatMap(({ ref }) => this.resolve(ref));
  }

  remove(digest: Hex): void {
    const orphans = [digest];
    for (const orphan of orphans) this.#removeOne(orphan, orphans);
  }

  /** Adds to `orphans` what was only kept because of it. */
  #removeOne(digest: Hex, orphans: Hex[]): void {
    const waiting = this.#waiting.get(digest);
    if (waiting === undefined) return;
    const { block, sender, missing } = waiting;
    this.#waiting.delete(digest);
    this.#bytesOf.set(sender, this.#bytes(sender) - block.bytes.length);
    removeFrom(this.#bySlot, slotKey(block.round, block.author), digest);
    if (sender !== undefined) {
      removeFrom(this.#perSender, sender, digest);
      this.#count(sender, -missing.size);
    }
    for (const ancestor of missing) {
      const awaited = this.#awaited.get(ancestor);
      awaited?.by.delete(digest);
      if (awaited?.by.size !== 0) continue;
      this.#awaited.delete(ancestor);
      // Asked for because of what has just gone: nobody's quota has it, and nobody waits for it.
      const { ref } = awaited;
      if (this.has(ref) && this.#waiting.get(ref.digest)?.sender === undefined) orphans.push(ref.digest);
    }
  }

  #bytes(sender: number | undefined): number {
    return this.#bytesOf.get(sender) ?? 0;
  }

  #count(sender: number, change: number): void {
    this.#missingOf.set(sender, (this.#missingOf.get(sender) ?? 0) + change);
  }

  #makeRoom(sender: number, incoming: VerifiedBlock, missing: number): boolean {
    const { maxPendingPerPeer, maxPendingBytesPerPeer } = this.#limits;
    const isFull = (): boolean => {
      const waiting = this.#perSender.get(sender)?.size ?? 0;
      return (
        waiting >= maxPendingPerPeer ||
        (this.#missingOf.get(sender) ?? 0) + missing > this.#maxMissing ||
        (waiting > 0 && this.#bytes(sender) + incoming.bytes.length > maxPendingBytesPerPeer)
      );
    };
    while (isFull()) {
      let highest: VerifiedBlock | undefined;
      for (const digest of this.#perSender.get(sender) ?? []) {
        const { block } = this.#waiting.get(digest)!;
        // What another block waits for stays: it is here, so nobody fetches it, and whoever sent it could send it to evict it.
        if (this.isAwaited(block)) continue;
        if (highest === undefined || block.round > highest.round) highest = block;
      }
      if (highest === undefined || highest.round <= incoming.round) return false;
      this.remove(highest.digest);
    }
    return true;
  }
}

function addTo<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}
