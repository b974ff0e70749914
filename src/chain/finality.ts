/**
 * Which block of a chain is final, and in whose words. Each endpoint applies the chain's own rule to its own view; a
 * block counts only when `required` endpoints call it, or a descendant of it, final and name the same hash.
 */
import { type Hex, isHex } from "../lib/hex.ts";
import { compareBigint } from "../lib/math.ts";
import { ChainError, type FinalityRule } from "./port.ts";
import type { RpcEndpoint } from "./rpc-endpoint.ts";

export interface BlockId {
  readonly number: bigint;
  readonly hash: Hex;
}

export interface AgreedBlock extends BlockId {
  /** The endpoints that agree; at least as many as were required. */
  readonly endpoints: readonly RpcEndpoint[];
}

/** Deeper than any chain's own rule; a typo beyond it would silently stop all deposits. */
const MAX_DEPTH = 100_000;

/** Throws ChainError `badConfig`. */
export function validateFinalityRule(rule: FinalityRule): void {
  if (rule.kind === "depth" && !(Number.isSafeInteger(rule.blocks) && rule.blocks >= 0 && rule.blocks <= MAX_DEPTH)) {
    throw new ChainError("badConfig", `a finality depth is a whole number of blocks from 0 to ${MAX_DEPTH}`, {
      details: { blocks: rule.blocks },
    });
  }
}

/** The newest block this endpoint calls final; undefined while it has none. */
export async function getFinalBlock(
  endpoint: RpcEndpoint,
  rule: FinalityRule,
  signal?: AbortSignal,
): Promise<BlockId | undefined> {
  if (rule.kind !== "depth") return getBlock(endpoint, rule.kind, signal);
  const latest = parseQuantity(await endpoint.request("eth_blockNumber", [], signal), endpoint.name);
  const number = latest - BigInt(rule.blocks);
  return number < 0n ? undefined : getBlock(endpoint, number, signal);
}

/** Number and hash of a block; undefined when the endpoint does not know it. */
export async function getBlock(
  endpoint: RpcEndpoint,
  at: bigint | "latest" | "finalized" | "safe",
  signal?: AbortSignal,
): Promise<BlockId | undefined> {
  const tag = typeof at === "bigint" ? toQuantity(at) : at;
  const answer = await endpoint.request("eth_getBlockByNumber", [tag, false], signal);
  if (answer === null || answer === undefined) return undefined;
  if (typeof answer === "object" && "number" in answer && "hash" in answer && isHex(answer.hash, 32)) {
    const number = parseQuantity(answer.number, endpoint.name);
    // An endpoint that answers with some other block would otherwise lend that block our height.
    if (typeof at !== "bigint" || number === at) return { number, hash: lowerCase(answer.hash) };
  }
  throw malformed(endpoint.name, "eth_getBlockByNumber");
}

/**
 * The newest final block that enough endpoints vouch for. Throws ChainError `rpcUnavailable` when fewer than `required`
 * answered at all and `disagreement` when they answered but contradict each other; both mean: abstain and ask later.
 */
export async function agreeOnFinalBlock(
  endpoints: readonly RpcEndpoint[],
  rule: FinalityRule,
  required: number,
  signal?: AbortSignal,
): Promise<AgreedBlock> {
  const { values: claims, problems } = await askAll(endpoints, (endpoint) => getFinalBlock(endpoint, rule, signal));
  const final = claims.flatMap(({ endpoint, value }) => (value === undefined ? [] : [{ endpoint, block: value }]));
  if (claims.length >= required && final.length < required) {
    throw new ChainError("rpcUnavailable", "the chain has no final block yet", { isTransient: true });
  }
  if (final.length < required) throw tooFew(final.length, required, problems);

  // A liar may claim any height. At the k-th highest claim k endpoints call the height final, so an honest one is among
  // them if fewer than k lie; lower heights are tried only when hashes differ there (a liar in company of a laggard).
  const heights = [...new Set(final.map(({ block }) => block.number))].sort((a, b) => compareBigint(b, a));
  for (const height of heights) {
    const supporters = final.filter(({ block }) => block.number >= height);
    if (supporters.length < required) continue;
    const { values } = await askAll(
      supporters.map(({ endpoint }) => endpoint),
      async (endpoint) => {
        const claim = supporters.find((supporter) => supporter.endpoint === endpoint)?.block;
        return claim?.number === height ? claim : getBlock(endpoint, height, signal);
      },
    );
    const agreed = largestGroup(values, (block) => block?.hash);
    if (agreed?.value !== undefined && agreed.endpoints.length >= required) {
      return { ...agreed.value, endpoints: agreed.endpoints };
    }
  }
  throw new ChainError("disagreement", `fewer than ${required} endpoints agree on any final block`, {
    details: { claims: final.map(({ endpoint, block }) => `${endpoint.name}: ${block.number} ${block.hash}`) },
    isTransient: true,
  });
}

