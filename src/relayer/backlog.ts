/**
 * What one hub still owes: which outbox entries are undelivered, since when, and which failed lately. Only a memory of what
 * the chain says; forgetting it costs a few reads.
 */
import type { HubClient } from "../chain/port.ts";
import { minBigint } from "../lib/math.ts";

/** Bits read per turn (64 words): a relayer that is new to a long outbox catches up over several turns. */
const SCAN_ENTRIES = 16_384n;
/** Undelivered entries whose age is remembered (25 MB): 16 windows. Of more, the oldest known ones give way and are young again. */
const MAX_AGES = 16 * Number(SCAN_ENTRIES);
/** Everything delivered is looked at again this often: a reorg may have taken somebody else's delivery back. */
const RESCAN_MS = 10 * 60_000;

export class Backlog {
  /** All entries below were delivered when last looked at. */
  #watermark = 0n;
  /** Where the next window beyond the first one begins, and whether that is the next to be read. */
  #beyond = 0n;
  #isBeyondNext = false;
  #scannedAtMs = 0;
  readonly #seenAtMs = new Map<bigint, number>();
  readonly #failures = new Failures<bigint>();

  /**
   * Undelivered entries of an outbox of `size` entries, in order; bounded per call. Every second call looks further, at one window after
   * the other: withdrawals that nobody can deliver (a recipient that refuses costs its owner next to nothing) stay undelivered for ever,
   * and as many as fit into a window must not hide everybody else's.
   */
  async scan(hub: HubClient, size: bigint, nowMs: number, signal?: AbortSignal): Promise<readonly bigint[]> {
    if (nowMs - this.#scannedAtMs > RESCAN_MS) {
      this.#watermark = 0n;
      this.#scannedAtMs = nowMs;
    }
    const afterFirst = this.#watermark + SCAN_ENTRIES;
    const isBeyond = this.#isBeyondNext && afterFirst < size;
    this.#isBeyondNext = !isBeyond;
    const hasNext = this.#beyond >= afterFirst && this.#beyond < size;
    const start = isBeyond ? (hasNext ? this.#beyond : afterFirst) : this.#watermark;
    const end = minBigint(size, start + SCAN_ENTRIES);
    if (end <= start) return [];
    const delivered = await hub.getDelivered(start, end, signal);
    const undelivered: bigint[] = [];
    for (let index = start; index < end; index++) {
      if (delivered.has(index)) {
        this.#seenAtMs.delete(index);
        this.#failures.clear(index);
      } else {
        undelivered.push(index);
        this.#see(index, nowMs);
      }
    }
    // From the end back to the start at once: who follows an outbox that grows all the time sees nothing else.
    if (isBeyond) this.#beyond = end < size ? end : 0n;
    else this.#watermark = undelivered[0] ?? end;
    return undelivered;
  }

  #see(index: bigint, nowMs: number): void {
    if (this.#seenAtMs.has(index)) return;
    const oldest = this.#seenAtMs.size < MAX_AGES ? undefined : this.#seenAtMs.keys().next().value;
    if (oldest !== undefined) this.#seenAtMs.delete(oldest);
    this.#seenAtMs.set(index, nowMs);
  }

  /** How long an undelivered entry has been known. */
  ageMs(index: bigint, nowMs: number): number {
    return nowMs - (this.#seenAtMs.get(index) ?? nowMs);
  }

  fail(index: bigint, nowMs: number): void {
    this.#failures.add(index, nowMs);
  }

  isPaused(index: bigint, nowMs: number): boolean {
    return this.#failures.isPaused(index, nowMs);
  }

  /** A reorg may have taken deliveries back: look at all of them again. */
  rescan(): void {
    this.#watermark = 0n;
  }

  /** Forgets failures, so that everything is tried again at once. */
  retry(): void {
    this.#failures.clearAll();
    this.rescan();
  }
}

const RETRY_BASE_MS = 5_000;
const RETRY_MAX_MS = 60 * 60_000;

/** Pauses that double with every failure, from 5 seconds to an hour. */
export class Failures<Key> {
  readonly #paused = new Map<Key, { failures: number; untilMs: number }>();

  add(key: Key, nowMs: number): void {
    const failures = (this.#paused.get(key)?.failures ?? 0) + 1;
    const pauseMs = Math.min(RETRY_BASE_MS * 2 ** Math.min(failures - 1, 20), RETRY_MAX_MS);
    this.#paused.set(key, { failures, untilMs: nowMs + pauseMs });
  }

  isPaused(key: Key, nowMs: number): boolean {
    return (this.#paused.get(key)?.untilMs ?? 0) > nowMs;
  }

  clear(key: Key): void {
    this.#paused.delete(key);
  }

  clearAll(): void {
    this.#paused.clear();
  }
}
