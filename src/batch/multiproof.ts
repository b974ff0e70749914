/**
 * One proof for many leaves of a list tree (see merkle.ts). Siblings come level by level, left to right, each exactly once, so
 * that (indexes, size) decide their number and a proof has one encoding. Contract twin: Merkle.multiRoot.
 */
import { equalBytes } from "../lib/bytes.ts";
import { type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { decodeSiblings, hashLeaf, hashNode } from "./merkle.ts";
import { isUint, MAX_UINT64 } from "./words.ts";

export interface MultiProof {
  /** Strictly ascending. */
  readonly indexes: readonly bigint[];
  readonly size: bigint;
  readonly siblings: readonly Hex[];
}

/** Which node a multiproof's verifier needs next: `level` above the leaves, `index` within the level. Pure shape, no hashes. */
export function multiProofShape(indexes: readonly bigint[], size: bigint): { level: number; index: bigint }[] {
  const shape: { level: number; index: bigint }[] = [];
  let known = [...indexes];
  for (let level = 0, width = size; width > 1n; level++, width = (width + 1n) >> 1n) {
    const parents: bigint[] = [];
    for (let k = 0; k < known.length; k++) {
      const i = known[k]!;
      const sibling = i ^ 1n;
      if (sibling < width) {
        if ((i & 1n) === 0n && known[k + 1] === sibling) k++;
        else shape.push({ level, index: sibling });
      }
      parents.push(i >> 1n);
    }
    known = parents;
  }
  return shape;
}

/** Whether `leaves[k]` (32 bytes) is leaf `proof.indexes[k]` for every k. False for no leaves at all. Never throws. */
export function verifyMultiProof(root: Hex, leaves: readonly Hex[], proof: MultiProof): boolean {
  const { indexes, size } = proof;
  if (!isHex(root, 32) || !isUint(size, MAX_UINT64)) return false;
  if (leaves.length === 0 || leaves.length !== indexes.length || proof.siblings.length > 64 * leaves.length)
    return false;
  for (let k = 0; k < indexes.length; k++) {
    if (!isUint(indexes[k], MAX_UINT64) || indexes[k]! >= size || !isHex(leaves[k], 32)) return false;
    if (k > 0 && indexes[k]! <= indexes[k - 1]!) return false;
  }
  const siblings = decodeSiblings(proof.siblings);
  if (siblings === undefined) return false;
  let used = 0;
  let nodes = leaves.map((leaf, k) => ({ index: indexes[k]!, hash: hashLeaf(hexToBytes(leaf)) }));
  for (let width = size; width > 1n; width = (width + 1n) >> 1n) {
    const parents: typeof nodes = [];
    for (let k = 0; k < nodes.length; k++) {
      const { index, hash } = nodes[k]!;
      let parent = hash;
      if ((index ^ 1n) < width) {
        const next = nodes[k + 1];
        if ((index & 1n) === 0n && next?.index === index + 1n) {
          parent = hashNode(hash, next.hash);
          k++;
        } else {
          const sibling = siblings[used++];
          if (sibling === undefined) return false;
          parent = (index & 1n) === 1n ? hashNode(sibling, hash) : hashNode(hash, sibling);
        }
      }
      parents.push({ index: index >> 1n, hash: parent });
    }
    nodes = parents;
  }
  return used === siblings.length && equalBytes(nodes[0]!.hash, hexToBytes(root));
}
