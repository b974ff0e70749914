/**
 * What the next own block links and carries (consensus.md, "Accepting and proposing").
 *
 *   parents = own last ‖ one block of each author that counts at r ‖ weak links to known blocks not yet in the cone, oldest
 *             first; sorted after the first. Weak links give every honest block inclusion; they never count as votes.
 */
import { compareBlocks, compareParents, refOf, slotKey } from "./block.ts";
import type { Dag, DagBlock } from "./dag.ts";
import type { Exposure } from "./exposure.ts";
import { COIN_DELAY, MAX_COIN_SHARES } from "./limits.ts";
import type { BlockRef, CoinScheme, CoinShare, ConsensusLimits } from "./types.ts";

export class Proposer {
  readonly #dag: Dag;
  readonly #exposure: Exposure;
  readonly #limits: Pick<ConsensusLimits, "maxParents" | "maxWeakLinks">;
  /** Accepted blocks that are not in the cone of our last block. */
  readonly #unlinked = new Set<DagBlock>();
  /** What the block being made brings into our cone. */
  #linked: DagBlock[] = [];

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
  link(entry: DagBlock, linked: DagBlock[] = []): void {
    const stack = [entry];
    while (stack.length > 0) {
      const top = stack.pop()!;
      if (top.isInOwnCone) continue;
      top.isInOwnCone = true;
      linked.push(top);
      this.#unlinked.delete(top);
      stack.push(...top.parents);
    }
  }

  /** What `parents` brought into our cone when it was last called. */
  get linked(): readonly DagBlock[] {
    return this.#linked;
  }

  /**
   * Parents of a block of round r + 1, given own last block, the blocks that count at r, and the order's floor: what lies at or below it
   * and is still held is not output any more, and must not take the room of what is.
   */
  parents(
    last: BlockRef,
    round: number,
    counting: readonly (DagBlock | undefined)[],
    orderFloor: number,
  ): readonly BlockRef[] {
    const rest: BlockRef[] = [];
    const linked: DagBlock[] = [];
    const used = new Set([slotKey(last.round, last.author)]);
    const lastHeld = this.#dag.get(last.digest);
    if (lastHeld !== undefined) this.link(lastHeld, linked);
    for (const entry of counting) {
      // Our own block at r, if any, is `last`.
      if (entry === undefined || entry.author === last.author) continue;
      rest.push(refOf(entry));
      used.add(slotKey(entry.round, entry.author));
      this.link(entry, linked);
    }
    const room = Math.min(this.#limits.maxWeakLinks, this.#limits.maxParents - rest.length - 1);
    let links = 0;
    for (const entry of this.#weakCandidates(Math.max(0, orderFloor), round)) {
      if (links === room) break;
      const key = slotKey(entry.round, entry.author);
      if (used.has(key) || entry.isInOwnCone || this.#exposure.addsTooManyTwins(entry)) continue;
      rest.push(refOf(entry));
      used.add(key);
      this.link(entry, linked);
      links++;
    }
    this.#linked = linked;
    return [last, ...rest.sort(compareParents)];
  }

  /** Blocks above the order's floor and below r of authors that are not exposed, oldest first. */
  #weakCandidates(above: number, round: number): readonly DagBlock[] {
    const candidates: DagBlock[] = [];
    for (const entry of this.#unlinked) {
      const isLinkable =
        entry.round > above && entry.round < round && !this.#dag.isTainted(entry) && !this.#exposure.has(entry.author);
      if (isLinkable) candidates.push(entry);
    }
    return candidates.sort((a, b) => compareBlocks(a, b));
  }
}

/**
 * A block carries its author's shares of every round q with previous own round < q + COIN_DELAY ≤ this round, above the floor: with one
 * share per block, members that jump would lose coins for ever. After a very long jump the newest; the rest on request.
 */
export function coinShares(
  coin: CoinScheme,
  previousRound: number,
  round: number,
  floor: number,
): readonly CoinShare[] {
  const from = Math.max(1, previousRound - COIN_DELAY + 1, floor + 1, round - COIN_DELAY + 1 - MAX_COIN_SHARES);
  const shares: CoinShare[] = [];
  for (let q = from; q + COIN_DELAY <= round; q++) {
    const signature = coin.share(q);
    if (signature !== undefined) shares.push({ round: q, signature });
  }
  return shares;
}
