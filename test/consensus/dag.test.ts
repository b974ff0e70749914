import { expect } from "chai";
import { Dag } from "../../src/consensus/dag.ts";
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

function fullDag(rounds: number, bytes: Uint8Array): Dag {
  const genesis = Array.from({ length: N }, (_, author) => block(0, author, new Uint8Array(0)));
  const dag = new Dag({ n: N, self: 0, retainedRounds: K, genesis, floor: -1 });
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

  it("is served as far as 64 MiB of the newest reach when blocks are large, and is still known to have been there", () => {
    const dag = fullDag(60, BYTES);
    dag.sink(30);
    dag.sink(40);
    // 64 MiB are 8 rounds of four blocks of 2 MiB.
    expect(served(dag, 40)).to.deep.equal([33, 34, 35, 36, 37, 38, 39, 40]);
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
