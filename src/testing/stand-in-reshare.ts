/**
 * Stand-in deals for simulations: no secrets and no security, but the algebra of the real ones. A deal is its polynomial in the
 * open, with a hash that binds it to its context and dealer; deals in a reshare must deal the dealer's share, aggregate as the real
 * ones do, and open only with the secret of the announced encryption key. What results are keys of the stand-in engines.
 */
import type { Handover } from "../batch/handover.ts";
import type { Proposal, ProposedMember, ReshareScheme } from "../ledger/reconfiguration/types.ts";
import { bigintToBytes, bytesToBigint, concatBytes, equalBytes, utf8ToBytes } from "../lib/bytes.ts";
import { keccak256, keccak256Hex } from "../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import type { IdentityScheme } from "../member/types.ts";
import { type DealContext, encodeContext } from "../threshold/associated-data.ts";
import { type DealBundle, dealersNeeded } from "../threshold/deal-select.ts";
import type { DealFault } from "../threshold/deal-verify.ts";
import { type AttemptScope, type EncryptionKeyFault, encryptionKeyDigest } from "../threshold/encryption-key.ts";
import { ThresholdError } from "../threshold/errors.ts";
import { lagrangeAtZero } from "../threshold/scalar.ts";
import { SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";
import { createStandInEngine, standInIdentities } from "./stand-in.ts";

const ENGINES = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
const ORDER = ENGINES.bn254.order;
const KEY_LENGTHS: Readonly<Record<Suite, number>> = { "bls12-381": 256, bn254: 128 };

/** `ReshareScheme` over stand-in engines. Identities: the simulator's by default. */
export function createStandInReshare(identities: IdentityScheme = standInIdentities): ReshareScheme {
  return {
    faultOfDeal,
    aggregate,
    verify: (suite, publicKey, digest, signature) =>
      ENGINES[suite].verify(hexToBytes(publicKey), hexToBytes(digest), hexToBytes(signature)),
    combine: (suite, partials) =>
      bytesToHex(
        ENGINES[suite].interpolate([...partials].map(([i, hex]) => ({ x: i + 1, signature: hexToBytes(hex) }))),
      ),
    faultOfAnnouncements: (committeeId, proposal) => faultOfAnnouncements(committeeId, proposal, identities),
    isSignedBy: (address, digest, signature) => identities.verify(digest, signature, address),
    createHandover,
  };
}

/** A deal of `secret` (32 bytes: in a reshare the dealer's share). The other coefficients come from `bytes`. */
export function makeStandInDeal(
  context: DealContext,
  dealer: number,
  secret: Uint8Array,
  bytes: (length: number) => Uint8Array,
): Uint8Array {
  const others = Array.from({ length: context.threshold - 1 }, () => 1n + (bytesToBigint(bytes(48)) % (ORDER - 1n)));
  const coefficients = [bytesToBigint(secret), ...others].map((value) => bigintToBytes(value, 32));
  return concatBytes(...coefficients, tagOf(context, dealer, coefficients));
}

/** Both suites' deals of one dealer; `secrets`: what it deals in each. */
export function makeStandInDeals(
  contexts: Readonly<Record<Suite, DealContext>>,
  dealer: number,
  secrets: Readonly<Record<Suite, Uint8Array>>,
  bytes: (length: number) => Uint8Array,
): Record<Suite, Uint8Array> {
  const deal = (suite: Suite): Uint8Array => makeStandInDeal(contexts[suite], dealer, secrets[suite], bytes);
  return { "bls12-381": deal("bls12-381"), bn254: deal("bn254") };
}

/** Recipient `index`'s share, 32 bytes. `secret`: of its announced encryption key. Throws ThresholdError `cannotOpen`. */
export function openStandInShare(
  context: DealContext,
  qualified: readonly DealBundle[],
  index: number,
  secret: Uint8Array,
): Uint8Array {
  if (context.recipients[index]?.encryptionKey !== encryptionKeyOf(secret)) {
    throw new ThresholdError("cannotOpen", "not dealt to this encryption key");
  }
  return bigintToBytes(evaluate(sumOf(context, qualified), index + 1), 32);
}

/** A member as it announces itself for an attempt. `identity` and `encryptionSecret`: 32 bytes each. */
export function makeStandInMember(
  scope: AttemptScope,
  address: Address,
  identity: Uint8Array,
  encryptionSecret: Uint8Array,
  identities: IdentityScheme = standInIdentities,
): ProposedMember {
  const key = encryptionKeyOf(encryptionSecret);
  const proof = proofOf(scope, address, key);
  const signature = identities.sign(identity, encryptionKeyDigest(scope, { member: address, key, proof }));
  return { address, publicKey: publicKeyOf(address), multiaddrs: [], encryptionKey: key, proof, signature };
}

function tagOf(context: DealContext, dealer: number, coefficients: readonly Uint8Array[]): Uint8Array {
  return keccak256(concatBytes(utf8ToBytes("stand-in deal"), encodeContext(context, dealer), ...coefficients));
}

function coefficientsOf({ threshold }: DealContext, bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: threshold }, (_, j) => bytes.subarray(32 * j, 32 * j + 32));
}

