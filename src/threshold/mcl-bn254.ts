/**
 * mcl's BN_SNARK1, which is EIP-196's curve: EIP-197 encodings and the SvdW hash of `bn254-hash.ts`, on mcl's field.
 * mcl has a map to this curve too, but an older one (Fouque–Tibouchi with other conventions) that gives other points.
 */
import { bn254 } from "@noble/curves/bn254.js";
import { bigintToBytes, compareBytes, concatBytes } from "../lib/bytes.ts";
import { BN254_DST, BN254_P, expandForField, SVDW } from "./bn254-hash.ts";
import { BN254_PUBLIC_KEY_LENGTH, BN254_SIGNATURE_LENGTH, encodeBn254PublicKey } from "./bn254-points.ts";
import type { MclCurve } from "./mcl-curve.ts";
import { FP_SIZE, FP2_SIZE, G1_SIZE, loadMcl, MCL_BN_SNARK1, type MclModule, type Pointer } from "./mcl-module.ts";

const COORDINATE = 32;
/** What mcl reduces at once; hash_to_field gives 48. */
const MAX_UNIFORM_BYTES = 64;
const MODULUS = bigintToBytes(BN254_P, COORDINATE);

/** `dst` differs from the suite's own tag only to check foreign vectors. */
export async function createMclBn254(dst = BN254_DST): Promise<MclCurve> {
  const mcl = await loadMcl(MCL_BN_SNARK1);
  // Keys are checked for the curve and for the subgroup separately, below; this only keeps mcl from checking twice.
  mcl._mclBn_verifyOrderG2(0);
  const buffer = mcl.allocate(BN254_PUBLIC_KEY_LENGTH);
  const map = createSvdwMap(mcl);
  const second = mcl.allocate(G1_SIZE);

  /** One 32-byte coordinate, below p. */
  const decodeCoordinate = (out: Pointer, bytes: Uint8Array): boolean => {
    if (compareBytes(bytes, MODULUS) >= 0) return false;
    mcl.write(buffer, bytes);
    return mcl._mclBnFp_setBigEndianMod(out, buffer, COORDINATE) === 0;
  };
  const encodeCoordinate = (at: Pointer): Uint8Array => {
    mcl._mclBnFp_serialize(buffer, COORDINATE, at);
    return mcl.read(buffer, COORDINATE).reverse();
  };
  const decodeAll = (targets: readonly Pointer[], bytes: Uint8Array): boolean =>
    bytes.length === targets.length * COORDINATE &&
    targets.every((target, i) => decodeCoordinate(target, bytes.subarray(i * COORDINATE, (i + 1) * COORDINATE)));

  const decodeSignature = (out: Pointer, bytes: Uint8Array): boolean => {
    if (!decodeAll(g1Coordinates(out), bytes)) return false;
    mcl._mclBnFp_setInt32(out + 2 * FP_SIZE, 1);
    // The cofactor is 1: on the curve is in the group. EIP-196's zeros for the identity are not on the curve.
    return mcl._mclBnG1_isValid(out) === 1;
  };

  return {
    mcl,
    signatureLength: BN254_SIGNATURE_LENGTH,
    publicKeyLength: BN254_PUBLIC_KEY_LENGTH,
    generator: encodeBn254PublicKey(bn254.G2.Point.BASE),

    hash(out, message) {
      const [uniform0, uniform1] = expandForField(message, { dst });
      if (!map(out, uniform0) || !map(second, uniform1)) return false;
      mcl._mclBnG1_add(out, out, second);
      return true;
    },
    decodeSignature,
    decodeSignatureOnCurve: decodeSignature,
    encodeSignature(point) {
      mcl._mclBnG1_normalize(point, point);
      return concatBytes(...g1Coordinates(point).map(encodeCoordinate));
    },
    decodePublicKey(out, bytes) {
      if (!decodeAll(g2Coordinates(out), bytes)) return false;
      mcl._mclBnFp_setInt32(out + 2 * FP2_SIZE, 1);
      mcl._mclBnFp_setInt32(out + 2 * FP2_SIZE + FP_SIZE, 0);
      return mcl._mclBnG2_isValid(out) === 1 && mcl._mclBnG2_isValidOrder(out) === 1;
    },
    encodePublicKey(point) {
      mcl._mclBnG2_normalize(point, point);
      return concatBytes(...g2Coordinates(point).map(encodeCoordinate));
    },
  };
}

