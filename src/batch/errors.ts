import { ClocklessError, type ClocklessErrorOptions } from "../lib/errors.ts";

/**
 * Why the batch room refused something.
 * - malformedHeader, malformedCertificate, malformedHandover, malformedEntry, malformedDestination, malformedProof, malformedLeaf, malformedReceipt: a
 *   field is missing, of the wrong type or width, or bytes are not the one canonical encoding
 * - outOfRange: an index, size or amount outside what its type or the tree allows
 * - duplicate: two items where one is allowed (destination, token, asset, proven index)
 * - wrongSuite: the certificate's suite is not the one asked for
 * - sameKey: a handover to the key it comes from
 * - badSignature: well-formed, but the group key did not sign this header
 * - sumOverflow: exit values no longer fit a uint256
 */
export type BatchErrorCode =
  | "malformedHeader"
  | "malformedCertificate"
  | "malformedHandover"
  | "malformedEntry"
  | "malformedDestination"
  | "malformedProof"
  | "malformedLeaf"
  | "malformedReceipt"
  | "outOfRange"
  | "duplicate"
  | "wrongSuite"
  | "sameKey"
  | "badSignature"
  | "sumOverflow";

export class BatchError extends ClocklessError<BatchErrorCode> {
  override readonly name = "BatchError";

  constructor(code: BatchErrorCode, shortMessage: string, options: ClocklessErrorOptions = {}) {
    super(code, shortMessage, { docsPath: `errors#batch-${code}`, ...options });
  }
}
