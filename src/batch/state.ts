/** The state root that a header carries, and a self-contained proof of one account against it. */
import { equalBytes } from "../lib/bytes.ts";
import { hashStruct, typeHash, word } from "../lib/eip712.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { compareText } from "../lib/math.ts";
import { type AccountTree, type AssetRoot, type SumNode, verifyAccountLeaf } from "./account-tree.ts";
import { BatchError } from "./errors.ts";
import { decodeSiblings, hashLeaf, merkleLevels, merkleSiblings, rootOfInclusion } from "./merkle.ts";
import type { AccountLeaf } from "./types.ts";
import { wordsOr } from "./words.ts";

export const ASSET_ROOT_TYPE = "AssetRoot(bytes32 asset,uint64 accounts,bytes32 root,uint256 total)";
export const LEDGER_STATE_TYPE = "LedgerState(uint64 assets,bytes32 assetsRoot,bytes32 rest)";

const ASSET_ROOT_TYPE_HASH = typeHash(ASSET_ROOT_TYPE);
const LEDGER_STATE_TYPE_HASH = typeHash(LEDGER_STATE_TYPE);
const words = wordsOr("malformedLeaf");

/** Everything needed to check one account's leaf against a header's `state`, and nothing else. */
export interface AccountProof {
  readonly leaf: AccountLeaf;
  /** Index of the account in its asset's tree. */
  readonly index: bigint;
  /** Upwards from the leaf. */
  readonly siblings: readonly SumNode[];
  readonly assetRoot: AssetRoot;
  /** Index of the asset among all assets, sorted by id. */
  readonly assetIndex: bigint;
  readonly assetCount: bigint;
  readonly assetSiblings: readonly Hex[];
  /** Hash of the batch's receipts and of everything else the fold reads (receipts.ts). */
  readonly rest: Hex;
}

/** @throws BatchError malformedLeaf */
export function assetRootHash(assetRoot: AssetRoot): Hex {
  return bytesToHex(
    hashStruct(
      ASSET_ROOT_TYPE_HASH,
      words.bytes32(assetRoot.asset, "asset"),
      words.uint64(assetRoot.accounts, "accounts"),
      words.bytes32(assetRoot.root, "root"),
      words.uint256(assetRoot.total, "total"),
    ),
  );
}

function assetLevels(assetRoots: readonly AssetRoot[]): { sorted: AssetRoot[]; levels: Uint8Array[][] } {
  const sorted = [...assetRoots].sort((a, b) => compareText(a.asset, b.asset));
  for (let k = 1; k < sorted.length; k++)
    if (sorted[k - 1]!.asset === sorted[k]!.asset)
      throw new BatchError("duplicate", "an asset has one root", { details: { asset: sorted[k]!.asset } });
  return { sorted, levels: merkleLevels(sorted.map((assetRoot) => hexToBytes(assetRootHash(assetRoot)))) };
}

/** Struct hash of a state root's three parts; each is 32 bytes but the first. */
export function combineState(assets: bigint, assetsRoot: Uint8Array, rest: Uint8Array): Uint8Array {
  return hashStruct(LEDGER_STATE_TYPE_HASH, word(assets), assetsRoot, rest);
}

/** All assets' roots under one, sorted by asset id. @throws BatchError malformedLeaf, duplicate */
export function assetsRootOf(assetRoots: readonly AssetRoot[]): { readonly assets: bigint; readonly assetsRoot: Hex } {
  const { sorted, levels } = assetLevels(assetRoots);
  return { assets: BigInt(sorted.length), assetsRoot: bytesToHex(levels.at(-1)![0]!) };
}

/** A header's `state`: all assets' roots and the hash of the rest. @throws BatchError malformedLeaf, duplicate */
export function stateRoot(assetRoots: readonly AssetRoot[], rest: Hex): Hex {
  const { assets, assetsRoot } = assetsRootOf(assetRoots);
  return bytesToHex(combineState(assets, hexToBytes(assetsRoot), words.bytes32(rest, "rest")));
}

/** Proves account `index` of `tree`, which must be one of `assetRoots`. @throws BatchError outOfRange */
export function proveAccount(
  tree: AccountTree,
  index: number,
  assetRoots: readonly AssetRoot[],
  rest: Hex,
): AccountProof {
  const { sorted, levels } = assetLevels(assetRoots);
  const assetIndex = sorted.findIndex((assetRoot) => assetRoot.asset === tree.asset);
  if (assetIndex < 0)
    throw new BatchError("outOfRange", "the asset is not in the state", { details: { asset: tree.asset } });
  return {
    leaf: tree.get(index),
    index: BigInt(index),
    siblings: tree.prove(index),
    assetRoot: sorted[assetIndex]!,
    assetIndex: BigInt(assetIndex),
    assetCount: BigInt(sorted.length),
    assetSiblings: merkleSiblings(levels, assetIndex, sorted.length).map(bytesToHex),
    rest,
  };
}

/** Whether a header's `state` holds this account leaf. Never throws on foreign values. */
export function verifyAccount(state: Hex, proof: AccountProof): boolean {
  if (!isHex(state, 32) || !isHex(proof.rest, 32) || proof.assetSiblings.length > 64) return false;
  if (!verifyAccountLeaf(proof.assetRoot, proof.leaf, proof.index, proof.siblings)) return false;
  const siblings = decodeSiblings(proof.assetSiblings);
  if (siblings === undefined) return false;
  // verifyAccountLeaf has checked every field of assetRoot, so hashing it cannot fail.
  const leaf = hashLeaf(hexToBytes(assetRootHash(proof.assetRoot)));
  const assetsRoot = rootOfInclusion(leaf, proof.assetIndex, proof.assetCount, siblings);
  return (
    assetsRoot !== undefined &&
    equalBytes(combineState(proof.assetCount, assetsRoot, hexToBytes(proof.rest)), hexToBytes(state))
  );
}
