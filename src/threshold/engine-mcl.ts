/**
 * The fast engine: mcl compiled to WebAssembly. Answers byte for byte what `engine-noble.ts` answers; the tests hold
 * both to the same vectors. Members run it; whoever cannot run WebAssembly uses the reference.
 */

import { bigintToBytes, equalBytes } from "../lib/bytes.ts";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import { ThresholdError } from "./errors.ts";
import { createMclBls12381 } from "./mcl-bls12381.ts";
import { createMclBn254 } from "./mcl-bn254.ts";
import { FR_SIZE, G1_SIZE, G2_SIZE, GT_SIZE, type Pointer } from "./mcl-module.ts";
import { checkMessage, MESSAGE_LENGTH } from "./message.ts";
import { decodeSecret, lagrangeAtZero, ORDERS, SCALAR_BYTES } from "./scalar.ts";
import { selfTest } from "./self-test.ts";
import type { Engine, IndexedSignature, Suite } from "./types.ts";

/**
 * Decoded keys kept with their pairing lines (about 25 KB each): two epochs of a committee of 100 with their group keys,
 * rounded up. Only valid keys enter, so foreign bytes cannot fill it.
 */
const MAX_CACHED_KEYS = 256;

/**
 * Hashed messages kept: who signs a batch verifies its certificate moments later, and hashing to the curve is a third of signing. More
 * than are open at a time only when certificates are late.
 */
const MAX_HASHED = 16;

