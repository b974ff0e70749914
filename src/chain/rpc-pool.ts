/**
 * Several endpoints of one chain. One bad endpoint never disables the chain: requests go to the healthiest one and fall
 * over to the next. What needs trust asks several and compares (see `finality.ts`); the pool itself believes nobody.
 */
import { ChainError } from "./port.ts";
import {
  createRpcEndpoint,
  DEFAULT_RPC_TUNING,
  type EndpointHealth,
  type RpcEndpoint,
  type RpcTuning,
} from "./rpc-endpoint.ts";

export interface RpcPool {
  readonly chainId: bigint;
  /** In configured order. */
  readonly endpoints: readonly RpcEndpoint[];
  /** Healthiest first; paused ones last. */
  ranked(): RpcEndpoint[];
  /**
   * Asks one endpoint after the other until one answers. A revert is an answer: it is thrown at once. Throws
   * `rpcUnavailable` when nobody answered, `rpcRefused` when those that answered all refused.
   */
  request(method: string, params: readonly unknown[], signal?: AbortSignal): Promise<unknown>;
  health(): EndpointHealth[];
  /** Abandons every request under way and refuses new ones, with ChainError `stopped`. */
  close(): void;
}

export interface RpcPoolOptions {
  readonly chainId: bigint;
  readonly urls: readonly string[];
  readonly tuning?: Partial<RpcTuning> | undefined;
}

/** Throws ChainError `badConfig` for no URL, a URL that is not http(s), or the same URL twice (it would agree with itself). */
export function createRpcPool(options: RpcPoolOptions): RpcPool {
  const tuning: RpcTuning = { ...DEFAULT_RPC_TUNING, ...options.tuning };
  if (options.urls.length === 0) throw new ChainError("badConfig", `chain ${options.chainId} has no RPC URL`);
  const closing = new AbortController();
  const seen = new Set<string>();
  const endpoints = options.urls.map((text, position) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
      throw new ChainError("badConfig", `RPC URL number ${position} of chain ${options.chainId} is not an http(s) URL`);
    }
    if (seen.has(url.href)) {
      throw new ChainError("badConfig", `RPC URL number ${position} of chain ${options.chainId} is there twice`);
    }
    seen.add(url.href);
    return createRpcEndpoint(text, `${url.host}#${position}`, options.chainId, tuning, closing.signal);
  });

  function ranked(): RpcEndpoint[] {
    return endpoints
      .map((endpoint) => ({ endpoint, health: endpoint.health() }))
      .sort(
        (a, b) =>
          a.health.pausedUntilMs - b.health.pausedUntilMs ||
          // Scores in steps of a tenth, so that latency decides between endpoints that are about equally reliable.
          Math.round(b.health.score * 10) - Math.round(a.health.score * 10) ||
          a.health.latencyMs - b.health.latencyMs,
      )
      .map(({ endpoint }) => endpoint);
  }

  return {
    chainId: options.chainId,
    endpoints,
    ranked,
    async request(method, params, signal) {
      const problems: ChainError[] = [];
      for (const endpoint of ranked()) {
        try {
          return await endpoint.request(method, params, signal);
        } catch (error) {
          if (!(error instanceof ChainError) || error.code === "callReverted" || error.code === "stopped") throw error;
          problems.push(error);
        }
      }
      const refusal = problems.find((problem) => problem.code === "rpcRefused");
      if (refusal !== undefined) throw refusal;
      throw new ChainError("rpcUnavailable", `no endpoint of chain ${options.chainId} answered ${method}`, {
        details: {
          chainId: options.chainId.toString(),
          method,
          problems: problems.map((problem) => problem.shortMessage),
        },
        isTransient: true,
      });
    },
    health: () => endpoints.map((endpoint) => endpoint.health()),
    close: () => closing.abort(),
  };
}
