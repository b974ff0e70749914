/** Whole members of this room against each other in virtual time; stand-in signatures and coin. Failing seeds replay. */
import { assert, expect } from "chai";
import type { ConsensusMessage } from "../../src/consensus/types.ts";
import { DagBuilder } from "../../src/testing/dag-builder.ts";
import { seed } from "../seed.ts";
import { configOf, Network, type NetworkOptions, secretOf } from "./support/network.ts";
import { standInCoin, standInSigner } from "./support/stand-ins.ts";

const seedBase = seed;

/** Agreement, and nobody honest exposed or punished. */
function assertClean(network: Network, malicious: readonly number[] = []): void {
  network.assertAgreement();
  for (const [index, member] of network.members.entries()) {
    for (const effect of member.effects) {
      if (effect.kind === "exposed") assert.include(malicious, effect.author, `member ${index} blames an honest one`);
      if (effect.kind === "punish")
        assert.include(malicious, effect.member, `${effect.code} ${JSON.stringify(effect.details)}`);
    }
  }
}

const progress = (network: Network, of?: readonly number[]): number =>
  Math.min(
    ...network.members.filter((_, i) => of === undefined || of.includes(i)).map((member) => member.outputs.length),
  );

describe("consensus: a small network", () => {
  for (const n of [1, 2, 4, 5, 7]) {
    it(`${n} members with random delays output the same order`, () => {
      const network = new Network({ n, seed: seedBase + n, delay: { min: 10, max: 100 } });
      network.run(4_000);
      expect(progress(network)).greaterThan(20);
      assertClean(network);
    });
  }

  it("equal delays: every round is output three delays after it was proposed, and no coin is combined", () => {
    const network = new Network({ n: 4, seed: seedBase, delay: { min: 50, max: 50 } });
    network.run(3_000);
    // 60 delays: a round per delay, all but the last few output, each within three delays.
    expect(progress(network)).within(54, 60);
    for (const member of network.members) {
      expect(member.consensus.highestRound - member.outputs.length).most(4);
      expect(member.effects.some((effect) => effect.kind === "coin")).equal(false);
    }
  });

  it("f crashed members do not stop the others", () => {
    const network = new Network({ n: 7, seed: seedBase + 20, delay: { min: 10, max: 60 } });
    network.members[2]!.isDown = true;
    network.members[5]!.isDown = true;
    network.run(4_000);
    expect(progress(network, [0, 1, 3, 4, 6])).greaterThan(30);
    assertClean(network);
  });

  it("lost messages are made good by re-sending and fetching", () => {
    const route: NetworkOptions["route"] = (_from, _to, _message, network) =>
      network.random() < 0.2 ? undefined : 10 + network.random() * 50;
    const network = new Network({ n: 4, seed: seedBase + 30, delay: { min: 0, max: 0 }, route });
    network.run(8_000);
    expect(progress(network)).greaterThan(20);
    assertClean(network);
  });

  it("a partition stops the minority only, and heals", () => {
    let isCut = false;
    const route: NetworkOptions["route"] = (from, to, _message, network) =>
      isCut && (from === 3) !== (to === 3) ? undefined : 10 + network.random() * 40;
    const network = new Network({ n: 4, seed: seedBase + 40, delay: { min: 0, max: 0 }, route });
    network.run(1_000);
    isCut = true;
    network.run(2_500);
    const before = progress(network, [3]);
    expect(progress(network, [0, 1, 2])).greaterThan(before + 15);
    isCut = false;
    network.run(3_000);
    expect(progress(network)).greaterThan(progress(network, [0, 1, 2]) - 10);
    assertClean(network);
    // The minority's last block is output after all: weak links bring it in.
    const jumped = network.members[3]!.log.length;
    expect(jumped).greaterThan(0);
  });

  it("a split without a quorum on either side outputs nothing wrong and goes on after the heal", () => {
    let isCut = false;
    const route: NetworkOptions["route"] = (from, to, _message, network) =>
      isCut && from % 2 !== to % 2 ? undefined : 10 + network.random() * 40;
    const network = new Network({ n: 4, seed: seedBase + 50, delay: { min: 0, max: 0 }, route });
    network.run(1_000);
    isCut = true;
    network.run(2_000);
    const stuck = progress(network);
    isCut = false;
    network.run(10_000);
    expect(progress(network)).greaterThan(stuck + 40);
    assertClean(network);
  });

  it("restarts at random moments: the same order again, no round signed twice", () => {
    const network = new Network({ n: 4, seed: seedBase + 60, delay: { min: 10, max: 60 } });
    for (let i = 0; i < 12; i++) {
      const victim = i % 4;
      network.at(300 + i * 300, () => {
        const before = network.members[victim]!.outputs;
        network.restart(victim);
        // The restarted member may have gone on at once: what it had output comes first.
        const after = network.members[victim]!.outputs.slice(0, before.length);
        expect(after.map((output) => output.commits.map((commit) => commit.digest))).deep.equal(
          before.map((output) => output.commits.map((commit) => commit.digest)),
        );
      });
    }
    network.run(5_000);
    expect(progress(network)).greaterThan(20);
    assertClean(network);
  });

  it("a scheduler that starves one member's blocks delays that member only", () => {
    const route: NetworkOptions["route"] = (from, _to, message, network) =>
      from === 1 && message.kind === "block" ? 700 : 10 + network.random() * 40;
    const network = new Network({ n: 4, seed: seedBase + 70, delay: { min: 0, max: 0 }, route });
    network.run(6_000);
    expect(progress(network, [0, 2, 3])).greaterThan(60);
    assertClean(network);
    const ordered = network.members[0]!.outputs.flatMap((output) => output.commits.flatMap((commit) => commit.blocks));
    expect(ordered.filter((block) => block.author === 1).length).greaterThan(3);
  });

  it("a persistent equivocator with split audiences is exposed, blamed alone, and costs no agreement", () => {
    const n = 4;
    const network = new Network({ n, seed: seedBase + 80, delay: { min: 10, max: 60 } });
    // Member 3 answers every round with two blocks: members 0 and 1 get one, member 2 the other.
    network.members[3]!.isDown = true;
    const rules = configOf(n, undefined);
    const builder = new DagBuilder({
      rules,
      sign: (author, digest) => standInSigner.sign(secretOf(author), digest),
      share: (author, round) => standInCoin("test", n, author).share(round),
    });
    const source = network.members[0]!;
    const honestAt = (round: number) =>
      [0, 1, 2].flatMap((author) => source.consensus.blocksAt(round).find((block) => block.author === author) ?? []);
    const equivocate = (): void => {
      const { highestRound } = source.consensus;
      const round = honestAt(highestRound).length === 3 ? highestRound : highestRound - 1;
      const strong = round > 0 ? honestAt(round) : [];
      if (strong.length === 3 && builder.at(round + 1, 3).length === 0) {
        for (const salt of [0, 1]) {
          const block = builder.block(3, round + 1, { strong, salt });
          const message: ConsensusMessage = { kind: "block", bytes: block.bytes };
          for (const to of salt === 0 ? [0, 1] : [2]) network.send(3, to, message);
        }
      }
      network.at(network.nowMs + 25, equivocate);
    };
    network.at(30, equivocate);
    network.run(5_000);
    expect(progress(network, [0, 1, 2])).greaterThan(40);
    assertClean(network, [3]);
    for (const i of [0, 1, 2]) expect([...network.members[i]!.consensus.exposedAuthors]).deep.equal([3]);
  });

  it("garbage coin shares of f members: the others' coins still decide", () => {
    const n = 4;
    const network = new Network({
      n,
      seed: seedBase + 90,
      delay: { min: 10, max: 60 },
      // Bad days: a fifth of the messages takes up to twelve times as long, so that anchors are needed.
      route: (_from, _to, _message, network) => (network.random() < 0.2 ? 600 * network.random() : 50),
      config: (self) => (self === 2 ? { coin: { ...standInCoin("test", n, 2), share: () => new Uint8Array(32) } } : {}),
    });
    network.run(30_000);
    expect(progress(network)).greaterThan(100);
    assertClean(network, [2]);
  });
});
