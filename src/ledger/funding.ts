/**
 * Funding of perpetuals: longs pay shorts quantity × (index now − index last paid). The index is cash units per quantity unit, an
 * integer rounded once and alike for both sides, so payments sum to 0 exactly.
 */

export interface FundingModel {
  /** The market's funding index after this batch's prices. */
  index(market: number): bigint;
}

/** Until members observe funding there is none: every market's index stays 0 and nobody pays. */
export const NO_FUNDING: FundingModel = { index: () => 0n };