/** Starts a fast engine on its own WebAssembly instance and tests it. Throws engineUnavailable. */
export async function createMclEngine(suite: Suite): Promise<Engine> {
  const curve = await (suite === "bn254" ? createMclBn254() : createMclBls12381());
  const { mcl } = curve;
  const order = ORDERS[suite];

  const linesSize = 8 * mcl._mclBn_getUint64NumToPrecompute();
  const scalar = mcl.allocate(FR_SIZE);
  const scalarBytes = mcl.allocate(SCALAR_BYTES);
  const point = mcl.allocate(G1_SIZE);
  const key = mcl.allocate(G2_SIZE);
  const pairing = mcl.allocate(GT_SIZE);
  const generator = mcl.allocate(G2_SIZE);
  const negatedGeneratorLines = mcl.allocate(linesSize);
  if (!curve.decodePublicKey(generator, curve.generator)) {
    throw new ThresholdError("engineUnavailable", "the curve engine refuses its own generator");
  }
  mcl._mclBnG2_neg(key, generator);
  mcl._mclBn_precomputeG2(negatedGeneratorLines, key);

  const writeScalar = (to: Pointer, bytes: Uint8Array): void => {
    mcl.write(scalarBytes, bytes);
    mcl._mclBnFr_setBigEndianMod(to, scalarBytes, SCALAR_BYTES);
  };
  /** Runs `use` with the secret in memory, which holds it no longer afterwards. */
  const withSecret = <T>(secret: Uint8Array, use: () => T): T => {
    decodeSecret(secret, order);
    try {
      writeScalar(scalar, secret);
      return use();
    } finally {
      mcl.wipe(scalarBytes, SCALAR_BYTES);
      mcl.wipe(scalar, FR_SIZE);
    }
  };

  const cachedLines = new Map<Hex, Pointer>();
  /** Pairing lines of a valid key, undefined for anything else. Least recently used keys leave first. */
  const linesOf = (publicKey: Uint8Array): Pointer | undefined => {
    const id = bytesToHex(publicKey);
    let lines = cachedLines.get(id);
    if (lines === undefined) {
      if (!curve.decodePublicKey(key, publicKey)) return undefined;
      const oldest = cachedLines.size < MAX_CACHED_KEYS ? undefined : cachedLines.entries().next().value;
      if (oldest !== undefined) cachedLines.delete(oldest[0]);
      lines = oldest?.[1] ?? mcl.allocate(linesSize);
      mcl._mclBn_precomputeG2(lines, key);
    } else {
      cachedLines.delete(id);
    }
    cachedLines.set(id, lines);
    return lines;
  };

  const hashedPoints = new Map<Hex, Pointer>();
  /** Of a message of the right length; oldest out first. Valid until the next call. */
  const hash = (message: Uint8Array): Pointer => {
    const id = bytesToHex(message);
    const known = hashedPoints.get(id);
    if (known !== undefined) return known;
    const oldest = hashedPoints.size < MAX_HASHED ? undefined : hashedPoints.entries().next().value;
    if (oldest !== undefined) hashedPoints.delete(oldest[0]);
    const hashed = oldest?.[1] ?? mcl.allocate(G1_SIZE);
    if (!curve.hash(hashed, message)) {
      mcl._free(hashed);
      throw new ThresholdError("engineUnavailable", "the curve engine could not hash to the curve");
    }
    hashedPoints.set(id, hashed);
    return hashed;
  };

  /** What was combined last, which is what is verified next: decoding it again would be a tenth of verifying. */
  const combined = mcl.allocate(G1_SIZE);
  let combinedBytes: Uint8Array = new Uint8Array(0);
  /** Of a point in `combined` that is in the subgroup and not the identity. */
  const encodeCombined = (): Uint8Array => {
    combinedBytes = curve.encodeSignature(combined);
    return combinedBytes.slice();
  };
  /** Valid until the next call. */
  const decodeSignature = (signature: Uint8Array): Pointer | undefined => {
    if (equalBytes(signature, combinedBytes)) return combined;
    return curve.decodeSignature(point, signature) ? point : undefined;
  };

  const engine: Engine = {
    name: "mcl",
    suite,
    order,
    signatureLength: curve.signatureLength,
    publicKeyLength: curve.publicKeyLength,

    publicKey(secret) {
      return withSecret(secret, () => {
        mcl._mclBnG2_mulCT(key, generator, scalar);
        return curve.encodePublicKey(key);
      });
    },

    sign(secret, message) {
      checkMessage(message);
      return withSecret(secret, () => {
        mcl._mclBnG1_mulCT(point, hash(message), scalar);
        return curve.encodeSignature(point);
      });
    },

    verify(publicKey, message, signature) {
      if (message.length !== MESSAGE_LENGTH) return false;
      if (publicKey.length !== curve.publicKeyLength) return false;
      const decoded = decodeSignature(signature);
      if (decoded === undefined) return false;
      const lines = linesOf(publicKey);
      if (lines === undefined) return false;
      mcl._mclBn_precomputedMillerLoop2(pairing, decoded, negatedGeneratorLines, hash(message), lines);
      mcl._mclBn_finalExp(pairing, pairing);
      return mcl._mclBnGT_isOne(pairing) === 1;
    },

    isSignature: (bytes) => curve.decodeSignature(point, bytes),
    isPublicKey: (bytes) => curve.decodePublicKey(key, bytes),

    // A third of combining would be checking each share's subgroup. What comes out is checked instead: a component outside
    // the subgroup is still in it, or cancelled, which the caller's verification tells from a wrong signature.
    interpolate(shares: readonly IndexedSignature[]) {
      const coefficients = lagrangeAtZero(
        shares.map((share) => share.x),
        order,
      );
      const points = mcl.allocate(shares.length * G1_SIZE);
      const scalars = mcl.allocate(shares.length * FR_SIZE);
      try {
        shares.forEach((share, i) => {
          if (!curve.decodeSignatureOnCurve(points + i * G1_SIZE, share.signature)) {
            throw new ThresholdError("invalidPoint", `the share at x = ${share.x} is no ${suite} signature`);
          }
          writeScalar(scalars + i * FR_SIZE, bigintToBytes(coefficients[i]!, SCALAR_BYTES));
        });
        mcl._mclBnG1_mulVec(combined, points, scalars, shares.length);
      } finally {
        combinedBytes = new Uint8Array(0);
        mcl._free(scalars);
        mcl._free(points);
      }
      // Only crafted shares can cancel out; the identity has no encoding here.
      if (mcl._mclBnG1_isZero(combined) === 1) {
        throw new ThresholdError("invalidPoint", "the shares sum to the identity");
      }
      if (mcl._mclBnG1_isValidOrder(combined) !== 1) {
        throw new ThresholdError("invalidPoint", "the shares sum to a point outside the subgroup");
      }
      return encodeCombined();
    },

    // Newton's forward differences, in place: level k of the table has Δᵏ at x = 1 in front. The polynomial's degree is below t exactly if
    // all of level t vanishes, and then its value at 0 is Σ (−1)ᵏ Δᵏ over the levels below t.
    extrapolate(signatures, threshold) {
      const points = mcl.allocate(Math.max(1, signatures.length) * G1_SIZE);
      const at = (i: number): Pointer => points + i * G1_SIZE;
      combinedBytes = new Uint8Array(0);
      try {
        if (!signatures.every((signature, i) => curve.decodeSignatureOnCurve(at(i), signature))) return undefined;
        mcl._mclBnG1_clear(combined);
        let length = signatures.length;
        for (let level = 0; level < threshold; level++) {
          if (length === 0) return undefined;
          if (level % 2 === 0) mcl._mclBnG1_add(combined, combined, at(0));
          else mcl._mclBnG1_sub(combined, combined, at(0));
          length--;
          for (let i = 0; i < length; i++) mcl._mclBnG1_sub(at(i), at(i + 1), at(i));
        }
        for (let i = 0; i < length; i++) if (mcl._mclBnG1_isZero(at(i)) !== 1) return undefined;
      } finally {
        mcl._free(points);
      }
      if (mcl._mclBnG1_isZero(combined) === 1 || mcl._mclBnG1_isValidOrder(combined) !== 1) return undefined;
      return encodeCombined();
    },
  };
  selfTest(engine);
  return engine;
}
