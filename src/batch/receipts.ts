/**
 * Receipts under the state root: what became of an instruction can be proven to anybody who has the batch's certificate.
 *
 *   header.state = LedgerState(assets, assetsRoot, rest)          state.ts
 *   rest         = LedgerRest(receipts, receiptsRoot, core)       core: everything else the fold reads
 *   receiptsRoot = list tree (merkle.ts) over hashStruct(Receipt), leaf k is the receipt at position k
 *
 * All four are EIP-712 struct hashes, so that a contract can check a receipt as well as a wallet can.
 */
import { equalBytes, utf8ToBytes } from "../lib/bytes.ts";
import { hashStruct, typeHash, word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { compareText } from "../lib/math.ts";
import { BatchError } from "./errors.ts";
import { decodeSiblings, hashLeaf, merkleLevels, merkleRoot, merkleSiblings, rootOfInclusion } from "./merkle.ts";
import { combineState } from "./state.ts";
import { isUint, MAX_UINT64, wordsOr } from "./words.ts";

export const RECEIPT_TYPE =
  "Receipt(bytes32 instructionId,string status,string code,string figures,uint64 sequence,uint64 position)";
export const LEDGER_REST_TYPE = "LedgerRest(uint64 receipts,bytes32 receiptsRoot,bytes32 core)";

const RECEIPT_TYPE_HASH = typeHash(RECEIPT_TYPE);
const LEDGER_REST_TYPE_HASH = typeHash(LEDGER_REST_TYPE);
const NO_FIGURES = keccak256(utf8ToBytes("[]"));
/** More figures than any refusal has: a verifier must not hash what a stranger makes up. */
const MAX_FIGURES = 64;
const words = wordsOr("malformedReceipt");

/**
 * A receipt as a header commits to it; `ledger/types.ts` says what the fields mean. Figures are signed as text: the JSON of
 * their [name, value] pairs in ascending order of name. One hash instead of two per figure and one for the list.
 */
export interface ReceiptLeaf {
  readonly instructionId: Hex;
  readonly status: string;
  readonly code: string;
  readonly figures: Readonly<Record<string, string>>;
  readonly sequence: bigint;
  readonly position: number;
}

/** What a header's `state` splits into besides the receipts: kept with a batch, its receipts stay provable for ever. */
export interface StateParts {
  /** Number of assets. */
  readonly assets: bigint;
  /** Root over the assets' roots (state.ts). */
  readonly assetsRoot: Hex;
  /** Hash of everything else the fold reads. */
  readonly core: Hex;
}

/** Everything needed to check one receipt against a header's `state`; its index is the receipt's own position. */
export interface ReceiptProof extends StateParts {
  /** Number of receipts in the batch. */
  readonly size: bigint;
  /** Upwards from the leaf. */
  readonly siblings: readonly Hex[];
}

/** Few texts, hashed very often; others are not kept, so strangers' values cost no memory. */
const TEXT_HASHES = new Map<string, Uint8Array>();
const MAX_TEXTS = 64;

function textHash(text: string): Uint8Array {
  let hash = TEXT_HASHES.get(text);
  if (hash === undefined) {
    hash = keccak256(utf8ToBytes(text));
    if (TEXT_HASHES.size < MAX_TEXTS) TEXT_HASHES.set(text, hash);
  }
  return hash;
}

/** Struct hash of a receipt. @throws BatchError malformedReceipt */
export function receiptHash(receipt: ReceiptLeaf): Uint8Array {
  const figures = Object.entries(receipt.figures);
  if (figures.length > MAX_FIGURES)
    throw new BatchError("malformedReceipt", "too many figures", { details: { figures: figures.length } });
  figures.sort(([a], [b]) => compareText(a, b));
  const { position } = receipt;
  return hashStruct(
    RECEIPT_TYPE_HASH,
    words.bytes32(receipt.instructionId, "instructionId"),
    textHash(receipt.status),
    textHash(receipt.code),
    figures.length === 0 ? NO_FIGURES : keccak256(utf8ToBytes(JSON.stringify(figures))),
    words.uint64(receipt.sequence, "sequence"),
    words.uint64(Number.isSafeInteger(position) ? BigInt(position) : -1n, "position"),
  );
}

function restHash(receipts: bigint, receiptsRoot: Uint8Array, core: Hex): Uint8Array {
  return hashStruct(LEDGER_REST_TYPE_HASH, word(receipts), receiptsRoot, words.bytes32(core, "core"));
}

/** What `rest` holds of a batch's receipts: enough to come to the same state root without them. */
export interface ReceiptsCommitment {
  readonly size: bigint;
  readonly root: Hex;
}

/** Receipts in order of position. @throws BatchError malformedReceipt */
export function commitToReceipts(receipts: readonly ReceiptLeaf[]): ReceiptsCommitment {
  return { size: BigInt(receipts.length), root: bytesToHex(merkleRoot(receipts.map(receiptHash))) };
}

/** `rest` of a state root: the batch's receipts and the hash of all else. */
export function ledgerRestOf({ size, root }: ReceiptsCommitment, core: Hex): Hex {
  return bytesToHex(restHash(size, hexToBytes(root), core));
}

/** The same from the receipts, in order of position. @throws BatchError malformedReceipt */
export function ledgerRest(receipts: readonly ReceiptLeaf[], core: Hex): Hex {
  return ledgerRestOf(commitToReceipts(receipts), core);
}

/** Proves many receipts of one batch: the tree is hashed once. */
export interface ReceiptTree {
  /** @throws BatchError outOfRange */
  prove(position: number): ReceiptProof;
}

/** @throws BatchError malformedReceipt */
export function createReceiptTree(receipts: readonly ReceiptLeaf[], parts: StateParts): ReceiptTree {
  const levels = merkleLevels(receipts.map(receiptHash));
  const { assets, assetsRoot, core } = parts;
  return {
    prove: (position) => ({
      size: BigInt(receipts.length),
      siblings: merkleSiblings(levels, position, receipts.length).map(bytesToHex),
      assets,
      assetsRoot,
      core,
    }),
  };
}

/** Whether a header's `state` holds this receipt at its position. Never throws on foreign values. */
export function verifyReceipt(state: Hex, receipt: ReceiptLeaf, proof: ReceiptProof): boolean {
  const { size, assets, assetsRoot, core } = proof;
  if (!isHex(state, 32) || !isHex(assetsRoot, 32) || !isHex(core, 32) || !isUint(assets, MAX_UINT64)) return false;
  const siblings = proof.siblings.length > 64 ? undefined : decodeSiblings(proof.siblings);
  if (siblings === undefined) return false;
  let leaf: Uint8Array;
  try {
    leaf = hashLeaf(receiptHash(receipt));
  } catch (error) {
    if (error instanceof BatchError) return false;
    throw error;
  }
  const root = rootOfInclusion(leaf, BigInt(receipt.position), size, siblings);
  if (root === undefined) return false;
  const rest = restHash(size, root, core);
  return equalBytes(combineState(assets, hexToBytes(assetsRoot), rest), hexToBytes(state));
}
