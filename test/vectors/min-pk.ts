/**
 * The other way round (keys in G1, signatures in G2, "min-pk"), as Ethereum uses BLS12-381, built from our own decoders and
 * each engine's pairing: foreign vectors for that variant then exercise exactly the code that our suite runs on.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { utf8ToBytes } from "../../src/lib/bytes.ts";
import { decodeBls12381PublicKey, decodeBls12381Signature } from "../../src/threshold/bls12381-points.ts";
import { createMclBls12381 } from "../../src/threshold/mcl-bls12381.ts";
import { G1_SIZE, G2_SIZE, GT_SIZE, type MclModule, type Pointer } from "../../src/threshold/mcl-module.ts";

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

/** Functions of mcl's C interface that the engines do not need: they never pair more than two, nor hash to G2. */
interface MclMore {
  _mclBnGT_mul(out: Pointer, a: Pointer, b: Pointer): void;
  _mclBn_precomputedMillerLoop(f: Pointer, p: Pointer, lines: Pointer): void;
  _mclBnG2_hashAndMapToWithDst(out: Pointer, message: Pointer, size: number, dst: Pointer, dstSize: number): number;
}

/** The same on the fast engine, with its decoders. */
export async function createMclProductIsOne(): Promise<MinPkVerifier> {
  const curve = await createMclBls12381();
  // CAST: the module exports the whole C interface; MclModule types what the engines use.
  const mcl = curve.mcl as MclModule & MclMore;
  const [g1, g2] = [mcl.allocate(G1_SIZE), mcl.allocate(G2_SIZE)];
  const lines = mcl.allocate(8 * mcl._mclBn_getUint64NumToPrecompute());
  const [product, factor] = [mcl.allocate(GT_SIZE), mcl.allocate(GT_SIZE)];
  return (pairs) => {
    for (const [i, pair] of pairs.entries()) {
      if (!curve.decodeSignature(g1, pair.g1) || !curve.decodePublicKey(g2, pair.g2)) return false;
      mcl._mclBn_precomputeG2(lines, g2);
      mcl._mclBn_precomputedMillerLoop(i === 0 ? product : factor, g1, lines);
      if (i > 0) mcl._mclBnGT_mul(product, product, factor);
    }
    mcl._mclBn_finalExp(product, product);
    return mcl._mclBnGT_isOne(product) === 1;
  };
}

/** `hashToG2` on the fast engine's curve. */
export async function createMclHashToG2(): Promise<(message: Uint8Array, dst: string) => Uint8Array> {
  const curve = await createMclBls12381();
  const mcl = curve.mcl as MclModule & MclMore; // CAST: as above
  const point = mcl.allocate(G2_SIZE);
  return (message, dst) => {
    const [text, tag] = [mcl.allocate(Math.max(1, message.length)), mcl.allocate(dst.length)];
    mcl.write(text, message);
    mcl.write(tag, utf8ToBytes(dst));
    const isHashed = mcl._mclBnG2_hashAndMapToWithDst(point, text, message.length, tag, dst.length) === 0;
    mcl._free(text);
    mcl._free(tag);
    if (!isHashed) throw new Error("mcl could not hash to G2");
    return curve.encodePublicKey(point);
  };
}
