/**
 * Ledger time: the lower median of the members' newest time reports, once n − f have reported; it never falls. It serves instruments'
 * terms only. With at most f of n members lying, the lower median of m ≥ n − f reports lies between two honest ones.
 */
import { compareBigint } from "../lib/math.ts";
import { MAX_UINT64 } from "./limits.ts";
import type { ByteReader, ByteWriter } from "./snapshot/bytes.ts";
import type { WordWriter } from "./words.ts";

/** Element ⌊(m − 1)/2⌋ of the sorted values; `values` is not empty and is sorted in place. */
export function lowerMedian(values: bigint[]): bigint {
  values.sort(compareBigint);
  return values[Math.floor((values.length - 1) / 2)]!;
}

export class LedgerClock {
  /** Seconds since the Unix epoch; 0 until n − f members have reported. */
  time = 0n;
  private quorum: number;
  private readonly newest = new Map<number, bigint>();
  private changed = false;

  constructor(quorum: number) {
    this.quorum = quorum;
  }

  /** A member's report; only its highest counts, so a repeated or reordered block changes nothing. */
  report(member: number, seconds: bigint): void {
    if (seconds < 0n || seconds > MAX_UINT64) return;
    if (seconds <= (this.newest.get(member) ?? -1n)) return;
    this.newest.set(member, seconds);
    this.changed = true;
  }

  /** Moves time to the median of what was reported. */
  advance(): void {
    if (!this.changed || this.newest.size < this.quorum) return;
    this.changed = false;
    const median = lowerMedian([...this.newest.values()]);
    if (median > this.time) this.time = median;
  }

  /** Time stays; the reports were other members'. */
  startEpoch(quorum: number): void {
    this.quorum = quorum;
    this.newest.clear();
    this.changed = false;
  }

  save(out: ByteWriter): void {
    out.int(this.time);
    out.list(
      [...this.newest].sort(([a], [b]) => a - b),
      ([member, seconds]) => out.u32(member).u64(seconds),
    );
  }

  load(reader: ByteReader): void {
    this.time = reader.int();
    reader.list(12, () => this.newest.set(reader.u32(), reader.u64()));
    // What the median was last taken of is not kept: taken again, it is the same.
    this.changed = true;
  }

  write(w: WordWriter): void {
    w.int(this.time).int(this.newest.size);
    for (const [member, seconds] of [...this.newest].sort(([a], [b]) => a - b)) w.int(member).int(seconds);
  }
}
