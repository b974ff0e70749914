/**
 * The open expiries of one market. Anybody may trade any expiry, far ones too, for a unit of cash each: what a batch costs must follow
 * from the expiries that are due, not from how many are open. Later ones wait by the hour; those of hours that ledger time has reached
 * are kept in a sorted list.
 */
import { divFloor } from "../lib/math.ts";

const HOUR = 3600n;

export class ExpiryQueue {
  /** By hour not yet reached. */
  private readonly later = new Map<bigint, Set<bigint>>();
  /** Open expiries of every hour reached, ascending. */
  private readonly reached: bigint[] = [];
  private hour = 0n;

  add(expiry: bigint): void {
    const hour = divFloor(expiry, HOUR);
    const waiting = this.later.get(hour);
    if (hour <= this.hour) this.insert(expiry);
    else if (waiting === undefined) this.later.set(hour, new Set([expiry]));
    else waiting.add(expiry);
  }

  delete(expiry: bigint): void {
    const hour = divFloor(expiry, HOUR);
    const waiting = this.later.get(hour);
    if (waiting !== undefined) {
      waiting.delete(expiry);
      if (waiting.size === 0) this.later.delete(hour);
      return;
    }
    const at = this.lowerBound(expiry);
    if (this.reached[at] === expiry) this.reached.splice(at, 1);
  }

  /** Tells what ledger time is; it never falls. */
  advance(time: bigint): void {
    const hour = divFloor(time, HOUR);
    if (hour <= this.hour) return;
    // From no time at all to today are half a million hours; there are never more to look at than hours in which something expires.
    const passed = hour - this.hour > BigInt(this.later.size) ? [...this.later.keys()] : hoursAfter(this.hour, hour);
    this.hour = hour;
    for (const each of passed) {
      const waiting = each <= hour ? this.later.get(each) : undefined;
      if (waiting === undefined) continue;
      this.later.delete(each);
      for (const expiry of waiting) this.insert(expiry);
    }
  }

  /** Open expiries up to `time`, ascending; `time` is not after what {@link advance} was told. */
  due(time: bigint): bigint[] {
    return this.reached.slice(0, this.lowerBound(time + 1n));
  }

  /** Whether any open expiry of an hour reached lies in [from, to). */
  has(from: bigint, to: bigint): boolean {
    const next = this.reached[this.lowerBound(from)];
    return next !== undefined && next < to;
  }

  private insert(expiry: bigint): void {
    const at = this.lowerBound(expiry);
    if (this.reached[at] !== expiry) this.reached.splice(at, 0, expiry);
  }

  private lowerBound(value: bigint): number {
    let low = 0;
    let high = this.reached.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.reached[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function hoursAfter(from: bigint, to: bigint): bigint[] {
  const hours: bigint[] = [];
  for (let hour = from + 1n; hour <= to; hour += 1n) hours.push(hour);
  return hours;
}
