/**
 * The states of the exhaustive search (search.ts) and how they follow from one another: kinds of blocks around slot (1, a), and
 * every way in which honest and malicious authors can make a block of the next round.
 */
import { maxFaulty } from "../../lib/math.ts";
import { RULES, type Rule, type RuleName } from "./rule.ts";

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

/** A block and its kind. */
export interface Kinded {
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

export interface State {
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

export const LAST_WINDOW = 3;
export class Expansion {
  readonly rule: Rule;
  readonly n: number;
  readonly quorum: number;
  readonly maliciousAuthors: readonly number[];
  readonly honestAuthors: readonly number[];
  readonly #options: SearchOptions;
  /** Blocks made so far, over all states. */
  steps = 0;

  constructor(options: SearchOptions) {
    const n = options.n ?? 4;
    this.#options = options;
    this.n = n;
    this.rule = RULES[options.rule ?? "rule"];
    this.quorum = this.rule.quorum(n);
    const everybody = Array.from({ length: n }, (_, author) => author);
    this.maliciousAuthors = options.malicious ?? everybody.slice(0, maxFaulty(n));
    this.honestAuthors = everybody.filter((author) => !this.maliciousAuthors.includes(author));
  }

  /** Round 1: the slot's blocks, one block of everybody else; with jumps, perhaps without one of the honest. */
  initial(): State[] {
    const genesis = (author: number): Kinded => ({ round: 0, author, parents: [], support: 0, cone: 0, held: 0 });
    const roots = Array.from({ length: this.n }, (_, author) => genesis(author));
    const first = (author: number, support: number): Kinded => {
      const parents = [roots[author]!, ...roots.filter((root) => root.author !== author)];
      return { round: 1, author, parents, support, cone: 0, held: 0 };
    };
    const { slotAuthor, twins = 2, hasJumps = false } = this.#options;
    const malicious = this.maliciousAuthors.map((author) =>
      author === slotAuthor
        ? Array.from({ length: twins }, (_, i) => first(author, i + 1)).concat(genesis(author))
        : [first(author, 0), genesis(author)],
    );
    const all = this.honestAuthors.map((author) => first(author, author === slotAuthor ? 1 : 0));
    const choices = [all];
    if (hasJumps) {
      for (const [i, block] of all.entries())
        if (block.author !== slotAuthor) choices.push(all.with(i, roots[block.author]!));
    }
    const empty = { before: undefined, round: 1, committed: 0, certified: 0, isSkipped: false };
    return choices.map((honest) => ({ ...empty, honest, malicious }));
  }

  *successors(state: State): IterableIterator<State> {
    const round = state.round + 1;
    const malicious = this.maliciousOptions(state, round);
    const honest = this.honestAuthors.map((_, i) => this.honestOptions(state, i, round));
    const maliciousPresent = malicious.filter((blocks) => blocks.some((block) => block.round === round)).length;
    const chosen: Kinded[] = [];
    const choose = function* (this: Expansion, i: number, present: number): IterableIterator<State> {
      if (i === honest.length) {
        if (present >= this.quorum) yield this.#decided(state, round, [...chosen], malicious);
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
  honestOptions(state: State, i: number, round: number): Kinded[] {
    const options = new Map<number, Kinded>();
    this.#addOptions(options, state, state.honest[i]!, round);
    return [...options.values()];
  }

  /** Everything the malicious had, and one block of each kind they can make now, late own parents included. */
  maliciousOptions(state: State, round: number): Kinded[][] {
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
    for (let author = 0; author < this.n; author++) {
      if (author === previous.author) continue;
      const index = this.honestAuthors.indexOf(author);
      const blocks = index >= 0 ? [state.honest[index]!] : state.malicious[this.maliciousAuthors.indexOf(author)]!;
      const strong = blocks.filter((block) => block.round === round - 1);
      if (strong.length > 0) candidates.push(strong);
    }
    const own = previous.round === round - 1 ? 1 : 0;
    const chosen: Kinded[] = [];
    const choose = (i: number): void => {
      if (chosen.length + candidates.length - i + own < this.quorum) return;
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
    this.steps++;
    const parents = [previous, ...strong];
    const walked = this.rule.isOwnLast ? [...strong, previous] : parents;
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
        if (votes >= this.quorum) held |= 1 << (twin - 1);
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
      if (holders >= this.quorum) committed |= 1 << (twin - 1);
    }
    if (round === 1 + this.rule.skipWindow) {
      isSkipped ||= authors((block) => block.support === 0) >= this.quorum;
      if (this.rule.skipsOneTwin) {
        for (let twin = 1; twin <= this.#slotBlocks; twin++) {
          isSkipped ||= authors((block) => block.support !== twin) >= this.quorum;
        }
      }
    }
    return { before, round, honest, malicious, committed, certified, isSkipped };
  }

  get #slotBlocks(): number {
    const { slotAuthor, twins = 2 } = this.#options;
    return this.maliciousAuthors.includes(slotAuthor) ? twins : 1;
  }

  words(state: State): number[] {
    const words = [(state.committed << 4) | (state.certified << 1) | (state.isSkipped ? 1 : 0)];
    for (const block of state.honest) words.push(kindOf(block) * 2 + (block.round === state.round ? 1 : 0));
    for (const blocks of state.malicious) {
      const kinds = blocks.map((block) => kindOf(block) * 2 + (block.round === state.round ? 1 : 0));
      words.push(-1, ...kinds.sort((a, b) => a - b));
    }
    return words;
  }
}

function kindOf(block: Kinded): number {
  return block.cone * 32 + block.held * 4 + block.support;
}
