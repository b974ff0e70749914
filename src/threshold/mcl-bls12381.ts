/** mcl's BLS12-381: compressed ZCash encodings and the RFC 9380 hash to G1, all native. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bigintToBytes, compareBytes, utf8ToBytes } from "../lib/bytes.ts";
import { BLS12381_PUBLIC_KEY_LENGTH, BLS12381_SIGNATURE_LENGTH } from "./bls12381-points.ts";
import type { MclCurve } from "./mcl-curve.ts";
import { loadMcl, MCL_BLS12_381, type Pointer } from "./mcl-module.ts";

const DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
/** MCL_MAP_TO_MODE_HASH_TO_CURVE: RFC 9380 with the SSWU map. */
const HASH_TO_CURVE_MODE = 5;

const COORDINATE = 48;
const MODULUS = bigintToBytes(bls12_381.fields.Fp.ORDER, COORDINATE);

const COMPRESSED = 0x80;
const INFINITY = 0x40;
const FLAGS = 0xe0;

/** `dst` differs from the suite's own tag only to check foreign vectors. */
export async function createMclBls12381(dst = DST): Promise<MclCurve> {
  const mcl = await loadMcl(MCL_BLS12_381);
  mcl._mclBn_setETHserialization(1);
  mcl._mclBn_setMapToMode(HASH_TO_CURVE_MODE);
  // Decoding then refuses points outside the subgroup.
  mcl._mclBn_verifyOrderG1(1);
  mcl._mclBn_verifyOrderG2(1);

  const tagBytes = utf8ToBytes(dst);
  const tag = mcl.allocate(tagBytes.length);
  mcl.write(tag, tagBytes);
  const buffer = mcl.allocate(BLS12381_PUBLIC_KEY_LENGTH);

  const decodeSignature = (out: Pointer, bytes: Uint8Array): boolean => {
    if (!isCanonical(bytes, 1)) return false;
    mcl.write(buffer, bytes);
    return mcl._mclBnG1_deserialize(out, buffer, bytes.length) === bytes.length;
  };

  return {
    mcl,
    signatureLength: BLS12381_SIGNATURE_LENGTH,
    publicKeyLength: BLS12381_PUBLIC_KEY_LENGTH,
    generator: bls12_381.G2.Point.BASE.toBytes(true),

    hash(out, message) {
      const text = mcl.allocate(Math.max(1, message.length));
      try {
        mcl.write(text, message);
        return mcl._mclBnG1_hashAndMapToWithDst(out, text, message.length, tag, tagBytes.length) === 0;
      } finally {
        mcl._free(text);
      }
    },
    decodeSignature,
    decodeSignatureOnCurve(out, bytes) {
      mcl._mclBn_verifyOrderG1(0);
      try {
        return decodeSignature(out, bytes);
      } finally {
        mcl._mclBn_verifyOrderG1(1);
      }
    },
    encodeSignature(point) {
      mcl._mclBnG1_serialize(buffer, BLS12381_SIGNATURE_LENGTH, point);
      return mcl.read(buffer, BLS12381_SIGNATURE_LENGTH);
    },
    decodePublicKey(out, bytes) {
      if (!isCanonical(bytes, 2)) return false;
      mcl.write(buffer, bytes);
      return mcl._mclBnG2_deserialize(out, buffer, bytes.length) === bytes.length;
    },
    encodePublicKey(point) {
      mcl._mclBnG2_serialize(buffer, BLS12381_PUBLIC_KEY_LENGTH, point);
      return mcl.read(buffer, BLS12381_PUBLIC_KEY_LENGTH);
    },
  };
}

/**
 * Exact length, compressed, not the identity, every limb below p. Decided here and not left to mcl, whose leniency may
 * change between versions: a second encoding of one signature would be a second certificate for one batch.
 */
function isCanonical(bytes: Uint8Array, limbs: number): boolean {
  if (bytes.length !== limbs * COORDINATE) return false;
  if ((bytes[0]! & (COMPRESSED | INFINITY)) !== COMPRESSED) return false;
  const x = Uint8Array.from(bytes);
  x[0] = x[0]! & ~FLAGS;
  for (let offset = 0; offset < x.length; offset += COORDINATE) {
    if (compareBytes(x.subarray(offset, offset + COORDINATE), MODULUS) >= 0) return false;
  }
  return true;
}
