/** Everything this member sees outside: the inboxes of its chains and its market adapter, made into observations for the ledger. */
import type { ChainInbox, InboxStatus } from "../chain/port.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LedgerEvent, MarketConfig, Observation } from "../ledger/types.ts";
import type { Hex } from "../lib/hex.ts";
import type { Store } from "../storage/port.ts";
import { InboxFeed } from "./inbox-feed.ts";
import type { MarketPoller } from "./market.ts";
import { createMarketFeed, type MarketFeed } from "./market-feed.ts";

/** A price that the ledger has not fixed by then is reported again. */
const PRICE_REPEAT_MS = 3_000;

/** Where a watcher starts: undefined block means the configured deployment block. */
export interface InboxStart {
  readonly index: bigint;
  readonly hash: Hex | undefined;
  readonly block: bigint | undefined;
}

export interface FeedsParts {
  /** Makes the watchers, each from where the ledger (or an earlier checkpoint) stands. */
  readonly createInboxes: (from: (chainId: bigint) => InboxStart) => readonly ChainInbox[];
  /** How far beyond its cursor the ledger tallies inbox reports. */
  readonly inboxReach: bigint;
  readonly market: MarketPoller | undefined;
  readonly markets: readonly MarketConfig[];
  readonly ledger: Pick<Ledger, "time" | "destinations">;
  readonly store: Pick<Store, "meta">;
  readonly nowMs: () => number;
  /** To the member. */
  readonly observe: (observations: readonly Observation[]) => void;
  /** Into the store with the next write. */
  readonly keep: (key: string, value: string) => void;
}

export class Feeds {
  readonly #parts: FeedsParts;
  readonly #inboxFeeds = new Map<bigint, InboxFeed>();
  readonly #market: MarketFeed;
  #inboxes: readonly ChainInbox[] = [];

  constructor(parts: FeedsParts) {
    this.#parts = parts;
    const slotSeconds = new Map(parts.markets.map((market) => [market.id, BigInt(market.slotSeconds)]));
    this.#market = createMarketFeed((market) => slotSeconds.get(market), PRICE_REPEAT_MS);
  }

  /** Inbox entries of a chain that this member saw final. */
  inboxSeen(chainId: bigint): bigint {
    return this.#inboxFeeds.get(chainId)?.seen ?? 0n;
  }

  inboxStatus(chainId: bigint): InboxStatus | undefined {
    return this.#inboxes.find((inbox) => inbox.chainId === chainId)?.status();
  }

  start(): void {
    const { createInboxes, inboxReach, market, ledger, nowMs, observe } = this.#parts;
    this.#inboxes = createInboxes((chainId) => this.#inboxStart(chainId));
    for (const inbox of this.#inboxes) {
      const feed = new InboxFeed(inbox.chainId, inboxReach, this.#inboxStart(inbox.chainId).index);
      this.#inboxFeeds.set(inbox.chainId, feed);
      inbox.start((entries, cursor) => {
        feed.add(entries, cursor);
        this.#report(inbox.chainId, feed);
      });
    }
    market?.start((answer) => {
      const observations = this.#market.take(answer, ledger.time, nowMs());
      if (observations.length > 0) observe(observations);
    });
  }

  async stop(): Promise<void> {
    this.#parts.market?.stop();
    await Promise.all(this.#inboxes.map((inbox) => inbox.stop()));
  }

  /** The ledger made a batch, or had made it before a restart. */
  settled(events: readonly LedgerEvent[]): void {
    this.#market.settled(events);
  }

  /** The ledger may be ready for more. */
  report(): void {
    for (const [chainId, feed] of this.#inboxFeeds) this.#report(chainId, feed);
  }

  /** A new epoch began: what members had reported and the ledger had not used is forgotten there, so it is reported again. */
  reset(): void {
    this.#market.reset();
    for (const feed of this.#inboxFeeds.values()) feed.reset();
  }

  /** Tells the member what the ledger is ready for, and keeps the place from which to read again. */
  #report(chainId: bigint, feed: InboxFeed): void {
    const { ledger, observe, keep, nowMs } = this.#parts;
    const cursor = ledger.destinations.find((destination) => destination.chainId === chainId)?.inboxCursor ?? 0n;
    const observations = feed.take(cursor, nowMs());
    if (observations.length > 0) observe(observations);
    const checkpoint = feed.checkpoint(cursor);
    if (checkpoint === undefined) return;
    const { index, hash, block } = checkpoint;
    keep(`inbox/${chainId}`, JSON.stringify({ index: index.toString(), hash, block: block.toString() }));
  }

  #inboxStart(chainId: bigint): InboxStart {
    const text = this.#parts.store.meta(`inbox/${chainId}`);
    if (text === undefined) return { index: 0n, hash: undefined, block: undefined };
    // CAST: this node wrote the row, in the same shape.
    const row = JSON.parse(text) as { index: string; hash: Hex; block: string };
    return { index: BigInt(row.index), hash: row.hash, block: BigInt(row.block) };
  }
}
