/**
 * Prices of one market, slot by slot. Slot values are fixed at the end of a batch's observations: the lower median of everything
 * reported for the slot by then, once n − f members have. (Fixing at the moment the n − f-th report arrives would let whoever orders
 * blocks choose which reports count.) Later reports change nothing; a member's first report of a slot counts.
 *
 * Every value is capped at the market's price cap: no mark and no settlement price exceeds it, which is what bounds a short call.
 */
import { assert } from "../lib/assert.ts";
import { compareBigint, divFloor, minBigint } from "../lib/math.ts";
import { lowerMedian } from "./clock.ts";
import type { ExpiryQueue } from "./expiry-queue.ts";
import { MAX_AMOUNT, SLOT_SLACK } from "./limits.ts";
import type { ByteReader, ByteWriter } from "./snapshot/bytes.ts";
import type { MarketConfig } from "./types.ts";
import type { WordWriter } from "./words.ts";

export interface SlotPrice {
  readonly slotEnd: bigint;
  readonly value: bigint;
}

export class MarketPrices {
  readonly market: MarketConfig;
  /** The newest slot that has a value. */
  latest: SlotPrice | undefined;
  private quorum: number;
  private readonly slotSeconds: bigint;
  /** Seconds behind ledger time for which slots are kept whether or not an expiry needs them. */
  private readonly retention: bigint;
  /** Fixed values by slot end. */
  private readonly values = new Map<bigint, bigint>();
  /** Reports by slot end and member, for slots without a value. */
  private readonly reports = new Map<bigint, Map<number, bigint>>();
  /** Slots that got a report since the last `fix`. */
  private readonly pending = new Set<bigint>();
  dirty = true;

  constructor(market: MarketConfig, quorum: number) {
    this.market = market;
    this.quorum = quorum;
    this.slotSeconds = BigInt(market.slotSeconds);
    this.retention = this.slotSeconds * BigInt(market.expirySlots + SLOT_SLACK);
  }

  /**
   * Takes one report. Refused: slots that end after ledger time (nobody can know their price yet; the member reports again), slots
   * older than the retention that no open expiry needs, misaligned slots.
   */
  report(member: number, slotEnd: bigint, value: bigint, time: bigint, expiries: ExpiryQueue): void {
    if (slotEnd <= 0n || slotEnd % this.slotSeconds !== 0n || value < 0n || value > MAX_AMOUNT) return;
    if (slotEnd > time || !this.isKept(slotEnd, time, expiries) || this.values.has(slotEnd)) return;
    let slot = this.reports.get(slotEnd);
    if (slot === undefined) {
      slot = new Map();
      this.reports.set(slotEnd, slot);
    }
    if (slot.has(member)) return;
    slot.set(member, value);
    this.pending.add(slotEnd);
    this.dirty = true;
  }

  /** Gives a value to every slot that has n − f reports; returns them in slot order. */
  fix(): SlotPrice[] {
    const fixed: SlotPrice[] = [];
    for (const slotEnd of this.pending) {
      const slot = this.reports.get(slotEnd);
      if (slot === undefined || slot.size < this.quorum) continue;
      const value = minBigint(lowerMedian([...slot.values()]), this.market.priceCap);
      this.values.set(slotEnd, value);
      this.reports.delete(slotEnd);
      fixed.push({ slotEnd, value });
    }
    this.pending.clear();
    fixed.sort((a, b) => compareBigint(a.slotEnd, b.slotEnd));
    const newest = fixed.at(-1);
    if (newest !== undefined && newest.slotEnd > (this.latest?.slotEnd ?? 0n)) this.latest = newest;
    return fixed;
  }

  /** Forgets slots that nothing needs any more. */
  prune(time: bigint, expiries: ExpiryQueue): void {
    for (const slots of [this.values, this.reports]) {
      for (const slotEnd of slots.keys()) {
        if (this.isKept(slotEnd, time, expiries)) continue;
        slots.delete(slotEnd);
        this.dirty = true;
      }
    }
  }

  /**
   * Settlement price of an expiry: the mean of its slots' values rounded down, alike for both sides; undefined while one is missing.
   */
  expiryPrice(expiry: bigint): bigint | undefined {
    let sum = 0n;
    for (let i = 0; i < this.market.expirySlots; i++) {
      const value = this.values.get(expiry - BigInt(i) * this.slotSeconds);
      if (value === undefined) return undefined;
      sum += value;
    }
    const price = divFloor(sum, BigInt(this.market.expirySlots));
    assert(price <= this.market.priceCap, "a mean of capped values exceeds the cap");
    return price;
  }

  /** Fixed values stay; the reports were other members'. */
  startEpoch(quorum: number): void {
    this.quorum = quorum;
    this.reports.clear();
    this.pending.clear();
    this.dirty = true;
  }

  private isKept(slotEnd: bigint, time: bigint, expiries: ExpiryQueue): boolean {
    if (slotEnd > time - this.retention) return true;
    // So old that only an expiry which is due can need it: time has reached its hour.
    return expiries.has(slotEnd, slotEnd + BigInt(this.market.expirySlots) * this.slotSeconds);
  }

  save(out: ByteWriter): void {
    const bySlot = <T>(slots: ReadonlyMap<bigint, T>): [bigint, T][] =>
      [...slots].sort(([a], [b]) => compareBigint(a, b));
    out.flag(this.latest !== undefined);
    if (this.latest !== undefined) out.int(this.latest.slotEnd).int(this.latest.value);
    out.list(bySlot(this.values), ([slotEnd, value]) => out.int(slotEnd).int(value));
    out.list(bySlot(this.reports), ([slotEnd, slot]) => {
      const reports = [...slot].sort(([a], [b]) => a - b);
      out.int(slotEnd).list(reports, ([member, value]) => out.u32(member).int(value));
    });
  }

  load(reader: ByteReader): void {
    if (reader.flag()) this.latest = { slotEnd: reader.int(), value: reader.int() };
    reader.list(2, () => this.values.set(reader.int(), reader.int()));
    reader.list(5, () => {
      const slotEnd = reader.int();
      const reports = reader.list(5, () => [reader.u32(), reader.int()] as const);
      this.reports.set(slotEnd, new Map(reports));
    });
  }

  write(w: WordWriter): void {
    w.int(this.market.id)
      .int(this.latest?.slotEnd ?? 0n)
      .int(this.latest?.value ?? 0n);
    w.int(this.values.size);
    for (const [slotEnd, value] of [...this.values].sort(([a], [b]) => compareBigint(a, b))) w.int(slotEnd).int(value);
    w.int(this.reports.size);
    for (const [slotEnd, slot] of [...this.reports].sort(([a], [b]) => compareBigint(a, b))) {
      w.int(slotEnd).int(slot.size);
      for (const [member, value] of [...slot].sort(([a], [b]) => a - b)) w.int(member).int(value);
    }
    this.dirty = false;
  }
}
