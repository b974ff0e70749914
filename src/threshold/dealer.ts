/**
 * INSECURE trusted dealer, for devnets and tests only. Whoever runs it has held the whole secret key and can forge
 * everything for ever, however well the shares are kept afterwards. A committee that holds money uses the verifiable
 * deals of its members instead, where no machine ever sees the key.
 */
import { bytesToHex } from "../lib/hex.ts";
import { encodeScalar, reduceWide, WIDE_SCALAR_BYTES } from "./scalar.ts";
import { checkThreshold, splitRandomnessLength, splitSecret } from "./shamir.ts";
import type { Engine, ThresholdKey } from "./types.ts";

export interface InsecureDeal {
  /** The public half: group key and public shares. */
  readonly key: ThresholdKey;
  /** 32-byte secret share of each member, by index. */
  readonly shares: readonly Uint8Array[];
}

/** How many random bytes `dealInsecure` takes for one suite. */
export function insecureDealRandomnessLength(threshold: number): number {
  return WIDE_SCALAR_BYTES + splitRandomnessLength(threshold);
}

/**
 * Deals a fresh key of the engine's suite to members 0 … n − 1; any t of them sign.
 * `randomness` is `insecureDealRandomnessLength(t)` uniform bytes, never used before (one draw per suite).
 * Throws invalidThreshold, invalidRandomness, and invalidSecret in the 2^−250 case of a zero secret.
 */
export function dealInsecure(engine: Engine, n: number, threshold: number, randomness: Uint8Array): InsecureDeal {
  checkThreshold(threshold, n);
  const { order, suite } = engine;
  const secret = encodeScalar(reduceWide(randomness.subarray(0, WIDE_SCALAR_BYTES), order), order);
  const shares = splitSecret(secret, threshold, n, randomness.subarray(WIDE_SCALAR_BYTES), order);
  return {
    key: {
      suite,
      threshold,
      groupKey: bytesToHex(engine.publicKey(secret)),
      publicShares: shares.map((share) => bytesToHex(engine.publicKey(share.secret))),
    },
    shares: shares.map((share) => share.secret),
  };
}
