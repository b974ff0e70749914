/** Reference implementation of the deals' group on `@noble/curves`. */
import type { WeierstrassPoint, WeierstrassPointCons } from "@noble/curves/abstract/weierstrass.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { assert } from "../lib/assert.ts";
import { BLS12381_PUBLIC_KEY_LENGTH, decodeBls12381PublicKey } from "./bls12381-points.ts";
import { BN254_PUBLIC_KEY_LENGTH, decodeBn254PublicKey, encodeBn254PublicKey } from "./bn254-points.ts";
import type { DealEngine, GroupElement } from "./deal-engine.ts";
import { ThresholdError } from "./errors.ts";
import { checkScalar, ORDERS } from "./scalar.ts";
import type { Suite } from "./types.ts";

type Fp2 = ReturnType<typeof bls12_381.fields.Fp2.create>;
type G2 = WeierstrassPoint<Fp2>;

interface Curve {
  readonly point: WeierstrassPointCons<Fp2>;
  readonly length: number;
  decode(bytes: Uint8Array): G2;
  encode(point: G2): Uint8Array;
}

const CURVES: Readonly<Record<Suite, Curve>> = {
  "bls12-381": {
    point: bls12_381.G2.Point,
    length: BLS12381_PUBLIC_KEY_LENGTH,
    decode: decodeBls12381PublicKey,
    encode: (point) => point.toBytes(true),
  },
  bn254: {
    point: bn254.G2.Point,
    length: BN254_PUBLIC_KEY_LENGTH,
    decode: decodeBn254PublicKey,
    encode: encodeBn254PublicKey,
  },
};

// CAST: elements are made by this engine only, and are noble points (GroupElement is opaque to everybody else).
const reveal = (element: GroupElement): G2 => element as unknown as G2;
// CAST: the way back.
const conceal = (point: G2): GroupElement => point as unknown as GroupElement;

export function createNobleDealEngine(suite: Suite): DealEngine {
  const curve = CURVES[suite];
  const order = ORDERS[suite];
  const { BASE, ZERO } = curve.point;

  return {
    name: "noble",
    suite,
    order,
    pointLength: curve.length,
    commit(scalar) {
      checkScalar(scalar, order);
      return conceal(scalar === 0n ? ZERO : BASE.multiply(scalar));
    },
    commitPublic(scalar) {
      checkScalar(scalar, order);
      return conceal(BASE.multiplyUnsafe(scalar));
    },
    add: (a, b) => conceal(reveal(a).add(reveal(b))),
    subtract: (a, b) => conceal(reveal(a).subtract(reveal(b))),
    combine(elements, scalars) {
      assert(elements.length === scalars.length && elements.length > 0, "one scalar per element");
      return conceal(
        elements.map((element, j) => reveal(element).multiplyUnsafe(scalars[j]!)).reduce((a, b) => a.add(b)),
      );
    },
    evaluate(elements, x) {
      assert(x > 0 && elements.length > 0, "a polynomial at a member's coordinate");
      const factor = BigInt(x);
      return conceal(elements.map(reveal).reduceRight((value, element) => value.multiplyUnsafe(factor).add(element)));
    },
    equals: (a, b) => reveal(a).equals(reveal(b)),
    decode(bytes) {
      try {
        return conceal(curve.decode(bytes));
      } catch (error) {
        if (error instanceof ThresholdError) return undefined;
        throw error;
      }
    },
    encode(element) {
      const point = reveal(element);
      // A dealer can make differences come out as the identity, in projective forms of it that noble refuses to encode.
      return curve.encode(point.is0() ? ZERO : point);
    },
  };
}
