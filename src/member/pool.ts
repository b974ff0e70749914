/**
 * Things that wait to be ordered, by id, as the bytes that go into a block: what is due in a round, when to try again, and how much
 * room each peer may take. Reads nothing of what it holds.
 */
import type { Hex } from "../lib/hex.ts";
import type { MemberLimits } from "./types.ts";

export interface Pooled<T> {
  readonly value: T;
  /** As a block carries it. */
  readonly bytes: Uint8Array;
  /** Whose gossip brought it; undefined: its user came to us. */
  from: number | undefined;
  /** First round in which this member may (again) put it into a block. */
  proposeFrom: number;
  /** Round of our newest block that carries it. */
  carriedIn: number | undefined;
  /** Others hold it, too, apart from blocks. */
  isGossiped: boolean;
}

/** Entries that may be passed over because they do not fit the rest of a block: what is left is then not worth a search. */
const MAX_PASSED_OVER = 64;
/** Rounds in which a block of ours is output if anything is; what is not by then others should hold as well. */
const OUTPUT_ROUNDS = 32;
/** Offset of an element in an encoded list. */
const OFFSET_BYTES = 4;

/** What one peer's gossip holds here. */
interface Share {
  count: number;
  bytes: number;
}

export class Pool<T> {
  readonly #limits: Pick<MemberLimits, "maxPendingInstructions" | "maxPendingBytes">;
  #members: number;
  /** Rounds after which somebody else's or our own earlier attempt counts as failed. */
  readonly #patience: number;
  readonly #entries = new Map<Hex, Pooled<T>>();
  /** Of these, what may go into the next block, in order; the others wait by the round from which they may. */
  readonly #due = new Map<Hex, Pooled<T>>();
  readonly #later = new Map<number, Hex[]>();
  #dueRound = 0;
  readonly #shares = new Map<number, Share>();
  #bytes = 0;

  constructor(
    limits: Pick<MemberLimits, "maxPendingInstructions" | "maxPendingBytes">,
    patience: number,
    members: number,
  ) {
    this.#limits = limits;
    this.#patience = patience;
    this.#members = members;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(id: Hex): boolean {
    return this.#entries.has(id);
  }

  get(id: Hex): Pooled<T> | undefined {
    return this.#entries.get(id);
  }

  /** Ours or known already: its user came to us (now), so it goes into our next block. False: not known. */
  claim(id: Hex, round: number): boolean {
    const known = this.#entries.get(id);
    if (known === undefined) return false;
    if (known.from === undefined) return true;
    // Promised to a user of ours now, whoever gossiped it first.
    this.#release(known);
    known.from = undefined;
    if (known.proposeFrom > round) this.#schedule(id, known, round);
    return true;
  }

  /**
   * Takes what is not known yet; false when full. Without `from` its user came to this member, and it goes into our next block. What
   * peers gossip may fill half, each an equal part of it: malicious members must close our door neither to our users nor to the
   * other members.
   */
  add(id: Hex, value: T, bytes: Uint8Array, from: number | undefined, round: number): boolean {
    const size = bytes.length;
    const { maxPendingInstructions, maxPendingBytes } = this.#limits;
    if (this.#entries.size >= maxPendingInstructions || this.#bytes + size > maxPendingBytes) return false;
    if (from !== undefined) {
      const share = this.#shares.get(from) ?? { count: 0, bytes: 0 };
      const part = 2 * this.#members;
      if (share.count + 1 > Math.max(1, maxPendingInstructions / part)) return false;
      if (share.bytes + size > maxPendingBytes / part) return false;
      share.count++;
      share.bytes += size;
      this.#shares.set(from, share);
    }
    this.#bytes += size;
    const isGossiped = from !== undefined;
    const entry: Pooled<T> = { value, bytes, from, proposeFrom: 0, carriedIn: undefined, isGossiped };
    this.#entries.set(id, entry);
    this.#schedule(id, entry, from === undefined ? round : round + this.#patience);
    return true;
  }

  remove(id: Hex): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#bytes -= entry.bytes.length;
    this.#release(entry);
    this.#entries.delete(id);
    this.#due.delete(id);
  }

