/**
 * What a deal is for. Everything here is bound into every hash of the deal, so that a deal is worth nothing in another
 * committee, ceremony, suite, epoch or attempt, from another dealer, to other recipients or keys, or on another polynomial.
 *
 *   ad = XOF("associated data", SSZ container of all fields below)      32 bytes; committees and keys by content
 *
 * Source of the container's encoding: https://github.com/ethereum/consensus-specs/blob/dev/ssz/simple-serialize.md
 */
import {
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListCompositeType,
  UintBigintType,
  UintNumberType,
} from "@chainsafe/ssz";
import { type Address, type Hex, hexToBytes } from "../lib/hex.ts";
import type { AttemptScope } from "./encryption-key.ts";
import { ThresholdError } from "./errors.ts";
import { MAX_COORDINATE } from "./scalar.ts";
import { checkThreshold } from "./shamir.ts";
import { SUITES, type Suite, type ThresholdKey } from "./types.ts";
import { xof } from "./xof.ts";

/** Cut and choose: N rounds, of which the challenge opens M to the recipients and N − M to everybody. */
export interface Rounds {
  readonly total: number;
  readonly chosen: number;
}

/** C(141, 50) > 2^128. */
export const DEFAULT_ROUNDS: Rounds = { total: 141, chosen: 50 };
/** C(165, 40) > 2^128: a fifth smaller, a third slower to verify. */
export const COMPACT_ROUNDS: Rounds = { total: 165, chosen: 40 };
const MAX_ROUNDS = 4096;
/** A dealer who cheats everybody wins with probability 1 / C(N, M) per hash it computes. */
export const SOUNDNESS_BITS = 128;

/** True when C(N, M) ≥ 2^128. */
export function isSound({ total, chosen }: Rounds): boolean {
  if (!Number.isInteger(total) || !Number.isInteger(chosen)) return false;
  if (chosen < 1 || chosen >= total || total > MAX_ROUNDS) return false;
  let subsets = 1n;
  for (let i = 1; i <= chosen; i++) subsets = (subsets * BigInt(total - chosen + i)) / BigInt(i);
  return subsets >= 1n << BigInt(SOUNDNESS_BITS);
}

export interface Recipient {
  readonly address: Address;
  /** Admitted by `faultOfEncryptionKey` for this very attempt. */
  readonly encryptionKey: Hex;
}

/**
 * ceremony:   the first key; recipients deal to each other, nothing exists before
 * generation: a new group key inside a running committee, to be named by a handover; its members deal
 * reshare:    the same group key to new members; the old members deal their shares
 */
export const DEAL_KINDS = ["ceremony", "generation", "reshare"] as const;
export type DealKind = (typeof DEAL_KINDS)[number];

/** One attempt in one suite: what all its deals have in common. */
export interface DealContext extends AttemptScope {
  readonly suite: Suite;
  readonly kind: DealKind;
  /** Who may deal, by index: the recipients in a ceremony, otherwise the old members. */
  readonly dealers: readonly Address[];
  /** The key that the old members hold. Required in a reshare, absent in a ceremony. */
  readonly oldKey?: ThresholdKey;
  /** By new member index. */
  readonly recipients: readonly Recipient[];
  /** t of the new sharing. */
  readonly threshold: number;
  readonly rounds: Rounds;
}

/** The part of a context that deal, verify and open compute with. */
export interface DealInstance {
  readonly suite: Suite;
  readonly threshold: number;
  readonly rounds: Rounds;
  /** 32 bytes each, by recipient index. */
  readonly encryptionKeys: readonly Uint8Array[];
  /** 32 bytes. */
  readonly associatedData: Uint8Array;
  /** What the dealer must deal: in a reshare its public share, which fixes the secret. */
  readonly expected: Uint8Array | undefined;
}

