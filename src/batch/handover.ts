/**
 * Handovers: the statement by which a committee's old group key names its new one, for hubs of both suites at once.
 * EIP-712 under the committee's domain. Keys are signed byte for byte as the verifier contracts take them
 * (threshold/evm.ts), so that a hub deploys exactly what was signed. Solidity twin: contracts/libraries/Handovers.sol.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bigintToBytes, bytesToBigint, concatBytes } from "../lib/bytes.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { decodeBn254PublicKey } from "../threshold/bn254-points.ts";
import { ThresholdError } from "../threshold/errors.ts";
import { encodePublicKeyForVerifier } from "../threshold/evm.ts";
import { type Engine, SUITES, type Suite } from "../threshold/types.ts";
import { BatchError } from "./errors.ts";
import { isUint, MAX_UINT64, wordsOr } from "./words.ts";

/** EIP-712 encodeType. Set in stone: every hub ever deployed has its hash in code. */
export const HANDOVER_TYPE =
  "Handover(uint64 number,bytes32 oldBls12381KeyHash,bytes32 oldBn254KeyHash,bytes newBls12381Key,bytes newBn254Key)";

/** Bytes of a key as the suite's verifier takes it. */
const KEY_LENGTHS: Readonly<Record<Suite, number>> = { "bls12-381": 256, bn254: 128 };

/** Bytes of an encoded handover: number, two hashes, two keys. */
export const HANDOVER_LENGTH = 8 + 2 * 32 + 256 + 128;

export interface Handover {
  /** Consecutive, from 1; the same on every chain. */
  readonly number: bigint;
  /** Per suite: keccak-256 of the old key in its verifier's encoding. */
  readonly oldKeyHashes: Readonly<Record<Suite, Hex>>;
  /** Per suite: the new key in its verifier's encoding (256 and 128 bytes). */
  readonly newKeys: Readonly<Record<Suite, Hex>>;
}

/** A handover as JSON carries it: the number as a decimal string. */
export interface HandoverJson {
  readonly number: string;
  readonly oldKeyHashes: Readonly<Record<Suite, string>>;
  readonly newKeys: Readonly<Record<Suite, string>>;
}

const HANDOVER_TYPE_HASH = typeHash(HANDOVER_TYPE);
const DECIMAL = /^[1-9][0-9]{0,19}$/;
const words = wordsOr("malformedHandover");

function malformed(message: string, details: Record<string, unknown> = {}): BatchError {
  return new BatchError("malformedHandover", message, { details });
}

/** keccak-256 of a group key (canonical encoding of its suite) in its verifier's encoding. @throws BatchError malformedHandover */
export function groupKeyHash(suite: Suite, groupKey: Hex): Hex {
  return bytesToHex(keccak256(verifierKey(suite, groupKey)));
}

/**
 * The statement that hands over from `oldKeys` to `newKeys` (canonical public keys of each suite, threshold/types.ts).
 * @throws BatchError malformedHandover, sameKey
 */
export function createHandover(
  number: bigint,
  oldKeys: Readonly<Record<Suite, Hex>>,
  newKeys: Readonly<Record<Suite, Hex>>,
): Handover {
  const each = <T>(value: (suite: Suite) => T): Record<Suite, T> => ({
    "bls12-381": value("bls12-381"),
    bn254: value("bn254"),
  });
  const statement: Handover = {
    number,
    oldKeyHashes: each((suite) => groupKeyHash(suite, oldKeys[suite])),
    newKeys: each((suite) => bytesToHex(verifierKey(suite, newKeys[suite]))),
  };
  validateHandover(statement);
  return statement;
}

/**
 * Refuses what no hub may carry out: number 0, wrong widths, a new key that is the identity, outside its group or the old one.
 * @throws BatchError malformedHandover, sameKey
 */
