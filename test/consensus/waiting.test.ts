/** What waits for ancestors must come through, whatever somebody else sends to keep it waiting. */
import { expect } from "chai";
import { DEFAULT_CONSENSUS_LIMITS, TWIN_TOKEN_MS, twinBurst } from "../../src/consensus/limits.ts";
import type { BlockRef, ConsensusConfig, ConsensusEffect, VerifiedBlock } from "../../src/consensus/types.ts";
import { builderOf } from "./support/random-dag.ts";
import { View } from "./support/view.ts";

/** A view among n members that answer what it asks from the blocks that exist. */
function createWorld(n: number, changes: Partial<ConsensusConfig> = {}) {
  const builder = builderOf(n);
  const view = new View(n, changes);
  const perform = (effects: readonly ConsensusEffect[], nowMs: number): void => {
    for (const effect of effects) {
      if (effect.kind !== "send" || effect.to === "all" || effect.message.kind !== "fetch") continue;
      const asked = new Set(effect.message.refs.map(({ digest }) => digest));
      const blocks = builder.blocks.flatMap(({ digest, bytes }) => (asked.has(digest) ? [bytes] : []));
      perform(view.consensus.receive(effect.to, { kind: "fetched", blocks, notFound: [] }, nowMs), nowMs);
    }
  };
  return {
    builder,
    receive: (from: number, { bytes }: VerifiedBlock, nowMs = 0) =>
      perform(view.consensus.receive(from, { kind: "block", bytes }, nowMs), nowMs),
    wait(untilMs: number) {
      for (let nowMs = 0; nowMs <= untilMs; nowMs += TWIN_TOKEN_MS) perform(view.consensus.tick(nowMs), nowMs);
    },
    holds: (block: VerifiedBlock) => view.consensus.block(block) !== undefined,
  };
}

describe("consensus: waiting for ancestors", () => {
  it("a sender that overflows its quota takes away nothing that another one's block waits for", () => {
    const { builder, receive, wait, holds } = createWorld(4, {
      limits: { ...DEFAULT_CONSENSUS_LIMITS, maxPendingPerPeer: 3 },
    });
    builder.fullRounds(1, 7);
    const block = (round: number, author: number): VerifiedBlock =>
      builder.blocks.find((made) => made.round === round && made.author === author)!;
    for (const made of builder.blocks) if (made.round <= 2) receive(made.author, made);
    // 3's own block waits first; then an honest one that names it; then 3 sends lower ones, which nobody has asked for yet.
    receive(3, block(6, 3));
    receive(1, block(7, 1));
    for (const author of [0, 1, 2]) receive(3, block(4, author));
    wait(20_000);
    expect(holds(block(7, 1))).equal(true);
  });

  it("twins below a block that a sender without tokens brought first cost those whose blocks need it", () => {
    const n = 7;
    const rounds = 16;
    const honest = [0, 1, 2, 3, 4];
    const [colluder, equivocator] = [5, 6];
    const { builder, receive, wait, holds } = createWorld(n);
    const [colluderGenesis, equivocatorGenesis] = [builder.at(0, colluder)[0]!, builder.at(0, equivocator)[0]!];
    for (let round = 1; round <= rounds; round++) {
      const strong = round === 1 ? undefined : honest;
      for (const block of builder.round(round, [...honest, equivocator], { strong })) receive(block.author, block);
    }
    const twin = builder.block(equivocator, rounds, { salt: 1, strong: honest, previous: equivocatorGenesis });
    // The colluder, which nobody has caught, names invented twins of all rounds below: more than its tokens will ever pay here.
    let named = 0;
    const inventedAt = (round: number): BlockRef => ({
      ...{ round, author: equivocator },
      digest: `0x${(++named).toString(16).padStart(64, "0")}`,
    });
    for (let round = 3; round <= rounds; round++) {
      const weak = Array.from({ length: round - 2 }, (_, i) => inventedAt(i + 1));
      receive(colluder, builder.block(colluder, round, { strong: honest, previous: colluderGenesis, weak }));
    }
    const patienceMs = 5_000;
    expect(named).greaterThan(twinBurst(n) + patienceMs / TWIN_TOKEN_MS);
    const brought = builder.block(colluder, rounds + 1, { strong: [...honest, twin], previous: colluderGenesis });
    receive(colluder, brought);
    for (const author of honest) receive(author, builder.block(author, rounds + 1, { strong: honest }));
    const needing = builder.block(0, rounds + 2, { strong: [...honest, brought] });
    receive(0, needing);
    wait(patienceMs);
    expect(holds(needing)).equal(true);
  });
});
