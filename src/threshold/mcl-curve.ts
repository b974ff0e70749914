import type { MclModule, Pointer } from "./mcl-module.ts";

/**
 * What differs between the curves of the fast engine: encodings and hashing, on one mcl instance. Decoders accept exactly
 * the one encoding of a group element that is not the identity, and answer false to everything else.
 */
export interface MclCurve {
  readonly mcl: MclModule;
  readonly signatureLength: number;
  readonly publicKeyLength: number;
  /** Encoded generator of G2. */
  readonly generator: Uint8Array;
  /** H(message) into `out` (G1). */
  hash(out: Pointer, message: Uint8Array): boolean;
  decodeSignature(out: Pointer, bytes: Uint8Array): boolean;
  /** The same without looking whether the point is in the subgroup, where that is expensive. For what is verified later. */
  decodeSignatureOnCurve(out: Pointer, bytes: Uint8Array): boolean;
  /** `point` may be in any projective form and is left normalised. Not the identity. */
  encodeSignature(point: Pointer): Uint8Array;
  decodePublicKey(out: Pointer, bytes: Uint8Array): boolean;
  encodePublicKey(point: Pointer): Uint8Array;
}
