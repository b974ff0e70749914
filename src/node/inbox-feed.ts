/**
 * Between a chain's watcher and the member: hands over what the ledger is ready to tally, in small observations, and remembers
 * from where to read again after a restart. The watcher may be far ahead of the ledger (a deposit flood); its callback is then
 * refused, which makes it wait and call again, so memory stays bounded.
 */
import type { InboxEntry } from "../batch/types.ts";
import type { InboxCursor } from "../chain/port.ts";
import { MAX_FORCED_BYTES } from "../ledger/limits.ts";
import type { Observation } from "../ledger/types.ts";
import { ClocklessError } from "../lib/errors.ts";

/**
 * What was told and is not consumed after so long is told again. The ledger takes a member's entries in order only: if a block of ours
 * sank below the floor and a later one was output, it ignored what that said, and whoever has said it once would wait for ever.
 */
export const INBOX_REPEAT_MS = 30_000;
/** Entries held here although the ledger is not ready for them; a few megabytes at most. */
const MAX_HELD = 4096;
/** Entries in one observation: about 10 kB of deposits, so that it always fits a block beside other things. */
const CHUNK = 32;
/** Bytes of forced instructions in one observation: anybody may write them, and one too large for a block would never be reported. */
const CHUNK_BYTES = 128 * 1024;

export class InboxFeed {
  readonly #chainId: bigint;
  /** How far beyond its cursor the ledger tallies reports. */
  readonly #reach: bigint;
  #held: InboxEntry[] = [];
  /** Next index to hand to the member. */
  #next = 0n;
  #seen = 0n;
  /** The ledger's cursor when we looked last, and since when it, or what we have told, is what it is. */
  #cursor = 0n;
  #unchangedSinceMs = Number.NEGATIVE_INFINITY;
  /** Places in the chain at which entries ended, oldest first. */
  #checkpoints: InboxCursor[] = [];

  constructor(chainId: bigint, reach: bigint, from: bigint) {
    this.#chainId = chainId;
    this.#reach = reach;
    this.#next = from;
    this.#seen = from;
  }

  /** Inbox entries seen final. */
  get seen(): bigint {
    return this.#seen;
  }

  /**
   * New entries from the watcher. Throws when full, or at an entry that no member could report (its vault allows longer instructions than
   * the ledger): the watcher keeps them and comes again, so that chain's inbox waits and nothing else does.
   */
  add(entries: readonly InboxEntry[], cursor: InboxCursor): void {
    const tooLarge = entries.find((entry) => forcedBytes(entry) > MAX_FORCED_BYTES);
    if (tooLarge !== undefined) {
      throw new ClocklessError("inboxEntryTooLarge", `a forced instruction has more than ${MAX_FORCED_BYTES} bytes`, {
        details: { chainId: this.#chainId, index: tooLarge.index },
      });
    }
    if (this.#held.length + entries.length > MAX_HELD && this.#held.length > 0) {
      throw new ClocklessError("inboxFeedFull", "the ledger has not caught up with this inbox yet", {
        isTransient: true,
      });
    }
    this.#held.push(...entries.filter((entry) => entry.index >= this.#seen));
    this.#seen = cursor.index > this.#seen ? cursor.index : this.#seen;
    this.#checkpoints.push(cursor);
  }

  /** Observations for everything the ledger, whose cursor is given, is ready to tally and was not told yet, or told long ago in vain. */
  take(ledgerCursor: bigint, nowMs: number): Observation[] {
    if (ledgerCursor !== this.#cursor) this.#unchangedSinceMs = nowMs;
    this.#cursor = ledgerCursor;
    if (nowMs - this.#unchangedSinceMs >= INBOX_REPEAT_MS && this.#next > ledgerCursor) this.#next = ledgerCursor;
    // What the ledger has not consumed is kept, because a new epoch forgets who reported what.
    this.#held = this.#held.filter((entry) => entry.index >= ledgerCursor);
    const reach = ledgerCursor + this.#reach;
    const ready = this.#held.filter((entry) => entry.index >= this.#next && entry.index < reach);
    const observations: Observation[] = [];
    for (const entries of chunksOf(ready)) observations.push({ kind: "inbox", chainId: this.#chainId, entries });
    const last = ready.at(-1);
    if (last !== undefined) {
      this.#next = last.index + 1n;
      this.#unchangedSinceMs = nowMs;
    }
    return observations;
  }

  /** A new epoch's ledger knows of no reports: the next `take` tells it everything it has not consumed. */
  reset(): void {
    this.#next = 0n;
  }

  /** The newest place from which nothing is lost if reading starts there again; undefined when there is no newer one. */
  checkpoint(ledgerCursor: bigint): InboxCursor | undefined {
    let newest: InboxCursor | undefined;
    while (this.#checkpoints[0] !== undefined && this.#checkpoints[0].index <= ledgerCursor)
      newest = this.#checkpoints.shift();
    return newest;
  }
}

function forcedBytes(entry: InboxEntry): number {
  return entry.kind === "forced" ? (entry.instruction.length - 2) / 2 : 0;
}

/** In order; each as large as an observation may be, and at least one entry. */
function* chunksOf(entries: readonly InboxEntry[]): Iterable<InboxEntry[]> {
  let chunk: InboxEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = forcedBytes(entry);
    if (chunk.length === CHUNK || (chunk.length > 0 && bytes + size > CHUNK_BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(entry);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}
