/** Strict SSZ: sizes are checked first, and what was decoded must encode to the very bytes it came from. */
import type { Type } from "@chainsafe/ssz";
import { equalBytes } from "../lib/bytes.ts";
import { LedgerError } from "./codes.ts";

/** Throws LedgerError `tooLarge`, `malformedBytes`. */
export function decodeStrict<T>(type: Type<T>, bytes: Uint8Array, limit: number, what: string): T {
  if (bytes.length > limit) {
    throw new LedgerError("tooLarge", `${what} has more than ${limit} bytes`, { details: { length: bytes.length } });
  }
  let value: T;
  try {
    value = type.deserialize(bytes);
  } catch (cause) {
    // Others choose these bytes; whatever the decoder stumbles over means the same.
    throw new LedgerError("malformedBytes", `not the encoding of ${what}`, {
      cause,
      details: { length: bytes.length },
    });
  }
  if (!equalBytes(type.serialize(value), bytes)) {
    throw new LedgerError("malformedBytes", `not the canonical encoding of ${what}`, {
      details: { length: bytes.length },
    });
  }
  return value;
}

/** Throws LedgerError `malformedBytes` when our own value exceeds what the format holds (a caller's bug or unchecked input). */
export function encodeChecked<T>(type: Type<T>, value: () => T, limit: number, what: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = type.serialize(value());
  } catch (cause) {
    throw new LedgerError("malformedBytes", `${what} cannot be encoded`, { cause });
  }
  if (bytes.length > limit) {
    throw new LedgerError("tooLarge", `${what} has more than ${limit} bytes`, { details: { length: bytes.length } });
  }
  return bytes;
}
