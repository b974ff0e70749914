/**
 * Arbitrary valid DAGs from a seed: up to f authors with up to three blocks a round (own parents of any age), everybody may
 * leave out rounds, take few or all parents, starve others, or link weakly; the mood changes every few rounds. A share of the
 * DAGs splits the honest authors over a slot's twins on purpose: a slot that is certified late is where rules differ.
 */
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import type { Random } from "../random.ts";
import { closure, Sketch, type SketchBlock } from "./sketch.ts";

export interface DagOptions {
  readonly n: number;
  readonly rounds: number;
  /** How many authors may equivocate; default f. */
  readonly malicious?: number;
  /** Strong parents a block needs; default n − f. */
  readonly quorum?: number;
}

export interface GeneratedDag {
  readonly sketch: Sketch;
  readonly malicious: ReadonlySet<number>;
  /** Coin leader of a round: any author, as the coin would name it. */
  readonly leader: (round: number) => number;
}

interface Mood {
  /** Per mille of authors that leave a round out. */
  readonly absence: number;
  /** Per mille of the parents beyond Q that are taken. */
  readonly fullness: number;
  /** Whose blocks the others leave out, and how often. */
  readonly starved: number | undefined;
  readonly starving: number;
  /** Everybody prefers the same twin as last time (per mille), so that some slots are certified and some are torn. */
  readonly loyalty: number;
}

export function generateDag(random: Random, options: DagOptions): GeneratedDag {
  return new Generator(random, options).run();
}

class Generator {
  readonly #random: Random;
  readonly #rounds: number;
  readonly #sketch: Sketch;
  readonly #malicious: ReadonlySet<number>;
  readonly #everybody: readonly number[];
  readonly #maxCopies: number;
  #mood: Mood = { absence: 0, fullness: 1000, starved: undefined, starving: 0, loyalty: 0 };

  constructor(random: Random, options: DagOptions) {
    const { n, rounds, malicious = maxFaulty(n), quorum = quorumOf(n) } = options;
    this.#random = random;
    this.#rounds = rounds;
    this.#sketch = new Sketch(n, quorum);
    this.#everybody = Array.from({ length: n }, (_, author) => author);
    // Mostly all that are allowed: fewer find less.
    const count = random.chance(850) ? malicious : random.below(malicious + 1);
    this.#malicious = new Set(shuffled(this.#everybody, random).slice(0, count));
    this.#maxCopies = 2 + random.below(2);
  }

  run(): GeneratedDag {
    const random = this.#random;
    const { n } = this.#sketch;
    for (let round = 1; round <= this.#rounds; round++) {
      if (round === 1 || random.chance(300)) this.#changeMood();
      this.#round(round);
    }
    const salt = random.uint32();
    const leader = (round: number): number => (Math.imul(salt ^ Math.imul(round, 0x9e3779b1), 0x85ebca6b) >>> 8) % n;
    return { sketch: this.#sketch, malicious: this.#malicious, leader };
  }

  #changeMood(): void {
    const random = this.#random;
    this.#mood = {
      absence: random.pick([0, 0, 0, 100, 300]),
      fullness: random.pick([0, 0, 300, 700, 1000]),
      starved: random.chance(500) ? random.pick(this.#everybody) : undefined,
      starving: random.pick([500, 800, 1000]),
      loyalty: random.pick([0, 500, 900]),
    };
  }

