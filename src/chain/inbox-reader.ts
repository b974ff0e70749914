/**
 * Reads inbox entries from ONE endpoint and believes none of them until they lead from a known hash to an agreed one.
 * Whatever is dropped, repeated, reordered, altered or slipped in on the way breaks that chain.
 */
import { nextInboxHash } from "../batch/inbox.ts";
import type { InboxEntry } from "../batch/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { maxBigint, minBigint } from "../lib/math.ts";
import { ChainError, type InboxCursor } from "./port.ts";
import type { RpcEndpoint } from "./rpc-endpoint.ts";
import { getInboxLogs, type InboxLog } from "./vault-inbox.ts";

/** How many blocks to ask for at once. Providers limit ranges by blocks or by answer size, each in its own words. */
export class BlockRanges {
  readonly #max: bigint;
  #size: bigint;

  constructor(max: bigint) {
    this.#max = max;
    this.#size = max;
  }

  get size(): bigint {
    return this.#size;
  }

  /** False when it cannot get any smaller. */
  shrink(): boolean {
    if (this.#size === 1n) return false;
    this.#size = maxBigint(1n, this.#size / 2n);
    return true;
  }

  grow(): void {
    this.#size = minBigint(this.#size * 2n, this.#max);
  }
}

export interface ReadEntriesOptions {
  readonly endpoint: RpcEndpoint;
  readonly vault: Address;
  readonly cursor: InboxCursor;
  /** Final: nothing above it is asked for. */
  readonly lastBlock: bigint;
  /** Read entries cursor.index ≤ index < upTo. */
  readonly upTo: bigint;
  /** The inbox hash after `upTo` entries, on which enough endpoints agree. */
  readonly goal: Hex;
  readonly ranges: BlockRanges;
  readonly signal: AbortSignal;
}

/** The entries and the block of the last one. Throws ChainError `inboxBroken`, `rpcMalformed`, `rpcUnavailable`, `rpcRefused`. */
export async function readEntries(
  options: ReadEntriesOptions,
): Promise<{ readonly entries: readonly InboxEntry[]; readonly lastBlock: bigint }> {
  const { endpoint, cursor, lastBlock, upTo, goal, ranges } = options;
  const entries: InboxEntry[] = [];
  let { hash, index: expected } = cursor;
  for (let from = cursor.block; from <= lastBlock; ) {
    const to = minBigint(from + ranges.size - 1n, lastBlock);
    const logs = await getLogs(options, from, to);
    if (logs === undefined) continue; // the range was halved
    for (const { entry, block } of logs) {
      if (entry.index < cursor.index && entries.length === 0) continue; // read before; resuming starts at a block, not at a log
      if (entry.index !== expected) throw broken(endpoint, `entry ${entry.index} where ${expected} must come`);
      hash = nextInboxHash(hash, entry);
      entries.push(entry);
      expected++;
      if (expected < upTo) continue;
      if (hash !== goal) throw broken(endpoint, `entries up to ${upTo} do not lead to the vault's hash`);
      return { entries, lastBlock: block };
    }
    from = to + 1n;
    ranges.grow();
  }
  throw broken(endpoint, `entries end at ${expected}, the vault has ${upTo}`);
}

async function getLogs(options: ReadEntriesOptions, from: bigint, to: bigint): Promise<InboxLog[] | undefined> {
  const { endpoint, vault, ranges, signal } = options;
  try {
    return await getInboxLogs(endpoint, vault, from, to, signal);
  } catch (error) {
    if (error instanceof ChainError && error.code === "rpcRefused" && ranges.shrink()) return undefined;
    throw error;
  }
}

function broken(endpoint: RpcEndpoint, reason: string): ChainError {
  return new ChainError("inboxBroken", `${endpoint.name}: ${reason}`, {
    details: { endpoint: endpoint.name, reason },
    isTransient: true,
  });
}
