/** Every endpoint once: its path, parameters, answer and errors. The server routes by this table and /openapi.json is made from it. */
import * as z from "zod";
import type { ServerErrorCode } from "./errors.ts";
import * as r from "./reconfiguration.ts";
import * as s from "./schema.ts";
import * as w from "./wire.ts";

export interface Endpoint<P, Q, A> {
  readonly method: "GET" | "POST";
  /** `{name}` stands for one path segment. */
  readonly path: string;
  readonly summary: string;
  /** Path parameters. */
  readonly params: z.ZodType<P>;
  /** Query parameters; others are refused, so that a misspelt one is not silently ignored. */
  readonly query: z.ZodType<Q>;
  readonly answer: z.ZodType<A>;
  readonly status: number;
  readonly errors: readonly ServerErrorCode[];
  /** The answer never changes once given: caches may keep it. */
  readonly immutable?: boolean;
  /** Instead of JSON: the answer is bytes, sent as they are. */
  readonly binary?: boolean;
  /** Largest body, where it is more than the server's own limit. */
  readonly maxBodyBytes?: number;
  /** A list in the body, each item of which takes so long to check that it counts as a request of its own. */
  readonly chargedItems?: string;
}

function endpoint<P, Q, A>(
  config: Omit<Endpoint<P, Q, A>, "status" | "errors"> & {
    readonly status?: number;
    readonly errors?: readonly ServerErrorCode[];
  },
): Endpoint<P, Q, A> {
  return { status: 200, errors: [], ...config };
}

const none = z.strictObject({});
const limit = z.codec(z.string().regex(/^[1-9][0-9]{0,3}$/), z.number().int().max(s.API_LIMITS.maxOutboxEntries), {
  decode: Number,
  encode: String,
});

/** Comma-separated, strictly ascending indexes. */
const indexes: z.ZodType<readonly bigint[]> = z.codec(
  z
    .string()
    .max(8192)
    .regex(/^[0-9]{1,20}(?:,[0-9]{1,20})*$/),
  z
    .array(z.bigint().max((1n << 64n) - 1n))
    .max(s.API_LIMITS.maxOutboxEntries)
    .refine((items) => items.every((item, k) => k === 0 || item > items[k - 1]!), "indexes must ascend"),
  { decode: (text) => text.split(",").map(BigInt), encode: (items) => items.join(",") },
);

const suiteQuery = z.strictObject({ suite: w.suite.optional() });

/** `POST /v1/instructions`: items are checked one by one, so that a bad one stops no other. */
export const submitRequest = z.object({ instructions: z.array(z.unknown()).min(1).max(s.API_LIMITS.maxInstructions) });

const epochParam = z.union([z.literal("latest"), w.uint64]);
const position = z.codec(z.string().regex(/^(?:0|[1-9][0-9]{0,3})$/), z.number().int(), {
  decode: Number,
  encode: String,
});
const octets: z.ZodType<Uint8Array> = z.custom<Uint8Array>((value) => value instanceof Uint8Array);

const health = z.object({ healthy: z.boolean() });
const readiness = z.object({
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), message: z.string() })),
});

