/**
 * Scalars of the groups of order r: what secrets, shares and Lagrange coefficients are made of.
 *
 * JavaScript's bigints do not run in constant time. Secrets pass through here when a key is dealt or recovered, which an
 * operator does on a machine of its own; signing multiplies in the engine.
 */
import { invert } from "@noble/curves/abstract/modular.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { bigintToBytes, bytesToBigint } from "../lib/bytes.ts";
import { ThresholdError } from "./errors.ts";
import type { Suite } from "./types.ts";

export const SCALAR_BYTES = 32;

/** 48 bytes for a 255-bit order leave a bias below 2^−128 after reduction (RFC 9380, section 5.1). */
export const WIDE_SCALAR_BYTES = 48;

/** Largest Shamir coordinate: far above any committee, small enough that products of differences stay cheap. */
export const MAX_COORDINATE = 0xffff;

/** Group order r of each suite. */
export const ORDERS: Readonly<Record<Suite, bigint>> = {
  "bls12-381": bls12_381.fields.Fr.ORDER,
  bn254: bn254.fields.Fr.ORDER,
};

/** Reads a secret: 32 bytes, big-endian, in [1, r). Throws invalidSecret; the error never contains the bytes. */
export function decodeSecret(bytes: Uint8Array, order: bigint): bigint {
  if (bytes.length !== SCALAR_BYTES) throw new ThresholdError("invalidSecret", "a secret has 32 bytes");
  const value = bytesToBigint(bytes);
  if (value === 0n || value >= order) throw new ThresholdError("invalidSecret", "a secret lies in [1, r)");
  return value;
}

export function encodeScalar(value: bigint, order: bigint): Uint8Array {
  checkScalar(value, order);
  return bigintToBytes(value, SCALAR_BYTES);
}

/** Throws invalidScalar unless 0 ≤ value < r. */
export function checkScalar(value: bigint, order: bigint): void {
  if (value < 0n || value >= order) throw new ThresholdError("invalidScalar", "a scalar lies in [0, r)");
}

/** Reduces at least 48 uniform bytes mod r without noticeable bias. Throws invalidRandomness on fewer. */
export function reduceWide(bytes: Uint8Array, order: bigint): bigint {
  if (bytes.length < WIDE_SCALAR_BYTES) {
    throw new ThresholdError("invalidRandomness", "a random scalar takes at least 48 bytes", {
      details: { length: bytes.length },
    });
  }
  return bytesToBigint(bytes) % order;
}

/**
 * Throws invalidCoordinate on x = 0 (the secret itself) and anything else outside [1, MAX_COORDINATE], and
 * duplicateCoordinate when an x comes twice (two shares of one member would count as two members).
 */
export function checkCoordinates(xs: readonly number[]): void {
  const seen = new Set<number>();
  for (const x of xs) {
    if (!Number.isInteger(x) || x < 1 || x > MAX_COORDINATE) {
      throw new ThresholdError("invalidCoordinate", "a Shamir coordinate is an integer from 1 to 65535", {
        details: { x },
      });
    }
    if (seen.has(x)) throw new ThresholdError("duplicateCoordinate", `coordinate ${x} given twice`, { details: { x } });
    seen.add(x);
  }
}

/**
 * Lagrange coefficients at 0, in the order of `xs`: λᵢ = Π_{j≠i} xⱼ / (xⱼ − xᵢ) mod r, so that Σ λᵢ·f(xᵢ) = f(0) for
 * every polynomial of degree < xs.length. Throws as `checkCoordinates` does, and notEnoughShares when empty.
 */
export function lagrangeAtZero(xs: readonly number[], order: bigint): bigint[] {
  checkCoordinates(xs);
  if (xs.length === 0) throw new ThresholdError("notEnoughShares", "no shares to interpolate");
  // λᵢ = (Π xⱼ) / (xᵢ·Π_{j≠i} (xⱼ − xᵢ)). Plain integers below some kilobits are cheaper than reducing at each step.
  const product = xs.reduce((acc, x) => acc * BigInt(x), 1n) % order;
  const denominators = xs.map((xi) => {
    let denominator = BigInt(xi);
    for (const xj of xs) if (xj !== xi) denominator *= BigInt(xj - xi);
    return ((denominator % order) + order) % order;
  });
  return invertAll(denominators, order).map((inverse) => (product * inverse) % order);
}

/** Inverse mod r of any integer that r does not divide, negative ones too. Not constant time: for public values only. */
export function inverseScalar(value: bigint, order: bigint): bigint {
  return invert(value, order);
}

/** Inverses of non-zero values with a single field inversion (Montgomery's trick). */
function invertAll(values: readonly bigint[], order: bigint): bigint[] {
  const prefixes: bigint[] = [];
  let accumulated = 1n;
  for (const value of values) {
    prefixes.push(accumulated);
    accumulated = (accumulated * value) % order;
  }
  let inverse = invert(accumulated, order);
  const out = new Array<bigint>(values.length);
  for (let i = values.length - 1; i >= 0; i--) {
    out[i] = (inverse * prefixes[i]!) % order;
    inverse = (inverse * values[i]!) % order;
  }
  return out;
}
