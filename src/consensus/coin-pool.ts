/**
 * Coin shares on their way to a coin. A share counts as soon as a signed block (or an authenticated message of its author)
 * brings it; shares are combined only when an undecided slot asks, because on good days no coin is ever needed.
 */
import type { CoinScheme, CoinShare } from "./types.ts";

export type CoinEvent =
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array }
  | { readonly kind: "bad"; readonly round: number; readonly author: number };

export class CoinPool {
  readonly #scheme: CoinScheme;
  readonly #quorum: number;
  readonly #shares = new Map<number, Map<number, Uint8Array>>();
  readonly #coins = new Map<number, { readonly signature: Uint8Array; readonly leader: number }>();
  /** Authors proven to give wrong shares: their later ones are not even stored. At most f. */
  readonly #bad = new Set<number>();
  /** Coins an undecided slot asks for that cannot be combined yet. */
  readonly #wanted = new Set<number>();
  #events: CoinEvent[] = [];

  constructor(scheme: CoinScheme, quorum: number) {
    this.#scheme = scheme;
    this.#quorum = quorum;
  }

  get wanted(): ReadonlySet<number> {
    return this.#wanted;
  }

  /** Shares held, over all rounds. */
  get size(): number {
    let size = 0;
    for (const shares of this.#shares.values()) size += shares.size;
    return size;
  }

  /** Stores a share; the first of an author counts. Bounded: n per round, rounds bounded by the caller. */
  add(author: number, share: CoinShare): void {
    if (this.#bad.has(author) || this.#coins.has(share.round)) return;
    let shares = this.#shares.get(share.round);
    if (shares === undefined) {
      shares = new Map();
      this.#shares.set(share.round, shares);
    }
    if (!shares.has(author)) shares.set(author, share.signature);
  }

  share(round: number, author: number): Uint8Array | undefined {
    return this.#shares.get(round)?.get(author);
  }

  signature(round: number): Uint8Array | undefined {
    return this.#coins.get(round)?.signature;
  }

  /** The coin leader of a round; combines if it can, otherwise remembers that the coin is wanted. */
  leader(round: number): number | undefined {
    const known = this.#coins.get(round);
    if (known !== undefined) return known.leader;
    const shares = this.#shares.get(round);
    while (shares !== undefined && shares.size >= this.#quorum) {
      const before = shares.size;
      const { signature, bad } = this.#scheme.combine(round, shares);
      for (const author of bad) this.#drop(author, round);
      if (signature !== undefined) return this.#set(round, signature);
      // Without a signature and without culprits there is nothing new to try.
      if (shares.size === before) break;
    }
    this.#wanted.add(round);
    return undefined;
  }

  /** Takes a combined coin of somebody else if it is wanted. False when it is wrong. */
  accept(round: number, signature: Uint8Array): boolean {
    if (!this.#wanted.has(round) || this.#coins.has(round)) return true;
    if (!this.#scheme.verify(round, signature)) return false;
    this.#set(round, signature);
    return true;
  }

  /** Takes a coin from the own log, where only verified ones are written. */
  restore(round: number, signature: Uint8Array): void {
    if (!this.#coins.has(round)) this.#coins.set(round, { signature, leader: this.#scheme.leader(round, signature) });
  }

  /** Forgets everything at or below a round. */
  forget(floor: number): void {
    for (const round of this.#shares.keys()) if (round <= floor) this.#shares.delete(round);
    for (const round of this.#coins.keys()) if (round <= floor) this.#coins.delete(round);
    for (const round of this.#wanted) if (round <= floor) this.#wanted.delete(round);
  }

  /** Decided slots ask no more; called when the cursor moves. */
  clearWanted(): void {
    this.#wanted.clear();
  }

  /** What happened since the last call. */
  takeEvents(): readonly CoinEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #set(round: number, signature: Uint8Array): number {
    const leader = this.#scheme.leader(round, signature);
    this.#coins.set(round, { signature, leader });
    this.#shares.delete(round);
    this.#wanted.delete(round);
    this.#events.push({ kind: "coin", round, signature });
    return leader;
  }

  #drop(author: number, round: number): void {
    if (this.#bad.has(author)) return;
    this.#bad.add(author);
    for (const shares of this.#shares.values()) shares.delete(author);
    this.#events.push({ kind: "bad", round, author });
  }
}
