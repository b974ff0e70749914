/**
 * What members report of one chain's inbox. Entries are consumed in index order, each once n − f members reported the same entry on
 * top of the same prefix (their chained hashes are equal). A member reports contiguously; its first report of an index counts.
 */
import { inboxEntryHash } from "../batch/inbox.ts";
import type { InboxEntry } from "../batch/types.ts";
import type { Hex } from "../lib/hex.ts";
import { compareBigint, compareText } from "../lib/math.ts";
import { decodeObservations, encodeObservations } from "./codec.ts";
import { INBOX_LOOKAHEAD } from "./limits.ts";
import { type ByteReader, type ByteWriter, badSnapshot } from "./snapshot/bytes.ts";
import type { WordWriter } from "./words.ts";

interface Report {
  readonly hash: Hex;
  readonly entry: InboxEntry;
}

/** The same report of another member, if there is one: an entry may have 64 kB, and n members send it. */
function shared(slot: ReadonlyMap<number, Report>, report: Report): Report {
  for (const other of slot.values()) if (other.hash === report.hash) return other;
  return report;
}

export class InboxTally {
  private quorum: number;
  /** By index, then member. Only indices in [cursor, cursor + INBOX_LOOKAHEAD). */
  private readonly reports = new Map<bigint, Map<number, Report>>();
  /** The index after a member's last counted report. */
  private readonly next = new Map<number, bigint>();
  dirty = true;

  constructor(quorum: number) {
    this.quorum = quorum;
  }

  /** Takes a member's consecutive entries; what lies outside the tallied range or leaves a gap to its earlier reports is ignored. */
  report(member: number, entries: readonly InboxEntry[], cursor: bigint): void {
    let expected = this.next.get(member) ?? 0n;
    if (expected < cursor) expected = cursor;
    for (const entry of entries) {
      if (entry.index < expected) continue;
      if (entry.index > expected || entry.index >= cursor + INBOX_LOOKAHEAD) break;
      let slot = this.reports.get(entry.index);
      if (slot === undefined) {
        slot = new Map();
        this.reports.set(entry.index, slot);
      }
      slot.set(member, shared(slot, { hash: inboxEntryHash(entry), entry }));
      expected += 1n;
      this.next.set(member, expected);
      this.dirty = true;
    }
  }

  /**
   * The entry at the cursor if n − f members agree on it; the caller consumes it. Members that reported another entry there saw
   * another chain: what they reported beyond it is forgotten, and they may report again.
   */
  take(cursor: bigint): InboxEntry | undefined {
    const slot = this.reports.get(cursor);
    if (slot === undefined || slot.size < this.quorum) return undefined;
    const counts = new Map<Hex, number>();
    for (const { hash } of slot.values()) counts.set(hash, (counts.get(hash) ?? 0) + 1);
    for (const { hash, entry } of slot.values()) {
      if (counts.get(hash)! < this.quorum) continue;
      this.reports.delete(cursor);
      this.dirty = true;
      for (const [member, report] of slot) if (report.hash !== hash) this.forget(member, cursor + 1n);
      return entry;
    }
    return undefined;
  }

  private forget(member: number, from: bigint): void {
    for (const [index, slot] of this.reports) {
      slot.delete(member);
      if (slot.size === 0) this.reports.delete(index);
    }
    this.next.set(member, from);
  }

  /** The reports were other members'; the cursor is the chain's. */
  startEpoch(quorum: number): void {
    this.quorum = quorum;
    this.reports.clear();
    this.next.clear();
    this.dirty = true;
  }

  save(out: ByteWriter, chainId: bigint): void {
    out.list(
      [...this.next].sort(([a], [b]) => a - b),
      ([member, next]) => out.u32(member).u64(next),
    );
    out.list(
      [...this.reports].sort(([a], [b]) => compareBigint(a, b)),
      ([, slot]) => {
        const entries = [...new Map([...slot.values()].map(({ hash, entry }) => [hash, entry]))];
        entries.sort(([a], [b]) => compareText(a, b));
        out.list(entries, ([, entry]) => out.blob(encodeObservations([{ kind: "inbox", chainId, entries: [entry] }])));
        const place = new Map(entries.map(([hash], at) => [hash, at]));
        out.list(
          [...slot].sort(([a], [b]) => a - b),
          ([member, { hash }]) => out.u32(member).u32(place.get(hash)!),
        );
      },
    );
  }

  load(reader: ByteReader): void {
    reader.list(12, () => this.next.set(reader.u32(), reader.u64()));
    reader.list(8, () => {
      const entries = reader.list(4, () => {
        const [observation] = decodeObservations(reader.blob());
        const entry = observation?.kind === "inbox" ? observation.entries[0] : undefined;
        if (entry === undefined) throw badSnapshot("not an inbox entry");
        return { hash: inboxEntryHash(entry), entry };
      });
      const slot = new Map<number, Report>();
      reader.list(8, () => {
        const member = reader.u32();
        const report = entries[reader.u32()];
        if (report === undefined) throw badSnapshot("a report of nothing");
        slot.set(member, report);
      });
      const [first] = slot.values();
      if (first === undefined) throw badSnapshot("an entry that nobody reported");
      this.reports.set(first.entry.index, slot);
    });
  }

  write(w: WordWriter): void {
    w.int(this.next.size);
    for (const [member, next] of [...this.next].sort(([a], [b]) => a - b)) w.int(member).int(next);
    w.int(this.reports.size);
    for (const [index, slot] of [...this.reports].sort(([a], [b]) => compareBigint(a, b))) {
      w.int(index).int(slot.size);
      for (const [member, { hash }] of [...slot].sort(([a], [b]) => a - b)) w.int(member).hex(hash);
    }
    this.dirty = false;
  }
}
