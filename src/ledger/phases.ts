/** The phases in which prices move money: ledger time, prices, expiries (ledger.md, "A batch, phase by phase"). */
import { assert } from "../lib/assert.ts";
import type { Book } from "./book.ts";
import type { LedgerClock } from "./clock.ts";
import { groupKeyOf } from "./instrument.ts";
import type { MarketPrices } from "./prices.ts";
import { remark, settleExpiry } from "./settlement.ts";
import type { BatchInput, LedgerEvent } from "./types.ts";

/** What these phases read and change. */
export interface Markets {
  readonly book: Book;
  readonly clock: LedgerClock;
  /** Ascending by market id. */
  readonly prices: ReadonlyMap<number, MarketPrices>;
  /** Ledger time as of the newest batch. */
  readonly announcedTime: bigint;
}

interface Making {
  readonly events: LedgerEvent[];
}

export function applyTime(world: Markets, input: BatchInput, making: Making): void {
  for (const { author, observations } of input.items) {
    for (const observation of observations) {
      if (observation.kind === "time") world.clock.report(author, observation.seconds);
    }
  }
  world.clock.advance();
  for (const expiries of world.book.expiries.values()) expiries.advance(world.clock.time);
  if (world.clock.time > world.announcedTime) making.events.push({ kind: "time", seconds: world.clock.time });
}

export function applyPrices(world: Markets, input: BatchInput, making: Making): void {
  const { time } = world.clock;
  for (const { author, observations } of input.items) {
    for (const observation of observations) {
      if (observation.kind !== "prices") continue;
      const prices = world.prices.get(observation.market);
      if (prices === undefined) continue;
      const { firstSlotEnd, values, market } = observation;
      const slot = BigInt(prices.market.slotSeconds);
      for (const [i, value] of values.entries()) {
        prices.report(author, firstSlotEnd + BigInt(i) * slot, value, time, world.book.expiries.get(market)!);
      }
    }
  }
  for (const [market, prices] of world.prices) {
    const before = prices.latest;
    for (const { slotEnd, value } of prices.fix()) making.events.push({ kind: "price", market, slotEnd, value });
    if (prices.latest !== undefined && prices.latest !== before)
      remark(world.book, market, prices.latest.value, before?.value);
  }
}

export function applyExpiries(world: Markets, making: Making): void {
  for (const [market, prices] of world.prices) {
    for (const expiry of world.book.expiries.get(market)!.due(world.clock.time)) {
      const price = prices.expiryPrice(expiry);
      if (price === undefined) continue;
      const group = world.book.open.get(market)!.get(groupKeyOf(market, expiry));
      assert(group !== undefined, "an expiry without open instruments");
      making.events.push(settleExpiry(world.book, group, price));
    }
  }
  world.book.sweep();
  for (const [market, prices] of world.prices) {
    prices.prune(world.clock.time, world.book.expiries.get(market)!);
  }
}
