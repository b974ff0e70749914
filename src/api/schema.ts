/**
 * The HTTP API of a member, as schemas. One codec per answer: the server encodes with it, the client decodes with it, and
 * /openapi.json is generated from it. Values are domain types (bigint, lower-case hex); JSON forms are in wire.ts.
 */
import * as z from "zod";
import type { MultiProof } from "../batch/multiproof.ts";
import type { ReceiptProof, StateParts } from "../batch/receipts.ts";
import type { AccountProof } from "../batch/state.ts";
import type { BatchHeader, Certificate, Destination, InclusionProof, OutboxEntry } from "../batch/types.ts";
import type { AccountView, LedgerEvent, LedgerGenesis, Receipt } from "../ledger/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { SUITES, type Suite } from "../threshold/types.ts";
import * as w from "./wire.ts";

/** How far an instruction has come (ledger.md, rule 9). */
export const INSTRUCTION_STATUSES = ["accepted", "admitted", "ordered", "final"] as const;
export type InstructionStatus = (typeof INSTRUCTION_STATUSES)[number];

/** GET /v1/committee: what a user pins, and what the pinned value is compared with. */
export interface CommitteeAnswer {
  readonly committeeId: Hex;
  readonly epoch: bigint;
  /** Genesis hash of the consensus; binds committee and ledger genesis. */
  readonly genesisHash: Hex;
  readonly members: readonly { readonly index: number; readonly address: Address }[];
  readonly threshold: number;
  readonly keys: Readonly<Partial<Record<Suite, { readonly groupKey: Hex; readonly publicShares: readonly Hex[] }>>>;
  readonly requiredSuites: readonly Suite[];
  readonly genesis: LedgerGenesis;
}

/** Another member as this one knows it. */
export interface PeerSummary {
  readonly index: number;
  readonly connected: boolean;
  readonly address?: Hex | undefined;
  /** What it did since this process began that honest members do not: messages and frames. */
  readonly faults?: number | undefined;
  /** It is not listened to for so long, milliseconds; 0: it is. */
  readonly mutedForMs?: number | undefined;
}

/** GET /v1/status: this member's own view; nothing in it is certified. */
export interface StatusAnswer {
  readonly index: number;
  readonly epoch: bigint;
  readonly round: number;
  /** Newest batch the ledger made; 0 before the first. */
  readonly settledSequence: bigint;
  /** Newest sequence certified in every required suite; 0 before the first. */
  readonly certifiedSequence: bigint;
  readonly peers: readonly PeerSummary[];
  /** Instructions waiting to be put into a block. */
  readonly mempool: number;
  readonly chains: readonly ChainStatus[];
  /** Seconds, as the ledger knows them; 0 before the first report. */
  readonly ledgerTime: bigint;
}

export interface ChainStatus {
  readonly chainId: bigint;
  readonly hub: Address;
  /** Inbox entries the ledger has consumed. */
  readonly inboxCursor: bigint;
  /** Inbox entries this member has seen final on the chain; ≥ inboxCursor when it keeps up. */
  readonly inboxSeen: bigint;
  readonly outboxSize: bigint;
  /** False when this member cannot read the chain now (it then abstains). */
  readonly reachable: boolean;
}

/** One instruction's fate at submission. `instructionId` is absent when the JSON had none to compute. */
export interface SubmitResult {
  readonly instructionId?: Hex | undefined;
  readonly status: "accepted" | "refused";
  /** Why not: a ledger code, or `malformedInstruction`, `badSignature`, `mempoolFull`, … */
  readonly code?: string | undefined;
  readonly figures?: Readonly<Record<string, string>> | undefined;
}

export interface InstructionAnswer {
  readonly instructionId: Hex;
  readonly status: InstructionStatus;
  /** Present from `ordered` on. */
  readonly receipt?: Receipt | undefined;
  /** Of the receipt against `state` of header `receipt.sequence`, whether or not that is certified yet; comes with the receipt. */
  readonly proof?: ReceiptProof | undefined;
}

