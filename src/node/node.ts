/**
 * Runs one member with real transport, storage, chains and API. All inputs go through one queue; a drain steps the member with
 * everything that waits, makes one durable write, and only then lets messages out: persist before send, one fsync for many.
 */
import type { ChainInbox, InboxStatus } from "../chain/port.ts";
import type { SignedInstruction } from "../ledger/types.ts";
import type { Hex } from "../lib/hex.ts";
import { Member } from "../member/member.ts";
import type { MemberConfig, MemberEffect, MemberInput, SubmitVerdict } from "../member/types.ts";
import type { Store } from "../storage/port.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Transport } from "../transport/port.ts";
import type { NodeEvent } from "./api/view.ts";
import { decodeBatchHead } from "./batch-json.ts";
import { InboxFeed } from "./inbox-feed.ts";
import type { MarketPoller } from "./market.ts";
import { createMarketFeed, type MarketFeed } from "./market-feed.ts";
import type { NodeMetrics } from "./metrics.ts";
import { WriteCollector } from "./records.ts";

export interface NodeParts {
  readonly member: MemberConfig;
  readonly store: Store;
  readonly transport: Transport;
  /** Makes the watchers, each from where the ledger (or an earlier checkpoint) stands. */
  readonly createInboxes: (from: (chainId: bigint) => InboxStart) => readonly ChainInbox[];
  /** How far beyond its cursor the ledger tallies inbox reports. */
  readonly inboxReach: bigint;
  readonly market: MarketPoller | undefined;
  readonly logger: Logger;
  readonly metrics: NodeMetrics;
  /** Milliseconds, monotone; performance only. */
  readonly nowMs: () => number;
  /** Called once when the node must not go on (failed disk, broken invariant). */
  readonly onFatal: (error: unknown) => void;
}

/** Where a watcher starts: undefined block means the configured deployment block. */
export interface InboxStart {
  readonly index: bigint;
  readonly hash: Hex | undefined;
  readonly block: bigint | undefined;
}

/** A price that the ledger has not fixed by then is reported again. */
const PRICE_REPEAT_MS = 3_000;

/** How long a peer that sent nonsense is not listened to. */
const MUTE_MS = 10_000;

