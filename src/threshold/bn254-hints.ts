/**
 * Witnesses that make hashing to BN254's G1 cheap on chain (contracts.md, "BN254 with hints").
 *
 * Nobody has to trust them: the contract checks each with one or two modular multiplications and then either reverts or
 * holds exactly the point of RFC 9380. A relayer that computes them wrongly only harms its own transaction.
 */
import { bn254 } from "@noble/curves/bn254.js";
import { assert } from "../lib/assert.ts";
import {
  curveRightSide,
  hashToField,
  inverseOrZero,
  rootOfEither,
  svdwCandidates,
  svdwDenominator,
} from "./bn254-hash.ts";

const Fp = bn254.fields.Fp;

export interface Bn254Hints {
  /**
   * ((1 − 16u₀⁴)(1 − 16u₁⁴))⁻¹, so that each map's own inverse is `inverse` times the other's denominator.
   * 0 when the product is zero (u = ±1/2), which no known message reaches.
   */
  readonly inverse: bigint;
  /** A root of g at the chosen candidate x of the map of u₀; either root: the contract takes the sign from sgn0(u₀). */
  readonly y0: bigint;
  /** 0 when the first candidate was chosen; otherwise w² = −g(x₁), which proves that g(x₁) is no square. */
  readonly w0: bigint;
  readonly y1: bigint;
  readonly w1: bigint;
}

/** Hints for the point H(digest) of the `bn254` suite. */
export function computeBn254Hints(digest: Uint8Array): Bn254Hints {
  const [u0, u1] = hashToField(digest);
  const d0 = svdwDenominator(u0);
  const d1 = svdwDenominator(u1);
  const inverse = inverseOrZero(Fp.mul(d0, d1));
  const map0 = witness(u0, Fp.mul(inverse, d1));
  const map1 = witness(u1, Fp.mul(inverse, d0));
  return { inverse, y0: map0.y, w0: map0.w, y1: map1.y, w1: map1.w };
}

function witness(u: bigint, inverse: bigint): { y: bigint; w: bigint } {
  const [x1, x2, x3] = svdwCandidates(u, inverse);
  const first = rootOfEither(curveRightSide(x1));
  if (first.isSquare) return { y: first.root, w: 0n };
  // Not square, so the same power is a root of −g(x1). χ(g(x1))χ(g(x2))χ(g(x3)) = 1 leaves exactly one of the other two.
  const second = rootOfEither(curveRightSide(x2));
  if (second.isSquare) return { y: second.root, w: first.root };
  const third = rootOfEither(curveRightSide(x3));
  assert(third.isSquare, "SvdW map found no candidate on the curve");
  return { y: third.root, w: first.root };
}
