/**
 * One JSON-RPC URL: time-outs, bounded answers, back-off with jitter, rate limits, and a health score.
 * The server is a stranger: it may be down, lie about its chain, answer slowly or without end. Nothing it says is used
 * before it has named the right chain id, and no error or name carries the URL, because URLs hold API keys.
 */
import { BaseError, HttpRequestError, http, RpcRequestError, TimeoutError } from "viem";
import type { Hex } from "../lib/hex.ts";
import { ChainError } from "./port.ts";

export interface RpcTuning {
  /** Whole request, body included. */
  readonly timeoutMs: number;
  /** First pause after a failure; doubles with each further one, with jitter, up to `backoffMaxMs`. */
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** Longest Retry-After that is honoured: a hostile endpoint must not retire itself from our view for ever. */
  readonly retryAfterMaxMs: number;
  /** Answers beyond this are cut off unread. */
  readonly maxResponseBytes: number;
  readonly now: () => number;
  readonly random: () => number;
}

export const DEFAULT_RPC_TUNING: RpcTuning = {
  timeoutMs: 10_000,
  backoffBaseMs: 250,
  backoffMaxMs: 30_000,
  retryAfterMaxMs: 60_000,
  maxResponseBytes: 16 * 1024 * 1024,
  now: () => Date.now(),
  random: () => Math.random(),
};

export interface EndpointHealth {
  readonly name: string;
  /** Share of recent requests that were answered properly, 0 … 1 (moving average, half-life about 7 requests). */
  readonly score: number;
  readonly latencyMs: number;
  /** Not asked before this time (milliseconds since the epoch); 0 when it may be asked. */
  readonly pausedUntilMs: number;
  readonly lastProblem: string | undefined;
}

export interface RpcEndpoint {
  /** Host and position, safe for logs. */
  readonly name: string;
  /**
   * One request, no retry. Throws ChainError `rpcUnavailable`, `wrongChain`, `rpcRefused` or `stopped`; while the endpoint
   * is paused it throws `rpcUnavailable` at once.
   */
  request(method: string, params: readonly unknown[], signal?: AbortSignal): Promise<unknown>;
  isPaused(): boolean;
  /** Called by readers that caught it lying: counts like a failed request. */
  penalise(reason: string): void;
  health(): EndpointHealth;
}

type RawRequest = (args: { method: string; params: unknown }, options?: { signal?: AbortSignal }) => Promise<unknown>;

/** JSON-RPC codes that mean "ask less often": limit exceeded (EIP-1474) and the ones big providers made up. */
const RATE_LIMIT_CODES: ReadonlySet<number> = new Set([-32005, -32016, -32029, 429]);
const SCORE_WEIGHT = 0.1;

/** `closing`: abandons all requests of this endpoint when it aborts. */
export function createRpcEndpoint(
  url: string,
  name: string,
  chainId: bigint,
  tuning: RpcTuning,
  closing: AbortSignal,
): RpcEndpoint {
  const transport = http(url, {
    retryCount: 0,
    timeout: tuning.timeoutMs,
    maxResponseBodySize: tuning.maxResponseBytes,
  })({
    retryCount: 0,
  });
  // CAST: viem types `request` by method; this layer is generic over methods and validates answers where they are used
  const raw = transport.request as RawRequest;

  let score = 1;
  let latencyMs = 0;
  let failures = 0;
  let pausedUntilMs = 0;
  let lastProblem: string | undefined;
  let chainChecked: Promise<void> | undefined;

  function fail(reason: string, pauseMs?: number): void {
    failures++;
    score *= 1 - SCORE_WEIGHT;
    lastProblem = reason;
    const ceiling = Math.min(tuning.backoffBaseMs * 2 ** Math.min(failures - 1, 20), tuning.backoffMaxMs);
    // Full jitter on the upper half: members must not come back in step after a common outage.
    pausedUntilMs = tuning.now() + (pauseMs ?? ceiling * (0.5 + 0.5 * tuning.random()));
  }

  function succeed(startedMs: number): void {
    failures = 0;
    pausedUntilMs = 0;
    score = score * (1 - SCORE_WEIGHT) + SCORE_WEIGHT;
    latencyMs = latencyMs === 0 ? tuning.now() - startedMs : latencyMs * 0.8 + (tuning.now() - startedMs) * 0.2;
  }

  async function ask(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const startedMs = tuning.now();
    try {
      const result = await raw({ method, params }, { signal });
      succeed(startedMs);
      return result;
    } catch (error) {
      if (signal.aborted) throw new ChainError("stopped", "the request was abandoned");
      const problem = classify(error, name, method, tuning);
      if (problem.countsAsFailure) fail(problem.error.shortMessage, problem.pauseMs);
      else succeed(startedMs);
      throw problem.error;
    }
  }

  async function checkChain(signal: AbortSignal): Promise<void> {
    const answer = await ask("eth_chainId", [], signal);
    if (typeof answer !== "string" || !/^0x[0-9a-f]{1,16}$/i.test(answer) || BigInt(answer) !== chainId) {
      fail("serves another chain", tuning.backoffMaxMs);
      throw new ChainError("wrongChain", `${name} does not serve chain ${chainId}`, {
        details: { endpoint: name, expected: chainId.toString(), answer: String(answer).slice(0, 66) },
        isTransient: true,
      });
    }
  }

  return {
    name,
    async request(method, params, callSignal) {
      const signal = callSignal === undefined ? closing : AbortSignal.any([callSignal, closing]);
      if (signal.aborted) throw new ChainError("stopped", "the request was abandoned");
      if (pausedUntilMs > tuning.now()) throw unavailable(name, `paused after: ${lastProblem ?? "a failure"}`);
      // Once per endpoint and again after an outage: behind one URL another backend may answer after a restart.
      if (chainChecked === undefined || failures > 0) {
        const check = checkChain(signal);
        chainChecked = check;
        check.catch(() => {
          if (chainChecked === check) chainChecked = undefined;
        });
      }
      await chainChecked;
      return ask(method, params, signal);
    },
    isPaused: () => pausedUntilMs > tuning.now(),
    penalise(reason) {
      fail(reason);
    },
    health: () => ({
      name,
      score,
      latencyMs,
      pausedUntilMs: pausedUntilMs > tuning.now() ? pausedUntilMs : 0,
      lastProblem,
    }),
  };
}

