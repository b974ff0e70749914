/**
 * Shamir's secret sharing over the scalar field of a suite. Member i holds the polynomial at x = i + 1; x = 0 is the
 * secret and is refused everywhere.
 */
import { ThresholdError } from "./errors.ts";
import {
  checkCoordinates,
  checkScalar,
  decodeSecret,
  encodeScalar,
  lagrangeAtZero,
  MAX_COORDINATE,
  reduceWide,
  WIDE_SCALAR_BYTES,
} from "./scalar.ts";

/** One point of the polynomial: x = member index + 1, and 32 bytes f(x). */
export interface SecretShare {
  readonly x: number;
  readonly secret: Uint8Array;
}

/** How many random bytes `splitSecret` takes. */
export function splitRandomnessLength(threshold: number): number {
  return (threshold - 1) * WIDE_SCALAR_BYTES;
}

/**
 * Splits a secret (32 bytes in [1, r)) among members 0 … n − 1 so that any t of them recover it and fewer learn nothing.
 * `randomness` is (t − 1)·48 uniform bytes: the other coefficients, reduced without bias.
 * Throws invalidSecret, invalidThreshold, invalidRandomness (also in the 2^−250 case that a share comes out zero).
 */
export function splitSecret(
  secret: Uint8Array,
  threshold: number,
  n: number,
  randomness: Uint8Array,
  order: bigint,
): SecretShare[] {
  checkThreshold(threshold, n);
  if (randomness.length !== splitRandomnessLength(threshold)) {
    throw new ThresholdError("invalidRandomness", "splitting takes 48 random bytes per coefficient", {
      details: { expected: splitRandomnessLength(threshold), length: randomness.length },
    });
  }
  const coefficients = [decodeSecret(secret, order)];
  for (let offset = 0; offset < randomness.length; offset += WIDE_SCALAR_BYTES) {
    coefficients.push(reduceWide(randomness.subarray(offset, offset + WIDE_SCALAR_BYTES), order));
  }
  return Array.from({ length: n }, (_, i) => {
    const value = evaluatePolynomial(coefficients, i + 1, order);
    // A zero share could not sign, and its public share would be the identity, which every engine refuses.
    if (value === 0n) throw new ThresholdError("invalidRandomness", "a share came out as zero; split again");
    return { x: i + 1, secret: encodeScalar(value, order) };
  });
}

/** f(x) mod r for f(X) = Σ coefficients[j]·X^j. Throws invalidCoordinate for x = 0, invalidScalar for a coefficient. */
export function evaluatePolynomial(coefficients: readonly bigint[], x: number, order: bigint): bigint {
  checkCoordinates([x]);
  let value = 0n;
  for (let j = coefficients.length - 1; j >= 0; j--) {
    const coefficient = coefficients[j]!;
    checkScalar(coefficient, order);
    value = (value * BigInt(x) + coefficient) % order;
  }
  return value;
}

/**
 * The secret f(0) from exactly the given shares (all are used: give t of them).
 * Throws on x = 0, duplicates, non-canonical shares, and invalidSecret when the result is zero.
 */
export function recoverSecret(shares: readonly SecretShare[], order: bigint): Uint8Array {
  const coefficients = lagrangeAtZero(
    shares.map((share) => share.x),
    order,
  );
  let value = 0n;
  shares.forEach((share, i) => {
    value = (value + coefficients[i]! * decodeSecret(share.secret, order)) % order;
  });
  if (value === 0n) throw new ThresholdError("invalidSecret", "the shares recover zero");
  return encodeScalar(value, order);
}

/** Throws invalidThreshold unless 0 < t ≤ n ≤ 65535, all integers. */
export function checkThreshold(threshold: number, n: number): void {
  const isValid = Number.isInteger(threshold) && Number.isInteger(n) && threshold > 0 && threshold <= n;
  if (!isValid || n > MAX_COORDINATE) {
    throw new ThresholdError("invalidThreshold", "threshold and members must satisfy 0 < t ≤ n ≤ 65535", {
      details: { threshold, n },
    });
  }
}
