/** What the fold asks of a risk model. The model is a pure function; the ledger decides when to ask and what to refuse. */
import type { Hex } from "../lib/hex.ts";
import type { Instrument, MarketConfig } from "./types.ts";

export interface Leg {
  readonly terms: Instrument;
  /** Positive long, negative short, never 0. */
  readonly quantity: bigint;
}

/**
 * Positions that settle at one price: same market, same expiry. Immutable: a changed group is a new object, so that a model may
 * remember what it computed for one.
 */
export interface PositionGroup {
  readonly key: string;
  readonly market: MarketConfig;
  readonly expiry: bigint;
  readonly legs: ReadonlyMap<Hex, Leg>;
}

/** Current mark of a future or perpetual, price units: what its variation was last paid against. */
export type MarkOf = (instrument: Hex) => bigint;

export interface MarginModel {
  /**
   * Lower bound, in ledger units of the quote asset, on cash plus what the groups can become; an account below 0 is refused.
   * Must be superadditive over groups, so that splitting a portfolio over accounts never lowers what it needs.
   */
  worstValue(cash: bigint, groups: Iterable<PositionGroup>, markOf: MarkOf): bigint;
}
