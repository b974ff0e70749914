/** What a committee signs and what contracts verify (contracts.md). Digests and roots are 32-byte hex, integers are bigint. */
import type { Address, Hex } from "../lib/hex.ts";
import type { Suite } from "../threshold/types.ts";

/** Signed once, valid on every chain. */
export interface BatchHeader {
  /** uint64, gap-free, from 1. */
  readonly sequence: bigint;
  /** uint64: committee epoch that ordered it. */
  readonly epoch: bigint;
  /** Digest of header `sequence − 1`; zero for the first. */
  readonly previous: Hex;
  /** Root of the append-only tree over the digests of headers 1 … sequence − 1. */
  readonly history: Hex;
  /** Root over destinations (see Destination). */
  readonly outboxes: Hex;
  /** Ledger state root after the batch. */
  readonly state: Hex;
  /** Digest of the last commit included. */
  readonly commit: Hex;
}

/** A batch header with the threshold signature of one suite. Final, everywhere, for ever. */
export interface Certificate {
  readonly header: BatchHeader;
  readonly suite: Suite;
  /** Canonical signature bytes of the suite (see threshold/types.ts). */
  readonly signature: Hex;
}

/** One leaf of `outboxes`: how far the committee has read and written one hub. */
export interface Destination {
  readonly chainId: bigint;
  readonly hub: Address;
  /** Number of inbox entries consumed; never falls. */
  readonly inboxCursor: bigint;
  /** Hash chain value after `inboxCursor` entries; zero at cursor 0. */
  readonly inboxHash: Hex;
  /** Number of entries ever written to this outbox; never falls. */
  readonly outboxSize: bigint;
  /** Root of the append-only tree over all those entries. */
  readonly outboxRoot: Hex;
  /** Root over (token, cumulative amount ever promised), sorted by token. */
  readonly promisedRoot: Hex;
}

/** What the hub does when an outbox entry is delivered. `index` counts from 0 per destination. */
export type OutboxEntry = PayoutEntry | CallEntry;

export interface PayoutEntry {
  readonly kind: "payout";
  readonly index: bigint;
  readonly token: Address;
  readonly recipient: Address;
  /** Token units paid to the recipient. */
  readonly amount: bigint;
  /** Token units paid to whoever delivers; on top of `amount`. */
  readonly relayerFee: bigint;
  /** What the payout answers (instruction id), for people and indexers. */
  readonly reference: Hex;
}

export interface CallEntry {
  readonly kind: "call";
  readonly index: bigint;
  readonly receiver: Address;
  /** Gas the receiver is promised; at most 5,000,000. */
  readonly gasLimit: bigint;
  readonly data: Hex;
  readonly reference: Hex;
}

/** What a vault writes into its inbox. `index` counts from 0. */
export type InboxEntry = DepositEntry | ForcedEntry;

export interface DepositEntry {
  readonly kind: "deposit";
  readonly index: bigint;
  readonly token: Address;
  /** Token units that arrived (balance difference). */
  readonly amount: bigint;
  /** Account to credit (see AccountId). */
  readonly account: Hex;
  readonly refundTo: Address;
  /** Running total of this token's deposits, this one included. */
  readonly total: bigint;
}

export interface ForcedEntry {
  readonly kind: "forced";
  readonly index: bigint;
  /** Encoded signed instruction, as its owner put it on chain. */
  readonly instruction: Hex;
}

/** 32 bytes: owner address (20) ‖ sub-account number (12, big-endian). */
export type AccountId = Hex;

/** Leaf of the account tree of one asset: what a chain needs to know of one account. */
export interface AccountLeaf {
  readonly account: AccountId;
  /** bytes32 asset id. */
  readonly asset: Hex;
  /** int256 cash in ledger units of the asset. */
  readonly cash: bigint;
  /** uint256: cash plus positions at this batch's prices, rounded down, never negative. The tree carries its sum. */
  readonly exitValue: bigint;
  /** Hash of everything else about the account (positions, lanes, …). */
  readonly details: Hex;
}

/** An append-only tree's inclusion proof (RFC 9162 §2.1.3): siblings from the leaf upwards. */
export interface InclusionProof {
  readonly index: bigint;
  readonly size: bigint;
  readonly siblings: readonly Hex[];
}
