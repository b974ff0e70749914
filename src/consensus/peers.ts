/** What each peer has shown to know of us, what we last sent or asked it, and when to repeat it. Performance only. */
import { RETRY_MAX_MS, RETRY_MIN_MS } from "./limits.ts";

/** What looking up and answering costs, in bytes of blocks: some thousands of empty answers a second at most. */
const ANSWER_COST_BYTES = 8 * 1024;

interface Peer {
  /** Highest own round in the cone of a block of the peer. */
  knownRound: number;
  sentMs: number;
  /** Reminders since it last showed knowledge of something new. */
  reminders: number;
  /** Bytes of blocks that it was given in the second that began at `servedFromMs`. */
  servedBytes: number;
  servedFromMs: number;
}

export class Peers {
  readonly #peers: readonly Peer[];
  readonly #self: number | undefined;
  readonly #coinRequests = new Map<number, { nextMs: number; attempts: number }>();

  constructor(n: number, self: number | undefined) {
    this.#peers = Array.from({ length: n }, () => ({
      knownRound: 0,
      sentMs: 0,
      reminders: 0,
      servedBytes: 0,
      servedFromMs: 0,
    }));
    this.#self = self;
  }

  knows(peer: number, ownRound: number): void {
    const entry = this.#peers[peer]!;
    if (ownRound <= entry.knownRound) return;
    entry.knownRound = ownRound;
    entry.reminders = 0;
  }

  sentTo(peer: number, nowMs: number): void {
    this.#peers[peer]!.sentMs = nowMs;
  }

  sentToAll(nowMs: number): void {
    for (const peer of this.#peers) peer.sentMs = nowMs;
  }

  /** False when the peer has had `maxBytes` within this second: it asks again. */
  mayServe(peer: number, maxBytes: number, nowMs: number): boolean {
    const entry = this.#peers[peer]!;
    if (nowMs - entry.servedFromMs >= 1000) {
      entry.servedFromMs = nowMs;
      entry.servedBytes = 0;
    }
    return entry.servedBytes < maxBytes;
  }

  /** An answer costs its blocks, and something even without any. */
  served(peer: number, bytes: number): void {
    this.#peers[peer]!.servedBytes += bytes + ANSWER_COST_BYTES;
  }

  /** Peers that get the last own block again: not known to have it, and the patience (doubled each time) is over. */
  toRemind(lastOwnRound: number, patienceMs: number, nowMs: number): readonly number[] {
    const due: number[] = [];
    for (const [index, peer] of this.#peers.entries()) {
      if (index === this.#self || peer.knownRound >= lastOwnRound) continue;
      const waitMs = Math.min(patienceMs * 2 ** Math.min(peer.reminders, 10), RETRY_MAX_MS);
      if (nowMs - peer.sentMs < waitMs) continue;
      peer.sentMs = nowMs;
      peer.reminders++;
      due.push(index);
    }
    return due;
  }

  /** Which of the wanted coins to ask for now. */
  coinsToRequest(wanted: ReadonlySet<number>, nowMs: number): readonly number[] {
    for (const round of this.#coinRequests.keys()) if (!wanted.has(round)) this.#coinRequests.delete(round);
    const due: number[] = [];
    for (const round of wanted) {
      const request = this.#coinRequests.get(round) ?? { nextMs: nowMs, attempts: 0 };
      this.#coinRequests.set(round, request);
      if (request.nextMs > nowMs) continue;
      request.nextMs = nowMs + Math.min(RETRY_MIN_MS * 2 ** Math.min(request.attempts, 10), RETRY_MAX_MS);
      request.attempts++;
      due.push(round);
    }
    return due;
  }
}
