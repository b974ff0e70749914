/**
 * Mahi-Mahi's rule (dag/mahi-mahi.ts) as the rule of a shipping member: same blocks, same pacing, same ledger and certificates,
 * another order. Its coin of round r opens with the wave's certifying round; here that is the coin of the round whose shares the
 * blocks of that round carry. Who is active is recorded and not read: leaders are elected among all.
 */
import type { CommitterParts, DecisionRule } from "../../consensus/committer.ts";
import type { DagBlock } from "../../consensus/dag.ts";
import { COIN_DELAY } from "../../consensus/limits.ts";
import type { OrderState } from "../../consensus/linearizer.ts";
import type { Commit, OutputRound, SlotStatus } from "../../consensus/types.ts";
import { type BaselineRule, Elections, WaveTally } from "../dag/mahi-mahi.ts";

export class MahiMahiRule implements DecisionRule {
  readonly #parts: CommitterParts;
  readonly #tally: WaveTally<DagBlock>;
  readonly #elections: Elections<DagBlock>;
  /** Blocks of each round that the tally has. */
  readonly #seen = new Map<number, number>();
  #boundary: OrderState;
  #round: number;
  #commits: Commit[] = [];

  constructor(parts: CommitterParts, { waveLength, leaders }: BaselineRule) {
    this.#parts = parts;
    this.#tally = new WaveTally(parts.n, waveLength);
    const opens = waveLength - 1 - COIN_DELAY;
    const coin = (round: number) => parts.coinLeader(round + opens);
    this.#elections = new Elections(this.#tally, leaders, coin, parts.round);
    this.#round = parts.round;
    this.#boundary = parts.linearizer.state;
  }

  get cursor(): { readonly round: number; readonly author: number } {
    return { round: this.#round, author: 0 };
  }

  get boundary(): OrderState {
    return this.#boundary;
  }

  advance(): OutputRound[] {
    this.#observe();
    const { linearizer, activity } = this.#parts;
    const outputs: OutputRound[] = [];
    for (;;) {
      const slot = this.#elections.next();
      if (slot === undefined) return outputs;
      if (slot.decision !== "skip") this.#commits.push(linearizer.commit(slot.decision, activity.digest));
      if (!slot.isLast) continue;
      outputs.push({ round: this.#round, commits: this.#commits });
      activity.record(this.#round, this.#commits);
      this.#boundary = linearizer.state;
      this.#round++;
      this.#commits = [];
    }
  }

  /** Of elected slots only. */
  status(): SlotStatus {
    return { kind: "undecided" };
  }

  forget(from: number, to: number): void {
    this.#elections.forget(from, to);
    this.#tally.forget(from, to);
    for (let round = from; round <= to; round++) this.#seen.delete(round);
  }

  #observe(): void {
    const { dag } = this.#parts;
    for (let round = Math.max(1, dag.floor + 1); round <= dag.highestRound; round++) {
      const blocks = dag.round(round);
      const seen = this.#seen.get(round) ?? 0;
      if (seen === blocks.length) continue;
      for (const block of blocks.slice(seen)) this.#tally.accept(block);
      this.#seen.set(round, blocks.length);
    }
  }
}
