/**
 * Reads one vault's inbox under the chain's own finality rule, trusting no endpoint.
 *
 * Per turn: (1) enough independent endpoints must name the same final block; (2) at that block, by its hash, enough of
 * them must name the same number of entries and the same hash-chain values; (3) logs may then come from any one endpoint,
 * because they must lead from our cursor to exactly that agreed hash. A truncated, repeated, reordered or foreign page
 * cannot: it would be a keccak collision. When endpoints disagree or too few answer, the watcher abstains: all honest
 * endpoints down and only the liar answering must look like "nothing new", never like a deposit.
 */
import { EMPTY_INBOX_HASH } from "../batch/inbox.ts";
import type { InboxEntry } from "../batch/types.ts";
import { isClocklessError } from "../lib/errors.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { minBigint } from "../lib/math.ts";
import type { Logger } from "../telemetry/port.ts";
import { type AgreedBlock, agreeOn, agreeOnFinalBlock, validateFinalityRule } from "./finality.ts";
import { BlockRanges, readEntries } from "./inbox-reader.ts";
import {
  ChainError,
  type ChainInbox,
  type FinalityRule,
  type InboxCursor,
  type InboxEvent,
  type InboxStatus,
} from "./port.ts";
import type { RpcEndpoint, RpcTuning } from "./rpc-endpoint.ts";
import { createRpcPool } from "./rpc-pool.ts";
import { getInboxHash, getInboxSize } from "./vault-inbox.ts";

export interface InboxWatcherOptions {
  readonly chainId: bigint;
  readonly vault: Address;
  /** URLs of independent endpoints (different operators: two URLs of one provider lie together). */
  readonly rpcs: readonly string[];
  /** How many endpoints must say the same; default min(2, number of URLs). */
  readonly requiredAgreement?: number | undefined;
  readonly finality: FinalityRule;
  /** Index of the first entry to emit. */
  readonly fromIndex: bigint;
  /** Inbox hash after `fromIndex` entries; without it the agreed value of the vault is taken when `fromIndex` > 0. */
  readonly fromHash?: Hex | undefined;
  /** No entry at or above `fromIndex` lies below this block; the vault's deployment block always serves. */
  readonly fromBlock: bigint;
  readonly pollingIntervalMs: number;
  readonly logger: Logger;
  readonly onEvent?: ((event: InboxEvent) => void) | undefined;
  /** Most blocks asked for at once; halved while an endpoint refuses, doubled again afterwards. */
  readonly maxBlockRange?: bigint | undefined;
  /** Most entries per callback: bounds memory after a long absence. */
  readonly maxEntries?: bigint | undefined;
  readonly tuning?: Partial<RpcTuning> | undefined;
}

const DEFAULT_BLOCK_RANGE = 2_000n;
const DEFAULT_MAX_ENTRIES = 1_000n;

/** Throws ChainError `badConfig`. Endpoints that are down now or later are never an error: they are retried for ever. */
export function createInboxWatcher(options: InboxWatcherOptions): ChainInbox {
  validateFinalityRule(options.finality);
  const required = options.requiredAgreement ?? Math.min(2, options.rpcs.length);
  if (!Number.isSafeInteger(required) || required < 1 || required > options.rpcs.length) {
    throw new ChainError("badConfig", "requiredAgreement must lie between 1 and the number of RPC URLs", {
      details: { required, urls: options.rpcs.length },
    });
  }
  return new InboxWatcher(options, required);
}

class InboxWatcher implements ChainInbox {
  readonly chainId: bigint;
  readonly #options: InboxWatcherOptions;
  readonly #required: number;
  readonly #pool;
  readonly #logger: Logger;
  readonly #vault: Address;
  #index: bigint;
  #hash: Hex | undefined;
  #block: bigint;
  readonly #ranges: BlockRanges;
  /** Entries whose callback threw: proven already, so they are offered again without reading them again. */
  #offer: { readonly entries: readonly InboxEntry[]; readonly cursor: InboxCursor } | undefined;
  #state: InboxStatus["state"] = "stopped";
  #lastReason: string | undefined;
  #final: AgreedBlock | undefined;
  #abort: AbortController | undefined;
  #running: Promise<void> | undefined;

