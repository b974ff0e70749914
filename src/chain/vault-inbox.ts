/** A CollateralVault's inbox in ABI terms: which calls to ask, and how a log becomes an entry. Nothing here is believed yet. */
import { decodeEventLog, decodeFunctionResult, encodeFunctionData } from "viem";
import { collateralVaultAbi } from "../abi/collateral-vault.ts";
import type { InboxEntry } from "../batch/types.ts";
import { type Address, type Hex, isHex } from "../lib/hex.ts";
import { malformed, parseQuantity, toQuantity } from "./finality.ts";
import { ChainError } from "./port.ts";
import type { RpcEndpoint } from "./rpc-endpoint.ts";

/** One inbox log, decoded: the entry and the block that carries it. */
export interface InboxLog {
  readonly entry: InboxEntry;
  readonly block: bigint;
}

/** Number of entries at a block. */
export async function getInboxSize(endpoint: RpcEndpoint, vault: Address, blockHash: Hex, signal?: AbortSignal) {
  const data = encodeFunctionData({ abi: collateralVaultAbi, functionName: "inboxSize" });
  const answer = await callAt(endpoint, vault, data, blockHash, signal);
  return decode(endpoint, () =>
    decodeFunctionResult({ abi: collateralVaultAbi, functionName: "inboxSize", data: answer }),
  );
}

/** Hash chain value after `size` entries, as the vault holds it at a block. `size` must be ≥ 1. */
export async function getInboxHash(
  endpoint: RpcEndpoint,
  vault: Address,
  size: bigint,
  blockHash: Hex,
  signal?: AbortSignal,
): Promise<Hex> {
  const data = encodeFunctionData({ abi: collateralVaultAbi, functionName: "inboxHashAt", args: [size] });
  const answer = await callAt(endpoint, vault, data, blockHash, signal);
  return decode(endpoint, () =>
    decodeFunctionResult({ abi: collateralVaultAbi, functionName: "inboxHashAt", data: answer }),
  );
}

/**
 * The vault's inbox logs of a block range, in the order the endpoint gave. Throws ChainError `rpcMalformed` for logs of
 * another contract or outside the range (a look-alike event must never be taken for a deposit) and `rpcRefused` when the
 * endpoint finds the range too wide.
 */
export async function getInboxLogs(
  endpoint: RpcEndpoint,
  vault: Address,
  fromBlock: bigint,
  toBlock: bigint,
  signal?: AbortSignal,
): Promise<InboxLog[]> {
  const filter = { address: vault, fromBlock: toQuantity(fromBlock), toBlock: toQuantity(toBlock) };
  const answer = await endpoint.request("eth_getLogs", [filter], signal);
  return inboxLogsOf(answer, endpoint.name, vault, fromBlock, toBlock);
}

/** What an endpoint answered, read with care. Throws ChainError `rpcMalformed` and nothing else. */
export function inboxLogsOf(
  answer: unknown,
  endpoint: string,
  vault: Address,
  fromBlock: bigint,
  toBlock: bigint,
): InboxLog[] {
  if (!Array.isArray(answer)) throw malformed(endpoint, "eth_getLogs is no list");
  const logs: InboxLog[] = [];
  for (const raw of answer as unknown[]) {
    const log = parseLog(raw, endpoint);
    if (log.address !== vault) throw malformed(endpoint, `a log of ${log.address} instead of the vault`);
    if (log.block < fromBlock || log.block > toBlock) throw malformed(endpoint, "a log outside the asked range");
    if (log.removed) throw malformed(endpoint, "a log that was removed, in a final block");
    const entry = decodeEntry(log.topics, log.data);
    if (entry !== undefined) logs.push({ entry, block: log.block });
  }
  return logs;
}

/** Undefined for the vault's other events. */
function decodeEntry(topics: readonly Hex[], data: Hex): InboxEntry | undefined {
  let event: ReturnType<typeof decodeEvent>;
  try {
    event = decodeEvent(topics, data);
  } catch {
    // An event of the vault that is no inbox event. If the endpoint garbled an inbox event, the hash chain has a gap.
    return undefined;
  }
  if (event.eventName === "ForcedRequested") {
    return { kind: "forced", index: event.args.index, instruction: lowerCase(event.args.instruction) };
  }
  if (event.eventName !== "Deposited") return undefined;
  const { index, token, account, amount, refundTo, total } = event.args;
  return {
    kind: "deposit",
    index,
    token: lowerCase(token),
    account: lowerCase(account),
    amount,
    refundTo: lowerCase(refundTo),
    total,
  };
}

function decodeEvent(topics: readonly Hex[], data: Hex) {
  // CAST: viem wants a non-empty tuple; an empty list makes it throw, which the caller expects
  return decodeEventLog({ abi: collateralVaultAbi, topics: topics as [Hex, ...Hex[]], data, strict: true });
}

interface RawLog {
  readonly address: Address;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly block: bigint;
  readonly removed: boolean;
}

function parseLog(raw: unknown, endpoint: string): RawLog {
  if (typeof raw !== "object" || raw === null) throw malformed(endpoint, "a log that is no object");
  // CAST: a non-null object; every field is checked here before it is used
  const { address, topics, data, blockNumber, removed } = raw as Record<string, unknown>;
  if (!isHex(address, 20) || !isHex(data) || !Array.isArray(topics) || topics.length > 4) {
    throw malformed(endpoint, "a log with wrong fields");
  }
  if (!topics.every((topic) => isHex(topic, 32))) throw malformed(endpoint, "a log with wrong topics");
  return {
    address: lowerCase(address),
    topics: topics as Hex[], // CAST: every item was checked to be 32 bytes of hex
    data,
    block: parseQuantity(blockNumber, endpoint),
    removed: removed === true,
  };
}

async function callAt(endpoint: RpcEndpoint, to: Address, data: Hex, blockHash: Hex, signal: AbortSignal | undefined) {
  // By hash (EIP-1898): a number could mean another block by the time it is read.
  const answer = await endpoint.request(
    "eth_call",
    [
      { to, data },
      { blockHash, requireCanonical: true },
    ],
    signal,
  );
  if (!isHex(answer)) throw malformed(endpoint.name, "eth_call is no hex");
  if (answer === "0x") {
    throw new ChainError(
      "rpcMalformed",
      `${endpoint.name} sees no vault at ${to}: wrong address, or not deployed yet`,
      {
        details: { endpoint: endpoint.name, vault: to, blockHash },
        isTransient: true,
      },
    );
  }
  return answer;
}

function decode<T>(endpoint: RpcEndpoint, run: () => T): T {
  try {
    return run();
  } catch {
    throw malformed(endpoint.name, "a call result of the wrong shape");
  }
}

function lowerCase(hex: Hex): Hex {
  return hex.toLowerCase() as Hex; // CAST: lower-casing keeps it hex
}
