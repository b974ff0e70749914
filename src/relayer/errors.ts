import { ClocklessError } from "../lib/errors.ts";

/**
 * - `badConfig`: settings that cannot work.
 * - `keyFileMissing`, `keyFilePermissions`: the sender's key file is not there, or others may read it.
 * - `journalLocked`: another process uses this data directory.
 * - `journalFailure`: the journal's file is damaged, full or of another version. Nothing is sent without it.
 * - `noSource`: no member's API gave an answer that verifies. Transient.
 * - `foreignHub`: the hub believes another committee or key than the members' APIs can show, and no signed handover leads from
 *   it to theirs. Nothing is sent there.
 */
export type RelayerErrorCode =
  | "badConfig"
  | "keyFileMissing"
  | "keyFilePermissions"
  | "journalLocked"
  | "journalFailure"
  | "noSource"
  | "foreignHub";

export class RelayerError extends ClocklessError<RelayerErrorCode> {
  override readonly name = "RelayerError";
}
