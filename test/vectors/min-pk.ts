/**
 * The other way round (keys in G1, signatures in G2, "min-pk"), as Ethereum uses BLS12-381, built from our own decoders and
 * each engine's pairing: foreign vectors for that variant then exercise exactly the code that our suite runs on.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { decodeBls12381PublicKey, decodeBls12381Signature } from "../../src/threshold/bls12381-points.ts";
import { createMclBls12381 } from "../../src/threshold/mcl-bls12381.ts";
import { G1_SIZE, G2_SIZE, GT_SIZE } from "../../src/threshold/mcl-module.ts";

/** A pair whose product with the others must be 1: a key or −g₁ with a hash or the signature, all encoded. */
export type MinPkVerifier = (pairs: readonly { readonly g1: Uint8Array; readonly g2: Uint8Array }[]) => boolean;

export const NEGATED_G1 = bls12_381.G1.Point.BASE.negate().toBytes(true);

export function hashToG2(message: Uint8Array, dst: string): Uint8Array {
  return bls12_381.longSignatures.hash(message, dst).toBytes(true);
}

/** Π e(g1, g2) = 1, with the reference engine's decoders and pairing. */
export const nobleProductIsOne: MinPkVerifier = (pairs) => {
  try {
    const points = pairs.map(({ g1, g2 }) => ({ g1: decodeBls12381Signature(g1), g2: decodeBls12381PublicKey(g2) }));
    const { Fp12 } = bls12_381.fields;
    return Fp12.eql(bls12_381.pairingBatch(points), Fp12.ONE);
  } catch {
    return false;
  }
};

/** The same on the fast engine; exactly two pairs. */
export async function createMclProductIsOne(): Promise<MinPkVerifier> {
  const curve = await createMclBls12381();
  const { mcl } = curve;
  const linesSize = 8 * mcl._mclBn_getUint64NumToPrecompute();
  const slots = [0, 1].map(() => ({
    g1: mcl.allocate(G1_SIZE),
    g2: mcl.allocate(G2_SIZE),
    lines: mcl.allocate(linesSize),
  }));
  const product = mcl.allocate(GT_SIZE);
  return (pairs) => {
    if (pairs.length !== 2) throw new RangeError("two pairs");
    for (const [i, { g1, g2 }] of pairs.entries()) {
      const slot = slots[i]!;
      if (!curve.decodeSignature(slot.g1, g1) || !curve.decodePublicKey(slot.g2, g2)) return false;
      mcl._mclBn_precomputeG2(slot.lines, slot.g2);
    }
    const [a, b] = slots;
    mcl._mclBn_precomputedMillerLoop2(product, a!.g1, a!.lines, b!.g1, b!.lines);
    mcl._mclBn_finalExp(product, product);
    return mcl._mclBnGT_isOne(product) === 1;
  };
}
