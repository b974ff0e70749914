/**
 * Scalars to bytes and back, and polynomials over them, at the speed deals need (hundreds of thousands per deal).
 *
 * What JavaScript cannot do: a bigint is immutable, cannot be overwritten and does not run in constant time. `erase` clears
 * byte arrays only; copies that the engine made (garbage not yet collected, registers, swapped pages) stay until reused.
 * Whoever can read a member's memory has its share anyway; erasing shortens the time for which old ones can be read.
 */
import { bytesToHex } from "../lib/hex.ts";
import { SCALAR_BYTES } from "./scalar.ts";

/** Big-endian; the empty string is 0. */
export function scalarFromBytes(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(bytesToHex(bytes));
}

/** Writes 0 ≤ value < 2^256 as 32 big-endian bytes at `offset`. */
export function writeScalar(into: Uint8Array, offset: number, value: bigint): void {
  const view = new DataView(into.buffer, into.byteOffset + offset, SCALAR_BYTES);
  view.setBigUint64(0, value >> 192n);
  view.setBigUint64(8, BigInt.asUintN(64, value >> 128n));
  view.setBigUint64(16, BigInt.asUintN(64, value >> 64n));
  view.setBigUint64(24, BigInt.asUintN(64, value));
}

export function scalarsToBytes(values: readonly bigint[]): Uint8Array {
  const out = new Uint8Array(values.length * SCALAR_BYTES);
  values.forEach((value, j) => {
    writeScalar(out, j * SCALAR_BYTES, value);
  });
  return out;
}

/** Consecutive 32-byte scalars, not reduced: whoever needs them canonical compares with the order. */
export function scalarsFromBytes(bytes: Uint8Array): bigint[] {
  return Array.from({ length: bytes.length / SCALAR_BYTES }, (_, j) =>
    scalarFromBytes(bytes.subarray(j * SCALAR_BYTES, (j + 1) * SCALAR_BYTES)),
  );
}

/** f(x) mod order for a member's small x > 0. One reduction at the end: steps by a small x grow the value by few bits. */
export function evaluateAtMember(coefficients: readonly bigint[], x: number, order: bigint): bigint {
  const factor = BigInt(x);
  let value = 0n;
  for (let j = coefficients.length - 1; j >= 0; j--) value = value * factor + coefficients[j]!;
  return value % order;
}

/** f(x) mod order for any scalar x. */
export function evaluateAt(coefficients: readonly bigint[], x: bigint, order: bigint): bigint {
  let value = 0n;
  for (let j = coefficients.length - 1; j >= 0; j--) value = (value * x + coefficients[j]!) % order;
  return value;
}

/** 1, x, x², … (count values) mod order. */
export function powersOf(x: bigint, count: number, order: bigint): bigint[] {
  const powers: bigint[] = [];
  let power = 1n;
  for (let j = 0; j < count; j++) {
    powers.push(power);
    power = (power * x) % order;
  }
  return powers;
}

/** Overwrites secrets with zeros, as far as JavaScript allows (see above). */
export function erase(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}
