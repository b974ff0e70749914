/**
 * The reference engine on the audited `@noble/curves`: plain JavaScript, runs everywhere, slower than `engine-mcl.ts`.
 *
 *   sign      σ = H(m)^s                         in G1
 *   verify    e(σ, −g₂)·e(H(m), pk) = 1          one product of two pairings
 */
import type { BlsCurvePair } from "@noble/curves/abstract/bls.js";
import type { WeierstrassPoint, WeierstrassPointCons } from "@noble/curves/abstract/weierstrass.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import {
  BLS12381_PUBLIC_KEY_LENGTH,
  BLS12381_SIGNATURE_LENGTH,
  decodeBls12381PublicKey,
  decodeBls12381Signature,
} from "./bls12381-points.ts";
import { hashToG1 } from "./bn254-hash.ts";
import {
  BN254_PUBLIC_KEY_LENGTH,
  BN254_SIGNATURE_LENGTH,
  decodeBn254PublicKey,
  decodeBn254Signature,
  encodeBn254PublicKey,
  encodeBn254Signature,
} from "./bn254-points.ts";
import { ThresholdError } from "./errors.ts";
import { checkMessage, MESSAGE_LENGTH } from "./message.ts";
import { decodeSecret, lagrangeAtZero, ORDERS } from "./scalar.ts";
import type { Engine, IndexedSignature, Suite } from "./types.ts";

type G1 = WeierstrassPoint<bigint>;
type Fp2 = ReturnType<typeof bls12_381.fields.Fp2.create>;
type G2 = WeierstrassPoint<Fp2>;

/** What differs between the suites. Decoders throw on anything but the one encoding of a non-identity group element. */
interface Curve {
  readonly pairing: BlsCurvePair;
  readonly g2: WeierstrassPointCons<Fp2>;
  readonly signatureLength: number;
  readonly publicKeyLength: number;
  hash(message: Uint8Array): G1;
  decodeSignature(bytes: Uint8Array): G1;
  encodeSignature(point: G1): Uint8Array;
  decodePublicKey(bytes: Uint8Array): G2;
  encodePublicKey(point: G2): Uint8Array;
}

const CURVES: Readonly<Record<Suite, Curve>> = {
  "bls12-381": {
    pairing: bls12_381,
    g2: bls12_381.G2.Point,
    signatureLength: BLS12381_SIGNATURE_LENGTH,
    publicKeyLength: BLS12381_PUBLIC_KEY_LENGTH,
    // noble's default tag for short signatures is exactly the suite's: BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_.
    hash: (message) => bls12_381.shortSignatures.hash(message),
    decodeSignature: decodeBls12381Signature,
    encodeSignature: (point) => point.toBytes(true),
    decodePublicKey: decodeBls12381PublicKey,
    encodePublicKey: (point) => point.toBytes(true),
  },
  bn254: {
    pairing: bn254,
    g2: bn254.G2.Point,
    signatureLength: BN254_SIGNATURE_LENGTH,
    publicKeyLength: BN254_PUBLIC_KEY_LENGTH,
    hash: (message) => hashToG1(message),
    decodeSignature: decodeBn254Signature,
    encodeSignature: encodeBn254Signature,
    decodePublicKey: decodeBn254PublicKey,
    encodePublicKey: encodeBn254PublicKey,
  },
};

/** Reference engine of a suite. */
export function createNobleEngine(suite: Suite): Engine {
  const curve = CURVES[suite];
  const order = ORDERS[suite];
  const negatedGenerator = curve.g2.BASE.negate();
  const { pairingBatch, fields } = curve.pairing;

  return {
    name: "noble",
    suite,
    order,
    signatureLength: curve.signatureLength,
    publicKeyLength: curve.publicKeyLength,

    publicKey(secret) {
      return curve.encodePublicKey(curve.g2.BASE.multiply(decodeSecret(secret, order)));
    },

    sign(secret, message) {
      checkMessage(message);
      return curve.encodeSignature(curve.hash(message).multiply(decodeSecret(secret, order)));
    },

    verify(publicKey, message, signature) {
      if (message.length !== MESSAGE_LENGTH) return false;
      const key = attempt(() => curve.decodePublicKey(publicKey));
      const point = attempt(() => curve.decodeSignature(signature));
      if (key === undefined || point === undefined) return false;
      const result = pairingBatch([
        { g1: point, g2: negatedGenerator },
        { g1: curve.hash(message), g2: key },
      ]);
      return fields.Fp12.eql(result, fields.Fp12.ONE);
    },

    isSignature: (bytes) => attempt(() => curve.decodeSignature(bytes)) !== undefined,
    isPublicKey: (bytes) => attempt(() => curve.decodePublicKey(bytes)) !== undefined,

    interpolate(shares: readonly IndexedSignature[]) {
      const coefficients = lagrangeAtZero(
        shares.map((share) => share.x),
        order,
      );
      const sum = shares
        .map((share, i) => curve.decodeSignature(share.signature).multiplyUnsafe(coefficients[i]!))
        .reduce((a, b) => a.add(b));
      // Only crafted shares can cancel out; the identity has no encoding here.
      if (sum.is0()) throw new ThresholdError("invalidPoint", "the shares sum to the identity");
      return curve.encodeSignature(sum);
    },

    extrapolate(signatures, threshold) {
      const decoded = attempt(() => signatures.map((signature) => curve.decodeSignature(signature)));
      if (decoded === undefined || decoded.length < threshold) return undefined;
      let sum: G1 | undefined;
      let level = decoded;
      for (let k = 0; k < threshold; k++) {
        const first = k % 2 === 0 ? level[0]! : level[0]!.negate();
        sum = sum === undefined ? first : sum.add(first);
        level = level.slice(1).map((point, i) => point.subtract(level[i]!));
      }
      if (sum === undefined || sum.is0() || !level.every((point) => point.is0())) return undefined;
      return curve.encodeSignature(sum);
    },
  };
}

/** Foreign bytes are refused by a value, not by an exception. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ThresholdError) return undefined;
    throw error;
  }
}
