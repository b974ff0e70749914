/**
 * Block signatures with secp256k1. Only addresses are configured, so the first block of a member costs a public-key recovery;
 * afterwards its key is known and a check is u1·G + u2·P with tables for both points, about four times faster.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bytesToBigint } from "../lib/bytes.ts";
import { publicKeyToAddress, recoverAddress, signDigest } from "../lib/ecdsa.ts";
import { type Address, type Hex, hexToBytes } from "../lib/hex.ts";
import type { BlockSigner } from "./types.ts";

const { Point } = secp256k1;
const { Fn } = Point;
const HALF_ORDER = Fn.ORDER >> 1n;
/** Window of the multiplication tables in bits: 44 windows of 32 points, about 0.4 MB per member that has signed. */
const TABLE_WINDOW = 6;

type KnownKey = InstanceType<typeof Point>;

/** One per committee member set; keeps a table per member that has signed, and nothing else. */
export function createBlockSigner(): BlockSigner {
  const keys = new Map<Address, KnownKey>();
  return {
    sign: signDigest,
    verify(digest, signature, author) {
      const key = keys.get(author);
      if (key !== undefined) return isSignedBy(key, digest, signature);
      if (recoverAddress(digest, signature) !== author) return false;
      const point = recoverKey(digest, signature);
      if (publicKeyToAddress(point.toBytes(false)) === author) keys.set(author, point.precompute(TABLE_WINDOW, false));
      return true;
    },
  };
}

function recoverKey(digest: Hex, signature: Hex): KnownKey {
  const bytes = hexToBytes(signature);
  const parsed = new secp256k1.Signature(
    bytesToBigint(bytes.subarray(0, 32)),
    bytesToBigint(bytes.subarray(32, 64)),
    bytes[64]! - 27,
  );
  return parsed.recoverPublicKey(hexToBytes(digest));
}

/**
 * Accepts exactly what `recoverAddress` accepts for the address of `key`: 65 bytes, r and s in [1, order), low s, and the
 * point R = (digest/s)·G + (r/s)·P must have x = r and the parity that v names. (x ≥ order would need v 29 or 30: refused.)
 */
function isSignedBy(key: KnownKey, digest: Hex, signature: Hex): boolean {
  if (signature.length !== 132) return false;
  const bytes = hexToBytes(signature);
  const v = bytes[64]!;
  if (v !== 27 && v !== 28) return false;
  const r = bytesToBigint(bytes.subarray(0, 32));
  const s = bytesToBigint(bytes.subarray(32, 64));
  if (r === 0n || r >= Fn.ORDER || s === 0n || s > HALF_ORDER) return false;
  const inverse = Fn.inv(s);
  const u1 = Fn.mul(Fn.create(BigInt(digest)), inverse);
  const u2 = Fn.mul(r, inverse);
  const point = Point.BASE.multiplyUnsafe(u1).add(key.multiplyUnsafe(u2));
  if (point.is0()) return false;
  const { x, y } = point.toAffine();
  return x === r && Number(y & 1n) === v - 27;
}
