/** Columns of each record, checked on the way in: a record that cannot be read back must not be acknowledged. */
import { bigintToBytes, bytesToBigint } from "../lib/bytes.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { StoreError } from "./port.ts";

const MAX_SEQUENCE = 2n ** 63n - 1n;

/** How many snapshots are kept, beside the one that our own log goes on from: for joiners of this epoch and of the one before. */
export const KEPT_SNAPSHOTS = 2;

/** The newest, and the one before it for whoever began to fetch that. */
export const KEPT_CHECKPOINTS = 2;

export interface Destination {
  readonly chainId: bigint;
  readonly hub: Address;
}

export function sequenceColumn(sequence: bigint): bigint {
  if (sequence < 0n || sequence > MAX_SEQUENCE)
    throw new StoreError("badRecord", "A sequence must be in [0, 2^63)", { details: { sequence } });
  return sequence;
}

export function epochColumn(epoch: bigint): bigint {
  if (epoch < 1n || epoch > MAX_SEQUENCE)
    throw new StoreError("badRecord", "A stored epoch must be in [1, 2^63)", { details: { epoch } });
  return epoch;
}

/** For queries with foreign bounds: the nearest sequence that can be stored. */
export function clampSequence(sequence: bigint): bigint {
  return sequence < 0n ? 0n : sequence > MAX_SEQUENCE ? MAX_SEQUENCE : sequence;
}

export function clampWord(value: bigint): bigint {
  return value < 0n ? 0n : value >> 256n === 0n ? value : 2n ** 256n - 1n;
}

/** An integer in [0, 2^256) as a blob that sorts like it. */
export function wordColumn(value: bigint, name: string): Uint8Array {
  try {
    return bigintToBytes(value, 32);
  } catch (cause) {
    throw new StoreError("badRecord", `${name} must be in [0, 2^256)`, { cause, details: { [name]: value } });
  }
}

export function hexColumn(hex: Hex, name: string, length?: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = hexToBytes(hex);
  } catch (cause) {
    throw new StoreError("badRecord", `${name} must be hexadecimal`, { cause, details: { [name]: hex } });
  }
  if (length !== undefined && bytes.length !== length) {
    throw new StoreError("badRecord", `${name} must have ${length} bytes`, { details: { [name]: hex } });
  }
  return bytes;
}

/** Column readers. A wrong type here means a damaged file. */
export type Row = Readonly<Record<string, unknown>>;

export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw damaged(column);
  return value;
}

export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw damaged(column);
  return value;
}

export function hexOf(row: Row, column: string): Hex {
  return bytesToHex(bytesOf(row, column));
}

export function bigintOf(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value === "bigint") return value;
  if (value instanceof Uint8Array) return bytesToBigint(value);
  throw damaged(column);
}

function damaged(column: string): StoreError {
  return new StoreError("diskFailure", "The store holds a value that was never written: the file is damaged", {
    details: { column },
  });
}
