/** An author that nobody heard for a while is caught up with in few round trips, in virtual time. */
import { expect } from "chai";
import { Consensus } from "../../src/consensus/consensus.ts";
import type { ConsensusEffect } from "../../src/consensus/types.ts";
import { decodeConsensusMessage, encodeConsensusMessage } from "../../src/consensus/wire.ts";
import { configOf } from "./support/network.ts";
import { builderOf } from "./support/random-dag.ts";

const N = 4;
const UNHEARD = 3;

/** Round trips until a chain of m blocks that only its author has is accepted. */
function roundTrips(m: number): { readonly trips: number; readonly blocks: number; readonly lacking: number } {
  const builder = builderOf(N);
  const changes = { retainedRounds: 2 * m + 100 };
  const us = new Consensus(configOf(N, undefined, changes));
  const author = new Consensus(configOf(N, undefined, changes));
  for (let round = 1; round <= m + 1; round++) {
    for (let member = 0; member < N; member++)
      builder.block(member, round, { strong: [0, 1, 2, ...(member === UNHEARD ? [3] : [])] });
  }
  for (const { author: member, bytes } of builder.blocks) {
    author.receive(member, { kind: "block", bytes }, 0);
    if (member !== UNHEARD) us.receive(member, { kind: "block", bytes }, 0);
  }
  const top = builder.blocks.findLast((block) => block.author === UNHEARD)!;
  let nowMs = 1_000;
  let trips = 0;
  let blocks = 0;
  let effects: ConsensusEffect[] = us.receive(UNHEARD, { kind: "block", bytes: top.bytes }, nowMs);
  for (; us.block(top) === undefined && trips <= m; trips++) {
    nowMs += 100;
    const next: ConsensusEffect[] = [];
    const asked = [...effects, ...us.tick(nowMs)];
    for (const effect of asked) {
      if (effect.kind !== "send" || effect.message.kind !== "fetch") continue;
      // Over the wire, as members do.
      const question = decodeConsensusMessage(encodeConsensusMessage(effect.message));
      for (const answer of author.receive(0, question, nowMs)) {
        if (answer.kind !== "send" || answer.message.kind !== "fetched") continue;
        blocks += answer.message.blocks.length;
        next.push(...us.receive(UNHEARD, answer.message, nowMs));
      }
    }
    effects = next;
  }
  const lacking = builder.blocks.filter((block) => us.block(block) === undefined).length;
  return { trips, blocks, lacking };
}

describe("consensus: a chain of blocks that nobody heard", function () {
  this.timeout(600_000);

  it("of m blocks takes about m / 255 round trips, and no block comes much more than once", () => {
    for (const m of [1, 2, 10, 200, 600]) {
      const { trips, blocks, lacking } = roundTrips(m);
      expect(lacking, `${m} blocks`).to.equal(0);
      expect(trips, `${m} blocks`).to.be.at.most(2 + Math.ceil(m / 250));
      expect(blocks, `${m} blocks`).to.be.at.most(m + 2 * trips);
    }
  });

  it("a question that begins at the epoch's beginning costs what can be served, however many rounds there were", () => {
    const rounds = 400;
    const builder = builderOf(N);
    builder.fullRounds(1, rounds);
    let looked = 0;
    const us = new Consensus(configOf(N, undefined, { retainedRounds: 10 }));
    for (const { author, bytes } of builder.blocks) us.receive(author, { kind: "block", bytes }, 0);
    const get = Map.prototype.get;
    Map.prototype.get = function (key) {
      looked++;
      return get.call(this, key);
    };
    try {
      us.receive(1, { kind: "fetch", refs: builder.at(rounds, 0), after: 1 }, 10_000);
    } finally {
      Map.prototype.get = get;
    }
    expect(looked).to.be.at.most(30 * (N + 2));
  });
});
