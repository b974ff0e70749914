/**
 * Changing the committee while it works (threshold.md, Reshare and Activation): what is ordered, and what the ledger keeps of it.
 * Transactions carry their own signatures: it does not matter whose block brings them, so people who are no members yet can
 * hand theirs to any member. Whatever does not count is dropped with an event; nothing here can stop anything else.
 */
import type { Handover } from "../../batch/handover.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import type { DealContext } from "../../threshold/associated-data.ts";
import type { Committee } from "../../threshold/committee.ts";
import type { DealBundle } from "../../threshold/deal-select.ts";
import type { DealFault } from "../../threshold/deal-verify.ts";
import type { EncryptionKeyFault } from "../../threshold/encryption-key.ts";
import type { Suite, ThresholdKey } from "../../threshold/types.ts";

/** One future member as it announced itself for this very attempt (threshold/encryption-key.ts; domain = committee id). */
export interface ProposedMember {
  readonly address: Address;
  /** Compressed secp256k1 key of `address`, 33 bytes: how it authenticates on the members' network. */
  readonly publicKey: Hex;
  /** At most 8 of at most 256 bytes each. */
  readonly multiaddrs: readonly string[];
  /** X25519, 32 bytes, fresh. */
  readonly encryptionKey: Hex;
  /** Proof of possession, 64 bytes. */
  readonly proof: Hex;
  /** The member's identity over the announcement. */
  readonly signature: Hex;
}

/** RECONFIGURE. n′, f′ and t′ = n′ − f′ follow from `members`; whether the group key stays follows from the past (see `AttemptKind`). */
export interface Proposal {
  /** The epoch it would make: the current one + 1. */
  readonly epoch: bigint;
  /** Above every attempt that took effect in this epoch; from 1. */
  readonly attempt: bigint;
  /** In the order of the new committee's indices. */
  readonly members: readonly ProposedMember[];
}

export type EpochTransaction =
  /** An old member wants this proposal. n − f of them for the same digest make it the current attempt. */
  | { readonly kind: "approve"; readonly proposal: Proposal; readonly member: Address; readonly signature: Hex }
  /** An old member's deals, one in each suite (threshold/deal-select.ts, `dealBundleDigest`). */
  | {
      readonly kind: "deal";
      readonly epoch: bigint;
      readonly attempt: bigint;
      readonly dealer: Address;
      readonly deals: Readonly<Record<Suite, Uint8Array>>;
      readonly signature: Hex;
    }
  /** A new member holds its share in every suite: partials over `readyDigest`. */
  | {
      readonly kind: "ready";
      readonly epoch: bigint;
      readonly attempt: bigint;
      readonly member: Address;
      readonly partials: Readonly<Record<Suite, Hex>>;
      readonly signature: Hex;
    }
  /** An old member signs the handover to a new group key with its old share in every suite; the partials are their own proof. */
  | {
      readonly kind: "handover";
      readonly epoch: bigint;
      readonly attempt: bigint;
      readonly member: Address;
      readonly partials: Readonly<Record<Suite, Hex>>;
    };

/**
 * reshare:     the group key stays
 * generation:  a new group key and a handover, because t or more members of some past committee of this key would have left
 */
export type AttemptKind = "reshare" | "generation";

/**
 * dealing:   waits for deals of `dealersNeeded` old members
 * opening:   the keys are known; waits for n′ − f′ READYs
 * handover:  (generation only) waits for n − f partials over the statement; from here on nothing supersedes the attempt
 * closing:   the epoch ends `closesIn` output rounds from now; nothing supersedes the attempt
 */
export type AttemptPhase = "dealing" | "opening" | "handover" | "closing";

