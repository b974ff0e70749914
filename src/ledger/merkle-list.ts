/**
 * A list of hashes with a root that is cheap to keep: after k changes in n entries, O(k log n) hashes. Shape and prefixes as
 * batch/merkle.ts (RFC 9162). Entries keep their index for ever; nothing is removed.
 */
import { EMPTY_ROOT, hashLeaf, hashNode } from "../batch/merkle.ts";
import { assert } from "../lib/assert.ts";
import { hexToBytes } from "../lib/hex.ts";

export class MerkleList {
  /** levels[0]: leaf hashes; an unpaired last node moves up unchanged. */
  private readonly levels: Uint8Array[][] = [[]];
  private dirty = new Set<number>();

  get size(): number {
    return this.levels[0]!.length;
  }

  /** Sets entry `index`, an existing one or the next. `data`: 32 bytes. */
  set(index: number, data: Uint8Array): void {
    assert(index >= 0 && index <= this.size, "a list grows by one entry at its end");
    this.levels[0]![index] = hashLeaf(data);
    this.dirty.add(index);
  }

  root(): Uint8Array {
    for (let h = 0; this.levels[h]!.length > 1; h++) {
      const level = this.levels[h]!;
      if (this.levels[h + 1] === undefined) this.levels.push([]);
      const above = this.levels[h + 1]!;
      const next = new Set<number>();
      for (const index of this.dirty) next.add(index >> 1);
      // Appending makes the parents in order only if the lowest comes first.
      for (const parent of [...next].sort((a, b) => a - b)) {
        const left = level[2 * parent]!;
        const right = level[2 * parent + 1];
        above[parent] = right === undefined ? left : hashNode(left, right);
      }
      this.dirty = next;
    }
    this.dirty = new Set();
    return this.levels.at(-1)![0] ?? hexToBytes(EMPTY_ROOT);
  }
}
