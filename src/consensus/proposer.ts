/**
 * What the next own block links and carries (consensus.md, "Accepting and proposing").
 *
 *   parents = own last ‖ one block of each author that counts at r ‖ weak links to known blocks not yet in the cone, oldest
 *             first; sorted after the first. Weak links give every honest block inclusion; they never count as votes.
 */
import { compareBlocks, compareParents, refOf, slotKey } from "./block.ts";
import type { Dag, DagBlock } from "./dag.ts";
import type { Exposure } from "./exposure.ts";
import { MAX_COIN_SHARES } from "./limits.ts";
import type { BlockRef, CoinScheme, CoinShare, ConsensusLimits } from "./types.ts";

export class Proposer {
  readonly #dag: Dag;
  readonly #exposure: Exposure;
  readonly #limits: Pick<ConsensusLimits, "maxParents" | "maxWeakLinks">;
  /** Accepted blocks that are not in the cone of our last block. */
  readonly #unlinked = new Set<DagBlock>();

  constructor(dag: Dag, exposure: Exposure, limits: Pick<ConsensusLimits, "maxParents" | "maxWeakLinks">) {
    this.#dag = dag;
    this.#exposure = exposure;
    this.#limits = limits;
  }

  observe(entry: DagBlock): void {
    if (!entry.isInOwnCone) this.#unlinked.add(entry);
  }

  forget(dropped: readonly DagBlock[]): void {
    for (const entry of dropped) this.#unlinked.delete(entry);
  }

  /** An own block entered the DAG: everything below it is linked. */
  link(entry: DagBlock): void {
    const stack = [entry];
    while (stack.length > 0) {
      const top = stack.pop()!;
      if (top.isInOwnCone) continue;
      top.isInOwnCone = true;
      this.#unlinked.delete(top);
      stack.push(...top.parents);
    }
  }

  /** Parents of a block of round r + 1, given own last block and the blocks that count at r. */
  parents(last: BlockRef, round: number, counting: readonly (DagBlock | undefined)[]): readonly BlockRef[] {
    const rest: BlockRef[] = [];
    const used = new Set([slotKey(last.round, last.author)]);
    const lastHeld = this.#dag.get(last.digest);
    if (lastHeld !== undefined) this.link(lastHeld);
    for (const entry of counting) {
      // Our own block at r, if any, is `last`.
      if (entry === undefined || entry.author === last.author) continue;
      rest.push(refOf(entry));
      used.add(slotKey(entry.round, entry.author));
      this.link(entry);
    }
    const room = Math.min(this.#limits.maxWeakLinks, this.#limits.maxParents - rest.length - 1);
    let links = 0;
    for (const entry of this.#weakCandidates(round)) {
      if (links === room) break;
      const key = slotKey(entry.round, entry.author);
      if (used.has(key) || entry.isInOwnCone || this.#exposure.addsTooManyTwins(entry)) continue;
      rest.push(refOf(entry));
      used.add(key);
      this.link(entry);
      links++;
    }
    return [last, ...rest.sort(compareParents)];
  }

  /** Blocks below r of authors that are not exposed, oldest first. */
  #weakCandidates(round: number): readonly DagBlock[] {
    const candidates: DagBlock[] = [];
    for (const entry of this.#unlinked) {
      const isLinkable =
        entry.round >= 1 && entry.round < round && !this.#dag.isTainted(entry) && !this.#exposure.has(entry.author);
      if (isLinkable) candidates.push(entry);
    }
    return candidates.sort((a, b) => compareBlocks(a, b));
  }
}

/**
 * A block carries its author's shares of every round q with previous own round < q + 4 ≤ this round, above the floor: with one
 * share per block, members that jump would lose coins for ever. After a very long jump the newest; the rest on request.
 */
export function coinShares(
  coin: CoinScheme,
  previousRound: number,
  round: number,
  floor: number,
): readonly CoinShare[] {
  const from = Math.max(1, previousRound - 3, floor + 1, round - 3 - MAX_COIN_SHARES);
  const shares: CoinShare[] = [];
  for (let q = from; q + 4 <= round; q++) {
    const signature = coin.share(q);
    if (signature !== undefined) shares.push({ round: q, signature });
  }
  return shares;
}
