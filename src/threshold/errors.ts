import { ClocklessError, type ClocklessErrorOptions } from "../lib/errors.ts";

export type ThresholdErrorCode =
  /** A secret scalar that is not 32 bytes in [1, r), or a secret that does not belong to the key it is used with. */
  | "invalidSecret"
  /** A scalar of the field that is not in [0, r). */
  | "invalidScalar"
  /** A message that is not a 32-byte digest. */
  | "invalidMessage"
  /** Bytes that are not the one encoding of a point of the right subgroup, or are the identity. */
  | "invalidPoint"
  /** A Shamir coordinate or member index that is zero, negative, not an integer or out of range. */
  | "invalidCoordinate"
  /** The same coordinate given twice. */
  | "duplicateCoordinate"
  /** Threshold and number of members that make no sharing (0 < t ≤ n). */
  | "invalidThreshold"
  /** Fewer shares than are needed. */
  | "notEnoughShares"
  /** Random bytes of the wrong length. */
  | "invalidRandomness"
  /** A key, share or engine of another suite or committee than the one it was used with. */
  | "keyMismatch"
  /** A committee, kind, key or dealer that no deal can be made or checked for. */
  | "invalidContext"
  /** A deal, or a set of them, that cannot be used: not enough valid ones, or they do not make the key they must make. */
  | "invalidDeal"
  /** No round of a deal opens for this member: the encryption key is not the one it was dealt to. */
  | "cannotOpen"
  /** The curve engine could not be started (no WebAssembly, or its self-test failed). */
  | "engineUnavailable";

export class ThresholdError extends ClocklessError<ThresholdErrorCode> {
  override readonly name = "ThresholdError";

  constructor(code: ThresholdErrorCode, shortMessage: string, options?: ClocklessErrorOptions) {
    super(code, shortMessage, options);
  }
}
