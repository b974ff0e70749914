/**
 * Who has a slot in a round (consensus.md, "Slots and the coin"). An author is inactive in round r if in the output of rounds
 * (r − 6 − A, r − 6] it has no block, or one of its slots was skipped; where fewer than Q would remain, all are active.
 * "Has no block" counts the blocks that the commits of those rounds output, whatever round they are of: a member whose slot
 * is left out comes back through other authors' cones. Read from the output alone, so that all members agree.
 */
import { assert } from "../lib/assert.ts";
import type { RoundActivity } from "./types.ts";

/** Rounds between the output that is read and the round it decides about: that output exists when the round is reached. */
export const ACTIVITY_LAG = 6;

export class Activity {
  readonly #n: number;
  readonly #quorum: number;
  readonly #window: number;
  #records: RoundActivity[] = [];

  constructor(n: number, quorum: number, window: number, records: readonly RoundActivity[] = []) {
    this.#n = n;
    this.#quorum = quorum;
    this.#window = window;
    this.#records = [...records];
  }

  /** What a checkpoint carries: enough for every later round. */
  get records(): readonly RoundActivity[] {
    return this.#records;
  }

  /** Rounds are recorded in order, none left out. */
  record(activity: RoundActivity): void {
    const last = this.#records.at(-1);
    assert(last === undefined || activity.round === last.round + 1, "output rounds must be recorded in order");
    this.#records.push(activity);
    // Round `activity.round + 1` is the oldest that can still ask; it reads rounds above activity.round + 1 − 6 − A.
    const needed = activity.round + 2 - ACTIVITY_LAG - this.#window;
    if (this.#records[0]!.round < needed) this.#records = this.#records.filter((record) => record.round >= needed);
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
