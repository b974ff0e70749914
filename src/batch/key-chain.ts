/**
 * From a group key that one trusts to the next one of the same committee. Members only carry handovers; what counts is the
 * old key's signature over the new key's very bytes, so a follower needs nobody's word.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bytesToBigint } from "../lib/bytes.ts";
import { keccak256Hex } from "../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { type Engine, SUITES, type Suite } from "../threshold/types.ts";
import { BatchError } from "./errors.ts";
import { groupKeyHash, type Handover, verifyHandover } from "./handover.ts";

/** Group keys in canonical encoding, of the suites that somebody cares about. */
export type GroupKeys = Readonly<Partial<Record<Suite, Hex>>>;

/** A handover with what makes it believable. `SignedHandover` (ledger) is one; what else that has is a member's word. */
export interface KeyLink {
  readonly statement: Handover;
  /** By the old group key, canonical. A suite may be missing if nobody here needs it. */
  readonly signatures: GroupKeys;
}

/** The group key in canonical encoding from its verifier's encoding. @throws BatchError malformedHandover */
export function groupKeyFromVerifier(suite: Suite, verifierKey: Hex): Hex {
  const key = suite === "bn254" ? verifierKey : compressed(verifierKey);
  // Refuses what is no key of the suite, points outside the group included.
  groupKeyHash(suite, key);
  return key.toLowerCase() as Hex; // CAST: groupKeyHash refuses what is not hex
}

/** Per suite: keccak-256 in its verifier's encoding, as statements name old keys. @throws BatchError malformedHandover */
export function keyHashesOf(keys: GroupKeys): GroupKeys {
  const hashes: Partial<Record<Suite, Hex>> = {};
  for (const suite of SUITES) {
    const key = keys[suite];
    if (key !== undefined) hashes[suite] = groupKeyHash(suite, key);
  }
  return hashes;
}

/** Whether a statement hands over from the keys with exactly these hashes ({@link keyHashesOf}). */
export function isFrom(statement: Handover, hashes: GroupKeys): boolean {
  return isSame(hashes, (suite) => statement.oldKeyHashes[suite]);
}

/** Whether a statement hands over to the keys with exactly these hashes. */
export function isTo(statement: Handover, hashes: GroupKeys): boolean {
  return isSame(hashes, (suite) => keccak256Hex(hexToBytes(statement.newKeys[suite])));
}

/**
 * The keys that a handover leads to, in the suites of `keys`; undefined unless the old key signed it in each of them. Never throws on
 * foreign values. Whether its number is the next is for whoever counts: the number is signed.
 */
export function followLink(
  engineOf: (suite: Suite) => Engine,
  committeeId: Hex,
  keys: GroupKeys,
  { statement, signatures }: KeyLink,
): GroupKeys | undefined {
  const next: Partial<Record<Suite, Hex>> = {};
  for (const suite of SUITES) {
    const key = keys[suite];
    if (key === undefined) continue;
    const signature = signatures[suite];
    if (signature === undefined || !verifyHandover(engineOf(suite), key, committeeId, statement, signature))
      return undefined;
    next[suite] = groupKeyFromVerifier(suite, statement.newKeys[suite]);
  }
  return Object.keys(next).length === 0 ? undefined : next;
}

/** 256 bytes of EIP-2537 coordinates as the 96 bytes that BLS libraries write. */
function compressed(verifierKey: Hex): Hex {
  if (!isHex(verifierKey, 256)) throw new BatchError("malformedHandover", "a bls12-381 key has 256 bytes on chain");
  const bytes = hexToBytes(verifierKey);
  const limb = (k: number): bigint => bytesToBigint(bytes.subarray(64 * k, 64 * k + 64));
  const { Fp, Fp2 } = bls12_381.fields;
  if ([0, 1, 2, 3].some((k) => limb(k) >= Fp.ORDER))
    throw new BatchError("malformedHandover", "a coordinate is not below p");
  try {
    const x = Fp2.create({ c0: limb(0), c1: limb(1) });
    return bytesToHex(bls12_381.G2.Point.fromAffine({ x, y: Fp2.create({ c0: limb(2), c1: limb(3) }) }).toBytes(true));
  } catch (cause) {
    throw new BatchError("malformedHandover", "not a public key of bls12-381", { cause });
  }
}

function isSame(hashes: GroupKeys, hashOf: (suite: Suite) => Hex): boolean {
  const suites = SUITES.filter((suite) => hashes[suite] !== undefined);
  return suites.length > 0 && suites.every((suite) => hashes[suite] === hashOf(suite).toLowerCase());
}
