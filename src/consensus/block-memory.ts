/**
 * Which accepted blocks have their bytes in memory: as many as a budget lets, whoever made them and however large they are. What is output
 * (or sank below the floor) goes first, then what was accepted first; the log has them all. Where there is no log to read from, all stay.
 */
import type { DagBlock } from "./dag.ts";
import { type FindBlock, StoredBlock } from "./stored-block.ts";

/** What a reference costs as an object beside the 42 bytes it was read from: a block may be made of little else. */
export const REFERENCE_BYTES = 200;

export class BlockMemory {
  readonly #budget: number;
  readonly #find: FindBlock | undefined;
  /** With their bytes in memory, oldest first: what the order may still ask for, and what only others may. */
  readonly #needed = new Set<DagBlock>();
  readonly #spare = new Set<DagBlock>();
  #bytes = 0;

  constructor(budget: number, find: FindBlock | undefined) {
    this.#budget = budget;
    this.#find = find;
  }

  /** Bytes of accepted blocks in memory, and of what was read from them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A block was accepted; its bytes are here. */
  hold(entry: DagBlock): void {
    this.#bytes += weightOf(entry);
    (entry.isOutput ? this.#spare : this.#needed).add(entry);
  }

  /** The order does not ask for it any more. */
  spare(entry: DagBlock): void {
    if (this.#needed.delete(entry)) this.#spare.add(entry);
  }

  /** Nobody asks for it any more. */
  forget(entry: DagBlock): void {
    if (this.#needed.delete(entry) || this.#spare.delete(entry)) this.#bytes -= weightOf(entry);
  }

  /**
   * Brings what is held down to the budget. Only once everything that was accepted before is where it can be read back: this is not to be
   * called in the middle of a step.
   */
  shed(): void {
    if (this.#find === undefined || this.#bytes <= this.#budget) return;
    for (const held of [this.#spare, this.#needed]) {
      for (const entry of held) {
        if (this.#bytes <= this.#budget) return;
        if (!entry.isReadable) continue;
        held.delete(entry);
        this.#bytes -= weightOf(entry);
        entry.block = new StoredBlock(entry.block, this.#find);
      }
    }
  }
}

/** Of a block that is in memory. */
function weightOf({ size, block }: DagBlock): number {
  return size + REFERENCE_BYTES * block.parents.length;
}
