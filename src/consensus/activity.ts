/**
 * Who has a slot in a round (consensus.md, "Slots and the coin"). An author is inactive in round r if in the output of rounds
 * (r − 6 − A, r − 6] it has no block, or one of its slots was skipped; where fewer than Q would remain, all are active.
 * "Has no block" counts the blocks that the commits of those rounds output, whatever round they are of: a member whose slot
 * is left out comes back through other authors' cones. Read from the output alone, so that all members agree.
 */
import { assert } from "../lib/assert.ts";
import { concatBytes } from "../lib/bytes.ts";
import { hashStruct, typeHash, word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import type { BlockRef, OrderPast, RoundActivity } from "./types.ts";

const PAST_TYPE = typeHash("OrderPast(bytes activity,bytes vectorClock)");

/** Rounds between the output that is read and the round it decides about: that output exists when the round is reached. */
export const ACTIVITY_LAG = 6;

export class Activity {
  readonly #n: number;
  readonly #quorum: number;
  readonly #window: number;
  #records: readonly RoundActivity[];
  #vectorClock: readonly number[];
  #digest: Hex | undefined;

  constructor(n: number, quorum: number, window: number, past?: OrderPast) {
    this.#n = n;
    this.#quorum = quorum;
    this.#window = window;
    this.#records = past?.activity ?? [];
    this.#vectorClock = past?.vectorClock ?? new Array<number>(n).fill(0);
  }

  /** What is read of the past, after the last recorded round: enough for every later one. Values, not views. */
  get past(): OrderPast {
    return { activity: this.#records, vectorClock: this.#vectorClock };
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
    const last = this.#records.at(-1);
    assert(last === undefined || round === last.round + 1, "output rounds must be recorded in order");
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
    // Round `round + 1` is the oldest that can still ask; it reads rounds above round + 1 − 6 − A.
    const needed = round + 2 - ACTIVITY_LAG - this.#window;
    const kept = this.#records.filter((record) => record.round >= needed);
    this.#records = [...kept, { round, present, skipped }];
    this.#vectorClock = vectorClock;
    this.#digest = undefined;
  }

  isActive(round: number): readonly boolean[] {
    const records = this.#records.filter(
      (record) => record.round > round - ACTIVITY_LAG - this.#window && record.round <= round - ACTIVITY_LAG,
    );
    const active = new Array<boolean>(this.#n);
    let count = 0;
    for (let author = 0; author < this.#n; author++) {
      const isPresent = records.some((record) => record.present[author]);
      const isSkipped = records.some((record) => record.skipped[author]);
      active[author] = isPresent && !isSkipped;
      if (active[author]) count++;
    }
    return count >= this.#quorum ? active : active.fill(true);
  }

  /** Active authors in slot order: author r mod n first. */
  slots(round: number): readonly number[] {
    const active = this.isActive(round);
    const slots: number[] = [];
    for (let i = 0; i < this.#n; i++) {
      const author = (round + i) % this.#n;
      if (active[author]) slots.push(author);
    }
    return slots;
  }
}

/**
 * keccak256 of type, keccak256 of the activity (per round: 8 bytes round, then one byte per author, bit 0 present, bit 1 skipped)
 * and keccak256 of the clock (8 bytes each). Skips depend on who was active before, and that on older skips, without end: so
 * commits commit to them, and a checkpoint can be checked against its last commit alone.
 */
export function pastDigest({ activity, vectorClock }: OrderPast): Hex {
  const rounds = activity.flatMap(({ round, present, skipped }) => [
    word(round).subarray(24),
    Uint8Array.from(present, (isPresent, author) => (isPresent ? 1 : 0) + (skipped[author] === true ? 2 : 0)),
  ]);
  const clock = vectorClock.map((round) => word(round).subarray(24));
  return bytesToHex(hashStruct(PAST_TYPE, keccak256(concatBytes(...rounds)), keccak256(concatBytes(...clock))));
}
