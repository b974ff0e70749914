/** The inbox's hash chain: the same value that a CollateralVault stores per index. */
import { hashStruct, typeHash } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../lib/hex.ts";
import { BatchError } from "./errors.ts";
import type { InboxEntry } from "./types.ts";
import { wordsOr } from "./words.ts";

export const DEPOSIT_TYPE =
  "Deposit(uint64 index,address token,uint256 amount,bytes32 account,address refundTo,uint256 total)";
export const FORCED_TYPE = "Forced(uint64 index,bytes instruction)";
export const INBOX_LINK_TYPE = "InboxLink(bytes32 previous,bytes32 entry)";

const DEPOSIT_TYPE_HASH = typeHash(DEPOSIT_TYPE);
const FORCED_TYPE_HASH = typeHash(FORCED_TYPE);
const INBOX_LINK_TYPE_HASH = typeHash(INBOX_LINK_TYPE);
const words = wordsOr("malformedEntry");

/** Chain value before the first entry. */
export const EMPTY_INBOX_HASH: Hex = ZERO_BYTES32;

/** Struct hash of one inbox entry. @throws BatchError malformedEntry */
export function inboxEntryHash(entry: InboxEntry): Hex {
  if (entry.kind === "deposit")
    return bytesToHex(
      hashStruct(
        DEPOSIT_TYPE_HASH,
        words.uint64(entry.index, "index"),
        words.address(entry.token, "token"),
        words.uint256(entry.amount, "amount"),
        words.bytes32(entry.account, "account"),
        words.address(entry.refundTo, "refundTo"),
        words.uint256(entry.total, "total"),
      ),
    );
  if (entry.kind !== "forced")
    throw new BatchError("malformedEntry", "an inbox entry is a deposit or a forced instruction");
  return bytesToHex(
    hashStruct(
      FORCED_TYPE_HASH,
      words.uint64(entry.index, "index"),
      keccak256(words.bytes(entry.instruction, "instruction")),
    ),
  );
}

/** Chain value after `entry`, given the value before it. @throws BatchError malformedEntry */
export function nextInboxHash(previous: Hex, entry: InboxEntry): Hex {
  return bytesToHex(
    hashStruct(INBOX_LINK_TYPE_HASH, words.bytes32(previous, "previous"), hexToBytes(inboxEntryHash(entry))),
  );
}
