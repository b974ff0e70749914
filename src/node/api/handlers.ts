/** One function per endpoint: parameters are decoded, the answer is a domain value, `undefined` from the node becomes a typed 404. */
import {
  type AnswerOf,
  ENDPOINTS,
  type EndpointId,
  type ParamsOf,
  type QueryOf,
  submitRequest,
} from "../../api/endpoints.ts";
import { ApiError, type ServerErrorCode } from "../../api/errors.ts";
import { issuesOf } from "../../api/http.ts";
import type { CheckpointAnswer } from "../../api/reconfiguration.ts";
import {
  RECONFIGURATION_LIMITS,
  type TransactionResult,
  transactionBytes,
  transactionsRequest,
} from "../../api/reconfiguration.ts";
import { API_LIMITS, type SubmitResult } from "../../api/schema.ts";
import { LedgerError } from "../../ledger/codes.ts";
import { instructionFromJson } from "../../ledger/json.ts";
import type { SignedInstruction } from "../../ledger/types.ts";
import { assert } from "../../lib/assert.ts";
import { decodeForeign } from "../../lib/foreign-json.ts";
import type { Checkpoint } from "../../member/types.ts";
import type { Suite } from "../../threshold/types.ts";
import { createDealsEncoder } from "./deals.ts";
import type { NodeView } from "./view.ts";

export interface HandlerContext<K extends EndpointId> {
  readonly params: ParamsOf<K>;
  readonly query: QueryOf<K>;
  /** Parsed JSON of a POST. */
  readonly body: unknown;
}

export interface Answered<A> {
  readonly value: A;
  /** Instead of the endpoint's status. */
  readonly status?: number;
  /** The value as JSON, shared by all who ask: sent at the pace of each. */
  readonly encoded?: Uint8Array;
}

export type Handlers = {
  readonly [K in EndpointId]: (context: HandlerContext<K>) => Answered<AnswerOf<K>> | Promise<Answered<AnswerOf<K>>>;
};

