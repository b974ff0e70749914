/**
 * The threshold clock: which blocks of a round count towards proposing the next one (consensus.md, "Accepting and proposing").
 *
 * Preferred are blocks of authors that are not exposed, whose cone adds at most the quota of twins and hangs on nothing that
 * was possibly invented. While ≥ Q authors have one, only these count: otherwise persistent equivocators double latency.
 * Where fewer have (honest members that jumped never fill the rounds they skipped), the other accepted blocks count as well:
 * those of non-exposed authors as they are, those of exposed authors if somebody not exposed has built on them. Without that
 * clause exclusion and jumps deadlock n = 4 for ever.
 */
import type { Dag, DagBlock } from "./dag.ts";
import type { Exposure } from "./exposure.ts";

export interface ClockView {
  readonly n: number;
  readonly quorum: number;
  readonly dag: Dag;
  readonly exposure: Exposure;
}

/** The block of each author that counts at a round, by author index; undefined when fewer than Q authors have one. */
export function countingBlocks(view: ClockView, round: number): readonly (DagBlock | undefined)[] | undefined {
  const { n, quorum, dag, exposure } = view;
  if (dag.round(round).length < quorum) return undefined;
  const blocks = new Array<DagBlock | undefined>(n).fill(undefined);
  let count = 0;
  for (let author = 0; author < n; author++) {
    if (exposure.has(author)) continue;
    const block = dag.at(round, author)[0];
    if (block === undefined) continue;
    if (!block.isInOwnCone && (dag.isTainted(block) || exposure.addsTooManyTwins(block))) continue;
    blocks[author] = block;
    count++;
  }
  if (count >= quorum) return blocks;
  for (let author = 0; author < n; author++) {
    if (blocks[author] !== undefined) continue;
    const candidates = dag.at(round, author);
    const block = exposure.has(author) ? candidates.find((candidate) => candidate.isVouched) : candidates[0];
    if (block === undefined) continue;
    blocks[author] = block;
    count++;
  }
  return count >= quorum ? blocks : undefined;
}

/** The highest round ≥ `from` at which ≥ Q authors count, with their blocks. */
export function highestQuorum(
  view: ClockView,
  from: number,
): { readonly round: number; readonly blocks: readonly (DagBlock | undefined)[] } | undefined {
  for (let round = view.dag.highestRound; round >= from; round--) {
    const blocks = countingBlocks(view, round);
    if (blocks !== undefined) return { round, blocks };
  }
  return undefined;
}
