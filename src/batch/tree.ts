/**
 * Append-only trees for history and outboxes (shape and hashes: merkle.ts).
 * A `Frontier` is the plain value a deterministic fold keeps: O(log n) hashes, enough to append and to know the root.
 * An `AppendOnlyTree` keeps every complete subtree (2n hashes) and can prove any leaf at any size it ever had.
 */
import { assert } from "../lib/assert.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { BatchError } from "./errors.ts";
import { EMPTY_ROOT, hashLeaf, hashNode } from "./merkle.ts";
import { type MultiProof, multiProofShape } from "./multiproof.ts";
import type { InclusionProof } from "./types.ts";

export { EMPTY_ROOT, verifyInclusion } from "./merkle.ts";
export { type MultiProof, verifyMultiProof } from "./multiproof.ts";

/** Size and complete subtree roots ("peaks"), largest first: one per set bit of `size`. */
export interface Frontier {
  readonly size: bigint;
  readonly peaks: readonly Hex[];
}

export const EMPTY_FRONTIER: Frontier = { size: 0n, peaks: [] };

function leafBytes(data: Hex): Uint8Array {
  if (!isHex(data, 32))
    throw new BatchError("malformedLeaf", "a leaf is 32 bytes of hex", {
      details: { leaf: String(data).slice(0, 80) },
    });
  return hexToBytes(data);
}

/** The frontier with one more leaf (32 bytes, e.g. an entry's hash). @throws BatchError malformedLeaf */
export function appendToFrontier(frontier: Frontier, data: Hex): Frontier {
  const peaks = [...frontier.peaks];
  let node = hashLeaf(leafBytes(data));
  // Every trailing one bit of the size is a peak of the same height as what we carry.
  for (let rest = frontier.size; (rest & 1n) === 1n; rest >>= 1n) {
    const left = peaks.pop();
    assert(left !== undefined, "a frontier has one peak per set bit of its size");
    node = hashNode(hexToBytes(left), node);
  }
  return { size: frontier.size + 1n, peaks: [...peaks, bytesToHex(node)] };
}

/** Root of the tree; {@link EMPTY_ROOT} for no leaves. */
export function frontierRoot(frontier: Frontier): Hex {
  const { peaks } = frontier;
  if (peaks.length === 0) return EMPTY_ROOT;
  let node = hexToBytes(peaks.at(-1)!);
  for (let k = peaks.length - 2; k >= 0; k--) node = hashNode(hexToBytes(peaks[k]!), node);
  return bytesToHex(node);
}

export class AppendOnlyTree {
  /** levels[h][i]: root of the complete subtree over leaves i·2^h … (i+1)·2^h − 1. */
  private readonly levels: Uint8Array[][] = [[]];

  /** The tree over leaves whose hashes (32 bytes each) are concatenated here: see {@link leafHashes}. @throws BatchError malformedLeaf */
  static fromLeafHashes(bytes: Uint8Array): AppendOnlyTree {
    if (bytes.length % 32 !== 0) throw new BatchError("malformedLeaf", "a leaf's hash has 32 bytes");
    const tree = new AppendOnlyTree();
    for (let at = 0; at < bytes.length; at += 32) tree.push(bytes.slice(at, at + 32));
    return tree;
  }

  /** @throws BatchError malformedLeaf */
  static from(leaves: Iterable<Hex>): AppendOnlyTree {
    const tree = new AppendOnlyTree();
    for (const leaf of leaves) tree.append(leaf);
    return tree;
  }

  get size(): bigint {
    return BigInt(this.levels[0]!.length);
  }

  /** Appends 32 bytes and returns their index. @throws BatchError malformedLeaf */
  append(data: Hex): bigint {
    return this.push(hashLeaf(leafBytes(data)));
  }

  /** All leaves' hashes, concatenated: with them another machine has the whole tree. */
  leafHashes(): Uint8Array {
    const leaves = this.levels[0]!;
    const bytes = new Uint8Array(32 * leaves.length);
    for (const [i, leaf] of leaves.entries()) bytes.set(leaf, 32 * i);
    return bytes;
  }

  private push(leaf: Uint8Array): bigint {
    let node = leaf;
    const index = this.levels[0]!.length;
    this.levels[0]!.push(node);
    for (let h = 0, i = index; i % 2 === 1; h++, i = (i - 1) / 2) {
      node = hashNode(this.levels[h]![i - 1]!, node);
      if (this.levels[h + 1] === undefined) this.levels.push([]);
      this.levels[h + 1]!.push(node);
    }
    return BigInt(index);
  }

  /** Root when the tree had `size` leaves. @throws BatchError outOfRange */
  root(size: bigint = this.size): Hex {
    const n = this.checkedSize(size);
    return n === 0 ? EMPTY_ROOT : bytesToHex(this.subtree(this.heightOf(n), 0, n));
  }

  /** Proof of leaf `index` against the root at `size`. @throws BatchError outOfRange */
  prove(index: bigint, size: bigint = this.size): InclusionProof {
    const { siblings } = this.proveMany([index], size);
    return { index, size, siblings };
  }

  /** One proof for several leaves (any order, no duplicates). @throws BatchError outOfRange, duplicate */
  proveMany(indexes: readonly bigint[], size: bigint = this.size): MultiProof {
    const n = this.checkedSize(size);
    const sorted = [...indexes].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    if (sorted.length === 0) throw new BatchError("outOfRange", "a proof of no leaf proves nothing");
    for (let k = 0; k < sorted.length; k++) {
      if (sorted[k]! < 0n || sorted[k]! >= size)
        throw new BatchError("outOfRange", "no such leaf", { details: { index: sorted[k], size } });
      if (k > 0 && sorted[k] === sorted[k - 1])
        throw new BatchError("duplicate", "an index is proven once", { details: { index: sorted[k] } });
    }
    const siblings = multiProofShape(sorted, size).map(({ level, index }) =>
      bytesToHex(this.subtree(level, Number(index), n)),
    );
    return { indexes: sorted, size, siblings };
  }

  /** The same tree as a plain value at `size`. @throws BatchError outOfRange */
  frontier(size: bigint = this.size): Frontier {
    const n = this.checkedSize(size);
    const peaks: Hex[] = [];
    let start = 0;
    for (let h = this.heightOf(n); h >= 0; h--) {
      const width = 2 ** h;
      if (start + width > n) continue;
      peaks.push(bytesToHex(this.levels[h]![start / width]!));
      start += width;
    }
    return { size, peaks };
  }

  /** Node `index` of `level` in the tree over the first `n` leaves; incomplete ones are hashed again from their peaks. */
  private subtree(level: number, index: number, n: number): Uint8Array {
    const width = 2 ** level;
    const start = index * width;
    assert(start < n, "node outside the tree");
    if (start + width <= n) return this.levels[level]![index]!;
    const left = this.subtree(level - 1, 2 * index, n);
    return start + width / 2 < n ? hashNode(left, this.subtree(level - 1, 2 * index + 1, n)) : left;
  }

  private heightOf(n: number): number {
    return n <= 1 ? 0 : 32 - Math.clz32(n - 1);
  }

  private checkedSize(size: bigint): number {
    if (size < 0n || size > this.size)
      throw new BatchError("outOfRange", "the tree never had this size", { details: { size, current: this.size } });
    return Number(size);
  }
}