/** GET /v1/batches/:sequence: everything the ledger made of one output round. */
export interface BatchAnswer {
  readonly header: BatchHeader;
  readonly digest: Hex;
  /** `header.state` without the receipts, so that whoever has the batch can prove each of them. */
  readonly stateParts: StateParts;
  /** By position. */
  readonly receipts: readonly Receipt[];
  readonly events: readonly LedgerEvent[];
  readonly entries: readonly { readonly chainId: bigint; readonly hub: Address; readonly entry: OutboxEntry }[];
  readonly destinations: readonly Destination[];
}

/** GET /v1/destinations/:chainId: one leaf of `header.outboxes` at `sequence`. */
export interface DestinationAnswer {
  readonly sequence: bigint;
  readonly destination: Destination;
  readonly proof: InclusionProof;
}

/** GET /v1/outbox/:chainId: entries with one proof against the outbox root at `size`. */
export interface OutboxAnswer {
  readonly chainId: bigint;
  readonly hub: Address;
  readonly size: bigint;
  /** Ascending by index. */
  readonly entries: readonly OutboxEntry[];
  /** Absent when there are no entries: a proof of no leaf proves nothing. */
  readonly proof?: MultiProof | undefined;
}

/** GET /v1/history/:sequence?at=: header `sequence` is leaf `sequence − 1` of `history` in header `at`. */
export interface HistoryAnswer {
  readonly sequence: bigint;
  readonly at: bigint;
  readonly header: BatchHeader;
  readonly proof: InclusionProof;
}

/** GET /v1/accounts/:id: the account as of a batch, with a proof per asset against `header.state` of that batch. */
export interface AccountAnswer {
  readonly sequence: bigint;
  /** Positions and lanes are what `details` of the collateral asset's leaf is the hash of (ledger/details.ts). */
  readonly view: AccountView;
  readonly proofs: readonly AccountProof[];
}

export interface LaneAnswer {
  readonly signer: Address;
  readonly lane: bigint;
  /** 0 for a lane nobody used yet. */
  readonly nextNonce: bigint;
}

/** `batch` on the event stream: enough to decide whether to fetch the whole. */
export interface BatchSummary {
  readonly header: BatchHeader;
  readonly digest: Hex;
  readonly receipts: number;
  readonly entries: number;
}

/** A range of batches this member no longer holds: a resumed stream cannot replay them. */
export interface StreamGap {
  readonly from: bigint;
  readonly to: bigint;
}

/** One event of GET /v1/events. */
export type StreamEvent =
  | { readonly type: "batch"; readonly batch: BatchSummary }
  | { readonly type: "receipt"; readonly receipt: Receipt }
  | { readonly type: "certificate"; readonly certificate: Certificate }
  | { readonly type: "gap"; readonly gap: StreamGap };

/** Event types a client may ask for; `gap` always comes. */
export const STREAM_TYPES = ["certificate", "batch", "receipt"] as const;
export type StreamType = (typeof STREAM_TYPES)[number];

export interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
  };
}

/** Limits that client and server share. */
export const API_LIMITS = {
  /** Instructions in one POST; more is a batch job and comes in several requests. */
  maxInstructions: 256,
  /** A fills instruction of a few hundred fills has tens of kB; 1 MiB holds a full POST of small ones. */
  maxBodyBytes: 1 << 20,
  /** Outbox entries in one answer: what one delivery transaction can hold, several times over. */
  maxOutboxEntries: 256,
  /** What the client reads of one answer: a batch of 10,000 receipts has about 4 MB, a full one several times that. */
  maxAnswerBytes: 32 << 20,
} as const;

const count = z.number().int().nonnegative();
const figures = z.record(z.string().max(64), z.string().max(256));
const keyOfSuite = z.object({ groupKey: w.hexBytes, publicShares: w.list(w.hexBytes, 4096) });