export function validateHandover(statement: Handover): void {
  if (!isUint(statement.number, MAX_UINT64) || statement.number === 0n)
    throw malformed("number is not a uint64 from 1", { number: String(statement.number).slice(0, 80) });
  for (const suite of SUITES) {
    const oldHash = statement.oldKeyHashes[suite];
    const key = statement.newKeys[suite];
    if (!isHex(oldHash, 32)) throw malformed("an old key's hash is not 32 bytes of hex", { suite });
    if (!isHex(key, KEY_LENGTHS[suite])) throw malformed(`a new key has not ${KEY_LENGTHS[suite]} bytes`, { suite });
    requirePoint(suite, hexToBytes(key));
    if (bytesToHex(keccak256(hexToBytes(key))) === oldHash.toLowerCase())
      throw new BatchError("sameKey", `the new ${suite} key is the old one`, { details: { suite } });
  }
}

/** The digest that the old key signs, in either suite. @throws BatchError malformedHandover */
export function handoverDigest(statement: Handover, committeeId: Hex): Hex {
  const { number, oldKeyHashes, newKeys } = statement;
  const hashOf = (suite: Suite): Uint8Array => keccak256(words.bytes(newKeys[suite], `newKeys.${suite}`));
  const struct = hashStruct(
    HANDOVER_TYPE_HASH,
    words.uint64(number, "number"),
    words.bytes32(oldKeyHashes["bls12-381"], "oldKeyHashes.bls12-381"),
    words.bytes32(oldKeyHashes.bn254, "oldKeyHashes.bn254"),
    hashOf("bls12-381"),
    hashOf("bn254"),
  );
  return typedDigest(domainSeparator(committeeId), struct);
}

/**
 * Whether the old key signed this statement for this committee, and it names that key as the old one. False for every malformed
 * or foreign value; never throws on them. Whether the number is next is for whoever keeps count.
 * `oldGroupKey` and `signature` are in the canonical encodings of the engine's suite.
 */
export function verifyHandover(
  engine: Engine,
  oldGroupKey: Hex,
  committeeId: Hex,
  statement: Handover,
  signature: Hex,
): boolean {
  if (!isHex(committeeId, 32) || !isHex(signature, engine.signatureLength)) return false;
  try {
    validateHandover(statement);
    if (groupKeyHash(engine.suite, oldGroupKey) !== statement.oldKeyHashes[engine.suite].toLowerCase()) return false;
  } catch (error) {
    if (error instanceof BatchError) return false;
    throw error;
  }
  const digest = hexToBytes(handoverDigest(statement, committeeId));
  return engine.verify(hexToBytes(oldGroupKey), digest, hexToBytes(signature));
}

/** Struct Handover of `SettlementHub.handover`. */
export function handoverArgument(statement: Handover) {
  return {
    number: statement.number,
    oldBls12381KeyHash: statement.oldKeyHashes["bls12-381"],
    oldBn254KeyHash: statement.oldKeyHashes.bn254,
    newBls12381Key: statement.newKeys["bls12-381"],
    newBn254Key: statement.newKeys.bn254,
  };
}

export function handoverToJson(statement: Handover): HandoverJson {
  const { number, oldKeyHashes, newKeys } = statement;
  return { number: number.toString(), oldKeyHashes: { ...oldKeyHashes }, newKeys: { ...newKeys } };
}

/**
 * Parses a statement from JSON text or an already parsed JSON value. Unknown and missing fields are refused; hex comes out lower
 * case. Says nothing about a signature: see {@link verifyHandover}.
 * @throws BatchError malformedHandover, sameKey
 */
export function parseHandover(json: unknown): Handover {
  let value = json;
  if (typeof json === "string") {
    try {
      value = JSON.parse(json);
    } catch (cause) {
      throw new BatchError("malformedHandover", "not JSON", { cause });
    }
  }
  const { number, oldKeyHashes, newKeys } = record(value, "handover", ["number", "oldKeyHashes", "newKeys"]);
  if (typeof number !== "string" || !DECIMAL.test(number)) throw malformed("number is not a decimal string");
  const statement: Handover = {
    number: BigInt(number),
    oldKeyHashes: perSuite(oldKeyHashes, "oldKeyHashes"),
    newKeys: perSuite(newKeys, "newKeys"),
  };
  validateHandover(statement);
  return statement;
}

