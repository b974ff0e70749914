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
  /** Syncs and writes that failed, and power that went within a sync. Lives that ended before theirs came are not among them. */
  readonly diskFailures: number;
  readonly lostBytes: number;
  readonly submitted: number;
  readonly applied: number;
  /** With a receipt. */
  readonly refused: number;
  readonly refusedAtTheDoor: number;
  /** Handed in more than once, because whoever had it was gone. */
  readonly resubmitted: number;
  readonly batches: number;
  readonly certificates: number;
  /** Of these, in number where there are very many; a wrong one is a violation and not among them. */
  readonly certificatesVerified: number;
  readonly blocksRead: number;
  readonly partialsRead: number;
  readonly registered: number;
  readonly violations: readonly Violation[];
}

/**
 * What only disks that lie bring about: something that was durable is gone. A control that counted any violation would be caught by a slow
 * machine, on which not everything is settled in time.
 */
const LIES: ReadonlySet<string> = new Set(["leftBeforeDurable", "registerForgot", "registerChanged", "twoDigests"]);

/** Of a control: its disks were found out. Otherwise: nothing was violated. */
export function isAsExpected({ disks, violations }: Pick<CampaignReport, "disks" | "violations">): boolean {
  return disks === "lying" ? violations.some(({ what }) => LIES.has(what)) : violations.length === 0;
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
    `${report.lives} lives, ${report.diskFailures} disk failures; ${report.lostBytes} bytes lost to power cuts\n`,
    report.disks === "faulty" && report.diskFailures === 0
      ? "NO DISK FAILED in this run: it says nothing about that\n"
      : "",
    ...ends,
    `${report.submitted} instructions: ${report.applied} applied, ${report.refused} refused with a receipt, `,
    `${report.refusedAtTheDoor} at the door; ${report.resubmitted} handed in again\n`,
    `${report.batches} batches; ${report.certificatesVerified} of ${report.certificates} certificates verified\n`,
    `${report.blocksRead} blocks and ${report.partialsRead} partials read, ${report.registered} register rows\n`,
    report.violations.length === 0
      ? "no violation: the same batches everywhere, each certified\n"
      : `${report.violations.length} VIOLATIONS\n`,
    ...report.violations.slice(0, 20).map(({ what, details }) => `  ${what} ${toText(details)}\n`),
  ].join("");
}

function toText(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? field.toString() : field));
}
