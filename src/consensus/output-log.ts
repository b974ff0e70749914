/** What was output, as far as a checkpoint has to name it. */
import { compareBlocks, refOf } from "./block.ts";
import type { BlockRef, ConsensusCheckpoint, OutputRound } from "./types.ts";

export class OutputLog {
  /** Output blocks by round, above the floor of the newest checkpoint. */
  readonly #refs = new Map<number, BlockRef[]>();

  constructor(checkpoint: ConsensusCheckpoint | undefined) {
    for (const ref of checkpoint?.output ?? []) this.#remember(ref);
  }

  add(output: OutputRound): void {
    for (const commit of output.commits) {
      for (const block of commit.blocks) this.#remember(refOf(block));
    }
  }

  /** Output blocks above a floor, sorted by (round, author, digest). */
  above(floor: number): readonly BlockRef[] {
    return [...this.#refs.values()]
      .flat()
      .filter((ref) => ref.round > floor)
      .sort(compareBlocks);
  }

  forget(floor: number): void {
    for (const round of this.#refs.keys()) if (round <= floor) this.#refs.delete(round);
  }

  #remember(ref: BlockRef): void {
    const refs = this.#refs.get(ref.round);
    if (refs === undefined) this.#refs.set(ref.round, [ref]);
    else refs.push(ref);
  }
}
