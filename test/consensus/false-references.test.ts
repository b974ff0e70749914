/** A reference that has a block's digest beside another round or author names a block that never was, and nothing else. */
import { expect } from "chai";
import fc from "fast-check";
import { compareParents, refOf } from "../../src/consensus/block.ts";
import { Consensus } from "../../src/consensus/consensus.ts";
import type { BlockRef, ConsensusEffect, OutputRound, VerifiedBlock } from "../../src/consensus/types.ts";
import type { DagBuilder } from "../../src/testing/dag-builder.ts";
import { seed } from "../seed.ts";
import { configOf, secretOf } from "./support/network.ts";
import { builderOf, randomDag, shuffled } from "./support/random-dag.ts";
import { standInSigner } from "./support/stand-ins.ts";

const N = 4;
const LIAR = 3;

/** A learner, what it sent and what it put out. */
function createView(n: number, retainedRounds: number) {
  const consensus = new Consensus(configOf(n, undefined, { retainedRounds }));
  const outputs: OutputRound[] = [];
  const asked: BlockRef[] = [];
  const take = (effects: readonly ConsensusEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === "output") outputs.push(effect.output);
      if (effect.kind === "send" && effect.message.kind === "fetch") asked.push(...effect.message.refs);
    }
  };
  return {
    consensus,
    outputs,
    asked,
    receive: (from: number, { bytes }: VerifiedBlock, nowMs = 0) =>
      take(consensus.receive(from, { kind: "block", bytes }, nowMs)),
    tick: (nowMs: number) => take(consensus.tick(nowMs)),
  };
}

/** Signed and well-formed, and not in the builder: what others make does not link it. */
function seal(
  builder: DagBuilder,
  author: number,
  round: number,
  rest: readonly BlockRef[],
  salt: number,
): VerifiedBlock {
  const parents = [refOf(builder.last(author, round)), ...[...rest].sort(compareParents)];
  const content = { payload: Uint8Array.of(salt), coinShares: [], partials: [] };
  return builder.codec.seal({ author, round, parents, ...content }, (digest) =>
    standInSigner.sign(secretOf(author), digest),
  );
}

/** As if all others had blocks one round below, although what is named are their blocks of `named` or older. */
function lie(builder: DagBuilder, author: number, round: number, named: number, salt: number): VerifiedBlock {
  const strong = Array.from({ length: builder.n }, (_, other) => other)
    .filter((other) => other !== author)
    .map((other) => ({ ...refOf(builder.last(other, named + 1)), round: round - 1 }));
  return seal(builder, author, round, strong, salt);
}

