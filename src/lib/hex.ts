/** Bytes and hexadecimal text. All hex in this project is lower case with a 0x prefix, so that `===` and `<` compare values. */

/** `0x`-prefixed lower-case hexadecimal text. */
export type Hex = `0x${string}`;

/** A 20-byte Ethereum address as lower-case hex (not checksummed: checksums are for people, not for comparing). */
export type Address = Hex;

const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

/** Value of a hexadecimal digit by character code; 255 for every other character of Latin-1. */
const DIGIT_VALUES = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) DIGIT_VALUES[48 + i] = i;
for (let i = 0; i < 6; i++) {
  DIGIT_VALUES[65 + i] = 10 + i;
  DIGIT_VALUES[97 + i] = 10 + i;
}

/** Value of the hexadecimal digit at `at`, or 255. */
export function digitAt(text: string, at: number): number {
  return DIGIT_VALUES[text.charCodeAt(at)] ?? 255;
}

function isPrefixed(text: string): boolean {
  return text.length % 2 === 0 && text.charCodeAt(0) === 48 && text.charCodeAt(1) === 120;
}

/** Encodes bytes as lower-case hex. */
export function bytesToHex(bytes: Uint8Array): Hex {
  let out = "0x";
  for (let i = 0; i < bytes.length; i++) out += DIGITS[bytes[i]!];
  return out as Hex; // CAST: starts with 0x by construction
}

/** Decodes `0x…` text. Throws RangeError on odd length or a digit that is not hexadecimal. */
export function hexToBytes(hex: string): Uint8Array {
  const out = new Uint8Array(Math.max(0, (hex.length - 2) >> 1));
  // Every digit is looked at, so one check at the end finds whichever was none.
  let seen = isPrefixed(hex) ? 0 : 255;
  for (let i = 0, at = 2; i < out.length; i++, at += 2) {
    const high = digitAt(hex, at);
    const low = digitAt(hex, at + 1);
    seen |= high | low;
    out[i] = (high << 4) | low;
  }
  if (seen > 15) throw new RangeError("not 0x-prefixed hexadecimal text of whole bytes");
  return out;
}

/** True for hex text of exactly `size` bytes (either case). */
export function isHex(value: unknown, size?: number): value is Hex {
  if (typeof value !== "string" || (size !== undefined && value.length !== 2 + 2 * size) || !isPrefixed(value))
    return false;
  for (let at = 2; at < value.length; at++) if (digitAt(value, at) > 15) return false;
  return true;
}

export const ZERO_BYTES32: Hex = `0x${"00".repeat(32)}`;
export const ZERO_ADDRESS: Address = `0x${"00".repeat(20)}`;
