/**
 * What members ask each other beside their new blocks, and the answers: ancestors that are lacking, coins that an undecided slot
 * waits for. Questions of others cost us a bounded rate, wrong answers cost their senders a `punish`.
 */
import { maxFaulty } from "../lib/math.ts";
import { COIN_DELAY, MAX_FETCH_DEPTH, RETRY_MAX_MS, SERVED_BLOCKS } from "./limits.ts";
import type { Parts } from "./parts.ts";
import { answerFetch } from "./serve.ts";
import type { BlockRef, CoinShare, ConsensusEffect, ConsensusMessage } from "./types.ts";

type ExchangeParts = Pick<Parts, "config" | "dag" | "pending" | "fetcher" | "peers" | "bundles" | "coins">;

export class Exchange {
  readonly #parts: ExchangeParts;
  readonly #faulty: number;
  #behindAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    this.#faulty = maxFaulty(parts.config.members.length);
  }

  /** Asks for what waiting blocks lack and is due. */
  fetchDue(nowMs: number, effects: ConsensusEffect[]): void {
    const { dag, pending, fetcher } = this.#parts;
    if (fetcher.size === 0) return;
    // At least 1, because 0 invites nothing: who begins late in an epoch would walk down to its start a round per answer.
    const after = Math.max(1, dag.highestRound - 1);
    const isNeeded = (ref: BlockRef): boolean => pending.isAwaited(ref);
    const isTaken = ({ round, author }: BlockRef): boolean =>
      dag.at(round, author).length > 0 || pending.isHeldAt(round, author);
    for (const [peer, refs] of fetcher.due(nowMs, dag.highestRound, isNeeded, isTaken)) {
      // Rounds of its author that we lack below the block, and are not above our floor: it made at most one block in each.
      const gaps = refs.map(({ round, author }) => round - 1 - Math.max(dag.newest(author), dag.floor));
      const depth = Math.min(Math.max(0, ...gaps), MAX_FETCH_DEPTH);
      const message = { kind: "fetch", refs, after } as const;
      effects.push({ kind: "send", to: peer, message: depth === 0 ? message : { ...message, depth } });
    }
  }

  /** At most our own limit of what is asked (the asker's may be higher: the rest it asks again), and a bounded rate. */
  serveBlocks(
    from: number,
    { refs, after = 0, depth = 0 }: Extract<ConsensusMessage, { kind: "fetch" }>,
    nowMs: number,
  ): ConsensusEffect[] {
    const { config, dag, peers, bundles } = this.#parts;
    const { limits } = config;
    if (!peers.mayServe(from, SERVED_BLOCKS * limits.maxBlockBytes, nowMs)) return [];
    const { message, size } = answerFetch(dag, limits, from, refs.slice(0, limits.maxFetchRefs), after, depth);
    peers.served(from, size);
    bundles.served(from, refs);
    return [{ kind: "send", to: from, message }];
  }

  /** What a peer said that it does not have either. */
  takeNotFound(
    from: number,
    { notFound, floor = 0 }: Extract<ConsensusMessage, { kind: "fetched" }>,
    nowMs: number,
    effects: ConsensusEffect[],
  ): void {
    for (const ref of notFound) {
      const sunkAt = this.#parts.fetcher.notFound(from, ref, floor, nowMs);
      // At least one honest member has dropped it: nobody will bring it any more, the way forward is a certificate.
      if (sunkAt > this.#faulty) this.reportBehind(ref.round, nowMs, effects);
    }
  }

  /**
   * Again and again while it is so: whoever has to act on it may be busy, or find nobody who answers, and the others may not get on
   * without us, so that nothing further happens that would tell.
   */
  reportBehind(round: number, nowMs: number, effects: ConsensusEffect[]): void {
    if (nowMs < this.#behindAtMs + RETRY_MAX_MS) return;
    this.#behindAtMs = nowMs;
    effects.push({ kind: "behind", round });
  }

  /** Asks everybody for the coins that an undecided slot waits for and that are due. */
  requestCoins(nowMs: number, effects: ConsensusEffect[]): void {
    const { peers, coins } = this.#parts;
    for (const round of peers.coinsToRequest(coins.wanted, nowMs)) {
      effects.push({ kind: "send", to: "all", message: { kind: "coinRequest", round } });
    }
  }

  /** The coin of a round, or else our share of it once `lastOwnRound` is so high that our blocks have given it away. */
  serveCoin(from: number, round: number, lastOwnRound: number): ConsensusEffect[] {
    const { config, dag, coins } = this.#parts;
    const signature = coins.signature(round);
    if (signature !== undefined) return [{ kind: "send", to: from, message: { kind: "coin", round, signature } }];
    // Never earlier than with our block of that round: an early coin would tell the scheduler whom to delay.
    if (round < 1 || round <= dag.floor || round + COIN_DELAY > lastOwnRound) return [];
    const { self } = config;
    const share = self === undefined ? undefined : (coins.share(round, self) ?? config.coin.share(round));
    if (self === undefined || share === undefined) return [];
    // Kept, so that asking a thousand times costs one signature.
    coins.add(self, { round, signature: share });
    return [{ kind: "send", to: from, message: { kind: "coinShares", shares: [{ round, signature: share }] } }];
  }

  takeShares(from: number, shares: readonly CoinShare[]): void {
    const { config, dag, coins } = this.#parts;
    const highest = dag.highestRound + config.retainedRounds;
    for (const share of shares) {
      if (share.round >= 1 && share.round > dag.floor && share.round <= highest) coins.add(from, share);
    }
  }

  takeCoin(from: number, round: number, signature: Uint8Array, effects: ConsensusEffect[]): void {
    if (this.#parts.coins.accept(round, signature)) return;
    effects.push({ kind: "punish", member: from, code: "badCoin", details: { round } });
  }
}
