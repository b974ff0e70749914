/**
 * Encryption keys of one attempt: X25519, fresh, announced by each recipient, destroyed once its share is stored and the
 * epoch active. Deals are public for ever: whoever takes an old encryption key later reads every share dealt to it.
 *
 * What is wrong with a key is found here, where it is announced, so that dealers never meet a bad one:
 * a key of low order makes every shared secret zero, so that anybody reads the member's share; a key that another member
 * announced, or one derived from it, would let its owner's pads be used against it; both are what the proof of possession
 * excludes (Schnorr on the Edwards form; Ristenpart and Yilek, eprint 2007/264, on why one per key and with its context).
 *
 *   announcement  EIP-712 EncryptionKey(uint64 epoch,uint64 attempt,address member,bytes32 key,bytes32 proof)
 *                 salt = committee id, or the ceremony's nonce; proof = keccak-256 of the 64 bytes
 *   proof         R ‖ s with s·B = R + c·A, c = XOF(domain, epoch, attempt, member, key, R), A the point with even x
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { bigintToBytes, concatBytes, equalBytes } from "../lib/bytes.ts";
import { isSignatureBy } from "../lib/ecdsa.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash, word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { ThresholdError } from "./errors.ts";
import { clampedScalar, edwardsPointOf, X25519_BYTES } from "./key-agreement.ts";
import { scalarFromBytes } from "./scalar-bytes.ts";
import { xof, xofScalars } from "./xof.ts";

export const ENCRYPTION_KEY_TYPE =
  "EncryptionKey(uint64 epoch,uint64 attempt,address member,bytes32 key,bytes32 proof)";
const ENCRYPTION_KEY_TYPE_HASH = typeHash(ENCRYPTION_KEY_TYPE);

/** Random bytes for one key and its announcement. */
export const ENCRYPTION_KEY_RANDOMNESS = 64;

const Point = ed25519.Point;
const L = Point.Fn.ORDER;

/** What an announcement, and every deal, belongs to. */
export interface AttemptScope {
  /** Committee id, or the ceremony's nonce before there is one: 32 bytes. */
  readonly domain: Hex;
  /** The epoch that the attempt would make. */
  readonly epoch: bigint;
  readonly attempt: bigint;
}

export interface EncryptionKeyAnnouncement {
  readonly member: Address;
  /** u-coordinate, 32 bytes little-endian as in RFC 7748. */
  readonly key: Hex;
  /** 64 bytes. */
  readonly proof: Hex;
  /** 65 bytes: the member's identity over `encryptionKeyDigest`. */
  readonly signature: Hex;
}

/** A fresh pair from the first 32 of 64 random bytes. The caller keeps the secret in a keystore and erases it later. */
export function encryptionSecret(randomness: Uint8Array): Uint8Array {
  if (randomness.length !== ENCRYPTION_KEY_RANDOMNESS) {
    throw new ThresholdError("invalidRandomness", "an encryption key takes 64 random bytes");
  }
  return randomness.slice(0, X25519_BYTES);
}

/**
 * Announces the key of `encryptionSecret(randomness)`. `sign` is the member's identity: digest to 65-byte signature.
 * Throws invalidRandomness.
 */
export function announceEncryptionKey(
  scope: AttemptScope,
  member: Address,
  randomness: Uint8Array,
  sign: (digest: Hex) => Hex,
): EncryptionKeyAnnouncement {
  const secret = encryptionSecret(randomness);
  const clamped = clampedScalar(secret);
  const base = Point.BASE.multiply(clamped);
  const isOdd = (base.toAffine().x & 1n) === 1n;
  const exponent = isOdd ? L - clamped : clamped;
  const { Fp } = Point;
  const y = base.toAffine().y;
  const key = Fp.toBytes(Fp.div(Fp.add(1n, y), Fp.sub(1n, y)));

  // The nonce depends on everything that the challenge does: the same randomness in another scope gives another one.
  const context = proofContext(scope, member, key);
  const [nonce] = xofScalars("encryption key nonce", 1, L, ...context, randomness);
  const commitment = Point.BASE.multiply(nonce!).toBytes();
  const s = (nonce! + challenge(context, commitment) * exponent) % L;
  secret.fill(0);
  const proof = bytesToHex(concatBytes(commitment, bigintToBytes(s, 32).reverse()));
  const unsigned = { member, key: bytesToHex(key), proof };
  return { ...unsigned, signature: sign(encryptionKeyDigest(scope, unsigned)) };
}

