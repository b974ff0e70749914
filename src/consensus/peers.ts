/** What each peer has shown to know of us, what we last sent or asked it, and when to repeat it. Performance only. */
import { RETRY_MAX_MS, RETRY_MIN_MS } from "./limits.ts";

interface Peer {
  /** Highest own round in the cone of a block of the peer. */
  knownRound: number;
  sentMs: number;
  /** Reminders since it last showed knowledge of something new. */
  reminders: number;
  /** Fetches of ours it has not answered yet. */
  openFetches: number;
}

export class Peers {
  readonly #peers: readonly Peer[];
  readonly #self: number | undefined;
  readonly #coinRequests = new Map<number, { nextMs: number; attempts: number }>();

  constructor(n: number, self: number | undefined) {
    this.#peers = Array.from({ length: n }, () => ({ knownRound: 0, sentMs: 0, reminders: 0, openFetches: 0 }));
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

  asked(peer: number): void {
    this.#peers[peer]!.openFetches++;
  }

  /** True when the peer's answer belongs to a question of ours. */
  takeAnswer(peer: number): boolean {
    const entry = this.#peers[peer]!;
    if (entry.openFetches === 0) return false;
    entry.openFetches--;
    return true;
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