/**
 * Asks the same question everywhere and returns what at least `required` endpoints answer alike (`keyOf` decides what
 * is alike). Throws like {@link agreeOnFinalBlock}.
 */
export async function agreeOn<T>(
  endpoints: readonly RpcEndpoint[],
  required: number,
  what: string,
  ask: (endpoint: RpcEndpoint) => Promise<T>,
  keyOf: (value: T) => string,
): Promise<{ readonly value: T; readonly endpoints: readonly RpcEndpoint[] }> {
  const { values, problems } = await askAll(endpoints, ask);
  const agreed = largestGroup(values, keyOf);
  if (agreed !== undefined && agreed.endpoints.length >= required) return agreed;
  if (values.length < required) throw tooFew(values.length, required, problems);
  throw new ChainError("disagreement", `fewer than ${required} endpoints agree on ${what}`, {
    details: { answers: values.map(({ endpoint, value }) => `${endpoint.name}: ${keyOf(value)}`) },
    isTransient: true,
  });
}

interface Answer<T> {
  readonly endpoint: RpcEndpoint;
  readonly value: T;
}

async function askAll<T>(
  endpoints: readonly RpcEndpoint[],
  ask: (endpoint: RpcEndpoint) => Promise<T>,
): Promise<{ values: Answer<T>[]; problems: string[] }> {
  const settled = await Promise.allSettled(endpoints.map(ask));
  const values: Answer<T>[] = [];
  const problems: string[] = [];
  settled.forEach((result, position) => {
    if (result.status === "fulfilled") values.push({ endpoint: endpoints[position]!, value: result.value });
    else if (!(result.reason instanceof ChainError) || result.reason.code === "stopped") throw result.reason;
    else problems.push(result.reason.shortMessage);
  });
  return { values, problems };
}

function largestGroup<T>(
  answers: readonly Answer<T>[],
  keyOf: (value: T) => string | undefined,
): { value: T; endpoints: RpcEndpoint[] } | undefined {
  const groups = new Map<string, { value: T; endpoints: RpcEndpoint[] }>();
  for (const { endpoint, value } of answers) {
    const key = keyOf(value);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { value, endpoints: [endpoint] });
    else group.endpoints.push(endpoint);
  }
  const sorted = [...groups.values()].sort((a, b) => b.endpoints.length - a.endpoints.length);
  const [first, second] = sorted;
  // Two camps of equal size: whichever we took could be the liars'.
  return first !== undefined && first.endpoints.length === second?.endpoints.length ? undefined : first;
}

function tooFew(answered: number, required: number, problems: readonly string[]): ChainError {
  return new ChainError("rpcUnavailable", `${answered} endpoints answered, ${required} must agree`, {
    details: { answered, required, problems },
    isTransient: true,
  });
}

/** JSON-RPC quantity. Throws ChainError `rpcMalformed`. */
export function parseQuantity(value: unknown, endpoint: string): bigint {
  if (typeof value === "string" && /^0x[0-9a-f]{1,64}$/i.test(value)) return BigInt(value);
  throw malformed(endpoint, "a quantity");
}

export function toQuantity(value: bigint): Hex {
  return `0x${value.toString(16)}`;
}

export function malformed(endpoint: string, what: string): ChainError {
  return new ChainError("rpcMalformed", `${endpoint} gave a malformed answer: ${what}`, {
    details: { endpoint, what },
    isTransient: true,
  });
}

function lowerCase(hex: Hex): Hex {
  return hex.toLowerCase() as Hex; // CAST: lower-casing keeps it hex
}
