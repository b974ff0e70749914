/**
 * Is this public key material what it claims to be? To be asked once, of committee files, before anything relies on them:
 * public shares that do not belong to the group key would let honest partials be blamed, or never add up to a signature.
 */
import { bytesToBigint, concatBytes, utf8ToBytes } from "../lib/bytes.ts";
import { word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { hexToBytes } from "../lib/hex.ts";
import { decodeBls12381PublicKey } from "./bls12381-points.ts";
import { decodeBn254PublicKey } from "./bn254-points.ts";
import { ThresholdError } from "./errors.ts";
import { decodeSecret, inverseScalar, ORDERS, reduceWide } from "./scalar.ts";
import { checkThreshold } from "./shamir.ts";
import type { Engine, Suite, ThresholdKey } from "./types.ts";

type G2Point = ReturnType<typeof decodeBls12381PublicKey>;

const DECODERS: Readonly<Record<Suite, (bytes: Uint8Array) => G2Point>> = {
  "bls12-381": decodeBls12381PublicKey,
  bn254: decodeBn254PublicKey,
};

/**
 * Checks threshold, encodings, subgroups, and that group key and public shares are the values at 0, 1, …, n of one
 * polynomial of degree exactly t − 1 in the exponent. About 10 ms per member.
 * Throws invalidThreshold, invalidPoint (details.member, absent for the group key), or keyMismatch.
 *
 * The upper bound on the degree is the dual-code test of SCRAPE (Cascudo, David: eprint 2017/216, lemma 1): the sum below
 * over all n + 1 points, for a random f of degree n − t, is zero always for a right key and with probability 1/r for a
 * wrong one. f comes from a hash of the whole key, so that the answer is the same everywhere. The lower bound: over t
 * points with f = 1 the sum is the coefficient of X^(t−1); were it zero, fewer than t shares would sign.
 */
export function validateThresholdKey(key: ThresholdKey): void {
  const n = key.publicShares.length;
  checkThreshold(key.threshold, n);
  const order = ORDERS[key.suite];
  const encoded = [key.groupKey, ...key.publicShares].map((text, x) => atMember(x, () => hexToBytes(text)));
  const points = encoded.map((bytes, x) => atMember(x, () => DECODERS[key.suite](bytes)));

  const seed = keccak256(
    concatBytes(utf8ToBytes("clockless/public shares"), utf8ToBytes(key.suite), word(key.threshold), ...encoded),
  );
  const expand = (counter: number): Uint8Array => keccak256(concatBytes(seed, word(counter)));
  const coefficients = Array.from({ length: n - key.threshold + 1 }, (_, j) =>
    reduceWide(concatBytes(expand(2 * j), expand(2 * j + 1)), order),
  );
  const details = { suite: key.suite, groupKey: key.groupKey, threshold: key.threshold };
  if (!dualSum(points, coefficients, order).is0()) {
    throw new ThresholdError("keyMismatch", "the public shares do not belong to the group key", { details });
  }
  if (dualSum(points.slice(0, key.threshold), [1n], order).is0()) {
    throw new ThresholdError("keyMismatch", "fewer shares than the threshold make this key", { details });
  }
}

/** Σ vₓ·f(x)·Pₓ over x = 0, 1, …, with vₓ = Π_{y≠x} (x − y)⁻¹. */
function dualSum(points: readonly G2Point[], coefficients: readonly bigint[], order: bigint): G2Point {
  return points
    .map((point, x) => {
      const f = coefficients.reduceRight((value, coefficient) => (value * BigInt(x) + coefficient) % order, 0n);
      let differences = 1n;
      for (let y = 0; y < points.length; y++) if (y !== x) differences *= BigInt(x - y);
      return point.multiplyUnsafe((f * inverseScalar(differences, order)) % order);
    })
    .reduce((a, b) => a.add(b));
}

/** True when `secret` is the share of member `index`. Throws invalidSecret on anything that is no scalar in [1, r). */
export function isShareOf(engine: Engine, key: ThresholdKey, index: number, secret: Uint8Array): boolean {
  decodeSecret(secret, engine.order);
  const publicShare = key.publicShares[index];
  if (publicShare === undefined || key.suite !== engine.suite) return false;
  // As numbers: hex text from elsewhere may be upper case.
  return bytesToBigint(engine.publicKey(secret)) === BigInt(publicShare);
}

function atMember<T>(x: number, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const which = x === 0 ? "the group key" : `the public share of member ${x - 1}`;
    const details = x === 0 ? {} : { member: x - 1 };
    throw new ThresholdError("invalidPoint", `${which} is no public key of its suite`, { details, cause });
  }
}