describe("consensus: false references", () => {
  it("are no parents: a round has no block without Q true ones below, whether what is named is here or comes later", () => {
    for (const isHere of [true, false]) {
      const builder = builderOf(N);
      builder.fullRounds(1, 6);
      const early = lie(builder, LIAR, 7, 4, 1);
      const future = lie(builder, LIAR, 12, 6, 2);
      const view = createView(N, 50);
      const feed = (): void => builder.blocks.forEach((block) => void view.receive(block.author, block));
      if (isHere) feed();
      for (const block of [early, future]) view.receive(LIAR, block);
      if (!isHere) feed();
      expect(view.consensus.block(early)).to.equal(undefined);
      expect(view.consensus.block(future)).to.equal(undefined);
      expect(view.consensus.highestRound).to.equal(6);
      // What honest members make goes on.
      builder.fullRounds(7, 12, [0, 1, 2]);
      for (const block of builder.blocks.slice(-18)) view.receive(block.author, block);
      expect(view.consensus.highestRound).to.equal(12);
      expect(view.outputs.length).to.be.greaterThan(0);
    }
  });

  it("of one digest stand in the way of no true one, not even in the same block", () => {
    const builder = builderOf(N);
    builder.fullRounds(1, 4);
    const withheld = builder.block(LIAR, 5);
    builder.round(5, [0, 1, 2]);
    const truth = builder.block(0, 6);
    const strong = [0, 1, 2].map((author) => refOf(builder.at(5, author)[0]!));
    const both = seal(builder, LIAR, 6, [...strong, { ...refOf(withheld), round: 3, author: 1 }], 1);
    const view = createView(N, 50);
    for (const block of builder.blocks) if (block !== withheld && block !== truth) view.receive(block.author, block);
    // The false one is known first, and it is asked for.
    view.receive(LIAR, both, 1_000);
    view.receive(0, truth, 1_001);
    for (let nowMs = 1_100; nowMs < 3_000; nowMs += 100) view.tick(nowMs);
    expect(view.asked).to.deep.include(refOf(withheld));
    expect(view.consensus.block(truth)).to.equal(undefined);
    view.receive(LIAR, withheld, 3_000);
    expect(view.consensus.block(truth)?.digest).to.equal(truth.digest);
    expect(view.consensus.block(both)).to.equal(undefined);
  });

  it("below the floor are passed over like all there, by whoever knows the block and by whoever does not", () => {
    const K = 12;
    const builder = builderOf(N);
    builder.fullRounds(1, 40);
    const [known, gone] = [builder.at(35, 0)[0]!, builder.at(2, 0)[0]!];
    const view = createView(N, K);
    for (const block of builder.blocks) view.receive(block.author, block);
    const { floor } = view.consensus;
    expect(floor).to.be.greaterThan(20);
    const strong = [0, 1, 2].map((author) => refOf(builder.at(40, author)[0]!));
    // Two at most of one slot are taken unasked: each in a view of its own.
    for (const [digest, round, isTaken] of [
      [known.digest, floor, true],
      [gone.digest, floor, true],
      [known.digest, floor + 1, false],
      [gone.digest, floor + 1, false],
    ] as const) {
      const other = createView(N, K);
      for (const block of builder.blocks) other.receive(block.author, block);
      const block = seal(builder, LIAR, 41, [...strong, { round, author: 1, digest }], 1);
      other.receive(LIAR, block);
      expect(other.consensus.block(block) !== undefined, `${round - floor}`).to.equal(isTaken);
    }
  });

  it("change nothing in what anybody puts out, whatever f liars name", () => {
    let lies = 0;
    let rounds = 0;
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.constantFrom(4, 7), (dagSeed, n) => {
        const dag = randomDag(dagSeed, n, 24);
        const { builder, random } = dag;
        const honest = [...builder.blocks];
        const author = Math.floor(random() * n);
        const false_: VerifiedBlock[] = [];
        for (let i = 0; i < 12; i++) {
          const round = 4 + Math.floor(random() * 22);
          const named = 1 + Math.floor(random() * (round - 2));
          // Named one round below: that is the truth, and a twin.
          if (named < round - 1) false_.push(lie(builder, author, round, named, 100 + i));
        }
        lies += false_.length;
        // A third block of a slot is taken once it is asked for.
        const viewOf = (blocks: readonly VerifiedBlock[]) => {
          const view = createView(n, 100);
          for (const block of blocks) view.receive(block.author, block);
          for (let nowMs = 250; nowMs <= 5_000; nowMs += 250) {
            view.tick(nowMs);
            for (const block of honest) view.receive(block.author, block, nowMs);
          }
          return view;
        };
        const without = viewOf(honest);
        const mixed = viewOf(shuffled([...honest, ...false_], random));
        for (const block of false_) expect(mixed.consensus.block(block)).to.equal(undefined);
        const said = (outputs: readonly OutputRound[]) =>
          outputs.map(({ round, commits }) => [round, commits.map((c) => c.blocks.map(({ digest }) => digest))]);
        // A liar's false block uses up a place for twins, so that a view of so few rounds may end earlier.
        const common = Math.min(mixed.outputs.length, without.outputs.length);
        rounds += common;
        expect(said(mixed.outputs.slice(0, common))).to.deep.equal(said(without.outputs.slice(0, common)));
      }),
      { numRuns: 40, seed },
    );
    expect(lies).to.be.greaterThan(40);
    expect(rounds).to.be.greaterThan(40);
  });
});