  /** True when something may go into a block of this round. */
  hasDue(round: number): boolean {
    this.#advance(round);
    return this.#due.size > 0;
  }

  /** What goes into a block of this round: at most so many, and so many bytes with four for each; due again after the patience. */
  take(round: number, maxBytes: number, maxCount: number): Uint8Array[] {
    this.#advance(round);
    const taken: Uint8Array[] = [];
    let room = maxBytes;
    let passedOver = 0;
    for (const [id, entry] of this.#due) {
      if (taken.length === maxCount || passedOver === MAX_PASSED_OVER) break;
      const size = entry.bytes.length + OFFSET_BYTES;
      if (size > room) {
        passedOver++;
        continue;
      }
      room -= size;
      entry.carriedIn = round;
      this.#schedule(id, entry, round + this.#patience);
      taken.push(entry.bytes);
    }
    return taken;
  }

  /**
   * What nobody else may hold although it should be ordered by now, in order: our block with it is not output after so many rounds, or
   * no block of ours leaves at all (`isStuck`). Counts as gossiped from now on.
   */
  takeUngossiped(round: number, isStuck: boolean): Uint8Array[] {
    const found: Uint8Array[] = [];
    for (const entry of this.#entries.values()) {
      const { isGossiped, carriedIn, bytes } = entry;
      if (isGossiped || (carriedIn === undefined ? !isStuck : carriedIn + OUTPUT_ROUNDS > round)) continue;
      entry.isGossiped = true;
      found.push(bytes);
    }
    return found;
  }

  /** Of this member's users, in the order in which they came. */
  own(): Pooled<T>[] {
    return [...this.#entries.values()].filter(({ from }) => from === undefined);
  }

  /**
   * Rounds begin at 1 again, under other indices: everything is tried anew. `indexOf` maps an old index; what a member that left had
   * gossiped is ours from now on, because it cannot propose it any more.
   */
  renew(members: number, indexOf: (old: number) => number | undefined): void {
    this.#members = members;
    this.#shares.clear();
    this.#due.clear();
    this.#later.clear();
    this.#dueRound = 0;
    for (const [id, entry] of this.#entries) {
      entry.carriedIn = undefined;
      entry.from = entry.from === undefined ? undefined : indexOf(entry.from);
      if (entry.from !== undefined) {
        const share = this.#shares.get(entry.from) ?? { count: 0, bytes: 0 };
        share.count++;
        share.bytes += entry.bytes.length;
        this.#shares.set(entry.from, share);
      }
      this.#schedule(id, entry, entry.from === undefined ? 1 : 1 + this.#patience);
    }
  }

  /** What a peer's gossip holds here no longer counts as its. */
  #release({ from, bytes }: Pooled<T>): void {
    const share = from === undefined ? undefined : this.#shares.get(from);
    if (share === undefined) return;
    share.count--;
    share.bytes -= bytes.length;
  }

  #schedule(id: Hex, entry: Pooled<T>, round: number): void {
    entry.proposeFrom = round;
    if (round <= this.#dueRound) {
      this.#due.set(id, entry);
      return;
    }
    this.#due.delete(id);
    const ids = this.#later.get(round);
    if (ids === undefined) this.#later.set(round, [id]);
    else ids.push(id);
  }

  /** Moves what may be proposed by now; every entry moves once per attempt, so that a step costs what it does. */
  #advance(round: number): void {
    if (round <= this.#dueRound) return;
    this.#dueRound = round;
    // As many different rounds wait as the patience has, and few are due at a time.
    const due = [...this.#later.keys()].filter((from) => from <= round).sort((a, b) => a - b);
    for (const from of due) {
      for (const id of this.#later.get(from) ?? []) {
        const entry = this.#entries.get(id);
        // Rescheduled since, or ordered.
        if (entry?.proposeFrom === from) this.#due.set(id, entry);
      }
      this.#later.delete(from);
    }
  }
}