const address = new ByteVectorType(20);
const bytes32 = new ByteVectorType(32);
const uint16 = new UintNumberType(2);
const uint64 = new UintBigintType(8);
const publicKey = new ByteListType(128);
const ContextSsz = new ContainerType({
  suite: new UintNumberType(1),
  kind: new UintNumberType(1),
  domain: bytes32,
  epoch: uint64,
  attempt: uint64,
  dealer: uint16,
  dealers: new ListCompositeType(address, MAX_COORDINATE),
  /** Empty without an old key. */
  groupKey: publicKey,
  oldThreshold: uint16,
  oldPublicShares: new ListCompositeType(publicKey, MAX_COORDINATE),
  recipients: new ListCompositeType(new ContainerType({ address, encryptionKey: bytes32 }), MAX_COORDINATE),
  threshold: uint16,
  totalRounds: uint16,
  chosenRounds: uint16,
});

/** The instance of one dealer (by index among `dealers`). Throws invalidContext, invalidThreshold. */
export function dealInstance(context: DealContext, dealer: number): DealInstance {
  checkContext(context);
  if (context.dealers[dealer] === undefined) {
    throw new ThresholdError("invalidContext", "no dealer of this index", { details: { dealer } });
  }
  const { suite, threshold, rounds, recipients, kind, oldKey } = context;
  const publicShare = kind === "reshare" ? oldKey!.publicShares[dealer]! : undefined;
  return {
    suite,
    threshold,
    rounds,
    encryptionKeys: recipients.map(({ encryptionKey }) => hexToBytes(encryptionKey)),
    associatedData: xof("associated data", 32, encodeContext(context, dealer)),
    expected: publicShare === undefined ? undefined : hexToBytes(publicShare),
  };
}

/** Canonical bytes of a context for one dealer. */
export function encodeContext(context: DealContext, dealer: number): Uint8Array {
  const { oldKey } = context;
  return ContextSsz.serialize({
    suite: SUITES.indexOf(context.suite),
    kind: DEAL_KINDS.indexOf(context.kind),
    domain: hexToBytes(context.domain),
    epoch: context.epoch,
    attempt: context.attempt,
    dealer,
    dealers: context.dealers.map(hexToBytes),
    groupKey: oldKey === undefined ? new Uint8Array(0) : hexToBytes(oldKey.groupKey),
    oldThreshold: oldKey?.threshold ?? 0,
    oldPublicShares: oldKey?.publicShares.map(hexToBytes) ?? [],
    recipients: context.recipients.map((recipient) => ({
      address: hexToBytes(recipient.address),
      encryptionKey: hexToBytes(recipient.encryptionKey),
    })),
    threshold: context.threshold,
    totalRounds: context.rounds.total,
    chosenRounds: context.rounds.chosen,
  });
}

/** Our own configuration, not foreign bytes: a context that cannot be is refused before anybody deals. */
function checkContext(context: DealContext): void {
  const { kind, dealers, recipients, oldKey, threshold, suite } = context;
  checkThreshold(threshold, recipients.length);
  const refuse = (reason: string): never => {
    throw new ThresholdError("invalidContext", `not a possible ${kind}: ${reason}`, { details: { suite } });
  };
  const repeats = (texts: readonly Hex[]): boolean => new Set(texts).size !== texts.length;
  if (repeats(dealers)) refuse("a dealer is listed twice");
  if (repeats(recipients.map((recipient) => recipient.address))) refuse("a recipient is listed twice");
  if (repeats(recipients.map((recipient) => recipient.encryptionKey))) refuse("two recipients share an encryption key");
  if (oldKey !== undefined && oldKey.suite !== suite) refuse("the old key is of another suite");
  if (oldKey !== undefined && oldKey.publicShares.length !== dealers.length) refuse("not one public share per dealer");
  if (kind === "reshare" && oldKey === undefined) refuse("there is no key to reshare");
  if (kind === "ceremony") {
    if (oldKey !== undefined) refuse("there is no key before a ceremony");
    const isAllToAll =
      dealers.length === recipients.length && dealers.every((dealer, i) => dealer === recipients[i]!.address);
    if (!isAllToAll) refuse("recipients deal to each other");
  }
}