export class Node {
  readonly #parts: NodeParts;
  readonly #member: Member;
  readonly #queue: MemberInput[] = [];
  readonly #writes = new WriteCollector();
  readonly #listeners = new Set<(event: NodeEvent) => void>();
  readonly #waiting: ((verdicts: readonly SubmitVerdict[]) => void)[] = [];
  readonly #waitingCounts: number[] = [];
  readonly #feeds = new Map<bigint, InboxFeed>();
  readonly #market: MarketFeed;
  #inboxes: readonly ChainInbox[] = [];
  #verdicts: SubmitVerdict[] = [];
  #draining = false;
  #stopped = false;
  #fatal: unknown;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#member = new Member(parts.member);
    const slotSeconds = new Map(parts.member.genesis.markets.map((market) => [market.id, BigInt(market.slotSeconds)]));
    this.#market = createMarketFeed((market) => slotSeconds.get(market), PRICE_REPEAT_MS);
  }

  get member(): Member {
    return this.#member;
  }

  get isHealthy(): boolean {
    return this.#fatal === undefined && !this.#stopped;
  }

  /** Inbox entries of a chain that this member saw final. */
  inboxSeen(chainId: bigint): bigint {
    return this.#feeds.get(chainId)?.seen ?? 0n;
  }

  inboxStatus(chainId: bigint): InboxStatus | undefined {
    return this.#inboxes.find((inbox) => inbox.chainId === chainId)?.status();
  }

  /** Replays the store, then opens the doors. */
  async start(): Promise<void> {
    const { transport, createInboxes, inboxReach, market, logger, nowMs } = this.#parts;
    this.#restore();
    this.#inboxes = createInboxes((chainId) => this.#inboxStart(chainId));
    await transport.start({
      onMessage: (from, bytes) => this.#push({ kind: "message", from, bytes }),
      onPeer: (peer, connected) => {
        logger.info(connected ? "peer connected" : "peer lost; dialling again", { peer });
        if (connected) this.#push({ kind: "connected", peer });
      },
      onFault: (peer, code, details) => {
        logger.warn("a peer breaks the framing", { peer, code, ...details });
        this.#parts.metrics.faults.add({ peer, code });
      },
      onStranger: (peerId) => logger.warn("somebody who is no committee member was turned away", { peerId }),
    });
    for (const inbox of this.#inboxes) {
      const feed = new InboxFeed(inbox.chainId, inboxReach, this.#inboxStart(inbox.chainId).index);
      this.#feeds.set(inbox.chainId, feed);
      inbox.start((entries, cursor) => {
        feed.add(entries, cursor);
        this.#feed(inbox.chainId, feed);
      });
    }
    market?.start((answer) => {
      const observations = this.#market.take(answer, this.#member.ledger.time, nowMs());
      if (observations.length > 0) this.#push({ kind: "observe", observations });
    });
    this.#push({ kind: "tick" });
  }

  /** Finishes what is queued, then closes the doors. The store is closed last. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    const { transport, market, store } = this.#parts;
    market?.stop();
    await Promise.all(this.#inboxes.map((inbox) => inbox.stop()));
    await transport.stop();
    store.close();
  }

  /** Gives instructions to the member; resolves when it has answered for each, after what it promised is on disk and sent. */
  submit(instructions: readonly SignedInstruction[]): Promise<readonly SubmitVerdict[]> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#waitingCounts.push(instructions.length);
      this.#push({ kind: "submit", instructions });
    });
  }

  subscribe(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #restore(): void {
    const { store, logger } = this.#parts;
    const started = this.#parts.nowMs();
    const newest = store.latestBatch()?.sequence ?? 0n;
    const certificates = function* () {
      for (const { sequence, suite, signature } of store.certificates({ limit: 1_000_000 })) {
        const batch = store.batch(sequence);
        if (batch !== undefined) yield { header: decodeBatchHead(batch.json).header, suite, signature };
      }
    };
    this.#member.restore(
      {
        log: store.log(),
        registered: (kind, position) => store.register(kind, position),
        certificates: certificates(),
      },
      (effect) => {
        // Batches that are stored already are checked against the store by writing them again: other content is a conflict.
        if (effect.kind === "persist" || effect.kind === "batch") this.#collect(effect);
        if (effect.kind === "batch") this.#market.settled(effect.batch.events);
      },
    );
    if (!this.#writes.isEmpty) store.write(this.#writes.take());
    logger.info("replayed the store", {
      batches: this.#member.ledger.sequence,
      stored: newest,
      round: this.#member.consensus.highestRound,
      ms: Math.round(this.#parts.nowMs() - started),
    });
  }

  /** Tells the member what the ledger is ready for, and keeps the place from which to read again. */
  #feed(chainId: bigint, feed: InboxFeed): void {
    const cursor = this.#inboxCursor(chainId);
    const observations = feed.take(cursor);
    if (observations.length > 0) this.#push({ kind: "observe", observations });
    const checkpoint = feed.checkpoint(cursor);
    if (checkpoint === undefined) return;
    const { index, hash, block } = checkpoint;
    this.#writes.meta(`inbox/${chainId}`, JSON.stringify({ index: index.toString(), hash, block: block.toString() }));
  }

  #inboxStart(chainId: bigint): InboxStart {
    const text = this.#parts.store.meta(`inbox/${chainId}`);
    if (text === undefined) return { index: 0n, hash: undefined, block: undefined };
    // CAST: this node wrote the row, in the same shape.
    const row = JSON.parse(text) as { index: string; hash: Hex; block: string };
    return { index: BigInt(row.index), hash: row.hash, block: BigInt(row.block) };
  }

  #inboxCursor(chainId: bigint): bigint {
    return this.#member.ledger.destinations.find((destination) => destination.chainId === chainId)?.inboxCursor ?? 0n;
  }

  #push(input: MemberInput): void {
    if (this.#stopped || this.#fatal !== undefined) return;
    this.#queue.push(input);
    if (this.#draining) return;
    this.#draining = true;
    setImmediate(() => this.#drain());
  }

  #drain(): void {
    this.#draining = false;
    if (this.#fatal !== undefined || this.#stopped) return;
    try {
      this.#stepAll();
    } catch (error) {
      this.#fail(error);
    }
  }

  #stepAll(): void {
    const { store, transport, nowMs } = this.#parts;
    const later: MemberEffect[] = [];
    for (const input of this.#queue.splice(0)) {
      for (const effect of this.#member.step(input, nowMs())) {
        if (effect.kind === "persist" || effect.kind === "batch") this.#collect(effect);
        if (effect.kind !== "persist") later.push(effect);
      }
    }
    if (!this.#writes.isEmpty) store.write(this.#writes.take());
    const n = this.#parts.member.committee.members.length;
    for (const effect of later) {
      if (effect.kind !== "send") continue;
      if (effect.to !== "all") transport.send(effect.to, effect.bytes);
      else
        for (let peer = 0; peer < n; peer++) if (peer !== this.#parts.member.self) transport.send(peer, effect.bytes);
    }
    for (const effect of later) this.#show(effect);
    if (later.some((effect) => effect.kind === "batch"))
      for (const [chainId, feed] of this.#feeds) this.#feed(chainId, feed);
    this.#answerSubmitters();
    this.#schedule();
  }

  #collect(effect: MemberEffect): void {
    if (effect.kind === "persist") this.#writes.persist(effect.write);
    if (effect.kind === "batch") this.#writes.batch(effect.batch);
  }

  #show(effect: MemberEffect): void {
    const { logger, metrics, transport } = this.#parts;
    switch (effect.kind) {
      case "batch":
        metrics.batch(effect.batch);
        this.#market.settled(effect.batch.events);
        this.#notify({ kind: "batch", sequence: effect.batch.header.sequence });
        break;
      case "certificate":
        metrics.certificates.add({ suite: effect.certificate.suite });
        this.#notify({
          kind: "certificate",
          sequence: effect.certificate.header.sequence,
          suite: effect.certificate.suite,
        });
        break;
      case "verdict":
        this.#verdicts.push(effect.verdict);
        break;
      case "punish":
        logger.warn("a member misbehaves; muted for a while", {
          member: effect.member,
          code: effect.code,
          ...effect.details,
        });
        metrics.faults.add({ peer: effect.member, code: effect.code });
        if (effect.member !== this.#parts.member.self) transport.mute(effect.member, MUTE_MS);
        break;
      case "exposed":
        logger.error("a member signed two blocks for one round: slashable, keep this line", {
          member: effect.author,
          round: effect.first.round,
          first: effect.first.digest,
          second: effect.second.digest,
        });
        break;
      case "behind":
        logger.error("this member fell further behind than peers keep blocks for; restore it from a certificate", {
          round: effect.round,
        });
        break;
    }
  }

  #answerSubmitters(): void {
    while (this.#waiting.length > 0 && this.#verdicts.length >= this.#waitingCounts[0]!) {
      const count = this.#waitingCounts.shift()!;
      this.#waiting.shift()!(this.#verdicts.splice(0, count));
    }
  }

  #notify(event: NodeEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const wakeAtMs = this.#member.wakeAtMs;
    if (wakeAtMs === undefined) return;
    this.#timer = setTimeout(() => this.#push({ kind: "tick" }), Math.max(1, wakeAtMs - this.#parts.nowMs()));
  }

  /** Fail-stop: a member whose disk or invariants are broken must not say another word. */
  #fail(error: unknown): void {
    this.#fatal = error;
    clearTimeout(this.#timer);
    this.#parts.logger.error("the node stops: it cannot go on safely", { error });
    this.#parts.onFatal(error);
  }
}