  constructor(options: InboxWatcherOptions, required: number) {
    this.chainId = options.chainId;
    this.#options = options;
    this.#required = required;
    this.#pool = createRpcPool({ chainId: options.chainId, urls: options.rpcs, tuning: options.tuning });
    this.#logger = options.logger.child({ chainId: options.chainId.toString() });
    this.#vault = options.vault.toLowerCase() as Address; // CAST: lower-casing keeps it hex
    this.#index = options.fromIndex;
    this.#hash = options.fromIndex === 0n ? EMPTY_INBOX_HASH : options.fromHash;
    this.#block = options.fromBlock;
    this.#ranges = new BlockRanges(options.maxBlockRange ?? DEFAULT_BLOCK_RANGE);
  }

  start(onEntries: (entries: readonly InboxEntry[], cursor: InboxCursor) => void): void {
    if (this.#running !== undefined) throw new ChainError("badConfig", "the watcher runs already");
    const abort = new AbortController();
    this.#abort = abort;
    this.#state = "starting";
    this.#running = this.#run(onEntries, abort.signal);
  }

  async stop(): Promise<void> {
    this.#abort?.abort();
    await this.#running;
    this.#running = undefined;
    this.#state = "stopped";
  }

  status(): InboxStatus {
    const endpoints = this.#pool.endpoints;
    return {
      chainId: this.chainId,
      state: this.#state,
      cursor: this.#cursor(),
      finalBlock: this.#final?.number,
      healthyEndpoints: endpoints.filter((endpoint) => !endpoint.isPaused()).length,
      endpoints: endpoints.length,
    };
  }

  #cursor(): InboxCursor {
    return { index: this.#index, hash: this.#hash ?? EMPTY_INBOX_HASH, block: this.#block };
  }

  async #run(onEntries: (entries: readonly InboxEntry[], cursor: InboxCursor) => void, signal: AbortSignal) {
    while (!signal.aborted) {
      let more = false;
      try {
        more = await this.#turn(onEntries, signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#report(error);
      }
      if (!more) await sleep(this.#options.pollingIntervalMs, signal);
    }
  }

  /** One reading; true when more entries wait. */
  async #turn(
    onEntries: (entries: readonly InboxEntry[], cursor: InboxCursor) => void,
    signal: AbortSignal,
  ): Promise<boolean> {
    this.#handOver(onEntries);
    const final = await agreeOnFinalBlock(this.#pool.endpoints, this.#options.finality, this.#required, signal);
    if (this.#final !== undefined && final.number < this.#final.number) return false; // only laggards answered
    if (final.hash === this.#final?.hash && this.#state === "following") return false;

    const size = await this.#agree(final, "the inbox size", String, (endpoint) =>
      getInboxSize(endpoint, this.#vault, final.hash, signal),
    );
    if (!(await this.#continuesAt(final, size, signal))) return false;
    if (size > this.#index) {
      const upTo = minBigint(size, this.#index + (this.#options.maxEntries ?? DEFAULT_MAX_ENTRIES));
      const goal = await this.#agree(final, "the inbox hash", String, (endpoint) =>
        getInboxHash(endpoint, this.#vault, upTo, final.hash, signal),
      );
      const { entries, lastBlock } = await this.#read(final, upTo, goal, signal);
      if (signal.aborted) return false;
      this.#offer = { entries, cursor: { index: upTo, hash: goal, block: lastBlock } };
      this.#handOver(onEntries);
      if (size > upTo) return true;
    }
    // Enough endpoints say that nothing above our cursor lies at or below this block.
    this.#block = final.number + 1n;
    this.#final = final;
    this.#setState("following");
    this.#emit({ kind: "caughtUp", chainId: this.chainId, index: this.#index, block: final.number });
    return false;
  }

  /** The callback first: if it throws, the cursor stays and the same entries come again. */
  #handOver(onEntries: (entries: readonly InboxEntry[], cursor: InboxCursor) => void): void {
    if (this.#offer === undefined) return;
    const { entries, cursor } = this.#offer;
    onEntries(entries, cursor);
    this.#offer = undefined;
    this.#index = cursor.index;
    this.#hash = cursor.hash;
    this.#block = cursor.block;
  }

  #agree<T>(final: AgreedBlock, what: string, keyOf: (value: T) => string, ask: (e: RpcEndpoint) => Promise<T>) {
    return agreeOn(final.endpoints, this.#required, what, ask, keyOf).then(({ value }) => value);
  }

  /** Whether the agreed final history contains what we already gave to the member. */
  async #continuesAt(final: AgreedBlock, size: bigint, signal: AbortSignal): Promise<boolean> {
    if (this.#index === 0n) return true;
    const actual =
      size < this.#index
        ? EMPTY_INBOX_HASH
        : await this.#agree(final, "the inbox hash at the cursor", String, (endpoint) =>
            getInboxHash(endpoint, this.#vault, this.#index, final.hash, signal),
          );
    if (this.#hash === undefined && size >= this.#index) this.#hash = actual;
    if (actual === this.#hash) return true;
    if (this.#hash === undefined) {
      // Nothing was emitted by us yet: endpoints are simply behind the index we were told to resume from.
      throw new ChainError("disagreement", `the inbox has ${size} entries, ${this.#index} were read before`, {
        isTransient: true,
      });
    }
    if (this.#state !== "halted") {
      this.#setState("halted");
      this.#emit({
        kind: "reorgBeyondFinality",
        chainId: this.chainId,
        index: this.#index,
        expected: this.#hash,
        actual,
      });
      this.#logger.error("final history changed: entries already read are gone; reading stops until they are back", {
        code: "reorgBeyondFinality",
        index: this.#index.toString(),
        expected: this.#hash,
        actual,
        block: final.number.toString(),
      });
    }
    return false;
  }

  /** Entries from the cursor up to index `upTo`, proven by the agreed hash `goal`. Tries endpoint after endpoint. */
  async #read(final: AgreedBlock, upTo: bigint, goal: Hex, signal: AbortSignal) {
    let last: ChainError | undefined;
    const ranked = this.#pool.ranked();
    const candidates = [
      ...ranked.filter((endpoint) => final.endpoints.includes(endpoint)),
      ...ranked.filter((endpoint) => !final.endpoints.includes(endpoint)),
    ];
    for (const endpoint of candidates) {
      try {
        return await readEntries({
          ...{ endpoint, vault: this.#vault, cursor: this.#cursor(), lastBlock: final.number, upTo, goal, signal },
          ranges: this.#ranges,
        });
      } catch (error) {
        if (!(error instanceof ChainError) || error.code === "stopped") throw error;
        last = error;
        if (error.code === "inboxBroken" || error.code === "rpcMalformed") {
          endpoint.penalise(error.shortMessage);
          this.#emit({
            kind: "logsRefused",
            chainId: this.chainId,
            endpoint: endpoint.name,
            reason: error.shortMessage,
          });
          this.#logger.warn("refused an endpoint's logs; trying another", {
            code: error.code,
            endpoint: endpoint.name,
            reason: error.shortMessage,
          });
        }
      }
    }
    // If the chain moved entries to lower blocks beyond its finality rule, they are below our cursor's block: look again.
    if (last?.code === "inboxBroken") this.#block = minBigint(this.#block, this.#options.fromBlock);
    throw last ?? new ChainError("rpcUnavailable", "no endpoint to read logs from", { isTransient: true });
  }

