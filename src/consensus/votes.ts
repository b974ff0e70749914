/**
 * Certificates and skip votes, tallied once per accepted block (consensus.md, "Votes").
 *
 *   window v of slot (r, a): v ∈ {r+1, r+2, r+3}
 *   cert_v(c, L)             c.round = v + 1 and ≥ Q distinct authors among c's parents of round v support L
 *   direct Commit L          some window v: ≥ Q authors at round v + 1 hold cert_v(·, L)
 *   direct Skip              ≥ Q authors have a block at r + 3 that supports nobody at (r, a)
 */
import { assert } from "../lib/assert.ts";
import { slotKey } from "./block.ts";
import { type DagBlock, WINDOWS } from "./dag.ts";

/** A set of author indices with its size. */
class AuthorSet {
  readonly #members: Uint8Array;
  size = 0;

  constructor(n: number) {
    this.#members = new Uint8Array(n);
  }

  add(author: number): void {
    if (this.#members[author] === 1) return;
    this.#members[author] = 1;
    this.size++;
  }
}

interface Tally {
  /** The one block of this slot for which a certificate exists anywhere. */
  certified: DagBlock | undefined;
  /** Per window, who holds a certificate for it. */
  readonly holders: (AuthorSet | undefined)[];
  /** Authors with a block at r + 3 that supports nobody. */
  nobody: AuthorSet | undefined;
}

export type DirectDecision = { readonly kind: "commit"; readonly block: DagBlock } | { readonly kind: "skip" };

export class Votes {
  readonly #n: number;
  readonly #quorum: number;
  readonly #tallies = new Map<number, Tally>();

  constructor(n: number, quorum: number) {
    this.#n = n;
    this.#quorum = quorum;
  }

  /**
   * Counts a block that has just entered the DAG. Slots at or below `floor` are left alone: what supported them has been
   * dropped (or, below a checkpoint, never was here), so a late block would seem to support nobody. Throws InvariantError when the fault assumption is proven broken.
   */
  observe(block: DagBlock, floor: number): void {
    block.certified = this.#certificates(block);
    for (const [i, row] of block.certified.entries()) {
      const round = block.round - 2 - i;
      if (round <= floor) continue;
      for (let author = 0; author < this.#n; author++) {
        const certified = row[author];
        if (certified !== undefined) this.#addCertificate(round, author, i, certified, block.author);
      }
    }
    const round = block.round - WINDOWS;
    if (round < 1 || round <= floor) return;
    const row = block.support[WINDOWS - 1]!;
    for (let author = 0; author < this.#n; author++) {
      if (row[author] === undefined) this.#addSkipVote(round, author, block.author);
    }
  }

  direct(round: number, author: number): DirectDecision | undefined {
    const tally = this.#tallies.get(slotKey(round, author));
    if (tally === undefined) return undefined;
    if (tally.certified !== undefined && tally.holders.some((set) => set !== undefined && set.size >= this.#quorum)) {
      return { kind: "commit", block: tally.certified };
    }
    return this.#isSkipped(tally) ? { kind: "skip" } : undefined;
  }

  /** Whether the first window alone has committed the slot by now: what waiting for stragglers is good for. */
  isFirstWindow(round: number, author: number): boolean {
    return (this.#tallies.get(slotKey(round, author))?.holders[0]?.size ?? 0) >= this.#quorum;
  }

  /** Forgets the slots of rounds in [from, to]. */
  forget(from: number, to: number): void {
    for (let round = Math.max(1, from); round <= to; round++) {
      for (let author = 0; author < this.#n; author++) this.#tallies.delete(slotKey(round, author));
    }
  }

  /** For each window distance k, which block of round v − k ≥ Q of `block`'s parents at v = round − 1 support. */
  #certificates(block: DagBlock): (DagBlock | undefined)[][] {
    const voters = block.voters.filter((voter) => voter.round === block.round - 1);
    // Fewer than Q are possible only where strong parents sank below the floor; such a round is long decided.
    if (voters.length < this.#quorum) return [];
    const windows: (DagBlock | undefined)[][] = [];
    for (let k = 0; k < WINDOWS && block.round - 2 - k >= 1; k++)
      windows.push(certifiedRow(voters, k, this.#n, this.#quorum));
    return windows;
  }

  #addCertificate(round: number, author: number, window: number, certified: DagBlock, holder: number): void {
    const tally = this.#tally(round, author);
    assert(
      tally.certified === undefined || tally.certified === certified,
      `two certified twins in slot (${round}, ${author})`,
    );
    tally.certified = certified;
    tally.holders[window] ??= new AuthorSet(this.#n);
    tally.holders[window].add(holder);
    assert(!this.#isSkipped(tally), `certificate beside a Skip in slot (${round}, ${author})`);
  }

  #addSkipVote(round: number, author: number, voter: number): void {
    const tally = this.#tally(round, author);
    tally.nobody ??= new AuthorSet(this.#n);
    tally.nobody.add(voter);
    assert(
      !(this.#isSkipped(tally) && tally.certified !== undefined),
      `certificate beside a Skip in slot (${round}, ${author})`,
    );
  }

  #isSkipped(tally: Tally): boolean {
    return tally.nobody !== undefined && tally.nobody.size >= this.#quorum;
  }

  #tally(round: number, author: number): Tally {
    const key = slotKey(round, author);
    let tally = this.#tallies.get(key);
    if (tally === undefined) {
      tally = { certified: undefined, holders: [], nobody: undefined };
      this.#tallies.set(key, tally);
    }
    return tally;
  }
}

/** By author, the block that ≥ quorum of the voters support in a row of theirs, or undefined. */
function certifiedRow(voters: readonly DagBlock[], row: number, n: number, quorum: number): (DagBlock | undefined)[] {
  // Most often all support what the first one does: counted row by row, because nothing else costs a block as much at n = 31.
  const first = voters[0]!.support[row]!;
  const counts = new Uint16Array(n);
  for (const voter of voters) {
    const choices = voter.support[row]!;
    for (let author = 0; author < n; author++) if (choices[author] === first[author]) counts[author]!++;
  }
  return first.map((choice, author) =>
    choice !== undefined && counts[author]! >= quorum ? choice : majority(voters, row, author, quorum),
  );
}

/**
 * The block that ≥ quorum of the voters support, or undefined. Voters have distinct authors (rule 4), and quorum > voters / 2 whenever
 * quorum = n − f, so there is at most one, and one of the first voters − quorum + 1 supports it.
 */
function majority(voters: readonly DagBlock[], row: number, author: number, quorum: number): DagBlock | undefined {
  let candidate: DagBlock | undefined;
  for (let i = 0; i + quorum <= voters.length; i++) {
    const choice = voters[i]!.support[row]![author];
    if (choice === undefined || choice === candidate) continue;
    candidate = choice;
    let count = 0;
    for (const voter of voters) if (voter.support[row]![author] === choice) count++;
    if (count >= quorum) return choice;
  }
  return undefined;
}
