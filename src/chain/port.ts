/**
 * What the rest of the house needs from a chain: members read an inbox, relayers write to a hub.
 * Everything an RPC endpoint says is a claim by a stranger; adapters behind this port decide what is believed.
 */
import type { Handover } from "../batch/handover.ts";
import type { MultiProof } from "../batch/multiproof.ts";
import type { BatchHeader, Destination, InboxEntry, InclusionProof, OutboxEntry } from "../batch/types.ts";
import { ClocklessError } from "../lib/errors.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Suite } from "../threshold/types.ts";

/**
 * - `badConfig`: URLs, finality rule or limits that cannot work. Never transient.
 * - `rpcUnavailable`: no endpoint of the chain answered (down, timed out, rate-limited). Transient.
 * - `rpcRefused`: an endpoint answered with a JSON-RPC error; `details.message` and `details.rpcCode` are its words.
 * - `rpcMalformed`: an answer that is no valid answer to the question. Transient: another endpoint may do better.
 * - `wrongChain`: an endpoint serves another chain id.
 * - `disagreement`: fewer endpoints than required said the same. Transient; until then the reader abstains.
 * - `inboxBroken`: logs do not lead to the hash the vault holds (truncated, repeated, reordered or foreign logs). Transient.
 * - `reorgBeyondFinality`: the chain dropped what its own finality rule had called final. Not transient: a person decides.
 * - `callReverted`: simulation or transaction reverted; `details.errorName` when the ABI knows it, `details.data` always.
 * - `insufficientFunds`: the sender cannot pay for gas. Transient: somebody may top it up.
 * - `feeAboveCap`: the network's price is above the configured cap. Transient.
 * - `nonceTaken`: another transaction of this account was mined with the reserved nonce. Transient: a new one is reserved.
 * - `journalFailure`: the journal refused a write. Nothing was sent after that.
 * - `stopped`: the operation was abandoned because its owner stopped.
 */
export type ChainErrorCode =
  | "badConfig"
  | "rpcUnavailable"
  | "rpcRefused"
  | "rpcMalformed"
  | "wrongChain"
  | "disagreement"
  | "inboxBroken"
  | "reorgBeyondFinality"
  | "callReverted"
  | "insufficientFunds"
  | "feeAboveCap"
  | "nonceTaken"
  | "journalFailure"
  | "stopped";

export class ChainError extends ClocklessError<ChainErrorCode> {
  override readonly name = "ChainError";
}

/** When a chain's block counts as final. `depth`: `blocks` blocks on top of it (0 = the latest block is final at once). */
export type FinalityRule =
  | { readonly kind: "finalized" }
  | { readonly kind: "safe" }
  | { readonly kind: "depth"; readonly blocks: number };

/** Where a reader of an inbox stands: resume from here and nothing is missed or doubled. */
export interface InboxCursor {
  /** Index of the next entry = number of entries read. */
  readonly index: bigint;
  /** Inbox hash after `index` entries; zero at 0. */
  readonly hash: Hex;
  /** No entry at or above `index` lies below this block. */
  readonly block: bigint;
}

/** What happened while reading, for logs, metrics and alarms. `endpoint` is a host and position, never a URL (they hold API keys). */
export type InboxEvent =
  /** Endpoints contradict each other (or too few answered); this member abstains on this chain until they agree. */
  | {
      readonly kind: "abstained";
      readonly chainId: bigint;
      readonly code: "disagreement" | "rpcUnavailable";
      readonly reason: string;
    }
  /** An endpoint's logs do not continue the vault's hash chain; they were thrown away. */
  | { readonly kind: "logsRefused"; readonly chainId: bigint; readonly endpoint: string; readonly reason: string }
  /** Final history changed. Nothing is emitted until the agreed history leads through our cursor again. */
  | {
      readonly kind: "reorgBeyondFinality";
      readonly chainId: bigint;
      readonly index: bigint;
      readonly expected: Hex;
      readonly actual: Hex;
    }
  /** Everything final was read. */
  | { readonly kind: "caughtUp"; readonly chainId: bigint; readonly index: bigint; readonly block: bigint };

export interface InboxStatus {
  readonly chainId: bigint;
  /** `halted`: reorg beyond finality, a person must look. `abstaining`: cannot read safely just now and keeps trying. */
  readonly state: "stopped" | "starting" | "following" | "abstaining" | "halted";
  readonly cursor: InboxCursor;
  /** Newest block that enough endpoints called final. */
  readonly finalBlock: bigint | undefined;
  readonly healthyEndpoints: number;
  readonly endpoints: number;
}

/** One vault's inbox as one member reads it. */
export interface ChainInbox {
  readonly chainId: bigint;
  /**
   * Starts reading and calls back with consecutive entries, each exactly once, in index order, only when final.
   * `cursor` stands after the last entry given. A callback that throws (when full, a transient
   * ClocklessError) is called again with the same entries later; meanwhile nothing is read, so memory stays bounded.
   * Returns at once; endpoints that are down are retried for ever.
   */
  start(onEntries: (entries: readonly InboxEntry[], cursor: InboxCursor) => void): void;
  /** Resolves when nothing runs any more; no callback comes afterwards. */
  stop(): Promise<void>;
  status(): InboxStatus;
}

/** A contract call that is ready to be simulated, sent, or handed to a Safe. */
export interface PreparedCall {
  readonly to: Address;
  readonly data: Hex;
  readonly value: bigint;
}

