/**
 * Hashing to the G1 of BN254 (alt_bn128, EIP-196): y² = x³ + 3 over F_p, cofactor 1.
 *
 * RFC 9380 construction with the Shallue–van de Woestijne map (section 6.6.1), as drand's evmnet uses it:
 *   (u₀, u₁) = hash_to_field(message)        expand_message_xmd, keccak-256 (136-byte block), L = 48
 *   H(message) = map(u₀) + map(u₁)           no cofactor to clear
 * `@noble/curves` has no map for this curve, so the map is ours; the field arithmetic and the expander are noble's.
 */
import { expand_message_xmd } from "@noble/curves/abstract/hash-to-curve.js";
import type { WeierstrassPoint } from "@noble/curves/abstract/weierstrass.js";
import { bn254 } from "@noble/curves/bn254.js";
import type { CHash } from "@noble/curves/utils.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { assert } from "../lib/assert.ts";
import { bytesToBigint } from "../lib/bytes.ts";
import { KECCAK_BLOCK_BYTES, keccak256 } from "../lib/hash.ts";

export const BN254_DST = "BLS_SIG_BN254G1_XMD:KECCAK-256_SVDW_RO_NUL_";

/** The expander's hash: the process's keccak-256 in noble's clothes. The expander hashes whole messages only. */
const KECCAK: CHash = Object.assign((message: Uint8Array) => Uint8Array.from(keccak256(message)), {
  outputLen: 32,
  blockLen: KECCAK_BLOCK_BYTES,
  canXOF: false,
  create: keccak_256.create,
});

const Fp = bn254.fields.Fp;
/** Base field modulus p; p ≡ 3 (mod 4), which makes square roots one power. */
export const BN254_P = Fp.ORDER;

/** L of RFC 9380 section 5.1: ⌈(⌈log₂ p⌉ + k) / 8⌉ with k = 128. */
const FIELD_ELEMENT_BYTES = 48;

// Constants of the map (RFC 9380 section 6.6.1) for g(x) = x³ + Ax + B with A = 0, B = 3.
// Z = 1 is what the RFC's find_z_svdw (appendix H.1) returns: g(1) = 4 ≠ 0; −(3·1 + 4A)/(4·g(1)) = −3/16 is not zero and
// is square (−3 is, because p ≡ 1 mod 3); and g(Z) = 4 is square.
const Z = 1n;
/** c1 = g(Z) = 4. */
const C1 = 4n;
/** c2 = −Z / 2. */
const C2 = Fp.neg(Fp.inv(2n));
/** c3 = sqrt(−g(Z)·(3Z² + 4A)) = sqrt(−12), the root with sgn0 = 0. */
const C3 = evenRoot(Fp.neg(12n));
/** c4 = −4·g(Z) / (3Z² + 4A) = −16 / 3. */
const C4 = Fp.neg(Fp.mul(16n, Fp.inv(3n)));
/** The constants, for other implementations of the same map. */
export const SVDW = { z: Z, c1: C1, c2: C2, c3: C3, c4: C4 } as const;
const SQRT_EXPONENT = (BN254_P + 1n) / 4n;

export interface HashOptions {
  /** Domain separation tag; the suite's own by default. */
  readonly dst?: string;
  /** Hash of the expander; keccak-256 by default. Others exist only to check foreign vectors. */
  readonly hash?: CHash;
}

export interface AffinePoint {
  readonly x: bigint;
  readonly y: bigint;
}

/** The two times 48 bytes that hash_to_field reduces mod p. */
export function expandForField(message: Uint8Array, options: HashOptions = {}): readonly [Uint8Array, Uint8Array] {
  const { dst = BN254_DST, hash = KECCAK } = options;
  const uniform = expand_message_xmd(message, dst, 2 * FIELD_ELEMENT_BYTES, hash);
  return [uniform.subarray(0, FIELD_ELEMENT_BYTES), uniform.subarray(FIELD_ELEMENT_BYTES)];
}

