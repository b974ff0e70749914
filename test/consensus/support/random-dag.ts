/** Arbitrary valid DAGs: up to f authors equivocate, everybody may jump, starve others, or link weakly. From a seed. */
import type { BlockRef, VerifiedBlock } from "../../../src/consensus/types.ts";
import { maxFaulty, quorumOf } from "../../../src/lib/math.ts";
import { DagBuilder } from "../../../src/testing/dag-builder.ts";
import { configOf, randomOf, secretOf } from "./network.ts";
import { standInCoin, standInSigner } from "./stand-ins.ts";

export function builderOf(n: number): DagBuilder {
  const coins = Array.from({ length: n }, (_, author) => standInCoin("test", n, author));
  return new DagBuilder({
    rules: configOf(n, undefined),
    sign: (author, digest) => standInSigner.sign(secretOf(author), digest),
    share: (author, round) => coins[author]!.share(round),
  });
}

export interface RandomDag {
  readonly n: number;
  readonly builder: DagBuilder;
  readonly random: () => number;
}

export function randomDag(seed: number, n: number, rounds: number): RandomDag {
  const random = randomOf(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const builder = builderOf(n);
  const f = maxFaulty(n);
  const quorum = quorumOf(n);
  const everybody = Array.from({ length: n }, (_, i) => i);
  const bad = new Set(shuffled(everybody, random).slice(0, Math.floor(random() * (f + 1))));
  // Moods: how often authors are absent, how many parents they take, whom they starve, changing every few rounds.
  let absence = 0;
  let fullness = 1;
  let starved: number | undefined;
  let starving = 0;
  for (let round = 1; round <= rounds; round++) {
    if (round === 1 || random() < 0.3) {
      absence = pick([0, 0, 0.1, 0.3]);
      fullness = pick([0, 0.3, 0.7, 1]);
      starved = random() < 0.5 ? pick(everybody) : undefined;
      starving = pick([0.5, 0.8, 1]);
    }
    const below = everybody.filter((author) => builder.at(round - 1, author).length > 0);
    const authors = shuffled(everybody, random);
    const present = authors.filter((author) => random() >= absence || bad.has(author));
    for (const author of authors) if (present.length < quorum && !present.includes(author)) present.push(author);
    for (const author of present) {
      const copies = bad.has(author) ? pick([1, 2, 2, 3]) : 1;
      for (let copy = 0; copy < copies; copy++) makeBlock(author, round, copy, below);
    }
  }
  return { n, builder, random };

  function makeBlock(author: number, round: number, copy: number, below: readonly number[]): void {
    const olds = bad.has(author) ? candidatesBelow(author, round) : [];
    const previous = olds.length > 0 && random() < 0.7 ? pick(olds) : builder.last(author, round);
    const order = shuffled(below, random).sort(
      (a, b) => Number(isStarvedBy(author, a)) - Number(isStarvedBy(author, b)),
    );
    const own = previous.round === round - 1 ? 1 : 0;
    const others = order.filter((other) => other !== author);
    const least = quorum - own;
    const count = Math.max(least, Math.min(others.length, Math.round(least + fullness * (others.length - least))));
    if (others.length < least) return;
    const strong: BlockRef[] = others.slice(0, count).map((other) => pick(builder.at(round - 1, other)));
    const weak: BlockRef[] = [];
    const used = new Set<string>();
    for (let tries = 0; tries < 2; tries++) {
      if (random() < 0.7 || round < 3) continue;
      const old = pick(builder.blocks);
      const key = `${old.round}/${old.author}`;
      if (old.round < round - 1 && !used.has(key)) weak.push(old);
      used.add(key);
    }
    builder.block(author, round, {
      previous,
      strong,
      weak: weak.filter((link) => !(link.author === author && link.round === previous.round)),
      salt: copy,
    });
  }

  function isStarvedBy(author: number, other: number): boolean {
    return other === starved && other !== author && random() < starving;
  }

  function candidatesBelow(author: number, round: number): readonly BlockRef[] {
    const olds: BlockRef[] = [];
    for (let r = Math.max(0, round - 2); r < round; r++) olds.push(...builder.at(r, author));
    return olds;
  }
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** A causally closed part: everything below a few random blocks. */
export function randomView(dag: RandomDag): VerifiedBlock[] {
  const { builder, random } = dag;
  const byDigest = new Map(builder.blocks.map((block) => [block.digest, block]));
  const tips = shuffled(builder.blocks, random).slice(0, 1 + Math.floor(random() * 2 * dag.n));
  const low = random() * 0.7;
  const highest = builder.blocks.at(-1)!.round;
  const view = new Set(tips.filter((tip) => tip.round >= low * highest));
  for (const block of view) {
    for (const ref of block.parents) {
      const parent = byDigest.get(ref.digest);
      if (parent !== undefined) view.add(parent);
    }
  }
  return builder.blocks.filter((block) => view.has(block));
}

/** Which coins a view can combine: those with shares of Q authors in its blocks. */
export function coinLeaderOf(n: number, blocks: readonly VerifiedBlock[]): (round: number) => number | undefined {
  const coin = standInCoin("test", n, 0);
  const authors = new Map<number, Map<number, Uint8Array>>();
  for (const block of blocks) {
    for (const share of block.coinShares) {
      const shares = authors.get(share.round) ?? new Map<number, Uint8Array>();
      shares.set(block.author, share.signature);
      authors.set(share.round, shares);
    }
  }
  return (round) => {
    const { signature } = coin.combine(round, authors.get(round) ?? new Map());
    return signature === undefined ? undefined : coin.leader(round, signature);
  };
}
