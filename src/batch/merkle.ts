/**
 * Merkle trees over lists, shaped as RFC 9162 §2.1 (Certificate Transparency), hashed with keccak-256:
 *
 *   leaf = keccak(0x00 ‖ data)      data: 32 bytes, itself a typed hash
 *   node = keccak(0x01 ‖ left ‖ right)
 *
 * Level by level: level 0 are the leaves; nodes 2i and 2i+1 of one level make node i of the next; an unpaired last node moves up
 * unhashed. That is the same tree as the RFC's recursion by largest powers of two. A leaf's input has 33 bytes and a node's 65,
 * so neither can be taken for the other, and (index, size) alone decide how many siblings a proof has: there is nothing to pad.
 * Contract twin: contracts/libraries/Merkle.sol.
 */
import { bigintToBytes, concatBytes, equalBytes } from "../lib/bytes.ts";
import { keccak256 } from "../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { BatchError } from "./errors.ts";
import type { InclusionProof } from "./types.ts";
import { isUint, MAX_UINT64 } from "./words.ts";

const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);
/** Binds a list's length to its tree where nothing else does. */
const LIST_PREFIX = Uint8Array.of(2);

/** Root of no leaves: keccak of the empty string (RFC 9162), never zero. Nothing can be proven against it. */
export const EMPTY_ROOT: Hex = bytesToHex(keccak256(new Uint8Array()));

export function hashLeaf(data: Uint8Array): Uint8Array {
  return keccak256(concatBytes(LEAF_PREFIX, data));
}

export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  return keccak256(concatBytes(NODE_PREFIX, left, right));
}

/** keccak(0x02 ‖ uint64 size ‖ root). */
export function bindSize(root: Uint8Array, size: bigint): Uint8Array {
  return keccak256(concatBytes(LIST_PREFIX, bigintToBytes(size, 8), root));
}

/** All levels of the tree over `data`, leaves first; [[EMPTY]] for none. */
export function merkleLevels(data: readonly Uint8Array[]): Uint8Array[][] {
  let level = data.map(hashLeaf);
  if (level.length === 0) return [[hexToBytes(EMPTY_ROOT)]];
  const levels = [level];
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2)
      next.push(i + 1 < level.length ? hashNode(level[i]!, level[i + 1]!) : level[i]!);
    levels.push(next);
    level = next;
  }
  return levels;
}

export function merkleRoot(data: readonly Uint8Array[]): Uint8Array {
  return merkleLevels(data).at(-1)![0]!;
}

/** Siblings of leaf `index`, upwards. Throws BatchError outOfRange. */
export function merkleSiblings(levels: readonly (readonly Uint8Array[])[], index: number, size: number): Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new BatchError("outOfRange", "no such leaf", { details: { index, size } });
  const siblings: Uint8Array[] = [];
  let i = index;
  for (const level of levels.slice(0, -1)) {
    const sibling = level[i ^ 1];
    if (sibling !== undefined) siblings.push(sibling);
    i >>>= 1;
  }
  return siblings;
}

/** Decodes untrusted 32-byte siblings; undefined when one is not. */
export function decodeSiblings(siblings: readonly Hex[]): Uint8Array[] | undefined {
  const out: Uint8Array[] = [];
  for (const sibling of siblings) {
    if (!isHex(sibling, 32)) return undefined;
    out.push(hexToBytes(sibling));
  }
  return out;
}

/**
 * The root that `siblings` lead to from leaf hash `leaf`, or undefined when (index, size) ask for another number of siblings.
 * Cost is bounded by 64 hashes whatever the caller sends.
 */
export function rootOfInclusion(
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  siblings: readonly Uint8Array[],
): Uint8Array | undefined {
  if (!isUint(size, MAX_UINT64) || !isUint(index, MAX_UINT64) || index >= size) return undefined;
  let node = leaf;
  let used = 0;
  for (let i = index, width = size; width > 1n; i >>= 1n, width = (width + 1n) >> 1n) {
    if ((i ^ 1n) >= width) continue; // unpaired: moves up unhashed
    const sibling = siblings[used++];
    if (sibling === undefined) return undefined;
    node = (i & 1n) === 1n ? hashNode(sibling, node) : hashNode(node, sibling);
  }
  return used === siblings.length ? node : undefined;
}

/** Whether `data` (32 bytes) is leaf `proof.index` of the tree with this root and exactly `proof.size` leaves. Never throws. */
export function verifyInclusion(root: Hex, data: Hex, proof: InclusionProof): boolean {
  if (!isHex(root, 32) || !isHex(data, 32) || proof.siblings.length > 64) return false;
  const siblings = decodeSiblings(proof.siblings);
  if (siblings === undefined) return false;
  const computed = rootOfInclusion(hashLeaf(hexToBytes(data)), proof.index, proof.size, siblings);
  return computed !== undefined && equalBytes(computed, hexToBytes(root));
}
