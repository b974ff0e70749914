/**
 * Every random-looking value of a deal comes out of SHAKE256 (FIPS 202), modelled as one random oracle per label.
 *
 * Input is unambiguous: the label and each part are absorbed with their length in front, so that no two lists of parts and
 * no two labels share an input. Scalars are reduced from 48 bytes: bias below 2^−128 (RFC 9380, section 5.1).
 */
import { shake256 } from "@noble/hashes/sha3.js";
import { assert } from "../lib/assert.ts";
import { utf8ToBytes } from "../lib/bytes.ts";
import { WIDE_SCALAR_BYTES } from "./scalar.ts";
import { scalarFromBytes } from "./scalar-bytes.ts";

const PREFIX = "clockless/deal/v1/";

/** What the oracle is asked for. One label per use, never shared. */
export type XofLabel =
  | "associated data"
  | "encryption key context"
  | "encryption key nonce"
  | "encryption key challenge"
  | "polynomial"
  | "seed"
  | "expand"
  | "pad context"
  | "pad"
  | "seed commitment"
  | "response commitment"
  | "rounds"
  | "point"
  | "transcript"
  | "challenge";

const labels = new Map<XofLabel, Uint8Array>();

function labelBytes(label: XofLabel): Uint8Array {
  let bytes = labels.get(label);
  if (bytes === undefined) {
    const text = utf8ToBytes(PREFIX + label);
    bytes = new Uint8Array(1 + text.length);
    bytes[0] = text.length;
    bytes.set(text, 1);
    labels.set(label, bytes);
  }
  return bytes;
}

function absorb(label: XofLabel, parts: readonly Uint8Array[]) {
  const prefix = labelBytes(label);
  const length = parts.reduce((sum, part) => sum + 4 + part.length, prefix.length);
  const input = new Uint8Array(length);
  input.set(prefix);
  const view = new DataView(input.buffer);
  let offset = prefix.length;
  for (const part of parts) {
    view.setUint32(offset, part.length);
    input.set(part, offset + 4);
    offset += 4 + part.length;
  }
  const hash = shake256.create({}).update(input);
  // Some of what is absorbed is secret (seeds, shared secrets).
  input.fill(0);
  return hash;
}

/** `length` bytes. */
export function xof(label: XofLabel, length: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = absorb(label, parts);
  const out = hash.xof(length);
  hash.destroy();
  return out;
}

/** `count` scalars in [0, order). */
export function xofScalars(label: XofLabel, count: number, order: bigint, ...parts: readonly Uint8Array[]): bigint[] {
  const bytes = xof(label, count * WIDE_SCALAR_BYTES, ...parts);
  const scalars = wideScalars(bytes, order);
  bytes.fill(0);
  return scalars;
}

/** Reduces consecutive 48-byte strings. */
export function wideScalars(bytes: Uint8Array, order: bigint): bigint[] {
  assert(bytes.length % WIDE_SCALAR_BYTES === 0, "wide scalars have 48 bytes each");
  return Array.from(
    { length: bytes.length / WIDE_SCALAR_BYTES },
    (_, j) => scalarFromBytes(bytes.subarray(j * WIDE_SCALAR_BYTES, (j + 1) * WIDE_SCALAR_BYTES)) % order,
  );
}

/** A uniform `size`-subset of {0, …, count − 1} as flags: Fisher–Yates with rejection, so that no subset is likelier. */
export function xofSubset(label: XofLabel, count: number, size: number, ...parts: readonly Uint8Array[]): boolean[] {
  assert(count <= 0x10000 && size <= count, "a subset of at most 65536 elements");
  const hash = absorb(label, parts);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < size; i++) {
    const rest = count - i;
    const limit = 0x10000 - (0x10000 % rest);
    let draw: number;
    do {
      const [high, low] = hash.xof(2);
      draw = (high! << 8) | low!;
    } while (draw >= limit);
    const j = i + (draw % rest);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const flags = new Array<boolean>(count).fill(false);
  for (let i = 0; i < size; i++) flags[order[i]!] = true;
  return flags;
}

/** Big-endian 4 bytes: counters inside oracle inputs. */
export function counter(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}
