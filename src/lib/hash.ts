import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, type Hex, hexToBytes } from "./hex.ts";

/** keccak-256 as Ethereum uses it. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}

export function keccak256Hex(bytes: Uint8Array): Hex {
  return bytesToHex(keccak_256(bytes));
}

/** keccak-256 of the concatenation of hex strings. */
export function keccakOfHex(...parts: readonly Hex[]): Hex {
  const hash = keccak_256.create();
  for (const part of parts) hash.update(hexToBytes(part));
  return bytesToHex(hash.digest());
}