function faultOfDeal(context: DealContext, dealer: number, bytes: Uint8Array): DealFault | undefined {
  const { threshold, suite, kind, oldKey } = context;
  if (bytes.length !== 32 * (threshold + 1)) return "wrongLength";
  const coefficients = coefficientsOf(context, bytes);
  const values = coefficients.map(bytesToBigint);
  const publicShare = kind === "reshare" ? oldKey?.publicShares[dealer] : undefined;
  const dealt = bytesToHex(bigintToBytes(values[0]!, ENGINES[suite].publicKeyLength));
  if (publicShare !== undefined && dealt !== publicShare) return "wrongSecret";
  if (values.some((value) => value >= ORDER)) return "nonCanonicalScalar";
  if (values.some((value) => value === 0n)) return "invalidCommitment";
  return equalBytes(bytes.subarray(32 * threshold), tagOf(context, dealer, coefficients))
    ? undefined
    : "wrongTranscript";
}

/** Coefficients of the new sharing: the weighted sum of what the qualified dealers dealt. */
function sumOf(context: DealContext, qualified: readonly DealBundle[]): bigint[] {
  const dealers = qualified.map(({ dealer }) => dealer);
  if (dealers.length !== dealersNeeded(context)) throw new ThresholdError("invalidDeal", "not the number of deals");
  const weights =
    context.kind === "reshare"
      ? lagrangeAtZero(
          dealers.map((dealer) => dealer + 1),
          ORDER,
        )
      : undefined;
  const polynomials = qualified.map(({ deals }) => coefficientsOf(context, deals[context.suite]!).map(bytesToBigint));
  return Array.from({ length: context.threshold }, (_, j) =>
    polynomials.reduce((sum, polynomial, d) => (sum + (weights?.[d] ?? 1n) * polynomial[j]!) % ORDER, 0n),
  );
}

function evaluate(polynomial: readonly bigint[], x: number): bigint {
  return polynomial.reduceRight((value, coefficient) => (value * BigInt(x) + coefficient) % ORDER, 0n);
}

function aggregate(context: DealContext, qualified: readonly DealBundle[]): ThresholdKey {
  const { suite, threshold, recipients, kind, oldKey } = context;
  const polynomial = sumOf(context, qualified);
  const encode = (value: bigint): Hex => {
    if (value === 0n) throw new ThresholdError("invalidDeal", "the deals cancel out");
    return bytesToHex(bigintToBytes(value, ENGINES[suite].publicKeyLength));
  };
  const groupKey = encode(polynomial[0]!);
  encode(polynomial.at(-1)!);
  if (kind === "reshare" && groupKey !== oldKey!.groupKey) {
    throw new ThresholdError("invalidDeal", "the deals do not add up to the group key");
  }
  return { suite, threshold, groupKey, publicShares: recipients.map((_, i) => encode(evaluate(polynomial, i + 1))) };
}

function faultOfAnnouncements(
  committeeId: Hex,
  { epoch, attempt, members }: Proposal,
  identities: IdentityScheme,
): EncryptionKeyFault | undefined {
  const scope = { domain: committeeId, epoch, attempt };
  const keys = new Set<Hex>();
  for (const { address, publicKey, encryptionKey, proof, signature } of members) {
    if (publicKey !== publicKeyOf(address)) return "malformed";
    const digest = encryptionKeyDigest(scope, { member: address, key: encryptionKey, proof });
    if (!identities.verify(digest, signature, address)) return "badSignature";
    if (keys.has(encryptionKey)) return "duplicateKey";
    if (proof !== proofOf(scope, address, encryptionKey)) return "badProof";
    keys.add(encryptionKey);
  }
  return undefined;
}

function publicKeyOf(address: Address): Hex {
  return bytesToHex(concatBytes(Uint8Array.of(2), keccak256(hexToBytes(address))));
}

function encryptionKeyOf(secret: Uint8Array): Hex {
  return keccak256Hex(concatBytes(utf8ToBytes("stand-in encryption key"), secret));
}

function proofOf({ domain, epoch, attempt }: AttemptScope, address: Address, key: Hex): Hex {
  const half = keccak256(utf8ToBytes(`stand-in proof ${domain} ${epoch} ${attempt} ${address} ${key}`));
  return bytesToHex(concatBytes(half, half));
}

/** The statement over stand-in keys, which are no points and which no hub would take. */
function createHandover(
  number: bigint,
  oldKeys: Readonly<Record<Suite, Hex>>,
  newKeys: Readonly<Record<Suite, Hex>>,
): Handover {
  const padded = (suite: Suite, key: Hex): Uint8Array => bigintToBytes(BigInt(key), KEY_LENGTHS[suite]);
  const each = (value: (suite: Suite) => Hex): Record<Suite, Hex> => ({
    "bls12-381": value(SUITES[0]),
    bn254: value(SUITES[1]),
  });
  return {
    number,
    oldKeyHashes: each((suite) => keccak256Hex(padded(suite, oldKeys[suite]))),
    newKeys: each((suite) => bytesToHex(padded(suite, newKeys[suite]))),
  };
}