  #report(error: unknown): void {
    if (!(error instanceof ChainError)) {
      // The callback's own: it may push back while it is full (transient), otherwise it failed. Entries are offered again.
      const isBackpressure = isClocklessError(error) && error.isTransient;
      const say = isBackpressure ? this.#logger.debug : this.#logger.error;
      say.call(this.#logger, "inbox entries were not taken; offering them again", { error: String(error) });
      return;
    }
    if (this.#state !== "halted") this.#setState("abstaining");
    // Said once per reason: an outage lasts for thousands of turns.
    if (error.shortMessage === this.#lastReason) return;
    this.#lastReason = error.shortMessage;
    const code = error.code === "disagreement" ? "disagreement" : "rpcUnavailable";
    this.#emit({ kind: "abstained", chainId: this.chainId, code, reason: error.shortMessage });
    this.#logger.warn("abstaining: cannot read this chain's inbox safely; trying again", {
      code: error.code,
      reason: error.shortMessage,
      ...error.details,
    });
  }

  #setState(state: InboxStatus["state"]): void {
    if (this.#state === state) return;
    if (state !== "abstaining") this.#lastReason = undefined;
    if (state === "following") this.#logger.info("following the inbox", { index: this.#index.toString() });
    this.#state = state;
  }

  #emit(event: InboxEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      this.#logger.error("an inbox event's listener failed", { error: String(error) });
    }
  }
}

/** Resolves early when aborted. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
