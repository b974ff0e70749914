import { ClocklessError, type ClocklessErrorOptions } from "../lib/errors.ts";

export type ThresholdErrorCode =
  /** A secret scalar that is not 32 bytes in [1, r), or a secret that does not belong to the key it is used with. */
  | "INVALID_SECRET"
  /** A scalar of the field that is not in [0, r). */
  | "INVALID_SCALAR"
  /** A message that is not a 32-byte digest. */
  | "INVALID_MESSAGE"
  /** Bytes that are not the one encoding of a point of the right subgroup, or are the identity. */
  | "INVALID_POINT"
  /** A Shamir coordinate or member index that is zero, negative, not an integer or out of range. */
  | "INVALID_COORDINATE"
  /** The same coordinate given twice. */
  | "DUPLICATE_COORDINATE"
  /** Threshold and number of members that make no sharing (0 < t ≤ n). */
  | "INVALID_THRESHOLD"
  /** Fewer shares than are needed. */
  | "NOT_ENOUGH_SHARES"
  /** Random bytes of the wrong length. */
  | "INVALID_RANDOMNESS"
  /** A key, share or engine of another suite or committee than the one it was used with. */
  | "MISMATCH"
  /** The curve engine could not be started (no WebAssembly, or its self-test failed). */
  | "ENGINE_UNAVAILABLE";

export class ThresholdError extends ClocklessError<ThresholdErrorCode> {
  override readonly name = "ThresholdError";

  constructor(code: ThresholdErrorCode, shortMessage: string, options?: ClocklessErrorOptions) {
    super(code, shortMessage, options);
  }
}
