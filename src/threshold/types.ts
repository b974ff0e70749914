/**
 * What the rest of the house needs from threshold BLS: one engine per suite, bytes in, bytes out.
 *
 * Encodings (one per value; anything else is refused):
 *   suite      | signature (G1)                          | public key (G2)                                   | secret
 *   bls12-381  | 48 bytes, compressed (ZCash flags)      | 96 bytes, compressed                              | 32 bytes, big-endian, 0 < s < r
 *   bn254      | 64 bytes, x ‖ y big-endian (EIP-197)    | 128 bytes, x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0 (EIP-197)    | 32 bytes, big-endian, 0 < s < r
 */
import type { Hex } from "../lib/hex.ts";

export const SUITES = ["bls12-381", "bn254"] as const;
export type Suite = (typeof SUITES)[number];

/** A point given at Shamir coordinate x = member index + 1. x = 0 is the secret itself and is refused everywhere. */
export interface IndexedSignature {
  readonly x: number;
  readonly signature: Uint8Array;
}

/** One curve and one implementation of it. Stateless; every method is a deterministic function of its arguments. */
export interface Engine {
  readonly name: string;
  readonly suite: Suite;
  readonly signatureLength: number;
  readonly publicKeyLength: number;
  /** Group order r. */
  readonly order: bigint;
  /** g2^secret. Throws ThresholdError on a secret outside [1, r). */
  publicKey(secret: Uint8Array): Uint8Array;
  /** H(message)^secret; used for whole keys and for shares alike. Message is 32 bytes. */
  sign(secret: Uint8Array, message: Uint8Array): Uint8Array;
  /** False for a wrong signature and for any malformed, identity or off-subgroup point; never throws on foreign bytes. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** Canonical encoding of a point of the right subgroup, not the identity. */
  isSignature(bytes: Uint8Array): boolean;
  isPublicKey(bytes: Uint8Array): boolean;
  /**
   * Lagrange interpolation at 0 in G1 over all given shares. Does not verify, and the caller must. Throws on duplicate x,
   * x < 1, undecodable points, and a result outside the subgroup. Shares outside it whose components cancel are refused by
   * some engines only.
   */
  interpolate(shares: readonly IndexedSignature[]): Uint8Array;
  /**
   * Of signatures at x = 1, 2, 3, …: the value at 0 of the polynomial of degree below `threshold` through all of them, by additions
   * alone. Undefined when there is none, for undecodable points, and for a result that is no signature. Does not verify; who may
   * believe it is said in combine.ts. Shares outside the subgroup whose components cancel are refused by some engines only.
   */
  extrapolate(signatures: readonly Uint8Array[], threshold: number): Uint8Array | undefined;
}

/** The public half of one Shamir-shared key. */
export interface ThresholdKey {
  readonly suite: Suite;
  /** t = n − f partials make a signature. */
  readonly threshold: number;
  readonly groupKey: Hex;
  /** By member index (x = index + 1). */
  readonly publicShares: readonly Hex[];
}

/** Result of an optimistic combination: verified once, and share by share only if that failed. */
export interface Combined {
  /** Present when a valid signature came out. */
  readonly signature: Uint8Array | undefined;
  /** Member indices whose partials were proven wrong; to be dropped for good. */
  readonly bad: readonly number[];
  /** Member indices whose partials were proven right one by one in this call; empty when that was not necessary. */
  readonly good: readonly number[];
}
