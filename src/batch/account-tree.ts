/**
 * One asset's accounts as a Merkle tree that carries sums: a leaf's sum is its exit value, a node hashes both children *with* their
 * sums, so the root commits to the total owed (proof of solvency) and nobody's share of it can be hidden or inflated.
 *
 *   leaf = keccak(0x00 ‖ hashStruct(AccountLeaf))             sum = exitValue
 *   node = keccak(0x01 ‖ left ‖ leftSum ‖ right ‖ rightSum)   sum = leftSum + rightSum  (refused beyond uint256)
 *
 * Shape as merkle.ts: an index is given to an account once and for ever, the tree grows by appending, and an unpaired last node moves
 * up unchanged; depth is ⌈log2 size⌉, so proofs are as long as the number of accounts needs and no longer.
 * The tree is persistent: `set` copies one path and shares the rest; hashes are computed when first asked for.
 * Contract twin: contracts/libraries/AccountProofs.sol.
 */
import { assert } from "../lib/assert.ts";
import { bigintToBytes, concatBytes, equalBytes } from "../lib/bytes.ts";
import { hashStruct, typeHash } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { BatchError } from "./errors.ts";
import { EMPTY_ROOT, hashLeaf } from "./merkle.ts";
import type { AccountLeaf } from "./types.ts";
import { isUint, MAX_UINT64, MAX_UINT256, wordsOr } from "./words.ts";

export const ACCOUNT_LEAF_TYPE =
  "AccountLeaf(bytes32 account,bytes32 asset,int256 cash,uint256 exitValue,bytes32 details)";

const ACCOUNT_LEAF_TYPE_HASH = typeHash(ACCOUNT_LEAF_TYPE);
const NODE_PREFIX = Uint8Array.of(1);
/** A tree index fits 32 bits: four billion accounts per asset. */
const MAX_LEAVES = 2 ** 32;
const words = wordsOr("malformedLeaf");

/** A sibling in a sum tree. */
export interface SumNode {
  readonly hash: Hex;
  readonly sum: bigint;
}

/** What the state commits to for one asset. */
export interface AssetRoot {
  readonly asset: Hex;
  /** Number of leaves; binds the tree's shape. */
  readonly accounts: bigint;
  readonly root: Hex;
  /** Σ exitValue. */
  readonly total: bigint;
}

interface Node {
  readonly sum: bigint;
  readonly leaf: AccountLeaf | undefined;
  readonly left: Node | undefined;
  /** Absent: the left child moves up. */
  readonly right: Node | undefined;
  hash: Uint8Array | undefined;
}

/** Struct hash of an account leaf. @throws BatchError malformedLeaf */
export function accountLeafHash(leaf: AccountLeaf): Hex {
  return bytesToHex(
    hashStruct(
      ACCOUNT_LEAF_TYPE_HASH,
      words.bytes32(leaf.account, "account"),
      words.bytes32(leaf.asset, "asset"),
      words.int256(leaf.cash, "cash"),
      words.uint256(leaf.exitValue, "exitValue"),
      words.bytes32(leaf.details, "details"),
    ),
  );
}

function hashSumNode(left: Uint8Array, leftSum: bigint, right: Uint8Array, rightSum: bigint): Uint8Array {
  return keccak256(concatBytes(NODE_PREFIX, left, bigintToBytes(leftSum, 32), right, bigintToBytes(rightSum, 32)));
}

function hashOf(node: Node): Uint8Array {
  if (node.hash === undefined) {
    if (node.leaf !== undefined) node.hash = hashLeaf(hexToBytes(accountLeafHash(node.leaf)));
    else {
      const left = hashOf(node.left!);
      node.hash =
        node.right === undefined ? left : hashSumNode(left, node.left!.sum, hashOf(node.right), node.right.sum);
    }
  }
  return node.hash;
}

function join(left: Node, right: Node | undefined): Node {
  return { sum: left.sum + (right?.sum ?? 0n), leaf: undefined, left, right, hash: undefined };
}

function setIn(node: Node | undefined, height: number, index: number, leaf: Node): Node {
  if (height === 0) return leaf;
  const half = 2 ** (height - 1);
  if (index < half) return join(setIn(node?.left, height - 1, index, leaf), node?.right);
  assert(node?.left !== undefined, "leaves are appended in order");
  return join(node.left, setIn(node.right, height - 1, index - half, leaf));
}

/** Immutable; `set` returns another tree and leaves this one as it was. */
export class AccountTree {
  readonly asset: Hex;
  readonly size: number;
  private readonly top: Node | undefined;
  private readonly height: number;

  private constructor(asset: Hex, size: number, top: Node | undefined, height: number) {
    this.asset = asset;
    this.size = size;
    this.top = top;
    this.height = height;
  }

