import { expect } from "chai";
import { REFERENCE_BYTES } from "../../src/consensus/block-memory.ts";
import { Dag } from "../../src/consensus/dag.ts";
import { ConsensusError } from "../../src/consensus/errors.ts";
import { bytesOf, type FindBlock, previousOf, StoredBlock } from "../../src/consensus/stored-block.ts";
import type { BlockRef, VerifiedBlock } from "../../src/consensus/types.ts";
import { utf8ToBytes } from "../../src/lib/bytes.ts";
import { keccak256Hex } from "../../src/lib/hash.ts";

const N = 4;
const K = 20;
/** One buffer for all: only its length counts. */
const BYTES = new Uint8Array(2 * 1024 * 1024);

function refOf(round: number, author: number): BlockRef {
  return { round, author, digest: keccak256Hex(utf8ToBytes(`${round}/${author}`)) };
}

function block(round: number, author: number, bytes: Uint8Array): VerifiedBlock {
  const parents = round === 0 ? [] : [0, 1, 2, 3].map((parent) => refOf(round - 1, parent));
  const content = { payload: bytes, coinShares: [], partials: [], signature: "0x", bytes } as const;
  return { epoch: 0n, ...refOf(round, author), parents, ...content };
}

function fullDag(rounds: number, bytes: Uint8Array, memory: { find?: FindBlock; budget?: number } = {}): Dag {
  const genesis = Array.from({ length: N }, (_, author) => block(0, author, new Uint8Array(0)));
  const dag = new Dag({ n: N, self: 0, retainedRounds: K, genesis, floor: -1, ...memory });
  for (let round = 1; round <= rounds; round++)
    for (let author = 0; author < N; author++) dag.add(block(round, author, bytes));
  return dag;
}

describe("consensus: what sank below the floor", () => {
  const served = (dag: Dag, rounds: number): number[] =>
    Array.from({ length: rounds + 1 }, (_, round) => round).filter((round) => dag.lookup(refOf(round, 1).digest));

  it("is served for K rounds", () => {
    const dag = fullDag(60, new Uint8Array(100));
    dag.sink(40);
    expect(served(dag, 40)).to.deep.equal(Array.from({ length: K }, (_, i) => 21 + i));
  });

  it("is known to have been there, and what never was is not", () => {
    const dag = fullDag(60, BYTES);
    dag.sink(30);
    dag.sink(40);
    const late = (parent: BlockRef): VerifiedBlock => ({
      ...block(61, 1, BYTES),
      digest: keccak256Hex(utf8ToBytes(parent.digest)),
      parents: [...[1, 0, 2, 3].map((author) => refOf(60, author)), parent],
    });
    expect(dag.isTainted(dag.add(late(refOf(25, 3))))).to.equal(false);
    expect(dag.isTainted(dag.add(late({ ...refOf(25, 3), digest: keccak256Hex(utf8ToBytes("invented")) })))).to.equal(
      true,
    );
  });
});

describe("consensus: bytes of accepted blocks", () => {
  const SIZE = 1_000;
  const bytes = new Uint8Array(SIZE);
  const WEIGHT = SIZE + 4 * REFERENCE_BYTES;
  /** A log that has everything, and what was asked of it. */
  function withLog(rounds: number, budget: number) {
    const asked: string[] = [];
    const lost = new Set<string>();
    const find = ({ digest }: Pick<BlockRef, "digest">): VerifiedBlock | undefined => {
      asked.push(digest);
      for (let round = 1; round <= rounds; round++)
        for (let author = 0; author < N; author++)
          if (refOf(round, author).digest === digest && !lost.has(digest)) return block(round, author, bytes);
      return undefined;
    };
    return { dag: fullDag(rounds, bytes, { find, budget }), asked, lost };
  }
  const inMemory = (dag: Dag, rounds: number): string[] =>
    Array.from({ length: rounds }, (_, i) => i + 1).flatMap((round) =>
      dag.servable(round).flatMap((held) => (held instanceof StoredBlock ? [] : [`${held.round}/${held.author}`])),
    );

  it("stay in memory up to the budget, and no longer than until the next step", () => {
    const { dag } = withLog(10, 8 * WEIGHT);
    expect(dag.bytes).to.equal(40 * WEIGHT);
    dag.shed();
    expect(dag.bytes).to.equal(8 * WEIGHT);
    expect(inMemory(dag, 10)).to.deep.equal(["9/0", "9/1", "9/2", "9/3", "10/0", "10/1", "10/2", "10/3"]);
    dag.add(block(11, 0, bytes));
    expect(dag.bytes).to.equal(9 * WEIGHT);
    dag.shed();
    expect(dag.bytes).to.equal(8 * WEIGHT);
  });

  it("leave it when they are output first, then oldest first, below the floor as above it", () => {
    const { dag } = withLog(10, 10 * WEIGHT);
    // Without having been output: nobody's order asks for them any more.
    dag.sink(4);
    for (let round = 5; round <= 9; round++) for (const { digest } of dag.round(round)) dag.spare(digest);
    dag.shed();
    expect(inMemory(dag, 10)).to.deep.equal(["8/2", "8/3", "9/0", "9/1", "9/2", "9/3", "10/0", "10/1", "10/2", "10/3"]);
    expect(dag.bytes).to.equal(10 * WEIGHT);
    dag.sink(10 + K);
    dag.sink(10 + 2 * K);
    expect([dag.bytes, dag.sunk, dag.size]).to.deep.equal([0, 0, 0]);
  });

  it("come back from the log, which may have lost them", () => {
    const { dag, asked, lost } = withLog(6, 0);
    dag.shed();
    expect([dag.bytes, asked.length]).to.deep.equal([0, 0]);
    const { digest } = refOf(3, 2);
    const stored = dag.lookup(digest)!;
    expect(stored.payload).to.deep.equal(bytes);
    expect(stored.parents).to.deep.equal(block(3, 2, bytes).parents);
    expect(previousOf(stored)).to.deep.equal(refOf(2, 0));
    lost.add(digest);
    expect(bytesOf(stored)).to.equal(undefined);
    expect(() => stored.payload)
      .to.throw(ConsensusError)
      .with.property("code", "blockLost");
    expect([stored.round, stored.author, stored.digest]).to.deep.equal([3, 2, digest]);
  });

  it("all stay where there is no log, and those that it does not find by their digest where there is one", () => {
    const bare = fullDag(5, bytes, { budget: 0 });
    bare.shed();
    expect(bare.bytes).to.equal(20 * WEIGHT);
    const { dag } = withLog(5, 0);
    dag.add(block(6, 1, bytes), false);
    dag.shed();
    expect([dag.bytes, inMemory(dag, 6)]).to.deep.equal([WEIGHT, ["6/1"]]);
  });
});
