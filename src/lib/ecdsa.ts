/**
 * Ethereum-style signatures on 32-byte digests: secp256k1, deterministic (RFC 6979), low s only (EIP-2), 65 bytes r ‖ s ‖ v.
 * One encoding per signature: v is 27 or 28, anything else is refused, so that a digest has one signature per signer and nonce.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concatBytes } from "./bytes.ts";
import { keccak256 } from "./hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "./hex.ts";

/** Signs a digest. `secret` is 32 bytes in [1, n); throws on anything else. */
export function signDigest(secret: Uint8Array, digest: Hex): Hex {
  const recovered = secp256k1.sign(hexToBytes(digest), secret, { prehash: false, lowS: true, format: "recovered" });
  // noble puts the recovery bit first; Ethereum puts v last.
  return bytesToHex(concatBytes(recovered.subarray(1), Uint8Array.of(27 + recovered[0]!)));
}

/** The address whose key signed `digest`, or undefined when the signature is malformed, high-s or not a point. */
export function recoverAddress(digest: Hex, signature: Hex): Address | undefined {
  if (signature.length !== 132) return undefined;
  try {
    const bytes = hexToBytes(signature);
    const v = bytes[64]!;
    if (v !== 27 && v !== 28) return undefined;
    const parsed = secp256k1.Signature.fromBytes(
      concatBytes(Uint8Array.of(v - 27), bytes.subarray(0, 64)),
      "recovered",
    );
    if (parsed.hasHighS()) return undefined;
    return publicKeyToAddress(parsed.recoverPublicKey(hexToBytes(digest)).toBytes(false));
  } catch {
    // Attackers choose these bytes: r that is no x-coordinate, r or s out of range. All mean the same: no signer.
    return undefined;
  }
}

export function isSignatureBy(address: Address, digest: Hex, signature: Hex): boolean {
  return recoverAddress(digest, signature) === address;
}

/** Address of a secret key. */
export function addressOf(secret: Uint8Array): Address {
  return publicKeyToAddress(secp256k1.getPublicKey(secret, false));
}

/** Address of an uncompressed (65-byte) public key. */
export function publicKeyToAddress(publicKey: Uint8Array): Address {
  return bytesToHex(keccak256(publicKey.subarray(1)).subarray(12));
}
