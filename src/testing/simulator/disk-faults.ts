/** What goes wrong between a member and its disk. Rates in thousandths. */
export interface DiskFaults {
  /** A write that was under way when the process died is gone; otherwise it is there, although nobody was told so. */
  readonly tornPerMille: number;
  /** Opening the log fails for now. */
  readonly readFaultPerMille: number;
  /** A write fails; whether it reached the disk nobody knows. */
  readonly writeFaultPerMille: number;
  /** Control: writes are reported durable before they are, and a crash takes the newest ones. */
  readonly isUnsynced: boolean;
}

/** The process must stop: what it was about to send depends on a write that may not be there. */
export class DiskError extends Error {
  override readonly name = "DiskError";
}

/** A disk that never fails. */
export const SOUND_DISK: DiskFaults = {
  tornPerMille: 0,
  readFaultPerMille: 0,
  writeFaultPerMille: 0,
  isUnsynced: false,
};