export function encryptionKeyDigest(
  { domain, epoch, attempt }: AttemptScope,
  { member, key, proof }: Omit<EncryptionKeyAnnouncement, "signature">,
): Hex {
  const struct = hashStruct(
    ENCRYPTION_KEY_TYPE_HASH,
    word(epoch),
    word(attempt),
    word(member),
    word(key),
    keccak256(hexToBytes(proof)),
  );
  return typedDigest(domainSeparator(domain), struct);
}

export type EncryptionKeyFault =
  /** Not the hex text of the right lengths. */
  | "malformed"
  /** Announced by nobody who is to receive a share. */
  | "notAMember"
  /** Not signed by the member's identity, or for another committee, epoch or attempt. */
  | "badSignature"
  /** The member announced already in this attempt (also when it only repeats itself, which deserves no blame). */
  | "announcedTwice"
  /** Another member announced the same key. */
  | "duplicateKey"
  /** Not the one encoding of a point of prime order: low order, the twist, u ≥ p. */
  | "invalidKey"
  /** Whoever announced it does not have the secret. */
  | "badProof";

/** What is known when a key is announced. */
export interface EncryptionKeyState {
  readonly scope: AttemptScope;
  readonly members: readonly Address[];
  /** Admitted so far, by member. */
  readonly admitted: ReadonlyMap<Address, Hex>;
}

type Check = (state: EncryptionKeyState, announcement: EncryptionKeyAnnouncement) => boolean;

/** Each answers true when all is well. In order; the first that fails names the fault. */
export const ENCRYPTION_KEY_CHECKS: readonly (readonly [EncryptionKeyFault, Check])[] = [
  // Lower case only: two spellings of one key would pass for two keys.
  [
    "malformed",
    (_, { key, proof, signature }) =>
      isHex(key, 32) && isHex(proof, 64) && isHex(signature, 65) && key === key.toLowerCase(),
  ],
  ["notAMember", ({ members }, { member }) => members.includes(member)],
  [
    "badSignature",
    ({ scope }, announcement) =>
      isSignatureBy(announcement.member, encryptionKeyDigest(scope, announcement), announcement.signature),
  ],
  ["announcedTwice", ({ admitted }, { member }) => !admitted.has(member)],
  ["duplicateKey", ({ admitted }, { key }) => ![...admitted.values()].includes(key)],
  ["invalidKey", (_, { key }) => edwardsPointOf(hexToBytes(key)) !== undefined],
  ["badProof", ({ scope }, announcement) => isProven(scope, announcement)],
];

/** Undefined when the key may be admitted, otherwise why not. Never throws on foreign announcements. */
export function faultOfEncryptionKey(
  state: EncryptionKeyState,
  announcement: EncryptionKeyAnnouncement,
  checks = ENCRYPTION_KEY_CHECKS,
): EncryptionKeyFault | undefined {
  return checks.find(([, isFine]) => !isFine(state, announcement))?.[0];
}

function isProven(scope: AttemptScope, { member, key, proof }: EncryptionKeyAnnouncement): boolean {
  const keyBytes = hexToBytes(key);
  const point = edwardsPointOf(keyBytes);
  if (point === undefined) return false;
  const proofBytes = hexToBytes(proof);
  const commitment = proofBytes.subarray(0, 32);
  const s = scalarFromBytes(proofBytes.slice(32).reverse());
  if (s >= L) return false;
  const c = challenge(proofContext(scope, member, keyBytes), commitment);
  return equalBytes(Point.BASE.multiplyUnsafe(s).subtract(point.multiplyUnsafe(c)).toBytes(), commitment);
}

function proofContext({ domain, epoch, attempt }: AttemptScope, member: Address, key: Uint8Array): Uint8Array[] {
  return [word(domain), word(epoch), word(attempt), word(member), key];
}

function challenge(context: readonly Uint8Array[], commitment: Uint8Array): bigint {
  return xofScalars("encryption key challenge", 1, L, xof("encryption key context", 32, ...context), commitment)[0]!;
}