export function createHandlers(view: NodeView): Handlers {
  const suiteOr = (suite: Suite | undefined): Suite => {
    const chosen = suite ?? view.committee().requiredSuites[0];
    assert(chosen !== undefined, "a committee requires at least one suite");
    return chosen;
  };
  const encodeDeals = createDealsEncoder();
  const requireChain = (chainId: bigint): void => {
    if (!view.committee().genesis.chains.some((chain) => chain.chainId === chainId))
      throw new ApiError("unknownChain", "the committee does not serve this chain", { details: { chainId } });
  };

  return {
    getCommittee: () => ({ value: view.committee() }),
    getStatus: () => ({ value: view.status() }),
    submitInstructions: async ({ body }) => ({ value: { results: await submit(view, body) } }),
    getInstruction: ({ params: { id } }) =>
      found(view.instruction(id), "unknownInstruction", "this member knows no such instruction", {
        instructionId: id,
        ...whatIsMissing(view),
      }),
    getLatestCertificate: ({ query }) => {
      const suite = suiteOr(query.suite);
      return found(view.latestCertificate(suite), "unknownSequence", "nothing is certified in this suite yet", {
        suite,
      });
    },
    getCertificate: ({ params: { sequence }, query }) => {
      const suite = suiteOr(query.suite);
      const details = { sequence, suite };
      const value = view.certificate(sequence, suite);
      return found(value, "unknownSequence", "no certificate of this sequence here", details);
    },
    getBatch: ({ params: { sequence } }) =>
      foundBatch(view, sequence, view.batch(sequence), "no batch of this sequence here", { sequence }),
    getDestination: ({ params: { chainId }, query: { sequence } }) => {
      requireChain(chainId);
      const details = { chainId, sequence };
      return found(view.destination(chainId, sequence), "unknownSequence", "no such state of the chain here", details);
    },
    getOutbox: ({ params: { chainId }, query }) => {
      requireChain(chainId);
      if (query.indexes !== undefined && (query.from !== undefined || query.limit !== undefined))
        throw new ApiError("badRequest", "ask for a range (from, limit) or for indexes, not for both");
      const selection =
        query.indexes === undefined
          ? ({ kind: "range", from: query.from ?? 0n, limit: query.limit ?? API_LIMITS.maxOutboxEntries } as const)
          : ({ kind: "indexes", indexes: query.indexes } as const);
      const details = { chainId, size: query.size };
      return found(
        view.outbox(chainId, selection, query.size),
        "unknownEntry",
        "no such entries at this size",
        details,
      );
    },
    getHistory: ({ params: { sequence }, query: { at } }) => {
      if (at !== undefined && sequence >= at)
        throw new ApiError("badRequest", "a header's history holds only earlier headers", {
          details: { sequence, at },
        });
      const details = { sequence, at };
      return foundBatch(view, sequence, view.history(sequence, at), "no proof of this header here", details);
    },
    getAccount: ({ params: { id }, query: { asset, sequence } }) => {
      const details = { account: id, asset, sequence };
      return found(view.account(id, asset, sequence), "unknownAccount", "no such account in that state", details);
    },
    getLane: ({ params: { signer, lane } }) => ({ value: { signer, lane, nextNonce: view.laneNonce(signer, lane) } }),
    getReconfiguration: () => ({ value: view.reconfiguration() }),
    getDeals: ({ query: { from } }) => {
      const { value } = found(view.deals(from ?? 0), "unknownDeals", "nothing was dealt here, or not so many deals", {
        from,
      });
      return { value, encoded: encodeDeals(value) };
    },
    submitTransactions: async ({ body }) => ({ value: { results: await submitTransactions(view, body) } }),
    getEpoch: ({ params: { epoch } }) =>
      found(view.epoch(epoch === "latest" ? undefined : epoch), "unknownEpoch", "no such epoch here", { epoch }),
    getSnapshot: ({ params: { epoch } }) =>
      found(view.snapshot(epoch), "unknownEpoch", "no snapshot of this epoch's beginning here", { epoch }),
    getCheckpoint: () =>
      found(answerOf(view.checkpoint(undefined)), "unknownCheckpoint", "no checkpoint in this epoch yet", {}),
    getCheckpointSnapshot: ({ params: { sequence } }) =>
      found(view.checkpoint(sequence)?.snapshot, "unknownCheckpoint", "no checkpoint at this batch here", { sequence }),
    getCheckpointOrder: ({ params: { sequence } }) =>
      found(view.checkpoint(sequence)?.order, "unknownCheckpoint", "no checkpoint at this batch here", { sequence }),
    getHandovers: () => ({ value: { handovers: view.handovers() } }),
    getHealth: () => {
      const healthy = view.isHealthy();
      return { value: { healthy }, status: healthy ? 200 : 503 };
    },
    getReadiness: () => {
      const checks = view.readiness().map(({ name, ok, message }) => ({ name, ok, message }));
      const ready = checks.every((check) => check.ok);
      return { value: { ready, checks }, status: ready ? 200 : 503 };
    },
  };
}

function found<A>(
  value: A | undefined,
  code: ServerErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>>,
): Answered<A> {
  if (value === undefined) throw new ApiError(code, message, { details });
  return { value };
}

/** A batch that others have, and this member will have: whoever cannot wait asks another one. */
function foundBatch<A>(
  view: NodeView,
  sequence: bigint,
  value: A | undefined,
  message: string,
  details: Readonly<Record<string, unknown>>,
): Answered<A> {
  const gap =
    value === undefined ? view.missing().find(({ from, to }) => sequence >= from && sequence <= to) : undefined;
  if (gap === undefined) return found(value, "unknownSequence", message, details);
  throw new ApiError(
    "unknownSequence",
    "settled while this member was away, and still being fetched: ask another one",
    {
      details: { ...details, isFetching: true, missing: gap },
    },
  );
}

/** A receipt may be in there. */
function whatIsMissing(view: NodeView): { readonly missing?: ReturnType<NodeView["missing"]> } {
  const missing = view.missing();
  return missing.length === 0 ? {} : { missing };
}

