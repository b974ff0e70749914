/** What a campaign says at its end. */

import type { Violation } from "./evidence.ts";
import type { DiskFault } from "./life.ts";

export interface CampaignReport {
  readonly seed: number;
  readonly minutes: number;
  /** Without strace no disk fails. */
  readonly disks: "faulty" | "lying" | "sound";
  readonly lives: number;
  /** How lives ended: by what was done to the disk, then how. */
  readonly ends: Readonly<Partial<Record<DiskFault["kind"], Readonly<Record<string, number>>>>>;
  readonly lostBytes: number;
  readonly submitted: number;
  readonly applied: number;
  /** With a receipt. */
  readonly refused: number;
  readonly refusedAtTheDoor: number;
  /** Handed in more than once, because whoever had it was gone. */
  readonly resubmitted: number;
  readonly batches: number;
  readonly certificatesVerified: number;
  readonly blocksRead: number;
  readonly partialsRead: number;
  readonly registered: number;
  readonly violations: readonly Violation[];
}

export function describeReport(report: CampaignReport): string {
  const ends = Object.entries(report.ends).map(
    ([fault, counts]) =>
      `  ${fault.padEnd(10)} ${Object.entries(counts)
        .map(([end, count]) => `${end} ${count}`)
        .join(", ")}\n`,
  );
  return [
    `seed ${report.seed}, ${report.minutes} minutes, disks: ${report.disks}\n`,
    `${report.lives} lives; ${report.lostBytes} bytes lost to power cuts\n`,
    ...ends,
    `${report.submitted} instructions: ${report.applied} applied, ${report.refused} refused with a receipt, `,
    `${report.refusedAtTheDoor} at the door; ${report.resubmitted} handed in again\n`,
    `${report.batches} batches, the same everywhere; ${report.certificatesVerified} certificates verified\n`,
    `${report.blocksRead} blocks and ${report.partialsRead} partials read, ${report.registered} register rows\n`,
    report.violations.length === 0 ? "no violation\n" : `${report.violations.length} VIOLATIONS\n`,
    ...report.violations.slice(0, 20).map(({ what, details }) => `  ${what} ${toText(details)}\n`),
  ].join("");
}

function toText(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? field.toString() : field));
}
