/** What can be wrong in a ceremony of files, always with the name of whoever's file it is about. */
import { ClocklessError } from "../../lib/errors.ts";
import type { Address } from "../../lib/hex.ts";

/**
 * - `missing`: the member's file is not there; nothing is known against the member.
 * - `late`: the member's file is fine, but what it is for was finished without it.
 * - `corrupt`: not what the member signed, or not signed at all: whoever carried the file may have done it, send it again.
 * - `foreign`: fine in itself, but of another ceremony, of somebody who is not invited, or made for other members.
 * - `malicious`: the member signed something that an honest one never signs.
 */
export const VERDICTS = ["malicious", "corrupt", "foreign", "missing", "late"] as const;
export type Verdict = (typeof VERDICTS)[number];

export const CEREMONY_FILES = ["announcement", "deal", "approval"] as const;
export type CeremonyFile = (typeof CEREMONY_FILES)[number];

export interface CeremonyFault {
  readonly file: CeremonyFile;
  readonly verdict: Verdict;
  /** Whose file it is, or claims to be; absent when the file does not even say that. */
  readonly member?: Address;
  /** What exactly: a code of the check that failed. */
  readonly reason: string;
  /** Where it was found. */
  readonly path?: string;
}

/**
 * - one code for each verdict, the worst one found; `details.faults` has all of them
 * - `malformedDefinition`: not a committee definition, or one whose parts do not fit its own id
 * - `notFinal`: fewer than n − f members have approved so far; `details.waitedFor` names the others
 * - `alreadyDealt`: this member dealt in this ceremony, to other members or keys
 * - `alreadyApproved`: this member approved another committee of this ceremony
 * - `wrongDefinition`: the committee is not what its deals make, or not among the members that this one dealt to
 * - `tooFewDeals`: fewer than f + 1 dealers are left
 * - `badCeremony`: a name or list of members that no ceremony can have
 */
export type CeremonyErrorCode =
  | "maliciousFile"
  | "corruptFile"
  | "foreignFile"
  | "missingFile"
  | "lateFile"
  | "malformedDefinition"
  | "notFinal"
  | "alreadyDealt"
  | "alreadyApproved"
  | "wrongDefinition"
  | "tooFewDeals"
  | "badCeremony";

export class CeremonyError extends ClocklessError<CeremonyErrorCode> {
  override readonly name = "CeremonyError";
}

const CODES: Readonly<Record<Verdict, CeremonyErrorCode>> = {
  malicious: "maliciousFile",
  corrupt: "corruptFile",
  foreign: "foreignFile",
  missing: "missingFile",
  late: "lateFile",
};

/** "the deal of 0x… is missing". */
export function describeFault({ file, verdict, member, reason, path }: CeremonyFault): string {
  const whose = member === undefined ? `a file that should be the ${file} of somebody` : `the ${file} of ${member}`;
  const why = verdict === "missing" ? "" : `: ${reason}`;
  return `${whose} is ${verdict}${why}${path === undefined ? "" : ` (${path})`}`;
}

/** Throws the worst of the faults, with all of them in its details; does nothing without any. */
export function refuseFaults(faults: readonly CeremonyFault[]): void {
  const worst = VERDICTS.find((verdict) => faults.some((fault) => fault.verdict === verdict));
  if (worst === undefined) return;
  const ordered = [...faults].sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict));
  throw new CeremonyError(CODES[worst], ordered.map(describeFault).join("; "), {
    details: { faults: ordered },
    isTransient: worst === "missing",
  });
}
