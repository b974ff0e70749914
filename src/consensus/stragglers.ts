/** Who is expected in a round and has not come: what the pacing of own blocks waits for. Performance only, like `Pacing`. */
import type { DagBlock } from "./dag.ts";
import type { Parts } from "./parts.ts";

type StragglersParts = Pick<
  Parts,
  "config" | "n" | "quorum" | "dag" | "votes" | "activity" | "exposure" | "committer" | "pacing"
>;

/** A block was accepted in this round: the pacing hears of the first quorum, and of who is missing then. */
export function observeQuorum(parts: StragglersParts, round: number, nowMs: number): void {
  const { dag, pacing, quorum } = parts;
  if (round <= pacing.quorumRound || dag.authorsAt(round) < quorum) return;
  const absent = absentAt(parts, (author) => dag.at(round, author).length > 0);
  pacing.quorumReached(round, absent, round <= 3 || isFirstWindow(parts, round - 3), nowMs);
}

/** Until when to wait at a round of which these blocks count, by author; undefined when nobody is worth waiting for. */
export function waitUntil(
  parts: StragglersParts,
  { round, blocks }: { readonly round: number; readonly blocks: readonly (DagBlock | undefined)[] },
  nowMs: number,
): number | undefined {
  const absent = absentAt(parts, (author) => blocks[author] !== undefined);
  return parts.pacing.waitUntil(round, absent, nowMs);
}

/** Whether the first window has committed all slots of a round by now: the order waits for the slowest. */
function isFirstWindow({ activity, committer, exposure, votes }: StragglersParts, round: number): boolean {
  const active = activity.isActive(committer.cursor.round);
  return active.every((isActive, author) => !isActive || exposure.has(author) || votes.isFirstWindow(round, author));
}

/** Active members, not exposed and not we ourselves, of which the round has no block. */
function absentAt(
  { n, config, activity, committer, exposure }: StragglersParts,
  isPresent: (author: number) => boolean,
): readonly number[] {
  const active = activity.isActive(committer.cursor.round);
  const absent: number[] = [];
  for (let author = 0; author < n; author++) {
    const isExpected = active[author] === true && author !== config.self && !exposure.has(author);
    if (isExpected && !isPresent(author)) absent.push(author);
  }
  return absent;
}
