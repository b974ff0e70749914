/**
 * What the HTTP server needs from the node runner, and nothing more. Values are domain types; the server makes JSON of them.
 * Everything is synchronous except where a member really has to wait. `undefined` means "not known here": the server answers 404.
 * Calls come from strangers: each is one bounded read, and none may throw for a well-formed argument.
 */

import type { DealsAnswer, EpochAnswer, ReconfigurationAnswer, TransactionResult } from "../../api/reconfiguration.ts";
import type {
  AccountAnswer,
  BatchAnswer,
  BatchSummary,
  CommitteeAnswer,
  DestinationAnswer,
  HistoryAnswer,
  InstructionAnswer,
  OutboxAnswer,
  StatusAnswer,
  SubmitResult,
} from "../../api/schema.ts";
import type { AccountId, Certificate } from "../../batch/types.ts";
import type { SignedHandover } from "../../ledger/reconfiguration/types.ts";
import type { SignedInstruction } from "../../ledger/types.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import type { Checkpoint } from "../../member/types.ts";
import type { Suite } from "../../threshold/types.ts";

/** Which entries of an outbox: consecutive ones, or named ones (each index once, ascending, at most API_LIMITS.maxOutboxEntries). */
export type OutboxSelection =
  | { readonly kind: "range"; readonly from: bigint; readonly limit: number }
  | { readonly kind: "indexes"; readonly indexes: readonly bigint[] };

/** Something new is readable; the server reads it itself, so a slow client holds no memory of the node. */
export type NodeEvent =
  | { readonly kind: "batch"; readonly sequence: bigint }
  | { readonly kind: "certificate"; readonly sequence: bigint; readonly suite: Suite };

/** One named check of /readyz; `ok: false` says why in `message`, and what to do. */
export interface ReadyCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
}

/** How the committee changes, and what each epoch began with. */
export interface EpochsNodeView {
  reconfiguration(): ReconfigurationAnswer;
  /** Qualified deals from this position on, as many as fit into an answer; undefined when there are none. */
  deals(from: number): DealsAnswer | undefined;
  /** Takes bytes of strangers and answers for each, in order. Never throws for bad ones. */
  submitTransactions(
    transactions: readonly Uint8Array[],
  ): readonly TransactionResult[] | Promise<readonly TransactionResult[]>;
  /** The current one if undefined. */
  epoch(epoch: bigint | undefined): EpochAnswer | undefined;
  /** The ledger as this epoch began with it; the same array for as many calls as possible, since answers are sent slowly. */
  snapshot(epoch: bigint): Uint8Array | undefined;
  /** From the first on. */
  handovers(): readonly SignedHandover[];
}

export interface NodeView extends EpochsNodeView {
  /** Of the current epoch. */
  committee(): CommitteeAnswer;
  /** One of the newest two of this epoch; the newest if undefined. */
  checkpoint(sequence: bigint | undefined): Checkpoint | undefined;
  status(): StatusAnswer;
  /**
   * Takes well-formed signed instructions (signature not yet checked) and answers for each, in order. `accepted` promises that the
   * instruction is queued here, no more; one that waits here already is `accepted` again, one that was decided before is refused as
   * `repeated` (its receipt is there to be read). Never throws for a bad instruction.
   */
  submit(instructions: readonly SignedInstruction[]): readonly SubmitResult[] | Promise<readonly SubmitResult[]>;
  instruction(instructionId: Hex): InstructionAnswer | undefined;
  /** Certificate of exactly this sequence and suite. */
  certificate(sequence: bigint, suite: Suite): Certificate | undefined;
  /** Newest certificate of this suite. */
  latestCertificate(suite: Suite): Certificate | undefined;
  batch(sequence: bigint): BatchAnswer | undefined;
  /** The same without its lists: cheap even for batches of megabytes. Undefined whenever `batch` is. */
  summary(sequence: bigint): BatchSummary | undefined;
  /** Batches that are settled and not here yet, because this member was away then; it is fetching them. Oldest first. */
  missing(): readonly { readonly from: bigint; readonly to: bigint }[];
  /** Oldest batch that `batch()` still has; a resumed stream reports a gap before it. 1 when nothing is ever dropped. */
  oldestBatch(): bigint;
  /** The destination of a chain as header `sequence` commits to it; the newest certified header if undefined. */
  destination(chainId: bigint, sequence: bigint | undefined): DestinationAnswer | undefined;
  /** Entries proven at `size` (the outbox size of the newest certified header if undefined); undefined for an unknown chain or a size it never had. */
  outbox(chainId: bigint, selection: OutboxSelection, size: bigint | undefined): OutboxAnswer | undefined;
  /** Header `sequence` in the history of header `at` (the newest certified header if undefined); needs sequence < at. */
  history(sequence: bigint, at: bigint | undefined): HistoryAnswer | undefined;
  /** Proofs of one asset or of all the account's assets, at `sequence` or at the newest certified header if undefined. */
  account(account: AccountId, asset: Hex | undefined, sequence: bigint | undefined): AccountAnswer | undefined;
  /** Next nonce of a lane; 0 for one nobody used. */
  laneNonce(signer: Address, lane: bigint): bigint;
  /** False when the process must be restarted (a failed store, a broken invariant). */
  isHealthy(): boolean;
  readiness(): readonly ReadyCheck[];
  /** Prometheus text exposition (telemetry/port.ts, `Metrics.expose`). */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Called after a batch or certificate has become readable. Returns the unsubscriber. The listener never throws. */
  subscribe(listener: (event: NodeEvent) => void): () => void;
}
