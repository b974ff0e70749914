/**
 * Strict codecs for BN254 points in EIP-197 order. One encoding per point: coordinates below p, on the curve, in the
 * subgroup, never the identity (which EIP-196 writes as zeros). `@noble/curves` defines no bytes for this curve.
 */
import type { WeierstrassPoint } from "@noble/curves/abstract/weierstrass.js";
import { bn254 } from "@noble/curves/bn254.js";
import { bigintToBytes, bytesToBigint, concatBytes } from "../lib/bytes.ts";
import { ThresholdError } from "./errors.ts";

const { Fp2 } = bn254.fields;

export const BN254_SIGNATURE_LENGTH = 64;
export const BN254_PUBLIC_KEY_LENGTH = 128;

type G1Point = WeierstrassPoint<bigint>;
type G2Point = WeierstrassPoint<ReturnType<typeof Fp2.create>>;

/** 64 bytes x ‖ y. Throws invalidPoint. The cofactor is 1: every point on the curve is in the group. */
export function decodeBn254Signature(bytes: Uint8Array): G1Point {
  const [x, y] = coordinates(bytes, 2, "signature");
  return checked("signature", () => bn254.G1.Point.fromAffine({ x: x!, y: y! }));
}

/** 128 bytes x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0. Throws invalidPoint; checks the subgroup, because the twist's cofactor is large. */
export function decodeBn254PublicKey(bytes: Uint8Array): G2Point {
  const [xc1, xc0, yc1, yc0] = coordinates(bytes, 4, "public key");
  return checked("public key", () =>
    bn254.G2.Point.fromAffine({ x: Fp2.create({ c0: xc0!, c1: xc1! }), y: Fp2.create({ c0: yc0!, c1: yc1! }) }),
  );
}

export function encodeBn254Signature(point: G1Point): Uint8Array {
  const { x, y } = point.toAffine();
  return concatBytes(bigintToBytes(x, 32), bigintToBytes(y, 32));
}

export function encodeBn254PublicKey(point: G2Point): Uint8Array {
  const { x, y } = point.toAffine();
  return concatBytes(...[x.c1, x.c0, y.c1, y.c0].map((limb) => bigintToBytes(limb, 32)));
}

function coordinates(bytes: Uint8Array, count: number, what: string): bigint[] {
  if (bytes.length !== 32 * count) throw invalid(what, "wrong length");
  const limbs = Array.from({ length: count }, (_, i) => bytesToBigint(bytes.subarray(32 * i, 32 * i + 32)));
  if (limbs.some((limb) => limb >= bn254.fields.Fp.ORDER)) throw invalid(what, "coordinate not below p");
  // Zeros are the identity in EIP-196; noble would accept them.
  if (limbs.every((limb) => limb === 0n)) throw invalid(what, "identity");
  return limbs;
}

function checked<P extends { assertValidity(): void }>(what: string, make: () => P): P {
  try {
    const point = make();
    point.assertValidity();
    return point;
  } catch (cause) {
    throw new ThresholdError("invalidPoint", `not a bn254 ${what}`, { cause });
  }
}

function invalid(what: string, reason: string): ThresholdError {
  return new ThresholdError("invalidPoint", `not a bn254 ${what}: ${reason}`);
}
