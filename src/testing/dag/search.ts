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
import { Fingerprints } from "./fingerprints.ts";
import { isContradiction, Reference, ReferenceView, RULES, type Rule, type RuleName, RuleStop } from "./rule.ts";
import { ShippingView } from "./shipping.ts";
import { closure, Sketch, type SketchBlock } from "./sketch.ts";

export interface SearchOptions {
  readonly n?: number;
  readonly rule?: RuleName;
  /** Authors that equivocate; default: the first f. */
  readonly malicious?: readonly number[];
  /** Whose slot of round 1 is looked at. */
  readonly slotAuthor: number;
  /** Blocks of a malicious slot author in its slot. */
  readonly twins?: 2 | 3;
  /** Honest authors may leave out rounds, as long as Q authors remain. */
  readonly hasJumps?: boolean;
  /** Give up beyond this many states (a result that gave up says so). */
  readonly maxStates?: number;
  /** Run shipping code and reference on one in so many of the last states; 1: all of them. */
  readonly verifyEvery?: number;
}

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

/** A block and its kind. */
interface Kinded {
  readonly round: number;
  readonly author: number;
  readonly parents: readonly Kinded[];
  /** Which block of the slot it supports: 1, 2, 3, or 0 for nobody. */
  readonly support: number;
  /** Certificates in its cone: bit 3 · (window − 1) + (twin − 1). */
  readonly cone: number;
  /** Twins it certifies itself, in the window of its round: bit twin − 1. */
  readonly held: number;
}

interface State {
  readonly before: State | undefined;
  readonly round: number;
  /** Newest block of each honest author. */
  readonly honest: readonly Kinded[];
  /** All blocks of each malicious author, of all rounds. */
  readonly malicious: readonly (readonly Kinded[])[];
  /** Twins with Q holders in some window. */
  readonly committed: number;
  /** Twins with a certificate anywhere. */
  readonly certified: number;
  readonly isSkipped: boolean;
}

const LAST_WINDOW = 3;
const bits = (mask: number): number => (mask & 1) + ((mask >> 1) & 1) + ((mask >> 2) & 1);

export function search(options: SearchOptions): SearchResult {
  return new Search(options).run();
}

class Search {
  readonly #n: number;
  readonly #rule: Rule;
  /** The rule itself, with at most f malicious: then even what only *might* become a contradiction is a finding. */
  readonly #isStrict: boolean;
  readonly #quorum: number;
  readonly #validQuorum: number;
  readonly #maliciousAuthors: readonly number[];
  readonly #honestAuthors: readonly number[];
  readonly #options: SearchOptions;
  readonly #seen = { commit: 0, skip: 0, open: 0 };
  #steps = 0;
  #verified = 0;
  #finals = 0;

  constructor(options: SearchOptions) {
    const n = options.n ?? 4;
    this.#options = options;
    this.#n = n;
    this.#rule = RULES[options.rule ?? "rule"];
    this.#quorum = this.#rule.quorum(n);
    this.#validQuorum = this.#quorum;
    const everybody = Array.from({ length: n }, (_, author) => author);
    this.#maliciousAuthors = options.malicious ?? everybody.slice(0, maxFaulty(n));
    this.#honestAuthors = everybody.filter((author) => !this.#maliciousAuthors.includes(author));
    this.#isStrict = this.#rule === RULES.rule && this.#maliciousAuthors.length <= maxFaulty(n);
  }