/** Well-formed instructions go to the node together; malformed ones are refused where they stand. */
async function submit(view: NodeView, body: unknown): Promise<SubmitResult[]> {
  const request = decodeForeign(submitRequest, body);
  if (!request.success)
    throw new ApiError("badRequest", "the body is { instructions: [...] }", {
      details: { issues: issuesOf(request.error), maxInstructions: API_LIMITS.maxInstructions },
    });
  const good: SignedInstruction[] = [];
  const results: (SubmitResult | undefined)[] = request.data.instructions.map((item) => {
    try {
      good.push(instructionFromJson(item));
      return undefined;
    } catch (error) {
      if (error instanceof LedgerError) return refusal(error);
      throw error;
    }
  });
  const answers = good.length === 0 ? [] : await view.submit(good);
  assert(answers.length === good.length, "the node answers for every instruction");
  let next = 0;
  return results.map((refused) => refused ?? answers[next++]!);
}

/** What is no bytes is refused where it stands; the rest goes to the node together. */
async function submitTransactions(view: NodeView, body: unknown): Promise<TransactionResult[]> {
  const { maxTransactions, maxTransactionBytes } = RECONFIGURATION_LIMITS;
  const request = decodeForeign(transactionsRequest, body);
  if (!request.success)
    throw new ApiError("badRequest", "the body is { transactions: [hex, ...] }", {
      details: { issues: issuesOf(request.error), maxTransactions, maxTransactionBytes },
    });
  const good: Uint8Array[] = [];
  const results = request.data.transactions.map((item): TransactionResult | undefined => {
    const decoded = decodeForeign(transactionBytes, item);
    if (!decoded.success) return { code: "malformedTransaction" };
    good.push(decoded.data);
    return undefined;
  });
  const answers = good.length === 0 ? [] : await view.submitTransactions(good);
  assert(answers.length === good.length, "the node answers for every transaction");
  let next = 0;
  return results.map((refused) => refused ?? answers[next++]!);
}

/** A malformed instruction has no id; its figures name the fields. */
function refusal(error: LedgerError): SubmitResult {
  const figures: Record<string, string> = {};
  // CAST: ledger/json.ts documents this detail of malformedJson
  const issues = (error.details.issues ?? []) as readonly { readonly path: string; readonly message: string }[];
  for (const { path, message } of issues) figures[path.slice(0, 64) || "instruction"] = message.slice(0, 200);
  return { status: "refused", code: "malformedInstruction", figures };
}

/** Finds the endpoint of a request. @throws ApiError unknownRoute, methodNotAllowed */
export function matchEndpoint(
  method: string,
  path: string,
): { readonly id: EndpointId; readonly params: Readonly<Record<string, string>> } {
  const segments = path.split("/");
  let allowed: string | undefined;
  for (const [id, endpoint] of Object.entries(ENDPOINTS)) {
    const params = matchPath(endpoint.path, segments);
    if (params === undefined) continue;
    // HEAD is GET without a body; node:http leaves the body out.
    if (endpoint.method === method || (endpoint.method === "GET" && method === "HEAD"))
      return { id: id as EndpointId, params }; // CAST: a key of ENDPOINTS
    allowed = endpoint.method;
  }
  if (allowed !== undefined) throw new ApiError("methodNotAllowed", `use ${allowed}`, { details: { allowed } });
  throw new ApiError("unknownRoute", "no such endpoint; see /openapi.json");
}

function matchPath(template: string, segments: readonly string[]): Record<string, string> | undefined {
  const parts = template.split("/");
  if (parts.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (let k = 0; k < parts.length; k++) {
    const part = parts[k]!;
    if (part.startsWith("{")) params[part.slice(1, -1)] = segments[k]!;
    else if (part !== segments[k]) return undefined;
  }
  return params;
}

function answerOf(checkpoint: Checkpoint | undefined): CheckpointAnswer | undefined {
  return checkpoint && { header: checkpoint.header, certificates: checkpoint.certificates };
}
