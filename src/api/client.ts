/**
 * A typed client of one member's HTTP API. It checks shapes and bounds, not truth: what it returns is that member's word until it is
 * verified against the committee's key (the SDK does). Runs wherever `fetch` does.
 */
import type * as z from "zod";
import type { AccountId, Certificate } from "../batch/types.ts";
import type { SignedInstruction } from "../ledger/types.ts";
import { type Address, bytesToHex, type Hex } from "../lib/hex.ts";
import type { Suite } from "../threshold/types.ts";
import { ApiError } from "./errors.ts";
import { type CallOptions, decodeJson, requestBytes, requestJson, requestText, type Transport } from "./http.ts";
import * as r from "./reconfiguration.ts";
import * as s from "./schema.ts";
import { type StreamOptions, streamEvents } from "./sse.ts";
import { certificate } from "./wire.ts";

export { ApiError, type ApiErrorCode } from "./errors.ts";
export type { CallOptions } from "./http.ts";

export interface ApiClientOptions {
  /** Base URL, e.g. `https://member-3.example`; a path prefix is kept. */
  readonly url: string;
  /** Replaces the platform's fetch (tests, proxies). */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Per call, from start to last byte. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  readonly maxAnswerBytes?: number | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface EventOptions extends StreamOptions {
  /** Default: all. */
  readonly types?: readonly s.StreamType[] | undefined;
}

export interface OutboxQuery extends CallOptions {
  /** First index; default 0. Ignored when `indexes` is given. */
  readonly from?: bigint | undefined;
  /** Default and maximum API_LIMITS.maxOutboxEntries. */
  readonly limit?: number | undefined;
  /** Exactly these indexes instead of a range. */
  readonly indexes?: readonly bigint[] | undefined;
  /** Prove against the root at this size; default: the newest certified header's. */
  readonly size?: bigint | undefined;
}

/** Every method throws ApiError and nothing else. */
export interface ApiClient {
  readonly url: string;
  committee(options?: CallOptions): Promise<s.CommitteeAnswer>;
  status(options?: CallOptions): Promise<s.StatusAnswer>;
  /** At most API_LIMITS.maxInstructions at once; one result each, in order. */
  submit(instructions: readonly SignedInstruction[], options?: CallOptions): Promise<readonly s.SubmitResult[]>;
  /** @throws ApiError unknownInstruction */
  instruction(instructionId: Hex, options?: CallOptions): Promise<s.InstructionAnswer>;
  /** Newest certificate; of the member's first required suite if none is named. @throws ApiError unknownSequence */
  latestCertificate(options?: CallOptions & { readonly suite?: Suite | undefined }): Promise<Certificate>;
  /** @throws ApiError unknownSequence */
  certificate(sequence: bigint, options?: CallOptions & { readonly suite?: Suite | undefined }): Promise<Certificate>;
  /** @throws ApiError unknownSequence */
  batch(sequence: bigint, options?: CallOptions): Promise<s.BatchAnswer>;
  /** @throws ApiError unknownChain, unknownSequence */
  destination(
    chainId: bigint,
    options?: CallOptions & { readonly sequence?: bigint | undefined },
  ): Promise<s.DestinationAnswer>;
  /** @throws ApiError unknownChain, unknownEntry */
  outbox(chainId: bigint, query?: OutboxQuery): Promise<s.OutboxAnswer>;
  /** @throws ApiError unknownSequence */
  history(sequence: bigint, options?: CallOptions & { readonly at?: bigint | undefined }): Promise<s.HistoryAnswer>;
  /** @throws ApiError unknownAccount */
  account(
    account: AccountId,
    options?: CallOptions & { readonly asset?: Hex | undefined; readonly sequence?: bigint | undefined },
  ): Promise<s.AccountAnswer>;
  lane(signer: Address, lane: bigint, options?: CallOptions): Promise<s.LaneAnswer>;
  reconfiguration(options?: CallOptions): Promise<r.ReconfigurationAnswer>;
  /** One answer's worth of deals, from a position on. @throws ApiError unknownDeals */
  reconfigurationDeals(options?: CallOptions & { readonly from?: number | undefined }): Promise<r.DealsAnswer>;
  /**
   * Canonical bytes, at most RECONFIGURATION_LIMITS.maxTransactionBytes each; one result each, in order. Any number: what is too much
   * for one request goes in several.
   */
  submitTransactions(
    transactions: readonly Uint8Array[],
    options?: CallOptions,
  ): Promise<readonly r.TransactionResult[]>;
  /** @throws ApiError unknownEpoch */
  epoch(epoch: bigint | "latest", options?: CallOptions): Promise<r.EpochAnswer>;
  /** The ledger as this epoch (from 1) began with it; at most `maxBytes` (default 1 GiB). @throws ApiError unknownEpoch */
  snapshot(epoch: bigint, options?: CallOptions & { readonly maxBytes?: number | undefined }): Promise<Uint8Array>;
  /** The newest that this member has. @throws ApiError unknownCheckpoint */
  checkpoint(options?: CallOptions): Promise<r.CheckpointAnswer>;
  /** The ledger, or the tail of the order, right after a checkpoint's batch. @throws ApiError unknownCheckpoint */
  checkpointPart(
    sequence: bigint,
    part: "snapshot" | "order",
    options?: CallOptions & { readonly maxBytes?: number | undefined },
  ): Promise<Uint8Array>;
  handovers(options?: CallOptions): Promise<r.HandoversAnswer>;
  /**
   * The event stream, resumed across reconnects; ends when `signal` aborts. Batches and receipts come at least once and in order of
   * sequence; certificates come newest first-hand: a newer one covers those before it, so older ones may be left out.
   */
  events(options?: EventOptions): AsyncGenerator<s.StreamEvent & { readonly id: string }, void, undefined>;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** A snapshot may have hundreds of megabytes. */
const SNAPSHOT_TIMEOUT_MS = 300_000;

export function createApiClient(options: ApiClientOptions): ApiClient {
  const transport: Transport = {
    url: baseUrl(options.url),
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxAnswerBytes: options.maxAnswerBytes ?? s.API_LIMITS.maxAnswerBytes,
    headers: options.headers ?? {},
  };
  const get = <T>(path: string, schema: z.ZodType<T>, call: CallOptions = {}): Promise<T> =>
    requestJson(transport, path, schema, { signal: call.signal, timeoutMs: call.timeoutMs });

  return {
    url: transport.url,
    committee: (call) => get("/v1/committee", s.committeeAnswer, call),
    status: (call) => get("/v1/status", s.statusAnswer, call),
    async submit(instructions, call = {}) {
      const path = "/v1/instructions";
      // The same text as ledger/json.ts writes, without its schemas: they would double what a browser loads.
      const body = JSON.stringify({ instructions }, (_, value: unknown) =>
        typeof value === "bigint" ? value.toString() : value,
      );
      const text = await requestText(transport, path, {
        method: "POST",
        body,
        signal: call.signal,
        timeoutMs: call.timeoutMs,
      });
      const { results } = decodeJson(s.submitAnswer, text, path);
      if (results.length !== instructions.length)
        throw new ApiError("badAnswer", "not one result per instruction", {
          details: { path, sent: instructions.length, received: results.length },
        });
      return results;
    },
    instruction: (id, call) => get(`/v1/instructions/${id}`, s.instructionAnswer, call),
    latestCertificate: (call) => get(`/v1/certificates/latest${query({ suite: call?.suite })}`, certificate, call),
    certificate: (sequence, call) =>
      get(`/v1/certificates/${sequence}${query({ suite: call?.suite })}`, certificate, call),
    batch: (sequence, call) => get(`/v1/batches/${sequence}`, s.batchAnswer, call),
    destination: (chainId, call) =>
      get(`/v1/destinations/${chainId}${query({ sequence: call?.sequence })}`, s.destinationAnswer, call),
    outbox: (chainId, call = {}) =>
      get(
        `/v1/outbox/${chainId}${query({ from: call.from, limit: call.limit, indexes: call.indexes?.join(","), size: call.size })}`,
        s.outboxAnswer,
        call,
      ),
    history: (sequence, call) => get(`/v1/history/${sequence}${query({ at: call?.at })}`, s.historyAnswer, call),
    account: (account, call) =>
      get(`/v1/accounts/${account}${query({ asset: call?.asset, sequence: call?.sequence })}`, s.accountAnswer, call),
    lane: (signer, lane, call) => get(`/v1/lanes/${signer}/${lane}`, s.laneAnswer, call),
    reconfiguration: (call) => get("/v1/reconfiguration", r.reconfigurationAnswer, call),
    reconfigurationDeals: (call) => get(`/v1/reconfiguration/deals${query({ from: call?.from })}`, r.dealsAnswer, call),
    async submitTransactions(transactions, call = {}) {
      const path = "/v1/reconfiguration/transactions";
      const results: r.TransactionResult[] = [];
      for (const part of partsOf(transactions.map(bytesToHex))) {
        const { signal, timeoutMs } = call;
        const body = JSON.stringify({ transactions: part });
        const text = await requestText(transport, path, { method: "POST", body, signal, timeoutMs });
        const answer = decodeJson(r.transactionsAnswer, text, path);
        if (answer.results.length !== part.length)
          throw new ApiError("badAnswer", "not one result per transaction", {
            details: { path, sent: part.length, received: answer.results.length },
          });
        results.push(...answer.results);
      }
      return results;
    },
    epoch: (epoch, call) => get(`/v1/epochs/${epoch}`, r.epochAnswer, call),
    snapshot: (epoch, call = {}) =>
      requestBytes(
        transport,
        `/v1/epochs/${epoch}/snapshot`,
        call.maxBytes ?? r.RECONFIGURATION_LIMITS.maxSnapshotBytes,
        {
          signal: call.signal,
          timeoutMs: call.timeoutMs ?? Math.max(transport.timeoutMs, SNAPSHOT_TIMEOUT_MS),
        },
      ),
    checkpoint: (call) => get("/v1/checkpoints/latest", r.checkpointAnswer, call),
    checkpointPart: (sequence, part, call = {}) =>
      requestBytes(
        transport,
        `/v1/checkpoints/${sequence}/${part}`,
        call.maxBytes ?? r.RECONFIGURATION_LIMITS.maxSnapshotBytes,
        { signal: call.signal, timeoutMs: call.timeoutMs ?? Math.max(transport.timeoutMs, SNAPSHOT_TIMEOUT_MS) },
      ),
    handovers: (call) => get("/v1/handovers", r.handoversAnswer, call),
    async *events(stream = {}) {
      const path = `/v1/events${query({ types: stream.types?.join(",") })}`;
      for await (const event of streamEvents(transport, path, stream)) {
        const { id } = event;
        if (event.type === "batch") yield { type: "batch", id, batch: decodeJson(s.batchSummary, event.data, path) };
        else if (event.type === "receipt")
          yield { type: "receipt", id, receipt: decodeJson(s.STREAM_SCHEMAS.receipt, event.data, path) };
        else if (event.type === "certificate")
          yield { type: "certificate", id, certificate: decodeJson(certificate, event.data, path) };
        else if (event.type === "gap") yield { type: "gap", id, gap: decodeJson(s.streamGap, event.data, path) };
        // Other types are a newer member's; this client does not know them.
      }
    },
  };
}

/** Splits texts into requests of allowed size, in order. */
function partsOf(texts: readonly string[]): string[][] {
  const { maxTransactions, maxBodyBytes } = r.RECONFIGURATION_LIMITS;
  const parts: string[][] = [];
  let room = 0;
  for (const text of texts) {
    // Quotes and comma; what surrounds the list is shorter than one item.
    const size = text.length + 3;
    const last = parts.at(-1);
    if (last === undefined || size > room || last.length === maxTransactions) {
      parts.push([text]);
      room = maxBodyBytes - 64 - size;
    } else {
      last.push(text);
      room -= size;
    }
  }
  return parts;
}

function baseUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new ApiError("badUrl", "not a URL", { details: { url: text.slice(0, 200) }, cause });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new ApiError("badUrl", "an API's address is http or https", { details: { protocol: url.protocol } });
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function query(values: Readonly<Record<string, string | number | bigint | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
