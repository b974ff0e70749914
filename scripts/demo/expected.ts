/**
 * What everybody must end up with, computed from the book alone: no line of the ledger, no integer type of it, plain rational
 * arithmetic over decimal text. The demo compares every account's token balance on chain with this.
 */
import type { Book } from "./book.ts";

export interface Expected {
  /** Net result of premiums and settlement per account, cash units. */
  readonly results: readonly bigint[];
  /** Σ open interest × intrinsic value, cash units. */
  readonly payout: bigint;
  /** Σ open interest, quantity units. */
  readonly openInterest: bigint;
}

export function expectedResults(book: Book, accounts: number): Expected {
  const intrinsic = book.series.map(({ kind, strike }) => {
    const difference = kind === "call" ? book.deliveryPrice - strike : strike - book.deliveryPrice;
    return difference > 0n ? difference : 0n;
  });
  const results = Array.from({ length: accounts }, () => 0n);
  let openInterest = 0n;
  let payout = 0n;
  for (const [index, series] of book.series.entries()) {
    openInterest += series.openInterest;
    payout += series.openInterest * intrinsic[index]!;
  }
  for (const { series, buyer, seller, quantity } of book.trades) {
    const gain = quantity * (intrinsic[series]! - book.series[series]!.premium);
    results[buyer]! += gain;
    results[seller]! -= gain;
  }
  return { results, payout, openInterest };
}

/**
 * Enough collateral for an account whatever order its trades come in: all premiums it pays, and each short at its own worst price
 * (a short call at the cap, a short put at zero), nothing netted.
 */
export function collateralNeeded(book: Book, accounts: number): bigint[] {
  const needed = Array.from({ length: accounts }, () => 0n);
  for (const { series, buyer, seller, quantity } of book.trades) {
    const { kind, strike, premium } = book.series[series]!;
    needed[buyer]! += quantity * premium;
    needed[seller]! += quantity * (kind === "call" ? book.priceCap - strike : strike);
  }
  return needed;
}
