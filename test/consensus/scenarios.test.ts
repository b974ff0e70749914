/** The reference test scenarios at the end of consensus.md, by name. */
import { expect } from "chai";
import { Consensus } from "../../src/consensus/consensus.ts";
import { COIN_DELAY } from "../../src/consensus/limits.ts";
import type { ConsensusEffect, VerifiedBlock } from "../../src/consensus/types.ts";
import { configOf, randomOf } from "./support/network.ts";
import { builderOf, shuffled } from "./support/random-dag.ts";
import { lastWindowDag, riggedCoin, View, withheldDag } from "./support/view.ts";

const upTo = (blocks: readonly VerifiedBlock[], round: number) => blocks.filter((block) => block.round <= round);

describe("consensus scenarios: direct decisions", () => {
  it("direct commit in the first window: three message delays, not two", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 3);
    const view = new View(4);
    view.feed(upTo(dag.blocks, 2));
    for (let author = 0; author < 4; author++) expect(view.status(1, author)).equal("undecided");
    view.feed(dag.blocks.filter((block) => block.round === 3).slice(0, 2));
    expect(view.status(1, 0)).equal("undecided");
    view.feed(dag.blocks);
    for (let author = 0; author < 4; author++) {
      expect(view.consensus.status(1, author)).deep.equal({
        kind: "commit",
        block: { round: 1, author, digest: dag.at(1, author)[0]!.digest },
      });
    }
    expect(view.outputs.map((output) => output.round)).deep.equal([1]);
  });

  it("direct commit in the second window, when too few linked the block at once", () => {
    const dag = builderOf(4);
    dag.round(1);
    dag.block(0, 2);
    dag.block(1, 2);
    for (const author of [2, 3]) dag.block(author, 2, { strong: [1, 2, 3] });
    dag.fullRounds(3, 4);
    const view = new View(4);
    view.feed(upTo(dag.blocks, 3));
    expect(view.status(1, 0)).equal("undecided");
    expect(view.status(1, 1)).equal("commit");
    view.feed(dag.blocks);
    expect(view.status(1, 0)).equal("commit");
  });

  it("direct commit in the third window", () => {
    const { all, leader } = lastWindowDag(1, 1);
    const view = new View(4);
    view.feed(upTo(all, 4));
    expect(view.status(1, 0)).equal("undecided");
    view.feed(all);
    expect(view.consensus.status(1, 0)).deep.include({ kind: "commit" });
    expect(view.consensus.status(1, 0)).nested.property("block.digest", leader.digest);
  });

  it("direct skip: in the last window, not before", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 6, [0, 1, 2]);
    const view = new View(4);
    view.feed(upTo(dag.blocks, 3));
    expect(view.status(1, 3)).equal("undecided");
    view.feed(upTo(dag.blocks, 4));
    expect(view.status(1, 3)).equal("skip");
    expect(view.outputs[0]!.commits.length).equal(3);
  });

  it("equivocation: a certificate beats a weak quorum for the twin", () => {
    const { all, leader, twin } = lastWindowDag(1, 6);
    const view = new View(4);
    const effects = view.feed(all);
    expect(view.consensus.status(1, 0)).nested.property("block.digest", leader.digest);
    const exposed = effects.filter((effect) => effect.kind === "exposed");
    expect(exposed.map((effect) => [effect.author, effect.first.digest, effect.second.digest])).deep.equal([
      [0, leader.digest, twin.digest],
    ]);
    // Both twins are in the order, as blocks; only one is the slot's commit.
    const ordered = view.outputs.flatMap((output) => output.commits.flatMap((commit) => commit.blocks));
    expect(ordered.map((block) => block.digest)).include.members([leader.digest, twin.digest]);
  });
});

describe("consensus scenarios: decisions by an anchor", () => {
  const anchors: readonly (readonly [string, Readonly<Record<number, number>>, number])[] = [
    ["one", { 6: 1 }, 6],
    ["two", { 6: 0, 11: 2 }, 11],
    ["many", { 6: 0, 11: 0, 16: 0, 21: 0, 26: 3 }, 26],
  ];
  for (const [name, leaders, anchor] of anchors) {
    it(`indirect commit by an anchor ${name} later (earlier anchors skipped)`, () => {
      const { part, leader } = lastWindowDag(1, 30);
      const view = new View(4, { coin: riggedCoin(4, leaders, 1) });
      // The coin of the anchor's round is out with the blocks of COIN_DELAY rounds later.
      view.feed(upTo(part, anchor + COIN_DELAY - 1));
      expect(view.status(1, 0)).equal("undecided");
      view.feed(part);
      expect(view.consensus.status(1, 0)).nested.property("block.digest", leader.digest);
    });

    it(`indirect skip by an anchor ${name} later`, () => {
      const { builder } = withheldDag(1, 30);
      const view = new View(4, { coin: riggedCoin(4, leaders, 1) });
      view.feed(upTo(builder.blocks, anchor + COIN_DELAY - 1));
      expect(view.status(1, 0)).equal("undecided");
      expect(view.outputs.length).equal(0);
      view.feed(builder.blocks);
      expect(view.status(1, 0)).equal("skip");
    });
  }

  it("undecided: without a coin nothing is guessed, and nothing behind it is output", () => {
    const { builder } = withheldDag(1, COIN_DELAY);
    const view = new View(4);
    view.feed(builder.blocks);
    expect(view.status(1, 0)).equal("undecided");
    expect(view.status(2, 1)).equal("commit");
    expect(view.outputs.length).equal(0);
    // Slot order of round 1 is 1, 2, 3, 0: the others are decided and wait.
    expect(view.consensus.nextDecision).deep.equal({ round: 1, author: 0 });
  });

  it("no coin is combined while nothing asks for it", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 30);
    const coin = riggedCoin(4, {}, 1);
    const combine = () => {
      throw new Error("combined without need");
    };
    const view = new View(4, { coin: { ...coin, combine } });
    view.feed(dag.blocks);
    expect(view.outputs.length).equal(28);
  });
});

