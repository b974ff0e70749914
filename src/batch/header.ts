/** The batch header: its EIP-712 digest (what is signed) and its one byte encoding (what is stored and sent). */
import { bigintToBytes, bytesToBigint, concatBytes } from "../lib/bytes.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash } from "../lib/eip712.ts";
import { bytesToHex, type Hex, hexToBytes, isHex, ZERO_BYTES32 } from "../lib/hex.ts";
import { BatchError } from "./errors.ts";
import type { BatchHeader } from "./types.ts";
import { isUint, MAX_UINT64, wordsOr } from "./words.ts";

/** EIP-712 encodeType of the header. Set in stone: every hub ever deployed has its hash in code. */
export const BATCH_HEADER_TYPE =
  "BatchHeader(uint64 sequence,uint64 epoch,bytes32 previous,bytes32 history,bytes32 outboxes,bytes32 state,bytes32 commit)";

/** Bytes of an encoded header: two uint64 and five words. */
export const HEADER_LENGTH = 2 * 8 + 5 * 32;

const HEADER_TYPE_HASH = typeHash(BATCH_HEADER_TYPE);
const WORD_FIELDS = ["previous", "history", "outboxes", "state", "commit"] as const;
const words = wordsOr("malformedHeader");

/**
 * The digest a committee signs. Two chains, two suites: one digest.
 * @throws BatchError malformedHeader
 */
export function headerDigest(header: BatchHeader, committeeId: Hex): Hex {
  const struct = hashStruct(
    HEADER_TYPE_HASH,
    words.uint64(header.sequence, "sequence"),
    words.uint64(header.epoch, "epoch"),
    ...WORD_FIELDS.map((field) => words.bytes32(header[field], field)),
  );
  return typedDigest(domainSeparator(committeeId), struct);
}

/**
 * Refuses a header no committee can have made: sequence 0, a field of the wrong width, a first header with a past or a later one without.
 * @throws BatchError malformedHeader
 */
export function validateHeader(header: BatchHeader): void {
  if (!isUint(header.sequence, MAX_UINT64) || header.sequence === 0n)
    throw new BatchError("malformedHeader", "sequence is not a uint64 from 1", {
      details: { value: String(header.sequence) },
    });
  if (!isUint(header.epoch, MAX_UINT64))
    throw new BatchError("malformedHeader", "epoch is not a uint64", { details: { value: String(header.epoch) } });
  for (const field of WORD_FIELDS)
    if (!isHex(header[field], 32))
      throw new BatchError("malformedHeader", `${field} is not 32 bytes of hex`, { details: { field } });
  if ((header.sequence === 1n) !== (header.previous === ZERO_BYTES32))
    throw new BatchError("malformedHeader", "previous is zero for the first header and for no other", {
      details: { sequence: header.sequence, previous: header.previous },
    });
}

/** @throws BatchError malformedHeader */
export function encodeHeader(header: BatchHeader): Uint8Array {
  validateHeader(header);
  return concatBytes(
    bigintToBytes(header.sequence, 8),
    bigintToBytes(header.epoch, 8),
    ...WORD_FIELDS.map((field) => hexToBytes(header[field])),
  );
}

/** Inverse of {@link encodeHeader}; refuses every other byte string. @throws BatchError malformedHeader */
export function decodeHeader(bytes: Uint8Array): BatchHeader {
  if (bytes.length !== HEADER_LENGTH)
    throw new BatchError("malformedHeader", `a header has ${HEADER_LENGTH} bytes`, {
      details: { length: bytes.length },
    });
  const wordAt = (i: number): Hex => bytesToHex(bytes.subarray(16 + 32 * i, 48 + 32 * i));
  const header: BatchHeader = {
    sequence: bytesToBigint(bytes.subarray(0, 8)),
    epoch: bytesToBigint(bytes.subarray(8, 16)),
    previous: wordAt(0),
    history: wordAt(1),
    outboxes: wordAt(2),
    state: wordAt(3),
    commit: wordAt(4),
  };
  validateHeader(header);
  return header;
}
