/**
 * Every DAG of n = 4 around one slot, exhaustively: what any causally closed view can decide about slot (1, a) directly or by an
 * anchor of round 6, over all parents honest authors may choose, all jumps, and all equivocations.
 *
 * Why this is finite. Of a block only its *kind* matters for the slot: which of the slot's blocks it supports (up to the last
 * window), and which certificates of the slot are in its cone. A malicious author makes, in every round, one block of every kind
 * it can make at all: more blocks only add views, so no other behaviour can break anything that this one cannot. States are the
 * kinds of the honest authors' newest blocks, the kinds the malicious have, and what quorums have decided; equal states have
 * equal futures and are visited once, by fingerprint. Of each state one DAG is kept, on which the shipping code and the plain
 * reference are run and must say what the search says.
 *
 * Direct decisions only grow with a view, so the view of everything shows all of them. A decision by an anchor reads the
 * anchor's cone alone. So all views agree on the slot if and only if (with anchors agreed on, by induction from above) no two
 * decisions of {direct ones of the whole, what each block of the anchor's round would say} differ. Weak links add certificates
 * to cones and nothing else; a DAG in which that matters holds two contradicting certificates or a certificate beside a Skip,
 * which the search reports by itself.
 */
import { assert } from "../../lib/assert.ts";
import { maxFaulty } from "../../lib/math.ts";
import { Expansion, type Kinded, LAST_WINDOW, type SearchOptions, type State } from "./expansion.ts";
import { Fingerprints } from "./fingerprints.ts";
import { isContradiction, Reference, ReferenceView, RULES, type Rule, RuleStop } from "./rule.ts";
import { ShippingView } from "./shipping.ts";
import { closure, Sketch, type SketchBlock } from "./sketch.ts";

export interface SearchResult {
  readonly states: number;
  /** Block kinds computed: one for each way to choose parents. */
  readonly steps: number;
  /** DAGs on which the shipping code, the reference and the search were compared, block by block. */
  readonly verified: number;
  /** What was decided in those DAGs: shows that the search looked at something. */
  readonly seen: Readonly<Record<"commit" | "skip" | "open", number>>;
  readonly isComplete: boolean;
  /** The first contradiction, confirmed by two views of one DAG. */
  readonly fork: Fork | undefined;
}

export interface Fork {
  readonly what: string;
  readonly blocks: readonly { readonly author: number; readonly round: number; readonly parents: readonly number[] }[];
}

const bits = (mask: number): number => (mask & 1) + ((mask >> 1) & 1) + ((mask >> 2) & 1);

export type { SearchOptions } from "./expansion.ts";

export function search(options: SearchOptions): SearchResult {
  return new Search(options).run();
}