/** number (8 bytes) ‖ old hashes ‖ new keys, each BLS12-381 before BN254. @throws BatchError malformedHandover, sameKey */
export function encodeHandover(statement: Handover): Uint8Array {
  validateHandover(statement);
  return concatBytes(
    bigintToBytes(statement.number, 8),
    ...SUITES.map((suite) => hexToBytes(statement.oldKeyHashes[suite])),
    ...SUITES.map((suite) => hexToBytes(statement.newKeys[suite])),
  );
}

/** Inverse of {@link encodeHandover}; refuses every other byte string. @throws BatchError malformedHandover, sameKey */
export function decodeHandover(bytes: Uint8Array): Handover {
  if (bytes.length !== HANDOVER_LENGTH)
    throw malformed(`a handover has ${HANDOVER_LENGTH} bytes`, { length: bytes.length });
  const slice = (from: number, length: number): Hex => bytesToHex(bytes.subarray(from, from + length));
  const statement: Handover = {
    number: bytesToBigint(bytes.subarray(0, 8)),
    oldKeyHashes: { "bls12-381": slice(8, 32), bn254: slice(40, 32) },
    newKeys: { "bls12-381": slice(72, 256), bn254: slice(328, 128) },
  };
  validateHandover(statement);
  return statement;
}

function verifierKey(suite: Suite, groupKey: Hex): Uint8Array {
  if (!isHex(groupKey)) throw malformed("a group key is not hex", { suite });
  return asKey(suite, () => encodePublicKeyForVerifier(suite, hexToBytes(groupKey)));
}

/** Refuses verifier-encoded bytes that are no point of the group, or the identity. */
function requirePoint(suite: Suite, key: Uint8Array): void {
  if (suite === "bn254") {
    asKey(suite, () => decodeBn254PublicKey(key));
    return;
  }
  const { Fp, Fp2 } = bls12_381.fields;
  const [x0, x1, y0, y1] = [0, 64, 128, 192].map((at) => bytesToBigint(key.subarray(at, at + 64))) as LimbsOfG2; // CAST: four of four
  if ([x0, x1, y0, y1].some((limb) => limb >= Fp.ORDER)) throw malformed("a coordinate is not below p", { suite });
  let point: { is0(): boolean; assertValidity(): void };
  try {
    const x = Fp2.create({ c0: x0, c1: x1 });
    point = bls12_381.G2.Point.fromAffine({ x, y: Fp2.create({ c0: y0, c1: y1 }) });
    point.assertValidity();
  } catch (cause) {
    throw new BatchError("malformedHandover", "not a public key of bls12-381", { details: { suite }, cause });
  }
  // noble reads zeros as the identity and calls it valid.
  if (point.is0()) throw malformed("a new key is the identity", { suite });
}

type LimbsOfG2 = [bigint, bigint, bigint, bigint];

function asKey<T>(suite: Suite, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof ThresholdError)) throw cause;
    throw new BatchError("malformedHandover", `not a public key of ${suite}`, { details: { suite }, cause });
  }
}

function perSuite(value: unknown, what: string): Record<Suite, Hex> {
  const fields = record(value, what, SUITES);
  const read = (suite: Suite): Hex => {
    const text = fields[suite];
    if (!isHex(text)) throw malformed(`${what}.${suite} is not hex`);
    return text.toLowerCase() as Hex; // CAST: isHex, and lower-casing keeps it hex
  };
  return { "bls12-381": read("bls12-381"), bn254: read("bn254") };
}

function record(value: unknown, what: string, fields: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} is not an object`);
  const unknown = Object.keys(value).filter((key) => !fields.includes(key));
  if (unknown.length > 0) throw malformed(`${what} has unknown fields`, { unknown: unknown.slice(0, 8) });
  return value as Record<string, unknown>; // CAST: a non-null object; each field is checked where it is read
}