/** How far a hub has got. */
export interface HubHead {
  /** 0: nothing accepted yet; then digest and root are zero. */
  readonly sequence: bigint;
  readonly epoch: bigint;
  /** Digest of the accepted header. */
  readonly digest: Hex;
  /** Position of this head among the last 16, which proofs name. */
  readonly slot: number;
  readonly inboxCursor: bigint;
  /** Entries that can be delivered, and the root they are proven against. */
  readonly outboxSize: bigint;
  readonly outboxRoot: Hex;
  /** Seconds; when the head was accepted (or the hub deployed). */
  readonly acceptedAt: bigint;
  /** Seconds; `accept` is refused before this time. 2^32 − 1: for ever (the committee signed two headers of one sequence). */
  readonly pausedUntil: bigint;
  /** How many handovers the hub has carried out; a change of it is a change of the key. */
  readonly keyNumber: bigint;
}

/** Whom a hub believes. Committee and suite never change, the key with every handover. */
export interface HubIdentity {
  readonly committeeId: Hex;
  readonly suite: Suite;
  /** Group key as the verifier contract holds it (threshold/evm.ts). */
  readonly verifierKey: Hex;
  /** Number of the last handover carried out, 0 before the first: the next one must have this + 1. */
  readonly handovers: bigint;
}

/** A destination with its path in the tree of a header's `outboxes`. */
export interface ProvenDestination {
  readonly destination: Destination;
  readonly proof: InclusionProof;
}

export interface AcceptArguments {
  readonly header: BatchHeader;
  readonly destination: ProvenDestination;
  /** Signature as the hub's verifier reads it (threshold/evm.ts `encodeProof`). */
  readonly signature: Hex;
}

/** `stale`, `repeated`: another relayer was faster; the call would change nothing. */
export type AcceptStatus = "accepted" | "repeated" | "stale" | "conflicting";

export interface HandoverArguments {
  readonly statement: Handover;
  /** By the hub's present key, as its verifier reads it (threshold/evm.ts `encodeProof`). */
  readonly signature: Hex;
}

export interface DeliverArguments {
  /** In rising order of index. */
  readonly entries: readonly OutboxEntry[];
  /** Proves exactly these entries against `head.outboxRoot`. */
  readonly proof: MultiProof;
  readonly head: HubHead;
}

/** One hub as a relayer uses it. Reads are at the latest block: what is wrong or reorganised costs a retry, never money. */
export interface HubClient {
  readonly chainId: bigint;
  readonly hub: Address;
  getIdentity(signal?: AbortSignal): Promise<HubIdentity>;
  getHead(signal?: AbortSignal): Promise<HubHead>;
  /** Which of the entries from ≤ index < to were delivered already. */
  getDelivered(from: bigint, to: bigint, signal?: AbortSignal): Promise<ReadonlySet<bigint>>;
  prepareAccept(args: AcceptArguments): PreparedCall;
  prepareDeliver(args: DeliverArguments): PreparedCall;
  prepareHandover(args: HandoverArguments): PreparedCall;
  /** What `accept` would answer now. Throws ChainError `callReverted` with `details.errorName`. */
  simulateAccept(call: PreparedCall, from: Address, signal?: AbortSignal): Promise<AcceptStatus>;
  /** How many entries `deliver` would carry out now. Throws like `simulateAccept`. */
  simulateDeliver(call: PreparedCall, from: Address, signal?: AbortSignal): Promise<bigint>;
  /** Whether `handover` would go through now. Throws like `simulateAccept`: `HandoverOutOfTurn` when another relayer was faster. */
  simulateHandover(call: PreparedCall, from: Address, signal?: AbortSignal): Promise<void>;
}

/** Life of one transaction of ours, in this order; `released` gives the nonce back (only before anything was broadcast). */
export type TransactionState = "reserved" | "signed" | "broadcast" | "mined" | "final" | "released" | "replaced";

/** One attempt to send one call; replacements of a stuck transaction are further attempts with the same nonce. */
export interface JournalRecord {
  readonly id: number;
  readonly chainId: bigint;
  readonly sender: Address;
  readonly nonce: number;
  /** What the transaction is for ("accept:17", "deliver:3,4,9", "handover:2"); at most one live record per purpose. */
  readonly purpose: string;
  readonly call: PreparedCall;
  readonly gasLimit: bigint;
  readonly state: TransactionState;
  /** Every signed form, oldest first; any of them may be the one that gets mined. */
  readonly attempts: readonly SignedAttempt[];
  /** Set from `mined` on. */
  readonly receipt: MinedReceipt | undefined;
}

export interface SignedAttempt {
  readonly hash: Hex;
  readonly raw: Hex;
  readonly maxFeePerGasWei: bigint;
  readonly maxPriorityFeePerGasWei: bigint;
}

export interface MinedReceipt {
  readonly hash: Hex;
  readonly block: bigint;
  readonly blockHash: Hex;
  readonly succeeded: boolean;
  /** Events it emitted: 0 for a call that found its work already done by another relayer. */
  readonly logCount: number;
  readonly gasUsed: bigint;
  readonly feeWei: bigint;
}

/** Durable record of what was sent. Every call returns only when it is on disk, or throws (then nothing may be sent). */
export interface JournalPort {
  /** Records a reservation before anything is signed; `id` is unique for ever. */
  reserve(record: Omit<JournalRecord, "id" | "state" | "attempts" | "receipt">): JournalRecord;
  /** Replaces state, attempts and receipt of a record. */
  update(record: JournalRecord): void;
  /** Records that are neither final, released nor replaced, by nonce. */
  open(chainId: bigint, sender: Address): JournalRecord[];
}