export interface AttemptView {
  readonly proposal: Proposal;
  /** EIP-712 digest of the proposal: what was approved. */
  readonly digest: Hex;
  readonly kind: AttemptKind;
  readonly phase: AttemptPhase;
  /** One per suite: what deals are made, verified and opened with. */
  readonly contexts: Readonly<Record<Suite, DealContext>>;
  /** Valid deals that count, in order. */
  readonly qualified: readonly DealBundle[];
  /** Old members that dealt, whether or not it counts. */
  readonly dealt: readonly Address[];
  readonly dealersNeeded: number;
  /** Of the next epoch; from phase `opening` on. */
  readonly keys: Readonly<Record<Suite, ThresholdKey>> | undefined;
  /** What READY partials sign; from phase `opening` on. */
  readonly readyDigest: Hex | undefined;
  /** New members whose READY counts. */
  readonly ready: readonly Address[];
  readonly readyNeeded: number;
  /** In phase `handover` and later, for a generation. */
  readonly handover:
    | { readonly statement: Handover; readonly digest: Hex; readonly signed: readonly Address[] }
    | undefined;
  readonly handoversNeeded: number;
  readonly closesIn: number | undefined;
  /** Who was caught at what in this attempt. */
  readonly faults: readonly EpochFault[];
}

export interface EpochFault {
  readonly member: Address;
  readonly code: DealFault | "dealtTwice" | "wrongPartial" | "approvedTwice";
  readonly suite?: Suite;
}

/** A proposal that has approvals, but not enough. */
export interface OpenProposal {
  readonly proposal: Proposal;
  readonly digest: Hex;
  readonly approvals: readonly Address[];
  readonly approvalsNeeded: number;
}

/** A handover that the old key signed, for hubs and for everybody who pinned the old key. */
export interface SignedHandover {
  readonly statement: Handover;
  /** Canonical signatures of the old group key, per suite. */
  readonly signatures: Readonly<Record<Suite, Hex>>;
  /** Epoch that the new key belongs to first. */
  readonly epoch: bigint;
  /** The new group keys in canonical encoding. */
  readonly groupKeys: Readonly<Record<Suite, Hex>>;
}

/** Everything the ledger knows of committees; read only. */
export interface EpochsView {
  /** Of the current epoch. */
  readonly committee: Committee;
  /** Where its members are found on the network; empty in epoch 0, where configuration says it. */
  readonly peers: readonly ProposedMember[];
  readonly open: readonly OpenProposal[];
  readonly attempt: AttemptView | undefined;
  /** From the first on. */
  readonly handovers: readonly SignedHandover[];
  /** How the current committee's shares were dealt, for members that have not opened theirs yet; undefined in epoch 0. */
  readonly dealt:
    | { readonly contexts: Readonly<Record<Suite, DealContext>>; readonly qualified: readonly DealBundle[] }
    | undefined;
}

/** What a closing batch brings about. */
export interface EpochChange {
  /** Of the next epoch. */
  readonly committee: Committee;
  /** Who they are and where; by new index. */
  readonly peers: readonly ProposedMember[];
  /** The ledger after the closing batch (Ledger.restore): the closing header's `state` commits to it. */
  readonly snapshot: Uint8Array;
}

/** The cryptography of a change as the ledger sees it: real, or the simulator's stand-in. Pure, and alike on all members. */
export interface ReshareScheme {
  /** As `faultOfDeal` (threshold/deal-verify.ts); verdicts may come from a cache that a worker fills. */
  faultOfDeal(context: DealContext, dealer: number, bytes: Uint8Array): DealFault | undefined;
  /** As `aggregateKey`. Throws ThresholdError `invalidDeal` when the deals make no usable key. */
  aggregate(context: DealContext, qualified: readonly DealBundle[]): ThresholdKey;
  /** Partial or whole signature under a public share or group key (canonical bytes). */
  verify(suite: Suite, publicKey: Hex, digest: Hex, signature: Hex): boolean;
  /** Interpolates verified partials, by index. */
  combine(suite: Suite, partials: ReadonlyMap<number, Hex>): Hex;
  /** As `faultOfEncryptionKey`, for a whole proposal: undefined when every member's announcement may be admitted. */
  faultOfAnnouncements(committeeId: Hex, proposal: Proposal): EncryptionKeyFault | undefined;
  /** A member's identity over a digest. */
  isSignedBy(address: Address, digest: Hex, signature: Hex): boolean;
  /** Default: `createHandover` (batch/handover.ts), which takes real keys only. */
  createHandover?(
    number: bigint,
    oldKeys: Readonly<Record<Suite, Hex>>,
    newKeys: Readonly<Record<Suite, Hex>>,
  ): Handover;
}
