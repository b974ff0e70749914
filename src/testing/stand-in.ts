/**
 * Stand-in cryptography for simulations: no security at all, but the same algebra. Shares lie on a polynomial, partials
 * interpolate to the group signature, fewer than t do not, other messages, indexes and keys do not verify. What a simulator
 * must find (wrong thresholds, mixed epochs, double signing) it finds with these a thousand times faster than with pairings.
 */
import { bigintToBytes, bytesToBigint, concatBytes, equalBytes } from "../lib/bytes.ts";
import { keccak256 } from "../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import type { IdentityScheme } from "../member/types.ts";
import { ThresholdError } from "../threshold/errors.ts";
import type { Engine, IndexedSignature, Suite } from "../threshold/types.ts";

/** 2^255 − 19: any prime of about the size of the real group orders does. */
const ORDER = (1n << 255n) - 19n;

const SIZES: Readonly<Record<Suite, { signature: number; publicKey: number }>> = {
  "bls12-381": { signature: 48, publicKey: 96 },
  bn254: { signature: 64, publicKey: 128 },
};

function mod(value: bigint): bigint {
  const rest = value % ORDER;
  return rest < 0n ? rest + ORDER : rest;
}

function inverse(value: bigint): bigint {
  let [low, high] = [mod(value), ORDER];
  let [x, y] = [1n, 0n];
  while (low > 1n) {
    const quotient = high / low;
    [low, high] = [high - quotient * low, low];
    [x, y] = [y - quotient * x, x];
  }
  return mod(x);
}

/** An engine whose "group elements" are the scalars themselves: linear like the real one, and useless to anybody else. */
export function createStandInEngine(suite: Suite): Engine {
  const { signature: signatureLength, publicKey: publicKeyLength } = SIZES[suite];
  const encode = (value: bigint, length: number): Uint8Array => bigintToBytes(value, length);
  const hash = (message: Uint8Array): bigint => mod(bytesToBigint(keccak256(message)));
  const decode = (bytes: Uint8Array, length: number): bigint | undefined => {
    if (bytes.length !== length) return undefined;
    const value = bytesToBigint(bytes);
    return value > 0n && value < ORDER ? value : undefined;
  };
  return {
    name: "stand-in",
    suite,
    signatureLength,
    publicKeyLength,
    order: ORDER,
    publicKey: (secret) => encode(mod(bytesToBigint(secret)), publicKeyLength),
    sign: (secret, message) => encode(mod(bytesToBigint(secret) * hash(message)), signatureLength),
    verify: (publicKey, message, signature) => {
      const key = decode(publicKey, publicKeyLength);
      return key !== undefined && equalBytes(signature, encode(mod(key * hash(message)), signatureLength));
    },
    isSignature: (bytes) => decode(bytes, signatureLength) !== undefined,
    isPublicKey: (bytes) => decode(bytes, publicKeyLength) !== undefined,
    interpolate: (shares) =>
      encode(
        interpolateAtZero(shares, (bytes) => decode(bytes, signatureLength)),
        signatureLength,
      ),
    extrapolate: (signatures, threshold) => {
      const values = signatures.map((bytes) => decode(bytes, signatureLength));
      let level = values.filter((value) => value !== undefined);
      if (level.length < values.length || level.length < threshold) return undefined;
      let sum = 0n;
      for (let k = 0; k < threshold; k++) {
        sum = mod(k % 2 === 0 ? sum + level[0]! : sum - level[0]!);
        level = level.slice(1).map((value, i) => mod(value - level[i]!));
      }
      return sum === 0n || level.some((value) => value !== 0n) ? undefined : encode(sum, signatureLength);
    },
  };
}

function interpolateAtZero(
  shares: readonly IndexedSignature[],
  decode: (bytes: Uint8Array) => bigint | undefined,
): bigint {
  let sum = 0n;
  for (const { x, signature } of shares) {
    const value = decode(signature);
    // As the real engines do: foreign bytes are no reason to stop.
    if (value === undefined || x < 1) throw new ThresholdError("invalidPoint", "undecodable share");
    let numerator = 1n;
    let denominator = 1n;
    for (const other of shares) {
      if (other.x === x && other.signature !== signature) throw new RangeError("duplicate share");
      if (other.x === x) continue;
      numerator = mod(numerator * BigInt(other.x));
      denominator = mod(denominator * BigInt(other.x - x));
    }
    sum = mod(sum + value * numerator * inverse(denominator));
  }
  if (sum === 0n) throw new ThresholdError("invalidPoint", "the shares sum to the identity");
  return sum;
}

/** Deals a stand-in key: share of x = index + 1, public halves equal to the secrets. */
export function dealStandIn(
  suite: Suite,
  n: number,
  threshold: number,
  bytes: (length: number) => Uint8Array,
): { groupKey: Hex; publicShares: Hex[]; shares: Uint8Array[] } {
  const engine = createStandInEngine(suite);
  const polynomial = Array.from({ length: threshold }, () => mod(bytesToBigint(bytes(48))));
  const shares = Array.from({ length: n }, (_, index) => {
    let value = 0n;
    for (const coefficient of [...polynomial].reverse()) value = mod(value * BigInt(index + 1) + coefficient);
    return bigintToBytes(value, 32);
  });
  return {
    groupKey: bytesToHex(engine.publicKey(bigintToBytes(polynomial[0] ?? 0n, 32))),
    publicShares: shares.map((share) => bytesToHex(engine.publicKey(share))),
    shares,
  };
}

/** Identities whose signature anybody could compute; malice in the simulator comes from code that we wrote. */
export const standInIdentities: IdentityScheme = {
  sign: (secret, digest) => standInSignature(bytesToHex(secret.subarray(0, 20)), digest),
  verify: (digest, signature, address) => signature === standInSignature(address, digest),
};

/** Address of a stand-in secret: its first 20 bytes. */
export function standInAddress(secret: Uint8Array): Address {
  return bytesToHex(secret.subarray(0, 20));
}

function standInSignature(address: Address, digest: Hex): Hex {
  const half = keccak256(concatBytes(hexToBytes(address), hexToBytes(digest)));
  return bytesToHex(concatBytes(half, half, Uint8Array.of(27)));
}
