/**
 * DAGs without bytes: who linked whom, and nothing else. A thousand times cheaper than encoded and signed blocks, so that the
 * decision rule can be tried on millions of DAGs. Validity is checked here once more, apart from the shipping code
 * (consensus.md, "Block", rules 2 to 4).
 */
import { assert } from "../../lib/assert.ts";
import { quorumOf } from "../../lib/math.ts";

export interface SketchBlock {
  /** Index in `blocks` of its sketch: a causal order. Genesis blocks are 0 … n − 1. */
  readonly id: number;
  readonly round: number;
  readonly author: number;
  /** parents[0] is the author's previous block; the rest sorted by (round descending, author). */
  readonly parents: readonly SketchBlock[];
}

export class Sketch {
  readonly n: number;
  /** Strong parents a block needs: n − f, or what a control puts in its place. */
  readonly quorum: number;
  readonly blocks: SketchBlock[] = [];
  readonly #bySlot: SketchBlock[][][] = [];

  constructor(n: number, quorum = quorumOf(n)) {
    this.n = n;
    this.quorum = quorum;
    for (let author = 0; author < n; author++) this.#push(0, author, []);
  }

  get highestRound(): number {
    return this.#bySlot.length - 1;
  }

  /** Blocks of (round, author): none, one, or the twins of an equivocator in order of creation. */
  at(round: number, author: number): readonly SketchBlock[] {
    return this.#bySlot[round]?.[author] ?? [];
  }

  round(round: number): readonly SketchBlock[] {
    return (this.#bySlot[round] ?? []).flat();
  }

  /** The author's newest block below a round. */
  last(author: number, below: number): SketchBlock {
    for (let round = Math.min(below, this.#bySlot.length) - 1; ; round--) {
      const block = this.at(round, author).at(-1);
      if (block !== undefined) return block;
    }
  }

  /** Adds a block; `others` in any order. Fails an assertion when the block would not be valid. */
  add(author: number, round: number, previous: SketchBlock, others: readonly SketchBlock[]): SketchBlock {
    const rest = [...others].sort((a, b) => b.round - a.round || a.author - b.author);
    const parents = [previous, ...rest];
    assert(previous.author === author && previous.round < round, "the first parent is an older own block");
    const slots = new Set(parents.map((parent) => parent.round * this.n + parent.author));
    assert(slots.size === parents.length, "one parent per author and round");
    assert(
      parents.every((parent) => parent.round < round),
      "parents are older",
    );
    const strong = parents.filter((parent) => parent.round === round - 1).length;
    assert(strong >= this.quorum, "strong parents of at least Q authors");
    return this.#push(round, author, parents);
  }

  #push(round: number, author: number, parents: readonly SketchBlock[]): SketchBlock {
    const block: SketchBlock = { id: this.blocks.length, round, author, parents };
    this.blocks.push(block);
    while (this.#bySlot.length <= round) this.#bySlot.push(Array.from({ length: this.n }, () => []));
    this.#bySlot[round]![author]!.push(block);
    return block;
  }
}

/** Blocks and all their ancestors, genesis left out: the smallest view that holds them. */
export function closure(tips: Iterable<SketchBlock>): Set<SketchBlock> {
  const view = new Set<SketchBlock>();
  for (const tip of tips) if (tip.round > 0) view.add(tip);
  for (const block of view) for (const parent of block.parents) if (parent.round > 0) view.add(parent);
  return view;
}
