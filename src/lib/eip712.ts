/**
 * EIP-712 with the one domain shape that Clockless uses: {name "Clockless", version "1", salt = committee id}.
 * There is no chain id in it on purpose: what a committee signs is valid on every chain (contracts.md).
 * Source: https://eips.ethereum.org/EIPS/eip-712
 */
import { bigintToBytes, concatBytes, utf8ToBytes } from "./bytes.ts";
import { keccak256 } from "./hash.ts";
import { bytesToHex, type Hex, hexToBytes } from "./hex.ts";

export const DOMAIN_TYPE = "EIP712Domain(string name,string version,bytes32 salt)";
export const DOMAIN_NAME = "Clockless";
export const DOMAIN_VERSION = "1";

const PREFIX = Uint8Array.of(0x19, 0x01);

/** keccak-256 of an `encodeType` string. */
export function typeHash(encodedType: string): Uint8Array {
  return keccak256(utf8ToBytes(encodedType));
}

const DOMAIN_PREFIX = concatBytes(
  typeHash(DOMAIN_TYPE),
  keccak256(utf8ToBytes(DOMAIN_NAME)),
  keccak256(utf8ToBytes(DOMAIN_VERSION)),
);

/** Domain separator of one committee (committee id: 32 bytes). */
export function domainSeparator(committeeId: Hex): Uint8Array {
  return keccak256(concatBytes(DOMAIN_PREFIX, word(committeeId)));
}

/** One 32-byte word: unsigned or signed integer (two's complement), or hex padded on the left (addresses) — bytes32 as is. */
export function word(value: bigint | number | Hex): Uint8Array {
  if (typeof value === "string") {
    const bytes = hexToBytes(value);
    if (bytes.length === 32) return bytes;
    if (bytes.length !== 20) throw new RangeError("word takes an address or 32 bytes");
    return concatBytes(new Uint8Array(12), bytes);
  }
  const integer = BigInt(value);
  return bigintToBytes(integer < 0n ? (1n << 256n) + integer : integer, 32);
}

/** hashStruct: keccak-256 of the type hash and the already encoded words. */
export function hashStruct(type: Uint8Array, ...words: readonly Uint8Array[]): Uint8Array {
  return keccak256(concatBytes(type, ...words));
}

/** The digest that is signed: keccak-256(0x1901 ‖ domainSeparator ‖ hashStruct). */
export function typedDigest(separator: Uint8Array, struct: Uint8Array): Hex {
  return bytesToHex(keccak256(concatBytes(PREFIX, separator, struct)));
}
