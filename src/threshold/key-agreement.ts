/**
 * X25519 (RFC 7748) as deals use it: one ephemeral secret against all recipients.
 *
 * Verifying a deal recomputes (N − M)·n of these, and always against the same n encryption keys. The ladder of RFC 7748
 * cannot make use of that; the birationally equivalent Edwards curve can: with a table per key a multiplication is a few
 * dozen additions (measured: ten times faster). That is allowed only for keys that are points of the prime-order
 * subgroup, where clamping commutes with reduction mod L; `encryption-key.ts` admits no others. Whoever has a native
 * X25519 passes it instead: the interface is all that deals see.
 */
import type { EdwardsPoint } from "@noble/curves/abstract/edwards.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import { ThresholdError } from "./errors.ts";
import { scalarFromBytes } from "./scalar-bytes.ts";

export const X25519_BYTES = 32;

export interface KeyAgreement {
  /** u-coordinate of secret·(base point). Secret: 32 bytes, clamped inside. */
  publicKey(secret: Uint8Array): Uint8Array;
  /**
   * The shared secrets with several *admitted* encryption keys (points of the prime-order subgroup), in order.
   * `isPublic`: the secret is known to everybody, timing does not matter. Throws invalidPoint on keys never admitted.
   */
  shared(secret: Uint8Array, publicKeys: readonly Uint8Array[], isPublic: boolean): Uint8Array[];
  /** The shared secret with a foreign u-coordinate of any kind; undefined when it is zero (RFC 7748, section 6.1). */
  sharedWithForeign(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
}

const Point = ed25519.Point;
const Fp = Point.Fp;
const L = Point.Fn.ORDER;

/** Tables of 1376 points each, some 400 KB: one committee of 100 and the next, rounded up. */
const MAX_TABLES = 256;
/** Window of the tables, in bits: larger ones cost more to make than the uses in one reshare give back. */
const WINDOW = 6;

/** Portable implementation on `@noble/curves`. Keeps tables of the keys it met; one instance per process is enough. */
export function createKeyAgreement(maxTables = MAX_TABLES): KeyAgreement {
  const tables = new Map<Hex, EdwardsPoint>();
  const tableOf = (publicKey: Uint8Array): EdwardsPoint => {
    const id = bytesToHex(publicKey);
    const known = tables.get(id);
    const point = known ?? admittedPoint(publicKey).precompute(WINDOW, false);
    const oldest = known === undefined && tables.size >= maxTables ? tables.keys().next().value : undefined;
    if (oldest !== undefined) tables.delete(oldest);
    // Last in the order: least recently used tables leave first.
    tables.delete(id);
    tables.set(id, point);
    return point;
  };

  return {
    publicKey: (secret) => montgomeryOf([Point.BASE.multiply(clampedScalar(secret))])[0]!,
    shared(secret, publicKeys, isPublic) {
      const scalar = clampedScalar(secret);
      // Recipients beyond the limit go without: going through more keys than there is room for would remake every table.
      const points = publicKeys.map((key, i) => (i < maxTables ? tableOf(key) : admittedPoint(key)));
      return montgomeryOf(points.map((point) => (isPublic ? point.multiplyUnsafe(scalar) : point.multiply(scalar))));
    },
    sharedWithForeign(secret, publicKey) {
      try {
        return x25519.getSharedSecret(secret, publicKey);
      } catch {
        // noble throws exactly when the result is zero, which a dealer can cause with a point of low order.
        return undefined;
      }
    },
  };
}

/** RFC 7748's decodeScalar25519, reduced mod L: the same multiple of any point of the prime-order subgroup. */
export function clampedScalar(secret: Uint8Array): bigint {
  if (secret.length !== X25519_BYTES) throw new ThresholdError("invalidSecret", "an X25519 secret has 32 bytes");
  const bytes = Uint8Array.from(secret).reverse();
  bytes[31] = bytes[31]! & 0xf8;
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  const scalar = scalarFromBytes(bytes) % L;
  bytes.fill(0);
  return scalar;
}

/**
 * The point of the Edwards curve with even x that a Montgomery u-coordinate stands for: y = (u − 1)/(u + 1). Undefined
 * unless the bytes are the one encoding (u < p, top bit clear) of a point of prime order: not of the twist, not of low
 * order, without a component of low order.
 */
export function edwardsPointOf(publicKey: Uint8Array): EdwardsPoint | undefined {
  if (publicKey.length !== X25519_BYTES) return undefined;
  const u = scalarFromBytes(Uint8Array.from(publicKey).reverse());
  if (u >= Fp.ORDER || u === Fp.ORDER - 1n) return undefined;
  try {
    const point = Point.fromBytes(Fp.toBytes(Fp.div(Fp.sub(u, 1n), Fp.add(u, 1n))));
    return !point.is0() && point.isTorsionFree() ? point : undefined;
  } catch {
    // Not on the curve: a u-coordinate of the twist.
    return undefined;
  }
}

function admittedPoint(publicKey: Uint8Array): EdwardsPoint {
  const point = edwardsPointOf(publicKey);
  if (point === undefined) throw new ThresholdError("invalidPoint", "not an admitted encryption key");
  return point;
}

/** u = (1 + y)/(1 − y) of several points that are not the identity, with one inversion. */
function montgomeryOf(points: readonly EdwardsPoint[]): Uint8Array[] {
  const inverses = Fp.invertBatch(points.map((point) => Fp.sub(point.Z, point.Y)));
  return points.map((point, i) => Fp.toBytes(Fp.mul(Fp.add(point.Z, point.Y), inverses[i]!)));
}
