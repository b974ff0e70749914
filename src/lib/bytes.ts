/** Byte-string helpers shared by every room. */
import { bytesToHex, digitAt } from "./hex.ts";

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Equality of public values; stops at the first difference, so never compare secrets with it. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic order, shorter prefix first: −1, 0 or 1. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return Math.sign(a.length - b.length);
}

/** Big-endian unsigned integer of `size` bytes. Throws RangeError when the value does not fit. */
export function bigintToBytes(value: bigint, size: number): Uint8Array {
  // Through hexadecimal text: one pass over the integer, where shifting byte by byte would copy it for each.
  const text = value === 0n ? "" : value.toString(16);
  if (value < 0n || text.length > 2 * size) throw new RangeError(`${value} does not fit ${size} bytes`);
  const out = new Uint8Array(size);
  for (let i = size - 1, at = text.length - 1; at >= 0; i--, at -= 2) {
    const high = at > 0 ? digitAt(text, at - 1) : 0;
    out[i] = (high << 4) | digitAt(text, at);
  }
  return out;
}

/** Reads big-endian bytes as an unsigned integer; the empty string is 0. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(bytesToHex(bytes));
}

export function utf8ToBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
