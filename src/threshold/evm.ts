/**
 * What the verifier contracts take: proofs (calldata of `verify(bytes32 digest, bytes proof)`) and group keys
 * (constructor arguments). Layouts are fixed by the contracts; lengths are exact.
 *
 *   suite      | proof                                                         | key
 *   bls12-381  | 96 bytes: signature x ‖ y, 48 each                            | 256 bytes: EIP-2537 G2, x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1, 64 each
 *   bn254      | 224 bytes: words signature.x, .y, inverse, y0, w0, y1, w1     | 128 bytes: EIP-197 G2, x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0, 32 each
 */
import { bigintToBytes, concatBytes } from "../lib/bytes.ts";
import { decodeBls12381PublicKey, decodeBls12381Signature } from "./bls12381-points.ts";
import { computeBn254Hints } from "./bn254-hints.ts";
import { decodeBn254PublicKey, decodeBn254Signature } from "./bn254-points.ts";
import { checkMessage } from "./message.ts";
import type { Suite } from "./types.ts";

/** Proof for the suite's verifier contract. Throws invalidPoint on bytes that are no signature; does not verify. */
export function encodeProof(suite: Suite, signature: Uint8Array, digest: Uint8Array): Uint8Array {
  return suite === "bn254" ? encodeBn254Proof(signature, digest) : encodeBls12381Proof(signature);
}

/** 224 bytes: the 64-byte signature and the five hints for hashing `digest` (32 bytes) on chain. */
export function encodeBn254Proof(signature: Uint8Array, digest: Uint8Array): Uint8Array {
  checkMessage(digest);
  decodeBn254Signature(signature);
  const { inverse, y0, w0, y1, w1 } = computeBn254Hints(digest);
  return concatBytes(signature, ...[inverse, y0, w0, y1, w1].map((value) => bigintToBytes(value, 32)));
}

/** 96 bytes: the compressed 48-byte signature as x ‖ y. */
export function encodeBls12381Proof(signature: Uint8Array): Uint8Array {
  return decodeBls12381Signature(signature).toBytes(false);
}

/** The group key as the suite's verifier constructor takes it. Throws invalidPoint on bytes that are no key. */
export function encodePublicKeyForVerifier(suite: Suite, key: Uint8Array): Uint8Array {
  if (suite === "bn254") {
    // EIP-197 order is our own encoding already; only check it.
    decodeBn254PublicKey(key);
    return Uint8Array.from(key);
  }
  const { x, y } = decodeBls12381PublicKey(key).toAffine();
  return concatBytes(...[x.c0, x.c1, y.c0, y.c1].map((limb) => bigintToBytes(limb, 64)));
}