  #round(round: number): void {
    const random = this.#random;
    const { quorum } = this.#sketch;
    const below = this.#everybody.filter((author) => this.#sketch.at(round - 1, author).length > 0);
    const order = shuffled(this.#everybody, random);
    const present = order.filter((author) => this.#malicious.has(author) || !random.chance(this.#mood.absence));
    for (const author of order) if (present.length < quorum && !present.includes(author)) present.push(author);
    // Blocks of one round never see each other: parents are of lower rounds.
    for (const author of present) {
      const copies = this.#malicious.has(author) ? 1 + random.below(this.#maxCopies) : 1;
      for (let copy = 0; copy < copies; copy++) this.#block(author, round, below);
    }
  }

  #block(author: number, round: number, below: readonly number[]): void {
    const random = this.#random;
    const { quorum } = this.#sketch;
    const previous = this.#previous(author, round);
    const isOwnStrong = previous.round === round - 1;
    const others = shuffled(below, random).filter((other) => other !== author);
    // Drawn once for each: left out means last in the queue for a place among the parents.
    const isLeftOut = others.map((other) => other === this.#mood.starved && random.chance(this.#mood.starving));
    const wanted = [...others.filter((_, i) => !isLeftOut[i]), ...others.filter((_, i) => isLeftOut[i])];
    const least = quorum - (isOwnStrong ? 1 : 0);
    if (others.length < least) return;
    const more = Math.floor(((others.length - least) * this.#mood.fullness + random.below(1000)) / 1000);
    const strong = wanted.slice(0, least + more).map((other) => this.#twin(author, round - 1, other));
    const slots = new Set([previous, ...strong].map((block) => `${block.round}/${block.author}`));
    const weak: SketchBlock[] = [];
    for (let tries = 0; tries < 2 && round > 2; tries++) {
      if (!random.chance(250)) continue;
      const old = random.pick(this.#sketch.blocks);
      const slot = `${old.round}/${old.author}`;
      if (old.round < 1 || old.round >= round - 1 || slots.has(slot)) continue;
      slots.add(slot);
      weak.push(old);
    }
    this.#sketch.add(author, round, previous, [...strong, ...weak]);
  }

  /** Honest authors go on from their last block; others from any of the last rounds'. */
  #previous(author: number, round: number): SketchBlock {
    const last = this.#sketch.last(author, round);
    if (!this.#malicious.has(author) || !this.#random.chance(700)) return last;
    const olds: SketchBlock[] = [];
    for (let r = Math.max(0, round - 3); r < round; r++) olds.push(...this.#sketch.at(r, author));
    return olds.length === 0 ? last : this.#random.pick(olds);
  }

  /** Which twin of another author: with loyalty, one that depends on who asks, so that audiences stay split the same way. */
  #twin(author: number, round: number, other: number): SketchBlock {
    const twins = this.#sketch.at(round, other);
    if (!this.#random.chance(this.#mood.loyalty)) return this.#random.pick(twins);
    return twins[((author * 7 + other) % 3) % twins.length]!;
  }
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    // CAST: both indices are in range
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

/**
 * A causally closed part, in a causal order: the cone of a few blocks, or of the newest blocks of some authors up to a round
 * (what a member sees that is late, or partitioned away).
 */
export function generateView(random: Random, sketch: Sketch): SketchBlock[] {
  const highest = sketch.highestRound;
  const round = 1 + random.below(highest);
  const blocks = sketch.blocks.slice(sketch.n);
  const tips = new Set<SketchBlock>();
  if (random.chance(500)) {
    const some = blocks.filter((block) => block.round >= round / 2);
    for (let i = 1 + random.below(2 * sketch.n); i > 0; i--) tips.add(random.pick(some));
  } else {
    for (let author = 0; author < sketch.n; author++) {
      if (random.chance(650)) tips.add(random.pick(sketch.at(sketch.last(author, round + 1).round, author)));
    }
  }
  const view = closure(tips);
  return blocks.filter((block) => view.has(block));
}

/** The same blocks in a random causal order: each comes when its parents are there. */
export function causalOrder(random: Random, blocks: readonly SketchBlock[]): SketchBlock[] {
  const members = new Set(blocks);
  const children = new Map<SketchBlock, SketchBlock[]>();
  const missing = new Map<SketchBlock, number>();
  const ready: SketchBlock[] = [];
  for (const block of blocks) {
    const parents = block.parents.filter((parent) => members.has(parent));
    missing.set(block, parents.length);
    if (parents.length === 0) ready.push(block);
    for (const parent of parents) {
      const list = children.get(parent);
      if (list === undefined) children.set(parent, [block]);
      else list.push(block);
    }
  }
  const order: SketchBlock[] = [];
  while (ready.length > 0) {
    const i = random.below(ready.length);
    const block = ready[i]!;
    ready[i] = ready.at(-1)!;
    ready.pop();
    order.push(block);
    for (const child of children.get(block) ?? []) {
      const left = missing.get(child)! - 1;
      missing.set(child, left);
      if (left === 0) ready.push(child);
    }
  }
  return order;
}
