/**
 * Between the market adapter and the member: turns what the adapter says now into observations that the ledger will take. A slot
 * that ends after ledger time would be refused as early, and a report that was refused or lost is simply made again: a price is
 * reported until the ledger has fixed its slot.
 */
import type { LedgerEvent, Observation } from "../ledger/types.ts";
import type { MarketAnswer } from "./market.ts";

/** Values in one observation: a whole expiry (300 slots) fits in a few. */
const CHUNK = 128;
/** Fixed slots remembered per market; older ones can only be reported again, which the ledger ignores. */
const MAX_FIXED = 8_192;
/** Reported slots that are not fixed; beyond, they are reported again early, which costs block space only. */
const MAX_OPEN = 8_192;

export interface MarketFeed {
  /** What to report now. `nowMs` only spaces repetitions. */
  take(answer: MarketAnswer, ledgerTime: bigint, nowMs: number): Observation[];
  /** The ledger fixed slots. */
  settled(events: readonly LedgerEvent[]): void;
  /** A new epoch's ledger knows of no reports: everything that is not fixed is due again. */
  reset(): void;
}

export function createMarketFeed(slotSecondsOf: (market: number) => bigint | undefined, repeatMs: number): MarketFeed {
  const fixed = new Map<number, Set<bigint>>();
  /** What was last reported of a slot that is not fixed yet, and when; by market and slot. */
  const reported = new Map<string, { readonly value: bigint; readonly atMs: number }>();
  let reportedTime = -1n;

  const isDue = (market: number, slotEnd: bigint, value: bigint, nowMs: number): boolean => {
    if (fixed.get(market)?.has(slotEnd)) return false;
    const last = reported.get(`${market}/${slotEnd}`);
    return last === undefined || last.value !== value || nowMs - last.atMs >= repeatMs;
  };

  return {
    take(answer, ledgerTime, nowMs) {
      const observations: Observation[] = [];
      if (answer.time > reportedTime) {
        reportedTime = answer.time;
        observations.push({ kind: "time", seconds: answer.time });
      }
      for (const { market, firstSlotEnd, values } of answer.prices) {
        const slotSeconds = slotSecondsOf(market);
        if (slotSeconds === undefined) continue;
        let run: { firstSlotEnd: bigint; values: bigint[] } | undefined;
        const flush = (): void => {
          if (run !== undefined) observations.push({ kind: "prices", market, ...run });
          run = undefined;
        };
        for (const [index, value] of values.entries()) {
          const slotEnd = firstSlotEnd + BigInt(index) * slotSeconds;
          if (slotEnd > ledgerTime || !isDue(market, slotEnd, value, nowMs)) {
            flush();
            continue;
          }
          if (reported.size >= MAX_OPEN) reported.clear();
          reported.set(`${market}/${slotEnd}`, { value, atMs: nowMs });
          run ??= { firstSlotEnd: slotEnd, values: [] };
          run.values.push(value);
          if (run.values.length >= CHUNK) flush();
        }
        flush();
      }
      return observations;
    },

    reset() {
      reported.clear();
      reportedTime = -1n;
    },

    settled(events) {
      for (const event of events) {
        if (event.kind !== "price") continue;
        let slots = fixed.get(event.market);
        if (slots === undefined) {
          slots = new Set();
          fixed.set(event.market, slots);
        }
        slots.add(event.slotEnd);
        for (const oldest of slots) {
          if (slots.size <= MAX_FIXED) break;
          slots.delete(oldest);
        }
        reported.delete(`${event.market}/${event.slotEnd}`);
      }
    },
  };
}
