/**
 * What a member keeps on disk. Synchronous on purpose: "persist before send" is then the order of two statements.
 * One store belongs to one committee and one process.
 */
import { ClocklessError, type ClocklessErrorOptions } from "../lib/errors.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Suite } from "../threshold/types.ts";

/**
 * - `registerConflict`: another digest is registered for this position. Nothing of the write happened; nothing may be signed.
 * - `recordConflict`: a batch, certificate, entry or epoch that is already stored has other content. Nothing of the write happened.
 * - `locked`: another process uses this data directory.
 * - `foreignStore`: the file belongs to another committee.
 * - `unknownSchema`: the file was written by a newer version, or is no Clockless store.
 * - `badRecord`: the caller's record is out of range. Nothing of the write happened.
 * - `diskFailure`: disk full, I/O error or a damaged file. Fatal: stop the process, sign nothing more.
 * - `closed`: the store is closed, or failed before.
 */
export type StoreErrorCode =
  | "registerConflict"
  | "recordConflict"
  | "locked"
  | "foreignStore"
  | "unknownSchema"
  | "badRecord"
  | "diskFailure"
  | "closed";

export class StoreError extends ClocklessError<StoreErrorCode> {
  override readonly name = "StoreError";
  /** The process must stop: what is on disk is no longer known. */
  readonly isFatal: boolean;

  constructor(code: StoreErrorCode, shortMessage: string, options: ClocklessErrorOptions = {}) {
    super(code, shortMessage, options);
    this.isFatal = code === "diskFailure";
  }
}

/**
 * What is replayed into the member at start, in append order. A block without a round is kept until its epoch ends; one without a digest
 * is not found by `block`.
 */
export type LogRecord =
  | {
      readonly kind: "block";
      readonly bytes: Uint8Array;
      readonly round?: number | undefined;
      readonly digest?: Hex | undefined;
    }
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array };

/** Sign-once register: `kind` names what is signed ("block", "batch", …), `position` where (round, sequence, …; 0 ≤ position < 2^256). */
export interface RegisterEntry {
  readonly kind: string;
  readonly position: bigint;
  /** 32 bytes. */
  readonly digest: Hex;
}

/** Sequences are uint63 here (SQLite's integer); 2^63 batches never happen. `json` is the writer's own encoding. */
export interface StoredBatch {
  readonly sequence: bigint;
  readonly digest: Hex;
  readonly json: string;
}

export interface StoredCertificate {
  readonly sequence: bigint;
  readonly suite: Suite;
  readonly signature: Hex;
}

/** Outbox entry of one destination; `index` counts from 0, `sequence` is the batch that wrote it. */
export interface StoredEntry {
  readonly chainId: bigint;
  readonly hub: Address;
  readonly index: bigint;
  readonly sequence: bigint;
  readonly json: string;
}

/** What became of an instruction. One per instruction id; a later write with a sequence not lower replaces it. */
export interface StoredReceipt {
  readonly instructionId: Hex;
  readonly sequence: bigint;
  readonly json: string;
}

/** Where an epoch after the first begins, small and kept for ever; `json` is the writer's own encoding. 0 < epoch < 2^63. */
export interface StoredEpoch {
  readonly epoch: bigint;
  readonly json: string;
}

/** The same with the ledger's snapshot at that moment (tens of megabytes), kept for the newest two epochs. */
export interface StoredEpochStart extends StoredEpoch {
  readonly snapshot: Uint8Array;
}

/** Where a restart goes on from within the epoch that the log is of; `json` is the writer's own encoding. The newest two are kept. */
export interface StoredCheckpoint {
  readonly sequence: bigint;
  readonly json: string;
  /** The ledger. */
  readonly snapshot: Uint8Array;
  /** The tail of the order. */
  readonly order: Uint8Array;
}

export interface StoreWrite {
  /**
   * Need not survive a power cut: nothing that leaves the machine counts on it. What survives is always a prefix of what was written, and
   * whatever is on disk after a write that is not relaxed has everything before it. A crash of the process loses nothing.
   */
  readonly relaxed?: boolean | undefined;
  /**
   * A new epoch. `ours`: log and checkpoints of the one before are dropped; log records in this same write belong to the new one. Otherwise
   * (a member that retires) the log stays, and so does what `epochStart` answers.
   */
  readonly epoch?: (StoredEpochStart & { readonly ours: boolean }) | undefined;
  readonly checkpoint?: StoredCheckpoint | undefined;
  /**
   * No restart needs log records of this round or a lower one any more. They go before long: a few with each write, because a thousand
   * large blocks at once would hold up everything else. What the same write appends stays, whatever its round.
   */
  readonly truncate?: number | undefined;
  readonly log?: readonly LogRecord[];
  readonly register?: readonly RegisterEntry[];
  readonly batches?: readonly StoredBatch[];
  readonly certificates?: readonly StoredCertificate[];
  readonly entries?: readonly StoredEntry[];
  readonly receipts?: readonly StoredReceipt[];
  /** Small named values, replaced by later writes. Names with the prefix `store.` are the store's own. */
  readonly meta?: readonly (readonly [key: string, value: string])[];
}

export interface Store {
  /** Everything in one transaction; returns only when it is on disk, unless it is relaxed. Throws StoreError and writes nothing otherwise. */
  write(batch: StoreWrite): void;

  /** The newest epoch that was written as ours: what the log goes on from; undefined: from the very beginning. */
  epochStart(): StoredEpochStart | undefined;
  epoch(epoch: bigint): StoredEpoch | undefined;
  /** Every epoch, ascending. */
  epochs(): StoredEpoch[];
  /** Snapshot of one of the newest two epochs, or of `epochStart`. */
  snapshot(epoch: bigint): Uint8Array | undefined;

  /** The one at a sequence if it is kept; without a sequence the newest. */
  checkpoint(sequence?: bigint): StoredCheckpoint | undefined;

  /** All log records in append order. Do not write while iterating. */
  log(): Iterable<LogRecord>;
  /**
   * Bytes of a block in the log; undefined when it is not there (any more), or cannot be read now: who asks can do without it, and the
   * store goes on. They are what the disk gives back, for the caller to check.
   */
  block(digest: Hex): Uint8Array | undefined;
  /** Digest registered for a position, if any. */
  register(kind: string, position: bigint): Hex | undefined;
  /** Highest registered position of a kind, if any. */
  registerTop(kind: string): RegisterEntry | undefined;
  meta(key: string): string | undefined;

  batch(sequence: bigint): StoredBatch | undefined;
  /** Batches from ≤ sequence ≤ to, ascending, at most `limit`. */
  batches(from: bigint, to: bigint, limit: number): StoredBatch[];
  latestBatch(): StoredBatch | undefined;

  certificate(sequence: bigint, suite: Suite): StoredCertificate | undefined;
  /** Newest first, at most `limit`; of one suite if given; with sequence < `before` if given. */
  certificates(options: {
    readonly limit: number;
    readonly suite?: Suite;
    readonly before?: bigint;
  }): StoredCertificate[];

  receipt(instructionId: Hex): StoredReceipt | undefined;

  /** Entries of one destination with from ≤ index ≤ to, ascending, at most `limit`. */
  entries(
    destination: { readonly chainId: bigint; readonly hub: Address },
    from: bigint,
    to: bigint,
    limit: number,
  ): StoredEntry[];
  /** Number of entries stored for a destination's outbox (its highest index + 1). */
  entryCount(destination: { readonly chainId: bigint; readonly hub: Address }): bigint;

  close(): void;
}