  run(): SearchResult {
    const { maxStates = 20_000_000 } = this.#options;
    const lastRound = LAST_WINDOW + 2;
    let frontier = this.#initial();
    let states = frontier.length;
    let fork: Fork | undefined;
    for (let round = 2; round <= lastRound; round++) {
      const known = new Fingerprints();
      const next: State[] = [];
      for (const state of frontier) {
        for (const successor of this.#successors(state)) {
          if (!known.add(this.#words(successor))) continue;
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
    return { states, steps: this.#steps, verified: this.#verified, seen: this.#seen, isComplete, fork };
  }

  /** Round 1: the slot's blocks, one block of everybody else; with jumps, perhaps without one of the honest. */
  #initial(): State[] {
    const genesis = (author: number): Kinded => ({ round: 0, author, parents: [], support: 0, cone: 0, held: 0 });
    const roots = Array.from({ length: this.#n }, (_, author) => genesis(author));
    const first = (author: number, support: number): Kinded => {
      const parents = [roots[author]!, ...roots.filter((root) => root.author !== author)];
      return { round: 1, author, parents, support, cone: 0, held: 0 };
    };
    const { slotAuthor, twins = 2, hasJumps = false } = this.#options;
    const malicious = this.#maliciousAuthors.map((author) =>
      author === slotAuthor
        ? Array.from({ length: twins }, (_, i) => first(author, i + 1)).concat(genesis(author))
        : [first(author, 0), genesis(author)],
    );
    const all = this.#honestAuthors.map((author) => first(author, author === slotAuthor ? 1 : 0));
    const choices = [all];
    if (hasJumps) {
      for (const [i, block] of all.entries())
        if (block.author !== slotAuthor) choices.push(all.with(i, roots[block.author]!));
    }
    const empty = { before: undefined, round: 1, committed: 0, certified: 0, isSkipped: false };
    return choices.map((honest) => ({ ...empty, honest, malicious }));
  }

  *#successors(state: State): IterableIterator<State> {
    const round = state.round + 1;
    const malicious = this.#maliciousOptions(state, round);
    const honest = this.#honestAuthors.map((_, i) => this.#honestOptions(state, i, round));
    const maliciousPresent = malicious.filter((blocks) => blocks.some((block) => block.round === round)).length;
    const chosen: Kinded[] = [];
    const choose = function* (this: Search, i: number, present: number): IterableIterator<State> {
      if (i === honest.length) {
        if (present >= this.#validQuorum) yield this.#decided(state, round, [...chosen], malicious);
        return;
      }
      for (const block of honest[i]!) {
        chosen[i] = block;
        yield* choose.call(this, i + 1, present + 1);
      }
      if (this.#options.hasJumps === true || honest[i]!.length === 0) {
        chosen[i] = state.honest[i]!;
        yield* choose.call(this, i + 1, present);
      }
    };
    yield* choose.call(this, 0, maliciousPresent);
  }

  /** One block of each kind that an honest author may make. */
  #honestOptions(state: State, i: number, round: number): Kinded[] {
    const options = new Map<number, Kinded>();
    this.#addOptions(options, state, state.honest[i]!, round);
    return [...options.values()];
  }

  /** Everything the malicious had, and one block of each kind they can make now, late own parents included. */
  #maliciousOptions(state: State, round: number): Kinded[][] {
    return state.malicious.map((blocks) => {
      const options = new Map<number, Kinded>();
      for (const previous of blocks) this.#addOptions(options, state, previous, round);
      // Of older rounds one of each kind is enough: neither is a strong parent any more.
      const older = new Map<number, Kinded>();
      for (const block of blocks) {
        const key = kindOf(block) * 2 + (block.round === round - 1 ? 1 : 0);
        if (!older.has(key)) older.set(key, block);
      }
      return [...options.values(), ...older.values()];
    });
  }

  /** All choices of strong parents: any set of ≥ Q authors with one block each, the own previous one counting if it is of round − 1. */
  #addOptions(options: Map<number, Kinded>, state: State, previous: Kinded, round: number): void {
    const candidates: (readonly Kinded[])[] = [];
    for (let author = 0; author < this.#n; author++) {
      if (author === previous.author) continue;
      const index = this.#honestAuthors.indexOf(author);
      const blocks = index >= 0 ? [state.honest[index]!] : state.malicious[this.#maliciousAuthors.indexOf(author)]!;
      const strong = blocks.filter((block) => block.round === round - 1);
      if (strong.length > 0) candidates.push(strong);
    }
    const own = previous.round === round - 1 ? 1 : 0;
    const chosen: Kinded[] = [];
    const choose = (i: number): void => {
      if (chosen.length + candidates.length - i + own < this.#validQuorum) return;
      if (i === candidates.length) {
        const block = this.#make(previous, chosen, round);
        const kind = kindOf(block);
        if (!options.has(kind)) options.set(kind, block);
        return;
      }
      for (const block of candidates[i]!) {
        chosen.push(block);
        choose(i + 1);
        chosen.pop();
      }
      choose(i + 1);
    };
    choose(0);
  }

  #make(previous: Kinded, strong: readonly Kinded[], round: number): Kinded {
    this.#steps++;
    const parents = [previous, ...strong];
    const walked = this.#rule.isOwnLast ? [...strong, previous] : parents;
    let support = 0;
    let cone = 0;
    let held = 0;
    if (round <= 1 + LAST_WINDOW) for (const parent of walked) support ||= parent.support;
    for (const parent of parents) cone |= parent.cone;
    const window = round - 2;
    if (window >= 1 && window <= LAST_WINDOW) {
      for (let twin = 1; twin <= 3; twin++) {
        let votes = previous.round === round - 1 && previous.support === twin ? 1 : 0;
        for (const parent of strong) if (parent.support === twin) votes++;
        if (votes >= this.#quorum) held |= 1 << (twin - 1);
      }
      cone |= held << (3 * (window - 1));
    }
    return { round, author: previous.author, parents, support, cone, held };
  }

  /** What the quorums of the new round decide. */
  #decided(before: State, round: number, honest: readonly Kinded[], malicious: readonly (readonly Kinded[])[]): State {
    const byAuthor = [...honest.map((block) => [block]), ...malicious].map((blocks) =>
      blocks.filter((block) => block.round === round),
    );
    const authors = (isOne: (block: Kinded) => boolean): number => {
      let count = 0;
      for (const blocks of byAuthor) if (blocks.some(isOne)) count++;
      return count;
    };
    let { committed, certified, isSkipped } = before;
    for (let twin = 1; twin <= 3; twin++) {
      const holders = authors((block) => (block.held & (1 << (twin - 1))) !== 0);
      if (holders > 0) certified |= 1 << (twin - 1);
      if (holders >= this.#quorum) committed |= 1 << (twin - 1);
    }
    if (round === 1 + this.#rule.skipWindow) {
      isSkipped ||= authors((block) => block.support === 0) >= this.#quorum;
      if (this.#rule.skipsOneTwin) {
        for (let twin = 1; twin <= this.#slotBlocks; twin++) {
          isSkipped ||= authors((block) => block.support !== twin) >= this.#quorum;
        }
      }
    }
    return { before, round, honest, malicious, committed, certified, isSkipped };
  }

  get #slotBlocks(): number {
    const { slotAuthor, twins = 2 } = this.#options;
    return this.#maliciousAuthors.includes(slotAuthor) ? twins : 1;
  }

  #words(state: State): number[] {
    const words = [(state.committed << 4) | (state.certified << 1) | (state.isSkipped ? 1 : 0)];
    for (const block of state.honest) words.push(kindOf(block) * 2 + (block.round === state.round ? 1 : 0));
    for (const blocks of state.malicious) {
      const kinds = blocks.map((block) => kindOf(block) * 2 + (block.round === state.round ? 1 : 0));
      words.push(-1, ...kinds.sort((a, b) => a - b));
    }
    return words;
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
      ? this.#honestAuthors.map((_, i) => this.#honestOptions(state, i, round))
      : state.honest.map((block) => [block]);
    const malicious = isLater ? this.#maliciousOptions(state, round) : state.malicious;
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
      if (own.length < this.#validQuorum)
        return this.#isStrict ? forkOf("an anchor against a quorum", sketch) : undefined;
      for (const previous of others) {
        const strong = own.filter((other) => other !== previous);
        tips.push(sketch.add(previous.author, anchor.round, previous, strong));
      }
    }
    for (let round = anchor.round + 1; round <= anchor.round + 4 && tips.length >= this.#validQuorum; round++) {
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
    const sketch = new Sketch(this.#n, this.#validQuorum);
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

function kindOf(block: Kinded): number {
  return block.cone * 32 + block.held * 4 + block.support;
}

function forkOf(what: string, sketch: Sketch): Fork {
  const blocks = sketch.blocks.slice(sketch.n);
  return {
    what,
    blocks: blocks.map(({ author, round, parents }) => ({ author, round, parents: parents.map(({ id }) => id) })),
  };
}
