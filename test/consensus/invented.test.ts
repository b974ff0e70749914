/** References to blocks that never were must keep no honest member from following another one. */
import { expect } from "chai";
import { Consensus } from "../../src/consensus/consensus.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import type { BlockRef, ConsensusEffect, VerifiedBlock } from "../../src/consensus/types.ts";
import { keccak256Hex } from "../../src/lib/hash.ts";
import { configOf, secretOf } from "./support/network.ts";
import { builderOf } from "./support/random-dag.ts";

const K = 12;
const R = 20;
const [SLOW, FAST, OTHER, BAD] = [0, 1, 2, 3] as const;
const HONEST = [SLOW, FAST, OTHER];

/**
 * n = 4. 3 hands out its blocks of R to R + 2 just in time for 1 and 2, but not for 0 (see `withheldDag`), so that its slot of R hangs on
 * one holder: its own block of R + 4, which it gives to 1 alone. 1 then commits what nobody else can, and its floor rises above theirs.
 */
function world() {
  const builder = builderOf(4);
  builder.fullRounds(1, 14);
  builder.round(15, HONEST);
  builder.fullRounds(16, R);
  for (const round of [R + 1, R + 2]) {
    builder.block(BAD, round, { strong: [SLOW, FAST, BAD] });
    builder.round(round, HONEST, { strong: HONEST });
  }
  for (const round of [R + 3, R + 4]) {
    const early = builder.block(SLOW, round, { strong: HONEST });
    for (const author of [FAST, OTHER]) builder.block(author, round, { strong: [FAST, OTHER, BAD] });
    if (round === R + 3) builder.block(BAD, round, { strong: [FAST, OTHER, BAD] });
    expect(early.parents).lengthOf(3);
  }
  for (const round of [R + 5, R + 6]) builder.round(round, HONEST, { strong: HONEST });
  const before = [...builder.blocks];
  const previous = builder.at(R + 3, BAD)[0]!;
  const holder = builder.block(BAD, R + 4, { strong: [FAST, OTHER, BAD] });
  // Older than the holder and in nobody's cone: the one weak link that the limits leave goes here.
  const old = builder.block(BAD, 15, { strong: HONEST, previous: builder.at(14, BAD)[0]! });
  return { builder, before, previous, holder, old };
}

describe("consensus: invented blocks", () => {
  it("what was dropped without being final is not taken for granted: whoever has a lower floor can follow", () => {
    const { builder, before, previous, holder, old } = world();
    const limits = { ...DEFAULT_CONSENSUS_LIMITS, maxWeakLinks: 1 };
    const create = (self: number | undefined): Consensus => {
      const consensus = new Consensus(configOf(4, self, { retainedRounds: K, activityWindow: 2, limits }));
      // The newest checkpoint that is final is an old one.
      consensus.serveAbove(0, 0, 0);
      return consensus;
    };
    const fast = create(FAST);
    const late = (round: number, author: number): VerifiedBlock =>
      before.find((block) => block.round === round && block.author === author)!;
    const withheld = late(R + 6, SLOW);
    fast.restore(before.filter((block) => block !== withheld).map(({ bytes }) => ({ kind: "block", bytes })));
    const slow = create(undefined);
    for (const { author, bytes } of before) slow.receive(author, { kind: "block", bytes }, 0);
    const rounds = { fast: fast.nextDecision.round, slow: slow.nextDecision.round };
    fast.receive(BAD, { kind: "block", bytes: holder.bytes }, 0);
    expect(rounds.fast).equal(rounds.slow);
    expect(fast.nextDecision.round).greaterThan(rounds.fast);

    // A block that names one that never was, at the highest round that only the fast one has given up.
    const never: BlockRef = {
      ...{ round: fast.orderFloor, author: BAD },
      digest: keccak256Hex(new Uint8Array(1)),
    };
    const naming = builder.block(BAD, R + 6, { strong: HONEST, previous, weak: [never] });
    const own: VerifiedBlock[] = [];
    const propose = (): void => {
      for (let nowMs = 10_000; fast.proposal(nowMs)?.kind === "ready"; nowMs++) {
        for (const effect of fast.propose({ payload: new Uint8Array(0), partials: [] }, secretOf(FAST), nowMs))
          if (effect.kind === "accepted") own.push(effect.block);
      }
    };
    for (const block of [old, naming]) fast.receive(BAD, { kind: "block", bytes: block.bytes }, 10_000);
    propose();
    fast.receive(SLOW, { kind: "block", bytes: withheld.bytes }, 10_000);
    propose();
    expect(own.length).greaterThan(0);

    const perform = (effects: readonly ConsensusEffect[], nowMs: number): void => {
      for (const effect of effects) {
        if (effect.kind !== "send" || effect.message.kind !== "fetch") continue;
        for (const answer of fast.receive(SLOW, effect.message, nowMs))
          if (answer.kind === "send" && answer.to === SLOW) perform(slow.receive(FAST, answer.message, nowMs), nowMs);
      }
    };
    for (const { bytes } of own) perform(slow.receive(FAST, { kind: "block", bytes }, 20_000), 20_000);
    for (let nowMs = 20_000; nowMs < 60_000; nowMs += 250) perform(slow.tick(nowMs), nowMs);
    expect(slow.block(own.at(-1)!)).not.equal(undefined);
  });
});
