/**
 * Who has a slot in a round (consensus.md, "Slots and the coin"). An author is left out when in the output of the A rounds before
 * it has no block, or one of its slots was skipped there, so that the dead and the withholding delay nobody. Read from the
 * output of all rounds before alone, so that all members agree; its blocks still enter through others' cones.
 *
 * Two things keep this from being a weapon. A withholder that comes back and is skipped again soon is left out four times as long
 * as before, up to 16 A rounds: it would otherwise leave a slot open every A rounds for ever. And whom starving made slow never
 * makes room for a withholder: where fewer than Q remain, those whose time ends first come back, as many as Q takes.
 */
import { assert } from "../lib/assert.ts";
import { concatBytes } from "../lib/bytes.ts";
import { hashStruct, typeHash, word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import type { BlockRef, OrderPast, Standing } from "./types.ts";

const PAST_TYPE = typeHash("OrderPast(bytes standings,bytes vectorClock)");

/**
 * By how much an exclusion grows with each relapse, up to how many times A, and after how many times its own length without a
 * skipped slot the next one is a first again.
 */
export const RELAPSE_FACTOR = 4;
export const MAX_EXCLUSION = 16;

const AT_FIRST: Standing = { seen: 0, until: 0, rounds: 0 };

export class Activity {
  readonly #n: number;
  readonly #quorum: number;
  readonly #window: number;
  #standings: readonly Standing[];
  #vectorClock: readonly number[];
  /** The last recorded round, where this has recorded any. */
  #round: number | undefined;
  #digest: Hex | undefined;
  /** The last answer of `isActive`: asked for with every block, changed by a round's output alone. */
  #active: { readonly round: number; readonly authors: readonly boolean[] } | undefined;

  constructor(n: number, quorum: number, window: number, past?: OrderPast) {
    this.#n = n;
    this.#quorum = quorum;
    this.#window = window;
    this.#standings = past?.standings ?? new Array<Standing>(n).fill(AT_FIRST);
    this.#vectorClock = past?.vectorClock ?? new Array<number>(n).fill(0);
  }

  /** What is read of the past, after the last recorded round: enough for every later one. Values, not views. */
  get past(): OrderPast {
    return { standings: this.#standings, vectorClock: this.#vectorClock };
  }

  /** Highest output round per author. */
  get vectorClock(): readonly number[] {
    return this.#vectorClock;
  }

  /** Digest of `past`: in every commit of the next round. */
  get digest(): Hex {
    this.#digest ??= pastDigest(this.past);
    return this.#digest;
  }

  /** A round is output, with these commits. Rounds come in order, none left out. */
  record(round: number, commits: readonly { readonly leader: BlockRef; readonly blocks: readonly BlockRef[] }[]): void {
    assert(this.#round === undefined || round === this.#round + 1, "output rounds must be recorded in order");
    const present = new Array<boolean>(this.#n).fill(false);
    const skipped = [...this.isActive(round)];
    const vectorClock = [...this.#vectorClock];
    for (const { leader, blocks } of commits) {
      skipped[leader.author] = false;
      for (const block of blocks) {
        present[block.author] = true;
        vectorClock[block.author] = Math.max(vectorClock[block.author]!, block.round);
      }
    }
    this.#standings = this.#standings.map((standing, author) => {
      const seen = present[author] ? round : standing.seen;
      return skipped[author] ? { seen, ...this.#exclude(standing, round) } : { ...standing, seen };
    });
    this.#vectorClock = vectorClock;
    this.#round = round;
    this.#digest = undefined;
    this.#active = undefined;
  }

  /** Of the round after the last recorded one. */
  isActive(round: number): readonly boolean[] {
    if (this.#active?.round !== round) this.#active = { round, authors: this.#activeAt(round) };
    return this.#active.authors;
  }

  #activeAt(round: number): readonly boolean[] {
    const isAbsent = ({ seen }: Standing): boolean => round - seen > this.#window;
    const active = this.#standings.map((standing) => !isAbsent(standing) && round >= standing.until);
    const missing = this.#quorum - active.filter(Boolean).length;
    if (missing <= 0) return active;
    // The absent last: whoever is back soonest of those that are there. Ties go by the order of the round's slots.
    const leftOut = this.#rotation(round).filter((author) => !active[author]);
    const rank = (author: number): number => {
      const standing = this.#standings[author]!;
      return isAbsent(standing) ? Number.POSITIVE_INFINITY : standing.until;
    };
    leftOut.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
    for (const author of leftOut.slice(0, missing)) active[author] = true;
    return active;
  }

  /** Active authors in slot order: author r mod n first. */
  slots(round: number): readonly number[] {
    const active = this.isActive(round);
    return this.#rotation(round).filter((author) => active[author]);
  }

  #rotation(round: number): number[] {
    return Array.from({ length: this.#n }, (_, i) => (round + i) % this.#n);
  }

  #exclude({ until, rounds: last }: Standing, round: number): Omit<Standing, "seen"> {
    // Skipped while it was called back for want of others: the same exclusion goes on.
    const isForgiven = last === 0 || round >= until + RELAPSE_FACTOR * last;
    const isRelapse = !isForgiven && round >= until;
    const longest = MAX_EXCLUSION * this.#window;
    const rounds = isForgiven ? this.#window : isRelapse ? Math.min(RELAPSE_FACTOR * last, longest) : last;
    return { until: round + 1 + rounds, rounds };
  }
}

/**
 * keccak256 of type, keccak256 of the standings (8 bytes each for seen, until, rounds) and keccak256 of the clock (8 bytes each).
 * Skips depend on who was active before, and that on older skips, without end: so commits commit to them, and a checkpoint can
 * be checked against its last commit alone.
 */
export function pastDigest({ standings, vectorClock }: OrderPast): Hex {
  const bytesOf = (rounds: readonly number[]): Uint8Array =>
    concatBytes(...rounds.map((round) => word(round).subarray(24)));
  const all = standings.flatMap(({ seen, until, rounds }) => [seen, until, rounds]);
  return bytesToHex(hashStruct(PAST_TYPE, keccak256(bytesOf(all)), keccak256(bytesOf(vectorClock))));
}
