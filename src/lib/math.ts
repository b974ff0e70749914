import { assert } from "./assert.ts";

/** Integer division towards −∞. JavaScript's `/` truncates, which would round in favour of a debtor. */
export function divFloor(a: bigint, b: bigint): bigint {
  assert(b !== 0n, "division by zero");
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

/** Integer division towards +∞. */
export function divCeil(a: bigint, b: bigint): bigint {
  return -divFloor(-a, b);
}

export function minBigint(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

export function maxBigint(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** Comparator for bigints, for `Array.sort`. */
export function compareBigint(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Comparator for strings by UTF-16 code unit (not by locale: every machine must sort alike). */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** f = ⌊(n−1)/3⌋: how many of n members may be malicious. */
export function maxFaulty(n: number): number {
  return Math.floor((n - 1) / 3);
}

/** Q = n − f: quorum and signing threshold. Written n − f and never 2f + 1, which is too small unless n = 3f + 1. */
export function quorumOf(n: number): number {
  return n - maxFaulty(n);
}
