/**
 * What one hub still owes: which outbox entries are undelivered, since when, and which failed lately. Only a memory of what
 * the chain says; forgetting it costs a few reads.
 */
import type { HubClient } from "../chain/port.ts";
import { minBigint } from "../lib/math.ts";

/** Bits read per turn (64 words): a relayer that is new to a long outbox catches up over several turns. */
const SCAN_ENTRIES = 16_384n;
/** Everything delivered is looked at again this often: a reorg may have taken somebody else's delivery back. */
const RESCAN_MS = 10 * 60_000;

export class Backlog {
  /** All entries below were delivered when last looked at. */
  #watermark = 0n;
  #scannedAtMs = 0;
  readonly #seenAtMs = new Map<bigint, number>();
  readonly #failures = new Failures<bigint>();

  /** Undelivered entries of an outbox of `size` entries, in order; bounded per call. */
  async scan(hub: HubClient, size: bigint, nowMs: number, signal?: AbortSignal): Promise<readonly bigint[]> {
    if (nowMs - this.#scannedAtMs > RESCAN_MS) {
      this.#watermark = 0n;
      this.#scannedAtMs = nowMs;
    }
    const end = minBigint(size, this.#watermark + SCAN_ENTRIES);
    if (end <= this.#watermark) return [];
    const delivered = await hub.getDelivered(this.#watermark, end, signal);
    const undelivered: bigint[] = [];
    for (let index = this.#watermark; index < end; index++) {
      if (delivered.has(index)) {
        this.#seenAtMs.delete(index);
        this.#failures.clear(index);
      } else {
        undelivered.push(index);
        if (!this.#seenAtMs.has(index)) this.#seenAtMs.set(index, nowMs);
      }
    }
    this.#watermark = undelivered[0] ?? end;
    return undelivered;
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
