/** Answers to other members that lack blocks. Reads only. */
import type { Dag } from "./dag.ts";
import { MAX_FETCH_DEPTH } from "./limits.ts";
import { bytesOf, previousOf } from "./stored-block.ts";
import type { BlockRef, ConsensusLimits, ConsensusMessage, VerifiedBlock } from "./types.ts";

/** Rounds by which members normally differ: the blocks in between are on their way already. */
const NORMAL_SKEW_ROUNDS = 3;

/**
 * What was asked for, notFound for the rest, and for a peer that is rounds behind (`after`: its highest complete round) what
 * comes next for it, oldest first; otherwise up to `depth` older blocks of each one's author, oldest first: a member that nobody
 * heard for m rounds is caught up with in m / depth answers instead of m. Bounded by blocks and by the first block that brings
 * the answer past one block's size.
 */
export function answerFetch(
  dag: Dag,
  limits: Pick<ConsensusLimits, "maxFetchRefs" | "maxBlockBytes">,
  from: number,
  refs: readonly BlockRef[],
  after: number,
  depth = 0,
): { readonly message: ConsensusMessage; readonly size: number } {
  const blocks: Uint8Array[] = [];
  const notFound: BlockRef[] = [];
  let size = 0;
  const isFull = (): boolean => size >= limits.maxBlockBytes || blocks.length >= limits.maxFetchRefs;
  /** False when the log does not give it back: that is our trouble, and no reason to stop. */
  const give = (block: VerifiedBlock): boolean => {
    if (isFull()) return true;
    const bytes = bytesOf(block);
    if (bytes === undefined) return false;
    size += bytes.length;
    blocks.push(bytes);
    return true;
  };
  let highest = 0;
  for (const ref of refs) {
    const found = dag.lookup(ref.digest);
    if (found === undefined) notFound.push(ref);
    // Genesis is implicit: whoever asks for it is not of this committee.
    else if (found.round > 0) {
      highest = Math.max(highest, found.round);
      if (!give(found)) notFound.push(ref);
    }
  }
  const isBehind = after > 0 && highest > after + NORMAL_SKEW_ROUNDS;
  const asked = new Set<string>(refs.map((ref) => ref.digest));
  // From what there is: an epoch has millions of rounds, and a request of a few bytes must not make us look through them.
  for (let round = Math.max(after + 1, dag.lowestServed); isBehind && round < highest && !isFull(); round++) {
    for (const block of dag.servable(round)) if (block.author !== from && !asked.has(block.digest)) give(block);
  }
  for (const ref of refs) {
    if (isBehind || isFull()) break;
    for (const block of chainBelow(dag, ref, Math.min(depth, MAX_FETCH_DEPTH), asked).reverse()) give(block);
  }
  return { message: { kind: "fetched", blocks, notFound, floor: Math.max(0, dag.floor) }, size };
}

/** Own ancestors of a block, newest first, up to one that is in `known`; adds them to it. */
function chainBelow(dag: Dag, ref: BlockRef, depth: number, known: Set<string>): VerifiedBlock[] {
  const chain: VerifiedBlock[] = [];
  let block = dag.lookup(ref.digest);
  while (block !== undefined && chain.length < depth) {
    const previous: BlockRef | undefined = previousOf(block);
    if (previous === undefined || previous.round === 0 || known.has(previous.digest)) break;
    known.add(previous.digest);
    block = dag.lookup(previous.digest);
    if (block !== undefined) chain.push(block);
  }
  return chain;
}
