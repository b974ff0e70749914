/**
 * Strict codecs for BLS12-381 points: compressed only (ZCash flags), coordinates below p, on the curve, in the subgroup,
 * never the identity. The work is noble's; what is added is that every key and signature has exactly one encoding.
 */
import type { WeierstrassPoint } from "@noble/curves/abstract/weierstrass.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { ThresholdError } from "./errors.ts";

export const BLS12381_SIGNATURE_LENGTH = 48;
export const BLS12381_PUBLIC_KEY_LENGTH = 96;

type G1Point = WeierstrassPoint<bigint>;
type G2Point = WeierstrassPoint<ReturnType<typeof bls12_381.fields.Fp2.create>>;

/** 48 bytes, compressed G1. Throws invalidPoint. */
export function decodeBls12381Signature(bytes: Uint8Array): G1Point {
  return decode("signature", BLS12381_SIGNATURE_LENGTH, bytes, () => bls12_381.G1.Point.fromBytes(bytes));
}

/** 96 bytes, compressed G2. Throws invalidPoint. */
export function decodeBls12381PublicKey(bytes: Uint8Array): G2Point {
  return decode("public key", BLS12381_PUBLIC_KEY_LENGTH, bytes, () => bls12_381.G2.Point.fromBytes(bytes));
}

function decode<P extends { is0(): boolean }>(what: string, length: number, bytes: Uint8Array, read: () => P): P {
  // noble would also take the uncompressed form, which is twice as long.
  if (bytes.length !== length) throw invalid(what, "wrong length");
  let point: P;
  try {
    point = read();
  } catch (cause) {
    throw invalid(what, "not a point of the group", cause);
  }
  if (point.is0()) throw invalid(what, "identity");
  return point;
}

function invalid(what: string, reason: string, cause?: unknown): ThresholdError {
  return new ThresholdError("invalidPoint", `not a bls12-381 ${what}: ${reason}`, { cause });
}
