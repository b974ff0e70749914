/** Defaults of the member's bounds; each says what would happen without it. */
import type { MemberLimits } from "./types.ts";

export const DEFAULT_MEMBER_LIMITS: MemberLimits = {
  /** A few seconds of the highest load we measure; more only adds waiting. */
  maxPendingInstructions: 65_536,
  /** Memory: the largest instruction is 160 kB, so the count alone would allow 10 GB. */
  maxPendingBytes: 64 << 20,
  /** A member's own words; chains × look-ahead and prices fit many times. */
  maxPendingObservations: 4096,
  /** Partials of one author for batches that we have not settled: a member that is this far behind asks for certificates. */
  maxFuturePartials: 1024,
};
