/** What goes wrong between a member and its disk. Rates in thousandths. */
export interface DiskFaults {
  /** A write that was under way when the process died is gone; otherwise it is there, although nobody was told so. */
  readonly tornPerMille: number;
  /** Opening the log fails for now. */
  readonly readFaultPerMille: number;
  /** A write fails; whether it reached the disk nobody knows. */
  readonly writeFaultPerMille: number;
  /** A crash is the machine's, and takes some of the newest writes that nothing was synced after: others' blocks, coins, certificates. */
  readonly powerCutPerMille: number;
  /**
   * What a sync is worth. honest: everything up to it stays. Controls: never: nothing is durable when it is reported to be, and any crash
   * takes the newest writes; lost: the same of power cuts, on a disk that answers a sync from its cache.
   */
  readonly sync: "honest" | "never" | "lost";
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
  powerCutPerMille: 0,
  sync: "honest",
};