/** Addresses of x, y of a point in G1, in encoding order. */
function g1Coordinates(point: Pointer): Pointer[] {
  return [point, point + FP_SIZE];
}

/** Addresses of x.c1, x.c0, y.c1, y.c0 of a point in G2: EIP-197 puts the imaginary limb first, mcl the real one. */
function g2Coordinates(point: Pointer): Pointer[] {
  return [point + FP_SIZE, point, point + FP2_SIZE + FP_SIZE, point + FP2_SIZE];
}

/**
 * The map of `bn254-hash.ts`, step by step, with every field element in the module's memory. The returned function takes
 * up to 64 big-endian bytes, reduces them mod p to u and writes map(u) in affine form (Z = 1).
 */
export function createSvdwMap(mcl: MclModule): (out: Pointer, uniform: Uint8Array) => boolean {
  const element = (): Pointer => mcl.allocate(FP_SIZE);
  const buffer = mcl.allocate(MAX_UNIFORM_BYTES);
  const read = (out: Pointer, bytes: Uint8Array): Pointer => {
    mcl.write(buffer, bytes);
    mcl._mclBnFp_setBigEndianMod(out, buffer, bytes.length);
    return out;
  };
  const constant = (value: bigint): Pointer => read(element(), bigintToBytes(value, COORDINATE));
  const [c1, c2, c3, c4] = [constant(SVDW.c1), constant(SVDW.c2), constant(SVDW.c3), constant(SVDW.c4)];
  const one = constant(1n);
  const b = constant(3n);
  const u = element();
  const minus = element();
  const plus = element();
  const inverse = element();
  const shift = element();
  const temporary = element();

  /** `out` holds a candidate x: completes it to (x, y, 1) with the sign of u, or answers false when x is not on the curve. */
  const complete = (out: Pointer): boolean => {
    mcl._mclBnFp_sqr(temporary, out);
    mcl._mclBnFp_mul(temporary, temporary, out);
    mcl._mclBnFp_add(temporary, temporary, b);
    const y = out + FP_SIZE;
    if (mcl._mclBnFp_squareRoot(y, temporary) !== 0) return false;
    if (mcl._mclBnFp_isOdd(y) !== mcl._mclBnFp_isOdd(u)) mcl._mclBnFp_neg(y, y);
    mcl._mclBnFp_setInt32(out + 2 * FP_SIZE, 1);
    return true;
  };

  return (out, uniform) => {
    read(u, uniform);
    mcl._mclBnFp_sqr(temporary, u);
    mcl._mclBnFp_mul(temporary, temporary, c1);
    mcl._mclBnFp_add(plus, one, temporary);
    mcl._mclBnFp_sub(minus, one, temporary);
    mcl._mclBnFp_mul(inverse, plus, minus);
    // inv0: zero stays zero, whatever mcl's inverse of zero is.
    if (mcl._mclBnFp_isZero(inverse) === 0) mcl._mclBnFp_inv(inverse, inverse);
    mcl._mclBnFp_mul(shift, u, minus);
    mcl._mclBnFp_mul(shift, shift, inverse);
    mcl._mclBnFp_mul(shift, shift, c3);
    mcl._mclBnFp_sub(out, c2, shift);
    if (complete(out)) return true;
    mcl._mclBnFp_add(out, c2, shift);
    if (complete(out)) return true;
    mcl._mclBnFp_sqr(temporary, plus);
    mcl._mclBnFp_mul(temporary, temporary, inverse);
    mcl._mclBnFp_sqr(temporary, temporary);
    mcl._mclBnFp_mul(temporary, temporary, c4);
    mcl._mclBnFp_add(out, temporary, one);
    return complete(out);
  };
}
