/** The heavy part of a committee's change: seconds of computing that must not hold up blocks, so it is done in another thread. */
import type { DealContext } from "../threshold/associated-data.ts";
import type { DealBundle } from "../threshold/deal-select.ts";
import type { DealFault } from "../threshold/deal-verify.ts";
import type { Suite, ThresholdKey } from "../threshold/types.ts";

type PerSuite<T> = Readonly<Record<Suite, T>>;

export interface ReshareWorker {
  /**
   * The deals of one dealer, in every suite, from fresh randomness. `shares`: what it holds of the old key. In a generation the
   * secrets are fresh and the shares are not looked at. To be persisted before a byte leaves, and never made again for an attempt.
   * Rejects with ThresholdError.
   */
  deal(contexts: PerSuite<DealContext>, dealer: number, shares: PerSuite<Uint8Array>): Promise<PerSuite<Uint8Array>>;
  /** As `faultOfDeal` (threshold/deal-verify.ts). */
  verify(context: DealContext, dealer: number, bytes: Uint8Array): Promise<DealFault | undefined>;
  /** Our share of each key (`openShare`). Rejects with ThresholdError `cannotOpen`, `invalidDeal`. */
  open(
    contexts: PerSuite<DealContext>,
    qualified: readonly DealBundle[],
    keys: PerSuite<ThresholdKey>,
    index: number,
    encryptionSecret: Uint8Array,
  ): Promise<PerSuite<Uint8Array>>;
  /** Ends the thread; what is under way rejects. */
  close(): Promise<void>;
}
