/**
 * Who has a slot in a round (consensus.md, "Slots and the coin"). An author is inactive in round r if in the output of rounds
 * (r − 6 − A, r − 6] it has no block, or one of its slots was skipped; where fewer than Q would remain, all are active.
 * Who is back and skipped again soon is left out four times as long as before, up to 16 A rounds: a withholder would otherwise
 * leave a slot open every A rounds for ever. Who behaves for four times as long as it was left out begins anew.
 *
 * "Has no block" counts the blocks that the commits of those rounds output, whatever round they are of: a member whose slot
 * is left out comes back through other authors' cones. Read from the output alone, so that all members agree.
 */
import { assert } from "../lib/assert.ts";
import type { Exclusion, RoundActivity } from "./types.ts";

/** Rounds between the output that is read and the round it decides about: that output exists when the round is reached. */
export const ACTIVITY_LAG = 6;

/** By how much an exclusion grows with each relapse, and up to how many times A; after as many times its length it is forgiven. */
export const RELAPSE_FACTOR = 4;
export const MAX_EXCLUSION = 16;

export class Activity {
  readonly #n: number;
  readonly #quorum: number;
  readonly #window: number;
  #records: RoundActivity[] = [];
  /** By author, from all records that are old enough to be read. */
  #exclusions: Exclusion[];

  constructor(
    n: number,
    quorum: number,
    window: number,
    records: readonly RoundActivity[] = [],
    exclusions: readonly Exclusion[] = Array.from({ length: n }, () => ({ round: 0, rounds: 0 })),
  ) {
    this.#n = n;
    this.#quorum = quorum;
    this.#window = window;
    this.#records = [...records];
    this.#exclusions = [...exclusions];
  }

  /** What a checkpoint carries: enough for every later round. */
  get records(): readonly RoundActivity[] {
    return this.#records;
  }

  get exclusions(): readonly Exclusion[] {
    return this.#exclusions;
  }

  /** Rounds are recorded in order, none left out. */
  record(activity: RoundActivity): void {
    const last = this.#records.at(-1);
    assert(last === undefined || activity.round === last.round + 1, "output rounds must be recorded in order");
    this.#records.push(activity);
    const readable = this.#records.find((record) => record.round === activity.round + 1 - ACTIVITY_LAG);
    if (readable !== undefined) this.#exclude(readable);
    // Round `activity.round + 1` is the oldest that can still ask; it reads rounds above activity.round + 1 − 6 − A.
    const needed = activity.round + 2 - ACTIVITY_LAG - this.#window;
    if (this.#records[0]!.round < needed) this.#records = this.#records.filter((record) => record.round >= needed);
  }

  /** Of the round after the last recorded one. */
  isActive(round: number): readonly boolean[] {
    const records = this.#records.filter(
      (record) => record.round > round - ACTIVITY_LAG - this.#window && record.round <= round - ACTIVITY_LAG,
    );
    const active = new Array<boolean>(this.#n);
    let count = 0;
    for (let author = 0; author < this.#n; author++) {
      const isPresent = records.some((record) => record.present[author]);
      const { round: skippedRound, rounds } = this.#exclusions[author]!;
      active[author] = isPresent && round - ACTIVITY_LAG >= skippedRound + rounds;
      if (active[author]) count++;
    }
    return count >= this.#quorum ? active : active.fill(true);
  }

  #exclude({ round, skipped }: RoundActivity): void {
    this.#exclusions = this.#exclusions.map((last, author) => {
      if (skipped[author] !== true) return last;
      const back = last.round + last.rounds + ACTIVITY_LAG;
      if (last.rounds === 0 || round >= back + RELAPSE_FACTOR * last.rounds) return { round, rounds: this.#window };
      // Before it could be left out, or while all were active: the same exclusion.
      if (round < back) return { round, rounds: last.rounds };
      return { round, rounds: Math.min(RELAPSE_FACTOR * last.rounds, MAX_EXCLUSION * this.#window) };
    });
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
