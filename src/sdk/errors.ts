import { ClocklessError, type ClocklessErrorOptions } from "../lib/errors.ts";

/**
 * What the SDK refuses, whoever said it:
 * - badCommittee: the pinned committee is malformed (a key of the wrong curve, no key at all, …)
 * - unknownSuite: the certificate is of a suite for which no key is pinned
 * - badCertificate: the pinned key did not sign this header for this committee
 * - badHandover: the handovers shown do not lead on from the pinned keys (details.reason, details.number)
 * - badHeaderProof, badDestinationProof, badEntryProof, badAccountProof, badReceiptProof: a proof does not lead to a certified root
 * - contradiction: an answer is about something else than what was asked, or contradicts what is certified
 * - badSignature: the instruction is not signed by its own signer
 * - refused: every member asked refused the instruction (details.code, details.figures)
 * - noAnswer: no member gave a usable answer (details.failures); another try may
 * - notFound: members answered, and none knows it
 * - timeout, aborted: the bounded wait ended first
 * - badParameters: the caller's own arguments
 */
export type SdkErrorCode =
  | "badCommittee"
  | "unknownSuite"
  | "badCertificate"
  | "badHandover"
  | "badHeaderProof"
  | "badDestinationProof"
  | "badEntryProof"
  | "badAccountProof"
  | "badReceiptProof"
  | "contradiction"
  | "badSignature"
  | "refused"
  | "noAnswer"
  | "notFound"
  | "timeout"
  | "aborted"
  | "badParameters";

const TRANSIENT: ReadonlySet<SdkErrorCode> = new Set<SdkErrorCode>(["noAnswer", "notFound", "timeout"]);

export class SdkError extends ClocklessError<SdkErrorCode> {
  override readonly name = "SdkError";

  constructor(code: SdkErrorCode, shortMessage: string, options: ClocklessErrorOptions = {}) {
    super(code, shortMessage, { docsPath: `errors#sdk-${code}`, isTransient: TRANSIENT.has(code), ...options });
  }
}
