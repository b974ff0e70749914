/** Bytes and hexadecimal text. All hex in this project is lower case with a 0x prefix, so that `===` and `<` compare values. */

/** `0x`-prefixed lower-case hexadecimal text. */
export type Hex = `0x${string}`;

/** A 20-byte Ethereum address as lower-case hex (not checksummed: checksums are for people, not for comparing). */
export type Address = Hex;

const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
const HEX_TEXT = /^0x(?:[0-9a-fA-F]{2})*$/;

/** Encodes bytes as lower-case hex. */
export function bytesToHex(bytes: Uint8Array): Hex {
  let out = "0x";
  for (let i = 0; i < bytes.length; i++) out += DIGITS[bytes[i]!];
  return out as Hex; // CAST: starts with 0x by construction
}

/** Decodes `0x…` text. Throws RangeError on odd length or a digit that is not hexadecimal. */
export function hexToBytes(hex: string): Uint8Array {
  if (!HEX_TEXT.test(hex)) throw new RangeError("not 0x-prefixed hexadecimal text of whole bytes");
  const out = new Uint8Array((hex.length - 2) / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(hex.slice(2 + 2 * i, 4 + 2 * i), 16);
  return out;
}

/** True for hex text of exactly `size` bytes (either case). */
export function isHex(value: unknown, size?: number): value is Hex {
  return typeof value === "string" && HEX_TEXT.test(value) && (size === undefined || value.length === 2 + 2 * size);
}

export const ZERO_BYTES32: Hex = `0x${"00".repeat(32)}`;
export const ZERO_ADDRESS: Address = `0x${"00".repeat(20)}`;