  /** @throws BatchError malformedLeaf when the asset id is not 32 bytes */
  static empty(asset: Hex): AccountTree {
    if (!isHex(asset, 32)) throw new BatchError("malformedLeaf", "an asset id is 32 bytes of hex");
    return new AccountTree(asset, 0, undefined, 0);
  }

  /** The tree with these leaves at indexes 0, 1, …: what a member rebuilds from a snapshot. */
  static from(asset: Hex, leaves: Iterable<AccountLeaf>): AccountTree {
    let tree = AccountTree.empty(asset);
    for (const leaf of leaves) tree = tree.set(tree.size, leaf);
    return tree;
  }

  /**
   * The tree with `leaf` at `index`, which is an existing index or `size` (append). O(log size).
   * @throws BatchError outOfRange, malformedLeaf, sumOverflow
   */
  set(index: number, leaf: AccountLeaf): AccountTree {
    if (!Number.isSafeInteger(index) || index < 0 || index > this.size || index >= MAX_LEAVES)
      throw new BatchError("outOfRange", "an account index is an existing one or the next", {
        details: { index, size: this.size },
      });
    if (leaf.asset !== this.asset)
      throw new BatchError("malformedLeaf", "the leaf is of another asset", {
        details: { leaf: leaf.asset, tree: this.asset },
      });
    if (!isUint(leaf.exitValue, MAX_UINT256)) throw new BatchError("malformedLeaf", "exitValue is not a uint256");
    let { top, height } = this;
    while (index >= 2 ** height) {
      height++;
      if (top !== undefined) top = join(top, undefined);
    }
    const node: Node = { sum: leaf.exitValue, leaf, left: undefined, right: undefined, hash: undefined };
    const next = setIn(top, height, index, node);
    if (next.sum > MAX_UINT256)
      throw new BatchError("sumOverflow", "exit values exceed a uint256", { details: { asset: this.asset } });
    return new AccountTree(this.asset, Math.max(this.size, index + 1), next, height);
  }

  /** @throws BatchError outOfRange */
  get(index: number): AccountLeaf {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.size)
      throw new BatchError("outOfRange", "no such account", { details: { index, size: this.size } });
    let node = this.top;
    for (let h = this.height - 1; h >= 0; h--) node = Math.floor(index / 2 ** h) % 2 === 0 ? node?.left : node?.right;
    assert(node?.leaf !== undefined, "every index below size has a leaf");
    return node.leaf;
  }

  get assetRoot(): AssetRoot {
    return {
      asset: this.asset,
      accounts: BigInt(this.size),
      root: this.top === undefined ? EMPTY_ROOT : bytesToHex(hashOf(this.top)),
      total: this.top?.sum ?? 0n,
    };
  }

  /** Siblings of leaf `index`, upwards. @throws BatchError outOfRange */
  prove(index: number): SumNode[] {
    this.get(index);
    const siblings: SumNode[] = [];
    let node = this.top!;
    for (let h = this.height - 1; h >= 0; h--) {
      const goesLeft = Math.floor(index / 2 ** h) % 2 === 0;
      const sibling = goesLeft ? node.right : node.left!;
      if (sibling !== undefined) siblings.push({ hash: bytesToHex(hashOf(sibling)), sum: sibling.sum });
      node = goesLeft ? node.left! : node.right!;
    }
    return siblings.reverse();
  }
}

/** Whether `leaf` is account `index` of the asset tree that `assetRoot` commits to. Never throws on foreign values. */
export function verifyAccountLeaf(
  assetRoot: AssetRoot,
  leaf: AccountLeaf,
  index: bigint,
  siblings: readonly SumNode[],
): boolean {
  const { accounts } = assetRoot;
  if (leaf.asset.toLowerCase() !== assetRoot.asset.toLowerCase()) return false;
  if (!isUint(accounts, MAX_UINT64) || !isUint(index, MAX_UINT64) || index >= accounts) return false;
  if (siblings.length > 64 || !isHex(assetRoot.root, 32)) return false;
  if (!siblings.every((sibling) => isHex(sibling.hash, 32) && isUint(sibling.sum, MAX_UINT256))) return false;
  let node: Uint8Array;
  try {
    node = hashLeaf(hexToBytes(accountLeafHash(leaf)));
  } catch (error) {
    if (error instanceof BatchError) return false;
    throw error;
  }
  let sum = leaf.exitValue;
  let used = 0;
  for (let i = index, width = accounts; width > 1n; i >>= 1n, width = (width + 1n) >> 1n) {
    if ((i ^ 1n) >= width) continue;
    const sibling = siblings[used++];
    if (sibling === undefined) return false;
    const hash = hexToBytes(sibling.hash);
    node = (i & 1n) === 1n ? hashSumNode(hash, sibling.sum, node, sum) : hashSumNode(node, sum, hash, sibling.sum);
    sum += sibling.sum;
    if (sum > MAX_UINT256) return false;
  }
  return used === siblings.length && sum === assetRoot.total && equalBytes(node, hexToBytes(assetRoot.root));
}
