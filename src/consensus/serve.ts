/** Answers to other members' questions: blocks they lack, coins they wait for. Reads only. */
import type { Dag } from "./dag.ts";
import type { BlockRef, ConsensusLimits, ConsensusMessage, VerifiedBlock } from "./types.ts";

/** Rounds by which members normally differ: the blocks in between are on their way already. */
const NORMAL_SKEW_ROUNDS = 3;

/**
 * What was asked for, notFound for the rest, and for a peer that is rounds behind (`after`: its highest complete round) what
 * comes next for it, oldest first. Bounded by blocks and by the first block that brings the answer past one block's size.
 */
export function answerFetch(
  dag: Dag,
  limits: Pick<ConsensusLimits, "maxFetchRefs" | "maxBlockBytes">,
  from: number,
  refs: readonly BlockRef[],
  after: number,
): { readonly message: ConsensusMessage; readonly size: number } {
  const blocks: Uint8Array[] = [];
  const notFound: BlockRef[] = [];
  let size = 0;
  const isFull = (): boolean => size >= limits.maxBlockBytes || blocks.length >= limits.maxFetchRefs;
  const give = (block: VerifiedBlock): void => {
    if (isFull()) return;
    size += block.bytes.length;
    blocks.push(block.bytes);
  };
  let highest = 0;
  for (const ref of refs) {
    const found = dag.lookup(ref.digest);
    if (found === undefined) notFound.push(ref);
    // Genesis is implicit: whoever asks for it is not of this committee.
    else if (found.round > 0) {
      highest = Math.max(highest, found.round);
      give(found);
    }
  }
  const isBehind = after > 0 && highest > after + NORMAL_SKEW_ROUNDS;
  const asked = new Set(refs.map((ref) => ref.digest));
  for (let round = Math.max(after, 0) + 1; isBehind && round < highest && !isFull(); round++) {
    for (const block of dag.servable(round)) if (block.author !== from && !asked.has(block.digest)) give(block);
  }
  return { message: { kind: "fetched", blocks, notFound, floor: Math.max(0, dag.floor) }, size };
}