export const committeeAnswer: z.ZodType<CommitteeAnswer> = z.object({
  committeeId: w.bytes32,
  epoch: w.uint,
  genesisHash: w.bytes32,
  members: w.list(z.object({ index: count, address: w.address }), 4096),
  threshold: count,
  keys: z.partialRecord(z.enum(SUITES), keyOfSuite),
  requiredSuites: w.list(w.suite, 16),
  genesis: w.ledgerGenesis,
});

export const statusAnswer: z.ZodType<StatusAnswer> = z.object({
  index: count,
  epoch: w.uint,
  round: count,
  settledSequence: w.uint,
  certifiedSequence: w.uint,
  peers: w.list(
    z.object({
      index: count,
      connected: z.boolean(),
      address: w.address.optional(),
      faults: count.optional(),
      mutedForMs: count.optional(),
    }),
    4096,
  ),
  mempool: count,
  chains: w.list(
    z.object({
      chainId: w.uint,
      hub: w.address,
      inboxCursor: w.uint,
      inboxSeen: w.uint,
      outboxSize: w.uint,
      reachable: z.boolean(),
    }),
    4096,
  ),
  ledgerTime: w.uint,
});

const submitResult: z.ZodType<SubmitResult> = z.object({
  instructionId: w.bytes32.optional(),
  status: z.enum(["accepted", "refused"]),
  code: z.string().max(64).optional(),
  figures: figures.optional(),
});

export interface SubmitAnswer {
  /** In the order of the request. */
  readonly results: readonly SubmitResult[];
}
export const submitAnswer: z.ZodType<SubmitAnswer> = z.object({
  results: w.list(submitResult, API_LIMITS.maxInstructions),
});

export const instructionAnswer: z.ZodType<InstructionAnswer> = z.object({
  instructionId: w.bytes32,
  status: z.enum(INSTRUCTION_STATUSES),
  receipt: w.receipt.optional(),
  proof: w.receiptProof.optional(),
});

export const batchAnswer: z.ZodType<BatchAnswer> = z.object({
  header: w.batchHeader,
  digest: w.bytes32,
  stateParts: w.stateParts,
  receipts: w.list(w.receipt, w.MAX_ITEMS),
  events: w.list(w.ledgerEvent, w.MAX_ITEMS),
  entries: w.list(z.object({ chainId: w.uint, hub: w.address, entry: w.outboxEntry }), w.MAX_ITEMS),
  destinations: w.list(w.destination, 4096),
});

export const destinationAnswer: z.ZodType<DestinationAnswer> = z.object({
  sequence: w.uint,
  destination: w.destination,
  proof: w.inclusionProof,
});

export const outboxAnswer: z.ZodType<OutboxAnswer> = z.object({
  chainId: w.uint,
  hub: w.address,
  size: w.uint,
  entries: w.list(w.outboxEntry, API_LIMITS.maxOutboxEntries),
  proof: w.multiProof.optional(),
});

export const historyAnswer: z.ZodType<HistoryAnswer> = z.object({
  sequence: w.uint,
  at: w.uint,
  header: w.batchHeader,
  proof: w.inclusionProof,
});

export const accountAnswer: z.ZodType<AccountAnswer> = z.object({
  sequence: w.uint,
  view: w.accountView,
  proofs: w.list(w.accountProof, 4096),
});

export const laneAnswer: z.ZodType<LaneAnswer> = z.object({ signer: w.address, lane: w.uint, nextNonce: w.uint });

export const batchSummary: z.ZodType<BatchSummary> = z.object({
  header: w.batchHeader,
  digest: w.bytes32,
  receipts: count,
  entries: count,
});

export const streamGap: z.ZodType<StreamGap> = z.object({ from: w.uint, to: w.uint });

export const errorBody: z.ZodType<ErrorBody> = z.object({
  error: z.object({ code: z.string(), message: z.string(), details: z.record(z.string(), z.unknown()) }),
});

/** `data` of each event type. */
export const STREAM_SCHEMAS = {
  certificate: w.certificate,
  batch: batchSummary,
  receipt: w.receipt,
  gap: streamGap,
} as const;