/** hash_to_field of RFC 9380 with count 2: two field elements, statistically uniform. */
export function hashToField(message: Uint8Array, options: HashOptions = {}): readonly [bigint, bigint] {
  const [uniform0, uniform1] = expandForField(message, options);
  return [Fp.create(bytesToBigint(uniform0)), Fp.create(bytesToBigint(uniform1))];
}

/** g(x) = x³ + 3, the right-hand side of the curve equation. It has no root mod p, so it is never zero. */
export function curveRightSide(x: bigint): bigint {
  return Fp.add(Fp.mul(Fp.sqr(x), x), 3n);
}

/** sgn0 of RFC 9380 section 4.1 for a prime field: the parity. */
export function sgn0(x: bigint): bigint {
  return x & 1n;
}

/** The product (1 + 4u²)(1 − 4u²) that the map divides by. Zero only for u = ±1/2. */
export function svdwDenominator(u: bigint): bigint {
  const tv = Fp.mul(Fp.sqr(u), C1);
  return Fp.mul(Fp.add(1n, tv), Fp.sub(1n, tv));
}

/** The three candidates for x, of which at least one is on the curve. `inverse` is inv0(svdwDenominator(u)). */
export function svdwCandidates(u: bigint, inverse: bigint): readonly [bigint, bigint, bigint] {
  const tv = Fp.mul(Fp.sqr(u), C1);
  const tv2 = Fp.add(1n, tv);
  const tv4 = Fp.mul(Fp.mul(Fp.mul(u, Fp.sub(1n, tv)), inverse), C3);
  const tv5 = Fp.sqr(Fp.mul(Fp.sqr(tv2), inverse));
  return [Fp.sub(C2, tv4), Fp.add(C2, tv4), Fp.add(Fp.mul(tv5, C4), Z)];
}

/**
 * v^((p+1)/4). With p ≡ 3 (mod 4) it is a root of v when v is square and a root of −v otherwise, so that one power
 * both decides and proves squareness.
 */
export function rootOfEither(v: bigint): { readonly root: bigint; readonly isSquare: boolean } {
  const root = Fp.pow(v, SQRT_EXPONENT);
  return { root, isSquare: Fp.sqr(root) === v };
}

/** inv0: the inverse, and 0 for 0. */
export function inverseOrZero(v: bigint): bigint {
  return v === 0n ? 0n : Fp.inv(v);
}

/** map_to_curve_svdw: a point for any field element u in [0, p). */
export function mapToCurve(u: bigint): AffinePoint {
  return mapWithInverse(u, inverseOrZero(svdwDenominator(u)));
}

/** H(message) in G1. Never the identity except with negligible probability, which callers must still refuse to sign. */
export function hashToG1(message: Uint8Array, options: HashOptions = {}): WeierstrassPoint<bigint> {
  const [u0, u1] = hashToField(message, options);
  const [inverse0, inverse1] = invertBoth(svdwDenominator(u0), svdwDenominator(u1));
  const Point = bn254.G1.Point;
  return Point.fromAffine(mapWithInverse(u0, inverse0)).add(Point.fromAffine(mapWithInverse(u1, inverse1)));
}

function mapWithInverse(u: bigint, inverse: bigint): AffinePoint {
  for (const x of svdwCandidates(u, inverse)) {
    const { root, isSquare } = rootOfEither(curveRightSide(x));
    if (isSquare) return { x, y: sgn0(root) === sgn0(u) ? root : Fp.neg(root) };
  }
  // χ(g(x1))·χ(g(x2))·χ(g(x3)) = 1 and none is zero, so one of three is a square.
  assert(false, "SvdW map found no candidate on the curve");
}

/** Both inverses with one field inversion (Montgomery's trick), which costs more than a whole map otherwise. */
function invertBoth(a: bigint, b: bigint): readonly [bigint, bigint] {
  if (a === 0n || b === 0n) return [inverseOrZero(a), inverseOrZero(b)];
  const inverse = Fp.inv(Fp.mul(a, b));
  return [Fp.mul(inverse, b), Fp.mul(inverse, a)];
}

function evenRoot(v: bigint): bigint {
  const root = Fp.sqrt(v);
  return sgn0(root) === 0n ? root : Fp.neg(root);
}
