/**
 * The decision rule a second time, as plainly as consensus.md states it and with every choice a parameter: what is not
 * "rule" looks right and breaks. No increments, no tables, no pruning; shares no code with src/consensus.
 */
import { COIN_DELAY } from "../../consensus/limits.ts";
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import { closure, type Sketch, type SketchBlock } from "./sketch.ts";

export interface Rule {
  readonly quorum: (n: number) => number;
  /** From a slot to its first anchor, and from anchor to anchor. */
  readonly anchorDistance: number;
  /** Windows whose certificates count when an anchor decides. */
  readonly anchorWindows: readonly number[];
  /** The window in which Q authors supporting nobody mean Skip. */
  readonly skipWindow: number;
  /** Skip as soon as Q authors do not support *one* of the twins. */
  readonly skipsOneTwin: boolean;
  /** Support walks the own previous block last. */
  readonly isOwnLast: boolean;
}

const RULE: Rule = {
  quorum: quorumOf,
  anchorDistance: 5,
  anchorWindows: [1, 2, 3],
  skipWindow: 3,
  skipsOneTwin: false,
  isOwnLast: false,
};

/** The rule, and the controls of consensus.md by the names of the campaigns. */
export const RULES = {
  rule: RULE,
  "last-window-only": { ...RULE, anchorWindows: [3] },
  "ignore-last-window": { ...RULE, anchorWindows: [1, 2] },
  "anchor-early": { ...RULE, anchorDistance: 4 },
  "early-skip": { ...RULE, skipWindow: 2 },
  "first-skip": { ...RULE, skipWindow: 1 },
  "twin-skip": { ...RULE, skipsOneTwin: true },
  "own-last": { ...RULE, isOwnLast: true },
  "two-f-plus-one": { ...RULE, quorum: (n: number) => 2 * maxFaulty(n) + 1 },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleName = keyof typeof RULES;

export type Status =
  | { readonly kind: "commit"; readonly block: SketchBlock }
  | { readonly kind: "skip" }
  | { readonly kind: "undecided" };

/** Thrown where the rule says "stop": two certified twins, or Commit beside Skip. */
export class RuleStop extends Error {}

export const isContradiction = (a: Status, b: Status): boolean =>
  a.kind !== "undecided" &&
  b.kind !== "undecided" &&
  (a.kind !== b.kind || (a.kind === "commit" && b.kind === "commit" && a.block !== b.block));

/** What blocks say by themselves: support and certificates depend on a block's ancestors alone, so all views share them. */
export class Reference {
  readonly sketch: Sketch;
  readonly rule: Rule;
  readonly quorum: number;
  readonly #support = new Map<number, SketchBlock | undefined>();
  readonly #certified = new Map<number, SketchBlock | undefined>();

  constructor(sketch: Sketch, rule: Rule = RULE) {
    this.sketch = sketch;
    this.rule = rule;
    this.quorum = rule.quorum(sketch.n);
  }

  /** Depth first over parents[0] and strong parents in stored order; the first block of (author, round) found. */
  support(from: SketchBlock, author: number, round: number): SketchBlock | undefined {
    if (from.round <= round) return from.round === round && from.author === author ? from : undefined;
    const key = (from.id * 4096 + round) * 256 + author;
    if (this.#support.has(key)) return this.#support.get(key);
    let walked = from.parents.filter((parent, i) => i === 0 || parent.round === from.round - 1);
    if (this.rule.isOwnLast) walked = [...walked.slice(1), walked[0]!];
    let found: SketchBlock | undefined;
    for (const parent of walked) {
      found = this.support(parent, author, round);
      if (found !== undefined) break;
    }
    this.#support.set(key, found);
    return found;
  }

  /** The block of `author` at round c.round − 1 − window of which c is a certificate in that window. */
  certified(c: SketchBlock, window: number, author: number): SketchBlock | undefined {
    const key = (c.id * 4 + window) * 256 + author;
    if (this.#certified.has(key)) return this.#certified.get(key);
    const v = c.round - 1;
    const voters = c.parents.filter((parent) => parent.round === v);
    const found = this.sketch.at(v - window, author).filter((leader) => {
      const authors = new Set<number>();
      for (const voter of voters) if (this.support(voter, author, v - window) === leader) authors.add(voter.author);
      return authors.size >= this.quorum;
    });
    if (found.length > 1) throw new RuleStop("one block certifies two twins");
    this.#certified.set(key, found[0]);
    return found[0];
  }

  /** What an anchor says about a slot below it. */
  byAnchor(anchor: SketchBlock, round: number, author: number): Status {
    const found = new Set<SketchBlock>();
    for (const c of closure([anchor])) {
      for (const window of this.rule.anchorWindows) {
        if (c.round !== round + window + 1) continue;
        const certified = this.certified(c, window, author);
        if (certified !== undefined) found.add(certified);
      }
    }
    if (found.size > 1) throw new RuleStop("an anchor sees two certified twins");
    for (const block of found) return { kind: "commit", block };
    return { kind: "skip" };
  }
}

/** The rule on one causally closed set of blocks. */
export class ReferenceView {
  readonly #reference: Reference;
  readonly #coin: (round: number) => number | undefined;
  readonly #rounds: SketchBlock[][] = [];
  readonly #statuses = new Map<number, Status>();

  constructor(
    reference: Reference,
    blocks: Iterable<SketchBlock>,
    /** Coin leader of a round whose coin this view knows. */
    coin: (round: number) => number | undefined,
  ) {
    this.#reference = reference;
    this.#coin = coin;
    for (const block of blocks) {
      this.#rounds[block.round] ??= [];
      this.#rounds[block.round]!.push(block);
    }
  }

  status(round: number, author: number): Status {
    const key = round * 256 + author;
    const known = this.#statuses.get(key);
    if (known !== undefined) return known;
    const status = this.direct(round, author) ?? this.#indirect(round, author);
    this.#statuses.set(key, status);
    return status;
  }

  direct(round: number, author: number): Status | undefined {
    const committed = new Set<SketchBlock>();
    for (const window of [1, 2, 3]) {
      const holders = new Map<SketchBlock, Set<number>>();
      for (const c of this.#at(round + window + 1)) {
        const leader = this.#reference.certified(c, window, author);
        if (leader === undefined) continue;
        const authors = holders.get(leader) ?? new Set();
        holders.set(leader, authors.add(c.author));
      }
      for (const [leader, authors] of holders) if (authors.size >= this.#reference.quorum) committed.add(leader);
    }
    if (committed.size > 1) throw new RuleStop("two twins committed");
    const isSkipped = this.#isSkipped(round, author);
    if (isSkipped && committed.size > 0) throw new RuleStop("Commit beside Skip");
    for (const block of committed) return { kind: "commit", block };
    return isSkipped ? { kind: "skip" } : undefined;
  }

  /** Everything that is output, by rounds; a round in progress is left out. */
  output(retainedRounds: number, activityWindow: number): OutputSketch[] {
    const { n } = this.#reference.sketch;
    const done = new Set<SketchBlock>();
    const rounds: OutputSketch[] = [];
    const present: Set<number>[] = [new Set()];
    const skipped: Set<number>[] = [new Set()];
    let committedRound = 0;
    for (let round = 1; ; round++) {
      const commits: CommitSketch[] = [];
      const nowPresent = new Set<number>();
      const nowSkipped = new Set<number>();
      for (const author of slotsOf(n, round, activityWindow, present, skipped)) {
        const status = this.status(round, author);
        if (status.kind === "undecided") return rounds;
        if (status.kind === "skip") {
          nowSkipped.add(author);
          continue;
        }
        const floor = committedRound - retainedRounds;
        const fresh = [...closure([status.block])].filter((block) => !done.has(block) && block.round > floor);
        fresh.sort((a, b) => a.round - b.round || a.author - b.author || a.id - b.id);
        for (const block of fresh) {
          done.add(block);
          nowPresent.add(block.author);
        }
        commits.push({ leader: status.block.id, blocks: fresh.map((block) => block.id) });
        committedRound = round;
      }
      rounds.push({ round, commits });
      present.push(nowPresent);
      skipped.push(nowSkipped);
    }
  }

  #at(round: number): readonly SketchBlock[] {
    return this.#rounds[round] ?? [];
  }

  #isSkipped(round: number, author: number): boolean {
    const { rule, quorum } = this.#reference;
    const voters = this.#at(round + rule.skipWindow);
    const against = (isAgainst: (choice: SketchBlock | undefined) => boolean): boolean => {
      const authors = new Set<number>();
      for (const voter of voters) {
        if (isAgainst(this.#reference.support(voter, author, round))) authors.add(voter.author);
      }
      return authors.size >= quorum;
    };
    const leaders = this.#at(round).filter((block) => block.author === author);
    if (rule.skipsOneTwin && leaders.length > 0)
      return leaders.some((leader) => against((choice) => choice !== leader));
    return against((choice) => choice === undefined);
  }

  #indirect(round: number, author: number): Status {
    const step = this.#reference.rule.anchorDistance;
    for (let q = round + step; q < this.#rounds.length; q += step) {
      const leader = this.#coin(q);
      if (leader === undefined) return { kind: "undecided" };
      const anchor = this.status(q, leader);
      if (anchor.kind === "undecided") return anchor;
      if (anchor.kind === "commit") return this.#reference.byAnchor(anchor.block, round, author);
    }
    return { kind: "undecided" };
  }
}

export interface CommitSketch {
  readonly leader: number;
  readonly blocks: readonly number[];
}

/** Ids of what a round outputs, in order. */
export interface OutputSketch {
  readonly round: number;
  readonly commits: readonly CommitSketch[];
}

/** Authors with a slot, in slot order (consensus.md, "Slots and the coin"). */
function slotsOf(n: number, round: number, window: number, present: Set<number>[], skipped: Set<number>[]): number[] {
  const order = Array.from({ length: n }, (_, i) => (round + i) % n);
  const lastSeen = (author: number): number => present.findLastIndex((authors) => authors.has(author));
  // Everybody counts as seen in round 0.
  const isAbsent = (author: number): boolean => round - Math.max(0, lastSeen(author)) > window;
  const back = (author: number): number =>
    backAt(
      skipped.flatMap((authors, r) => (authors.has(author) ? [r] : [])),
      window,
    );
  const active = order.filter((author) => !isAbsent(author) && back(author) <= round);
  const others = order.filter((author) => !active.includes(author));
  const soonest = others.filter((author) => !isAbsent(author)).sort((a, b) => back(a) - back(b));
  for (const author of [...soonest, ...others.filter(isAbsent)]) if (active.length < quorumOf(n)) active.push(author);
  return order.filter((author) => active.includes(author));
}

/** First round in which an author that was skipped in these rounds has a slot again; each relapse lasts four times as long. */
function backAt(skippedIn: readonly number[], window: number): number {
  let length = 0;
  let back = 0;
  for (const s of skippedIn) {
    if (length === 0 || s >= back + 4 * length) length = window;
    else if (s >= back) length = Math.min(4 * length, 16 * window);
    back = s + length + 1;
  }
  return back;
}

/** The coins a view can combine: shares of Q authors, each released with the author's first block of round ≥ q + COIN_DELAY. */
export function coinOf(
  n: number,
  blocks: Iterable<SketchBlock>,
  leader: (round: number) => number,
): (round: number) => number | undefined {
  const highest = new Array<number>(n).fill(0);
  for (const block of blocks) highest[block.author] = Math.max(highest[block.author]!, block.round);
  const known = highest.sort((a, b) => b - a)[quorumOf(n) - 1]! - COIN_DELAY;
  return (round) => (round <= known ? leader(round) : undefined);
}