interface Problem {
  readonly error: ChainError;
  /** False for refusals that are the question's fault (a revert), which say nothing against the endpoint. */
  readonly countsAsFailure: boolean;
  readonly pauseMs?: number | undefined;
}

function classify(error: unknown, name: string, method: string, tuning: RpcTuning): Problem {
  const cause = error instanceof BaseError ? error.walk((inner) => isOurs(inner)) : undefined;
  if (cause instanceof TimeoutError) {
    return { error: unavailable(name, `${method} timed out after ${tuning.timeoutMs} ms`), countsAsFailure: true };
  }
  if (cause instanceof HttpRequestError || cause instanceof RpcRequestError) {
    const isLimit = cause.status === 429 || (cause instanceof RpcRequestError && RATE_LIMIT_CODES.has(cause.code));
    if (isLimit) {
      const pauseMs = retryAfterMs(cause.headers, tuning);
      return { error: unavailable(name, `${method} was rate-limited`), countsAsFailure: true, pauseMs };
    }
  }
  if (cause instanceof RpcRequestError && (cause.status === undefined || cause.status < 500)) {
    return { error: refused(name, method, cause), countsAsFailure: false };
  }
  const status = cause instanceof HttpRequestError && cause.status !== undefined ? ` (HTTP ${cause.status})` : "";
  return { error: unavailable(name, `${method} failed${status}`), countsAsFailure: true };
}

function isOurs(error: unknown): boolean {
  return error instanceof TimeoutError || error instanceof HttpRequestError || error instanceof RpcRequestError;
}

function refused(name: string, method: string, error: RpcRequestError): ChainError {
  const data = revertData(error.data);
  const isRevert = error.code === 3 || (data !== undefined && data !== "0x") || /revert/i.test(error.details);
  const details = { endpoint: name, method, rpcCode: error.code, message: error.details.slice(0, 500), data };
  return isRevert
    ? new ChainError("callReverted", `${method} reverted`, { details })
    : new ChainError("rpcRefused", `${name} refused ${method}: ${error.details.slice(0, 200)}`, { details });
}

/** Servers put revert data at `data`, `data.data` or `data.result`. */
function revertData(data: unknown): Hex | undefined {
  const inner = typeof data === "object" && data !== null ? Object.values(data) : [data];
  // CAST: matched as 0x-prefixed hex just here
  return inner.find((value) => typeof value === "string" && /^0x[0-9a-f]*$/i.test(value)) as Hex | undefined;
}

function retryAfterMs(headers: Headers | undefined, tuning: RpcTuning): number | undefined {
  const seconds = Number(headers?.get("retry-after") ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(seconds * 1000, tuning.retryAfterMaxMs) * (1 + 0.1 * tuning.random());
}

function unavailable(name: string, reason: string): ChainError {
  return new ChainError("rpcUnavailable", `${name}: ${reason}`, {
    details: { endpoint: name, reason },
    isTransient: true,
  });
}
