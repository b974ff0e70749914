/** What prices do to positions: variation, funding and expiry. Every payment is quantity × one integer figure, so each sums to 0. */
import { assert } from "../lib/assert.ts";
import type { Book, OpenGroup } from "./book.ts";
import type { FundingModel } from "./funding.ts";
import { intrinsicValue, isOption } from "./instrument.ts";
import type { LedgerEvent } from "./types.ts";

/**
 * Pays variation on every future and perpetual of a market up to `price`, and has options valued again whose intrinsic value it changes.
 * `previous`: the market's price before, if there was one.
 */
export function remark(book: Book, market: number, price: bigint, previous: bigint | undefined): void {
  for (const group of book.open.get(market)?.values() ?? []) {
    let isRevalued = false;
    for (const instrument of group.instruments.values()) {
      const { terms } = instrument;
      if (isOption(terms)) {
        const before = previous === undefined ? 0n : intrinsicValue(terms, previous);
        if (intrinsicValue(terms, price) !== before) isRevalued = true;
        continue;
      }
      book.payPerUnit(group, instrument, price - instrument.mark);
      instrument.mark = price;
    }
    // Exit values hold options at this batch's price: their holders' leaves change although no cash moved. Options that stay out of the
    // money cost their sellers next to nothing, so a crowd of them must cost nothing per price either.
    if (isRevalued) for (const holder of group.holders) book.dirty.add(holder);
  }
}

/** Pays funding on every perpetual up to the market's index; longs pay when the index rises. */
export function payFunding(book: Book, funding: FundingModel): void {
  for (const [market, groups] of book.open) {
    const group = groups.get(`${market}:0`);
    if (group === undefined) continue;
    const index = funding.index(market);
    for (const instrument of group.instruments.values()) {
      book.payPerUnit(group, instrument, instrument.fundingIndex - index);
      instrument.fundingIndex = index;
    }
  }
}

/**
 * Settles every position of one expiry at `price`: options pay intrinsic value, futures their last variation; then nobody holds
 * anything. `longPayout` is what all receivers get together.
 */
export function settleExpiry(book: Book, group: OpenGroup, price: bigint): LedgerEvent {
  const figures = new Map(
    [...group.instruments.values()].map(({ id, terms, mark }) => [
      id,
      isOption(terms) ? intrinsicValue(terms, price) : price - mark,
    ]),
  );
  let received = 0n;
  let sum = 0n;
  const holders = [...group.holders];
  for (const id of holders) {
    const account = book.account(id);
    const held = account.groups.get(group.key);
    assert(held !== undefined, "a holder without positions");
    let payment = 0n;
    for (const [instrument, { quantity }] of held.legs) {
      const amount = quantity * figures.get(instrument)!;
      payment += amount;
      if (amount > 0n) received += amount;
    }
    sum += payment;
    book.setGroup(account, { ...held, legs: new Map() });
    book.addCash(account, group.market.quote, payment);
  }
  assert(sum === 0n, "conservation: an expiry's payments do not sum to 0");
  const { market, expiry } = group;
  return { kind: "expiry", market: market.id, expiry, price, longPayout: received, accounts: holders.length };
}