export const ENDPOINTS = {
  getCommittee: endpoint({
    method: "GET",
    path: "/v1/committee",
    summary: "The committee, its keys and the ledger's genesis. Compare it with what you pinned; do not trust it.",
    params: none,
    query: none,
    answer: s.committeeAnswer,
  }),
  getStatus: endpoint({
    method: "GET",
    path: "/v1/status",
    summary: "How far this member is, by its own word.",
    params: none,
    query: none,
    answer: s.statusAnswer,
  }),
  submitInstructions: endpoint({
    method: "POST",
    path: "/v1/instructions",
    summary:
      "Submits signed instructions; one result each. Accepted means queued here: follow the instruction until it is final.",
    params: none,
    query: none,
    answer: s.submitAnswer,
    status: 202,
    errors: ["bodyTooLarge", "unsupportedMediaType", "requestTimeout"],
  }),
  getInstruction: endpoint({
    method: "GET",
    path: "/v1/instructions/{id}",
    summary:
      "How far an instruction has come, with its receipt once it is ordered, proven against `header.state` of its batch.",
    params: z.strictObject({ id: w.bytes32 }),
    query: none,
    answer: s.instructionAnswer,
    errors: ["unknownInstruction"],
  }),
  getLatestCertificate: endpoint({
    method: "GET",
    path: "/v1/certificates/latest",
    summary: "The newest certificate of a suite (default: the committee's first required one).",
    params: none,
    query: suiteQuery,
    answer: w.certificate,
    errors: ["unknownSequence"],
  }),
  getCertificate: endpoint({
    method: "GET",
    path: "/v1/certificates/{sequence}",
    summary: "The certificate of one batch.",
    params: z.strictObject({ sequence: w.uint64 }),
    query: suiteQuery,
    answer: w.certificate,
    errors: ["unknownSequence"],
    immutable: true,
  }),
  getBatch: endpoint({
    method: "GET",
    path: "/v1/batches/{sequence}",
    summary: "Everything the ledger made of one batch: header, receipts, events, outbox entries, destinations.",
    params: z.strictObject({ sequence: w.uint64 }),
    query: none,
    answer: s.batchAnswer,
    errors: ["unknownSequence"],
    immutable: true,
  }),
  getDestination: endpoint({
    method: "GET",
    path: "/v1/destinations/{chainId}",
    summary: "How far the committee has read and written one chain, proven against `header.outboxes`.",
    params: z.strictObject({ chainId: w.uint }),
    query: z.strictObject({ sequence: w.uint64.optional() }),
    answer: s.destinationAnswer,
    errors: ["unknownChain", "unknownSequence"],
  }),
  getOutbox: endpoint({
    method: "GET",
    path: "/v1/outbox/{chainId}",
    summary: "Outbox entries with one proof against the outbox root at `size`: a range (from, limit) or named indexes.",
    params: z.strictObject({ chainId: w.uint }),
    query: z.strictObject({
      from: w.uint64.optional(),
      limit: limit.optional(),
      indexes: indexes.optional(),
      size: w.uint64.optional(),
    }),
    answer: s.outboxAnswer,
    errors: ["unknownChain", "unknownEntry"],
  }),
  getHistory: endpoint({
    method: "GET",
    path: "/v1/history/{sequence}",
    summary: "A header with its inclusion proof in the `history` of a later header.",
    params: z.strictObject({ sequence: w.uint64 }),
    query: z.strictObject({ at: w.uint64.optional() }),
    answer: s.historyAnswer,
    errors: ["unknownSequence"],
  }),
  getAccount: endpoint({
    method: "GET",
    path: "/v1/accounts/{id}",
    summary: "An account as a batch left it, with a proof per asset against `header.state`; the last 64 batches.",
    params: z.strictObject({ id: w.bytes32 }),
    query: z.strictObject({ asset: w.bytes32.optional(), sequence: w.uint64.optional() }),
    answer: s.accountAnswer,
    errors: ["unknownAccount"],
  }),
  getLane: endpoint({
    method: "GET",
    path: "/v1/lanes/{signer}/{lane}",
    summary: "The nonce that a lane's next instruction must carry.",
    params: z.strictObject({ signer: w.address, lane: w.uint64 }),
    query: none,
    answer: s.laneAnswer,
  }),
  getReconfiguration: endpoint({
    method: "GET",
    path: "/v1/reconfiguration",
    summary:
      "Where a change of the committee stands: proposals, who approved, dealt and is ready, and who is waited for.",
    params: none,
    query: none,
    answer: r.reconfigurationAnswer,
  }),
  getDeals: endpoint({
    method: "GET",
    path: "/v1/reconfiguration/deals",
    summary:
      "The deals that count, in order, from a position on: of the running attempt, otherwise those that made the current epoch's shares. Verify them before opening.",
    params: none,
    query: z.strictObject({ from: position.optional() }),
    answer: r.dealsAnswer,
    errors: ["unknownDeals"],
  }),
  submitTransactions: endpoint({
    method: "POST",
    path: "/v1/reconfiguration/transactions",
    summary:
      "Hands in approvals, deals, READYs and handover partials, which carry their own signatures; one result each. Accepted means that this member proposes it until it is ordered.",
    params: none,
    query: none,
    answer: r.transactionsAnswer,
    status: 202,
    errors: ["bodyTooLarge", "unsupportedMediaType", "requestTimeout"],
    chargedItems: "transactions",
    maxBodyBytes: r.RECONFIGURATION_LIMITS.maxBodyBytes,
  }),
  getEpoch: endpoint({
    method: "GET",
    path: "/v1/epochs/{epoch}",
    summary:
      "An epoch's committee, where its members are, and the certified header that started it; a number or `latest`.",
    params: z.strictObject({ epoch: epochParam }),
    query: none,
    answer: r.epochAnswer,
    errors: ["unknownEpoch"],
  }),
  getSnapshot: endpoint({
    method: "GET",
    path: "/v1/epochs/{epoch}/snapshot",
    summary: "The ledger as an epoch began with it: what `state` of the header that started it commits to.",
    params: z.strictObject({ epoch: w.uint64 }),
    query: none,
    answer: octets,
    errors: ["unknownEpoch"],
    immutable: true,
    binary: true,
  }),
  getCheckpoint: endpoint({
    method: "GET",
    path: "/v1/checkpoints/latest",
    summary: "The newest certified batch from which a member that is behind can go on within the epoch.",
    params: none,
    query: none,
    answer: r.checkpointAnswer,
    errors: ["unknownCheckpoint"],
  }),
  getCheckpointSnapshot: endpoint({
    method: "GET",
    path: "/v1/checkpoints/{sequence}/snapshot",
    summary: "The ledger right after that batch: what `state` of its header commits to.",
    params: z.strictObject({ sequence: w.uint64 }),
    query: none,
    answer: octets,
    errors: ["unknownCheckpoint"],
    immutable: true,
    binary: true,
  }),
  getCheckpointOrder: endpoint({
    method: "GET",
    path: "/v1/checkpoints/{sequence}/order",
    summary: "The tail of the order up to that batch: what `commit` of its header commits to.",
    params: z.strictObject({ sequence: w.uint64 }),
    query: none,
    answer: octets,
    errors: ["unknownCheckpoint"],
    immutable: true,
    binary: true,
  }),
  getHandovers: endpoint({
    method: "GET",
    path: "/v1/handovers",
    summary: "Every handover to a new group key, signed by the old one, from the first on.",
    params: none,
    query: none,
    answer: r.handoversAnswer,
  }),
  getHealth: endpoint({
    method: "GET",
    path: "/healthz",
    summary: "200 while the process works; 503 when it must be restarted.",
    params: none,
    query: none,
    answer: health,
  }),
  getReadiness: endpoint({
    method: "GET",
    path: "/readyz",
    summary: "200 when this member takes part and can answer; 503 with the failed checks otherwise.",
    params: none,
    query: none,
    answer: readiness,
  }),
} as const;

export type EndpointId = keyof typeof ENDPOINTS;
export type ParamsOf<K extends EndpointId> = z.output<(typeof ENDPOINTS)[K]["params"]>;
export type QueryOf<K extends EndpointId> = z.output<(typeof ENDPOINTS)[K]["query"]>;
export type AnswerOf<K extends EndpointId> = z.output<(typeof ENDPOINTS)[K]["answer"]>;
