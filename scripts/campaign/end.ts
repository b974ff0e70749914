/** How a life ended, in the words of the report; a life that ended before its disk failed says nothing about failing disks. */
import type { Death, Life } from "./life.ts";

/** From the failed sync to the end of the process. */
const STOPS_WITHIN_MS = 10_000;
/** Of a disk failure (docs/errors.md). */
const EXIT_DISK = 3;
const EXIT_SIGTERM = 143;

/** All other ends are violations. */
export const EXPECTED_ENDS: ReadonlySet<string> = new Set([
  ...["killed", "terminated", "stopped by itself", "cut"],
  ...["killed after its disk failed", "terminated after its disk failed"],
  ...["killed before its disk failed", "terminated before its disk failed"],
]);

/** `by`: the signal that the campaign ended it with; undefined if it ended before. */
export function endOf(
  { fault }: Pick<Life, "fault">,
  { code, signal, trace, at, isKilled }: Omit<Death, "lostBytes">,
  by: "SIGKILL" | "SIGTERM" | undefined,
): string {
  const failedAt = trace?.failedAt;
  const isFailing = fault.kind === "syncError" || fault.kind === "full";
  if (isFailing && failedAt !== undefined) {
    if (at - failedAt * 1_000 > STOPS_WITHIN_MS) return "went on after its disk failed";
    if (code === EXIT_DISK) return "stopped by itself";
  }
  // The process that dies on entering a sync leaves no line of it; a member that shuts down syncs, too.
  if (fault.kind === "cut" && !isKilled && signal === "SIGKILL") return "cut";
  if (by === undefined) return "ended without a reason";
  const isToFail = isFailing || fault.kind === "cut";
  const when = !isToFail ? "" : failedAt === undefined ? " before its disk failed" : " after its disk failed";
  // A process that has hardly begun has no handler yet.
  if (code === undefined)
    return signal !== by ? "did not terminate" : `${by === "SIGKILL" ? "killed" : "terminated"}${when}`;
  return by === "SIGTERM" && code === EXIT_SIGTERM ? `terminated${when}` : "ended without a reason";
}