class Search {
  readonly #options: SearchOptions;
  readonly #expansion: Expansion;
  readonly #rule: Rule;
  /** The rule itself, with at most f malicious: then even what only *might* become a contradiction is a finding. */
  readonly #isStrict: boolean;
  readonly #seen = { commit: 0, skip: 0, open: 0 };
  #verified = 0;
  #finals = 0;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#expansion = new Expansion(options);
    const { rule, n, maliciousAuthors } = this.#expansion;
    this.#rule = rule;
    this.#isStrict = rule === RULES.rule && maliciousAuthors.length <= maxFaulty(n);
  }

  run(): SearchResult {
    const { maxStates = 20_000_000 } = this.#options;
    const lastRound = LAST_WINDOW + 2;
    let frontier = this.#expansion.initial();
    let states = frontier.length;
    let fork: Fork | undefined;
    for (let round = 2; round <= lastRound; round++) {
      const known = new Fingerprints();
      const next: State[] = [];
      for (const state of frontier) {
        for (const successor of this.#expansion.successors(state)) {
          if (!known.add(this.#expansion.words(successor))) continue;
          fork ??= this.#directFork(successor);
          next.push(successor);
          states++;
        }
        if (fork !== undefined || states > maxStates) return this.#result(states, states <= maxStates, fork);
      }
      frontier = next;
    }
    for (const state of frontier) {
      fork = this.#last(state);
      if (fork !== undefined) break;
    }
    return this.#result(states, true, fork);
  }

  #result(states: number, isComplete: boolean, fork: Fork | undefined): SearchResult {
    return { states, steps: this.#expansion.steps, verified: this.#verified, seen: this.#seen, isComplete, fork };
  }

  /** Decisions of quorums that contradict each other; for the rule itself, a certificate too many is enough. */
  #directFork(state: State): Fork | undefined {
    const isBroken =
      bits(state.committed) > 1 ||
      (state.isSkipped && state.committed !== 0) ||
      (this.#isStrict && (bits(state.certified) > 1 || (state.isSkipped && state.certified !== 0)));
    if (!isBroken) return undefined;
    const { sketch } = this.#sketchOf(state, []);
    try {
      const reference = new Reference(sketch, this.#rule);
      new ReferenceView(reference, sketch.blocks, () => undefined).direct(1, this.#options.slotAuthor);
    } catch (error) {
      if (error instanceof RuleStop) return forkOf(error.message, sketch);
      throw error;
    }
    return this.#isStrict ? forkOf("a certificate beside a Skip or another twin's", sketch) : undefined;
  }

  /**
   * All direct decisions have been taken. Every block of the anchor's round that is there or can be made is asked what it would
   * say as an anchor.
   */
  #last(state: State): Fork | undefined {
    const round = 1 + this.#rule.anchorDistance;
    const isLater = round > state.round;
    const honest = isLater
      ? this.#expansion.honestAuthors.map((_, i) => this.#expansion.honestOptions(state, i, round))
      : state.honest.map((block) => [block]);
    const malicious = isLater ? this.#expansion.maliciousOptions(state, round) : state.malicious;
    for (const anchors of [...honest, ...malicious]) {
      for (const anchor of anchors) {
        if (anchor.round !== round) continue;
        const says = this.#saidBy(anchor);
        const isBroken =
          bits(says) > 1 || (state.committed !== 0 && says !== state.committed) || (state.isSkipped && says !== 0);
        if (!isBroken) continue;
        const fork = this.#confirm(state, anchor);
        if (fork !== undefined) return fork;
      }
    }
    this.#finals++;
    if (this.#isStrict && this.#finals % (this.#options.verifyEvery ?? 1) === 0) this.#verify(state, honest, malicious);
    return undefined;
  }

  #saidBy(anchor: Kinded): number {
    let twins = 0;
    for (const window of this.#rule.anchorWindows) twins |= (anchor.cone >> (3 * (window - 1))) & 7;
    return twins;
  }

  /**
   * A contradiction in the abstract, made concrete: the honest go on from the anchor until its slot commits and its coin is out;
   * the view of what they see then, against the view of everything. For the rule itself the contradiction alone is a finding.
   */
  #confirm(state: State, anchor: Kinded): Fork | undefined {
    const { sketch, map } = this.#sketchOf(state, [anchor]);
    const { slotAuthor } = this.#options;
    // Of the anchor's round: the anchor, and a block of each other honest author that saw no malicious one.
    const newest = state.honest.filter((block) => block.round === state.round && block.author !== anchor.author);
    const others = newest.map((block) => map.get(block)!);
    let tips = [map.get(anchor)!];
    if (anchor.round === state.round) tips.push(...others);
    else {
      const own = state.honest.filter((block) => block.round === state.round).map((block) => map.get(block)!);
      if (own.length < this.#expansion.quorum)
        return this.#isStrict ? forkOf("an anchor against a quorum", sketch) : undefined;
      for (const previous of others) {
        const strong = own.filter((other) => other !== previous);
        tips.push(sketch.add(previous.author, anchor.round, previous, strong));
      }
    }
    for (let round = anchor.round + 1; round <= anchor.round + 4 && tips.length >= this.#expansion.quorum; round++) {
      const strong = tips;
      tips = strong.map((previous) => {
        const rest = strong.filter((other) => other !== previous);
        return sketch.add(previous.author, round, previous, rest);
      });
    }
    const reference = new Reference(sketch, this.#rule);
    const coin = (): number => anchor.author;
    try {
      const part = new ReferenceView(reference, closure(tips), coin).status(1, slotAuthor);
      const whole = new ReferenceView(reference, sketch.blocks, coin).status(1, slotAuthor);
      if (isContradiction(part, whole)) return forkOf(`one view says ${part.kind}, another ${whole.kind}`, sketch);
    } catch (error) {
      if (error instanceof RuleStop) return forkOf(error.message, sketch);
      throw error;
    }
    return this.#isStrict ? forkOf("an anchor against a quorum", sketch) : undefined;
  }

  /** Search, shipping code and reference on one DAG, block by block; any difference is a bug in one of them and throws. */
  #verify(state: State, honest: readonly (readonly Kinded[])[], malicious: readonly (readonly Kinded[])[]): void {
    this.#verified++;
    const pick = <T>(items: readonly T[]): T[] => (items.length === 0 ? [] : [items[this.#verified % items.length]!]);
    const anchors = [...honest, ...malicious].flatMap((blocks) =>
      pick(blocks.filter((block) => block.round === state.round + 1)),
    );
    const { sketch, map } = this.#sketchOf(state, anchors);
    const { slotAuthor } = this.#options;
    const reference = new Reference(sketch, this.#rule);
    const options = { coin: () => undefined, retainedRounds: 30, activityWindow: 3 };
    const shipping = new ShippingView(sketch, options);
    for (const block of sketch.blocks) shipping.add(block);
    for (const [kinded, block] of map) {
      const window = block.round - 1;
      if (window >= 1 && window <= LAST_WINDOW) {
        const expected = kinded.support === 0 ? undefined : sketch.at(1, slotAuthor)[kinded.support - 1];
        assert(reference.support(block, slotAuthor, 1) === expected, "the reference supports what the search says");
        assert(
          shipping.support(block, slotAuthor, window) === expected,
          "the shipping code supports what the search says",
        );
      }
      if (window < 2 || window > LAST_WINDOW + 1) continue;
      const certified = kinded.held === 0 ? undefined : sketch.at(1, slotAuthor)[Math.log2(kinded.held)];
      assert(
        reference.certified(block, window - 1, slotAuthor) === certified,
        "the reference certifies what the search says",
      );
      assert(
        shipping.certified(block, slotAuthor, window - 1) === certified,
        "the shipping code certifies what the search says",
      );
    }
    const direct = state.isSkipped ? "skip" : state.committed !== 0 ? "commit" : undefined;
    assert(shipping.direct(1, slotAuthor)?.kind === direct, "the shipping code decides what the search says");
    for (const anchor of anchors) {
      const says = this.#saidBy(anchor);
      const status = shipping.byAnchor(map.get(anchor)!, 1, slotAuthor);
      const expected = says === 0 ? undefined : sketch.at(1, slotAuthor)[Math.log2(says)];
      assert(
        (status.kind === "commit" ? status.block : undefined) === expected,
        "an anchor of the shipping code says the same",
      );
      assert(status.kind !== "undecided", "a committed anchor decides");
    }
    this.#seen[direct ?? "open"]++;
  }

  /** The DAG of a state: every block of its history, and some more. */
  #sketchOf(state: State, more: readonly Kinded[]): { sketch: Sketch; map: Map<Kinded, SketchBlock> } {
    const sketch = new Sketch(this.#expansion.n, this.#expansion.quorum);
    const map = new Map<Kinded, SketchBlock>();
    const all = new Set<Kinded>(more);
    for (let at: State | undefined = state; at !== undefined; at = at.before) {
      for (const block of at.honest) all.add(block);
      for (const blocks of at.malicious) for (const block of blocks) all.add(block);
    }
    for (const block of all) for (const parent of block.parents) all.add(parent);
    for (const block of [...all].sort((a, b) => a.round - b.round || a.support - b.support)) {
      if (block.round === 0) {
        map.set(block, sketch.blocks[block.author]!);
        continue;
      }
      const [previous, ...strong] = block.parents.map((parent) => map.get(parent)!);
      map.set(block, sketch.add(block.author, block.round, previous!, strong));
    }
    return { sketch, map };
  }
}

function forkOf(what: string, sketch: Sketch): Fork {
  const blocks = sketch.blocks.slice(sketch.n);
  return {
    what,
    blocks: blocks.map(({ author, round, parents }) => ({ author, round, parents: parents.map(({ id }) => id) })),
  };
}
