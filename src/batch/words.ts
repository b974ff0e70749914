/** Checked 32-byte words: what every digest of this room is made of. Each refuses what Solidity's type could not hold. */
import { word } from "../lib/eip712.ts";
import { type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { BatchError, type BatchErrorCode } from "./errors.ts";

export const MAX_UINT64 = (1n << 64n) - 1n;
export const MAX_UINT256 = (1n << 256n) - 1n;
const MIN_INT256 = -(1n << 255n);
const MAX_INT256 = (1n << 255n) - 1n;

/** Whether a value is a bigint in [0, max]. */
export function isUint(value: unknown, max: bigint): value is bigint {
  return typeof value === "bigint" && value >= 0n && value <= max;
}

export function isInt256(value: unknown): value is bigint {
  return typeof value === "bigint" && value >= MIN_INT256 && value <= MAX_INT256;
}

/** The checks of one struct's fields, all failing with one error code. */
export interface WordChecks {
  uint64(value: bigint, field: string): Uint8Array;
  uint256(value: bigint, field: string): Uint8Array;
  int256(value: bigint, field: string): Uint8Array;
  bytes32(value: Hex, field: string): Uint8Array;
  address(value: Hex, field: string): Uint8Array;
  bytes(value: Hex, field: string): Uint8Array;
}

/** Word encoders that throw `BatchError(code)` naming the field and its value. */
export function wordsOr(code: BatchErrorCode): WordChecks {
  const refuse = (field: string, expected: string, value: unknown): never => {
    throw new BatchError(code, `${field} is not ${expected}`, {
      details: { field, value: String(value).slice(0, 80) },
    });
  };
  return {
    uint64: (value, field) => (isUint(value, MAX_UINT64) ? word(value) : refuse(field, "a uint64", value)),
    uint256: (value, field) => (isUint(value, MAX_UINT256) ? word(value) : refuse(field, "a uint256", value)),
    int256: (value, field) => (isInt256(value) ? word(value) : refuse(field, "an int256", value)),
    bytes32: (value, field) => (isHex(value, 32) ? hexToBytes(value) : refuse(field, "32 bytes of hex", value)),
    address: (value, field) => (isHex(value, 20) ? word(value) : refuse(field, "an address", value)),
    bytes: (value, field) => (isHex(value) ? hexToBytes(value) : refuse(field, "hex", value)),
  };
}
