/** What equivocators can make an honest member fetch, verify and store is bounded by tokens, not by how much they sign. */
import { expect } from "chai";
import { Consensus } from "../../src/consensus/consensus.ts";
import { TWIN_TOKEN_MS, TWINS_PER_ROUND, twinBurst } from "../../src/consensus/limits.ts";
import type { BlockRef, ConsensusEffect, VerifiedBlock } from "../../src/consensus/types.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { configOf } from "./support/network.ts";
import { builderOf } from "./support/random-dag.ts";
import { standInSigner } from "./support/stand-ins.ts";

const N = 7;
const HONEST = [0, 1, 2, 3, 4];
const [COLLUDER, EQUIVOCATOR] = [5, 6];
const ROUNDS = 40;
const ROUND_MS = 100;
const K = 50;

function createWorld() {
  let verified = 0;
  const signer = {
    ...standInSigner,
    verify: (...args: Parameters<typeof standInSigner.verify>) => {
      verified++;
      return standInSigner.verify(...args);
    },
  };
  const consensus = new Consensus(configOf(N, undefined, { signer, retainedRounds: K }));
  const builder = builderOf(N);
  const byDigest = new Map<Hex, VerifiedBlock>();
  const make = (...args: Parameters<typeof builder.block>): VerifiedBlock => {
    const block = builder.block(...args);
    byDigest.set(block.digest, block);
    return block;
  };
  const counts = { asked: 0, outputs: 0 };
  let nowMs = 0;
  /** The colluder answers everything that it is asked for, and so do the others for what is theirs. */
  const deliver = (effects: readonly ConsensusEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === "output") counts.outputs++;
      if (effect.kind !== "send" || effect.message.kind !== "fetch" || effect.to === "all") continue;
      counts.asked += effect.message.refs.length;
      const blocks = effect.message.refs.flatMap(({ digest }) => byDigest.get(digest)?.bytes ?? []);
      deliver(consensus.receive(effect.to, { kind: "fetched", blocks, notFound: [] }, nowMs));
    }
  };
  return {
    consensus,
    make,
    counts,
    verified: () => verified,
    receive: (from: number, { bytes }: VerifiedBlock) =>
      deliver(consensus.receive(from, { kind: "block", bytes }, nowMs)),
    wait(ms: number) {
      nowMs += ms;
      deliver(consensus.tick(nowMs));
    },
    now: () => nowMs,
  };
}

describe("consensus: equivocators that grow the DAG", function () {
  this.timeout(600_000);

  it("hundreds of twins a round, sent to us unasked, cost two blocks a slot and two checks", () => {
    const world = createWorld();
    for (let round = 1; round <= 20; round++) {
      const blocks = HONEST.map((author) => world.make(author, round, { strong: HONEST }));
      const twins = Array.from({ length: 200 }, (_, salt) =>
        world.make(EQUIVOCATOR, round, { salt, strong: HONEST, previous: genesis }),
      );
      for (const block of [...twins, ...blocks]) world.receive(block.author, block);
      world.wait(ROUND_MS);
    }
    expect(world.counts.outputs).to.be.greaterThan(10);
    expect(world.verified()).to.be.at.most(20 * (HONEST.length + 2));
    expect(world.consensus.sizes.blocks).to.be.at.most(N + 20 * (HONEST.length + 2));
    expect(world.counts.asked).to.equal(0);
  });

  const genesis: BlockRef = builderOf(N).at(0, EQUIVOCATOR)[0]!;

  it("a colluder whose every block names another chain of twins gets its tokens' worth of them fetched, and no more", () => {
    const world = createWorld();
    const { consensus } = world;
    const chainOf = (round: number, salt: number): BlockRef => {
      let previous = genesis;
      for (let at = 1; at <= round; at++) previous = world.make(EQUIVOCATOR, at, { salt, strong: HONEST, previous });
      return previous;
    };
    let twinsMade = 0;
    for (let round = 1; round <= ROUNDS; round++) {
      const blocks = HONEST.map((author) => world.make(author, round, { strong: HONEST }));
      for (const block of blocks) world.receive(block.author, block);
      if (round > 1) {
        const top = chainOf(round - 1, round);
        twinsMade += round - 1;
        world.receive(COLLUDER, world.make(COLLUDER, round, { strong: [...HONEST, top] }));
      }
      world.wait(ROUND_MS);
    }
    const tokens = twinBurst(N) + TWINS_PER_ROUND * ROUNDS + Math.ceil(world.now() / TWIN_TOKEN_MS);
    const regular = ROUNDS * (HONEST.length + 1 + 2);
    expect(twinsMade).to.be.greaterThan(tokens + regular);
    const { blocks, pending } = consensus.sizes;
    expect(blocks + pending).to.be.at.most(N + regular + tokens);
    expect(world.verified()).to.be.at.most(regular + tokens);
    // Honest members' blocks are ordered meanwhile.
    expect(world.counts.outputs).to.be.greaterThan(ROUNDS - 15);
    expect(HONEST.every((author) => consensus.vectorClock[author]! > ROUNDS - 15)).to.equal(true);
  });

  it("no twin is refused for ever: what one honest block needs is fetched with time", () => {
    const world = createWorld();
    const rounds = 30;
    for (let round = 1; round <= rounds; round++) {
      for (const author of HONEST) world.receive(author, world.make(author, round, { strong: HONEST }));
    }
    // Two chains of twins, and a block that needs the second after one that needs the first.
    const needy: VerifiedBlock[] = [];
    let own = colluderGenesis;
    for (const [salt, round] of [rounds, rounds + 1].entries()) {
      let top = genesis;
      for (let at = 1; at < round; at++) top = world.make(EQUIVOCATOR, at, { salt, strong: HONEST, previous: top });
      const block = world.make(COLLUDER, round, { strong: [...HONEST, top], previous: own });
      own = { round, author: COLLUDER, digest: block.digest };
      needy.push(block);
      world.receive(COLLUDER, block);
    }
    const missing = () => needy.filter(({ digest }) => world.consensus.block({ digest }) === undefined);
    for (let k = 0; k < 400 && missing().length > 0; k++) world.wait(1_000);
    expect(missing()).to.deep.equal([]);
  });

  const colluderGenesis: BlockRef = builderOf(N).at(0, COLLUDER)[0]!;
});