describe("consensus scenarios: order", () => {
  it("late call and several commits at once: many rounds in one step", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 12);
    const view = new View(4);
    const [first, ...later] = dag.blocks;
    view.feed([...later].reverse());
    expect(view.outputs.length).equal(0);
    const effects = view.feed([first!]);
    expect(effects.filter((effect) => effect.kind === "accepted").length).equal(48 - 3);
    expect(view.outputs.map((output) => output.round)).deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(view.outputs.every((output) => output.commits.length === 4)).equal(true);
    const indices = view.outputs.flatMap((output) => output.commits.map((commit) => commit.index));
    expect(indices).deep.equal(Array.from({ length: 40 }, (_, i) => BigInt(i + 1)));
  });

  it("resume inside a round", () => {
    const { builder } = withheldDag(1, 30);
    const view = new View(4);
    view.feed(upTo(builder.blocks, 6 + COIN_DELAY - 1));
    expect(view.consensus.nextDecision).deep.equal({ round: 1, author: 0 });
    view.feed(builder.blocks);
    // The three commits before the open slot are not repeated.
    expect(view.outputs[0]!.commits.map((commit) => commit.leader.author)).deep.equal([1, 2, 3]);
    expect(view.outputs[1]!.commits[0]!.index).equal(4n);
  });

  it("idempotence: the same blocks and any number of ticks change nothing", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 8);
    const view = new View(4);
    view.feed(dag.blocks);
    const before = view.consensus.nextDecision;
    expect(view.feed(dag.blocks)).deep.equal([]);
    for (let i = 0; i < 5; i++) expect(view.consensus.tick(i * 10_000)).deep.equal([]);
    expect(view.consensus.nextDecision).deep.equal(before);
  });

  it("genesis is never output; commits chain by digest from the genesis hash", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 8);
    const view = new View(4);
    view.feed(dag.blocks);
    const commits = view.outputs.flatMap((output) => output.commits);
    expect(commits.flatMap((commit) => commit.blocks).every((block) => block.round > 0)).equal(true);
    let previous = configOf(4, undefined).genesisHash;
    for (const commit of commits) {
      expect(commit.previous).equal(previous);
      expect(commit.blocks.map((block) => block.digest)).include(commit.leader.digest);
      previous = commit.digest;
    }
  });

  it("trailing skip is not repeated after a restart", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 9, [0, 1, 2]);
    const first = new View(4);
    const log: VerifiedBlock[] = [];
    for (const effect of first.feed(dag.blocks)) if (effect.kind === "accepted") log.push(effect.block);
    const again = new Consensus(configOf(4, undefined));
    const effects: ConsensusEffect[] = [];
    again.restore(
      log.map((block) => ({ kind: "block", bytes: block.bytes })),
      (effect) => effects.push(effect),
    );
    const outputs = effects.flatMap((effect) => (effect.kind === "output" ? [effect.output] : []));
    expect(outputs).deep.equal(first.outputs);
    expect(again.nextDecision).deep.equal(first.consensus.nextDecision);
    // Going on after the restart continues, it does not start again.
    dag.fullRounds(10, 10, [0, 1, 2]);
    const next = dag.blocks
      .slice(-3)
      .flatMap((block) => again.receive(block.author, { kind: "block", bytes: block.bytes }, 0));
    const rounds = next.flatMap((effect) => (effect.kind === "output" ? [effect.output.round] : []));
    expect(rounds).deep.equal([first.outputs.at(-1)!.round + 1]);
  });

  it("an author goes inactive and comes back", () => {
    const dag = builderOf(4);
    const A = 3;
    dag.fullRounds(1, 10);
    dag.fullRounds(11, 30, [0, 1, 2]);
    dag.fullRounds(31, 60);
    const view = new View(4, { activityWindow: A });
    // While its skipped slots hold things up, a round takes four rounds to decide; once it is inactive, three as ever.
    view.feed(upTo(dag.blocks, 13));
    expect(view.outputs.length).equal(10);
    view.feed(upTo(dag.blocks, 28));
    expect(view.outputs.length).equal(26);
    view.feed(dag.blocks);
    expect(view.outputs.length).equal(58);
    const leads = view.outputs.filter((output) => output.commits.some((commit) => commit.leader.author === 3));
    const rounds = leads.map((output) => output.round);
    expect(rounds.slice(0, 10)).deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    // Its block of 31 is output in round 32 at the latest; in the round after it has a slot.
    expect(rounds[10]).within(31 + 1, 31 + 2);
    expect(rounds.at(-1)).equal(58);
    // Its blocks were in the order all the time, below other authors' commits.
    const ordered = view.outputs.flatMap((output) => output.commits.flatMap((commit) => commit.blocks));
    expect(ordered.filter((block) => block.author === 3 && block.round === 32).length).equal(1);
  });

  it("random arrival order gives the same DAG and the same order", () => {
    const { all } = lastWindowDag(3, 12);
    const reference = new View(4);
    reference.feed(all);
    expect(reference.outputs.length).greaterThan(10);
    for (let seed = 1; seed <= 20; seed++) {
      const view = new View(4);
      view.feed(shuffled(all, randomOf(seed)));
      expect(view.outputs).deep.equal(reference.outputs);
      for (let round = 1; round <= 15; round++) {
        const digests = (of: View) =>
          of.consensus
            .blocksAt(round)
            .map((block) => block.digest)
            .sort();
        expect(digests(view)).deep.equal(digests(reference));
      }
    }
  });
});
