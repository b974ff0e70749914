/** Feeds hand-written DAGs to a learner. */
import { Consensus } from "../../../src/consensus/consensus.ts";
import type {
  ConsensusConfig,
  ConsensusEffect,
  OutputRound,
  SlotStatus,
  VerifiedBlock,
} from "../../../src/consensus/types.ts";
import type { DagBuilder } from "../../../src/testing/dag-builder.ts";
import { configOf } from "./network.ts";
import { builderOf } from "./random-dag.ts";
import { standInCoin } from "./stand-ins.ts";

export class View {
  readonly consensus: Consensus;
  readonly outputs: OutputRound[] = [];

  constructor(n: number, changes: Partial<ConsensusConfig> = {}) {
    this.consensus = new Consensus(configOf(n, undefined, changes));
  }

  feed(blocks: readonly VerifiedBlock[], nowMs = 0): ConsensusEffect[] {
    const effects: ConsensusEffect[] = [];
    for (const block of blocks) {
      effects.push(...this.consensus.receive(block.author, { kind: "block", bytes: block.bytes }, nowMs));
    }
    for (const effect of effects) if (effect.kind === "output") this.outputs.push(effect.output);
    return effects;
  }

  status(round: number, author: number): SlotStatus["kind"] {
    return this.consensus.status(round, author).kind;
  }
}

/** A coin whose leaders the test chooses. */
export function riggedCoin(
  n: number,
  leaders: Readonly<Record<number, number>>,
  otherwise: number,
): ConsensusConfig["coin"] {
  return { ...standInCoin("test", n, undefined), leader: (round) => leaders[round] ?? otherwise };
}

/**
 * n = 4, author 0 equivocates so that its block L of round r is certified in the last window only:
 *   r+1: {0, 1} support L, {0′, 2} support the twin, 3 nobody;   r+2: {1, 3} L, {0, 2} twin;   r+3: {0, 1, 3} L, 2 twin;
 *   r+4: 0, 1, 3 hold cert_{r+3}(L), 2 does not.   From r+5 on only 1, 2, 3 make blocks.
 */
export interface LastWindow {
  readonly builder: DagBuilder;
  readonly leader: VerifiedBlock;
  readonly twin: VerifiedBlock;
  /** All blocks. */
  readonly all: readonly VerifiedBlock[];
  /** Without author 0's block of r + 4: one holder too few for a direct commit. */
  readonly part: readonly VerifiedBlock[];
}

export function lastWindowDag(round: number, rounds: number): LastWindow {
  const builder = builderOf(4);
  builder.fullRounds(1, round - 1);
  const leader = builder.block(0, round);
  const twin = builder.block(0, round, { salt: 1 });
  builder.round(round, [1, 2, 3]);
  const at = (r: number, author: number) => builder.at(r, author)[0]!;
  const zeroA = builder.block(0, round + 1, { previous: leader, strong: [leader, 1, 2] });
  const zeroB = builder.block(0, round + 1, { previous: twin, strong: [twin, 1, 2], salt: 1 });
  builder.block(1, round + 1, { strong: [leader, 1, 2] });
  builder.block(2, round + 1, { strong: [twin, 2, 3] });
  builder.block(3, round + 1, { strong: [1, 2, 3] });
  builder.block(0, round + 2, { previous: zeroB, strong: [zeroB, at(round + 1, 2), at(round + 1, 3)] });
  for (const author of [1, 2, 3]) builder.block(author, round + 2, { strong: [1, 2, 3] });
  builder.block(0, round + 3, { previous: zeroA, strong: [1, 2, 3] });
  for (const author of [1, 2, 3]) builder.block(author, round + 3, { strong: [1, 2, 3] });
  const holder = builder.block(0, round + 4, { strong: [0, 1, 3] });
  for (const author of [1, 3]) builder.block(author, round + 4, { strong: [0, 1, 3] });
  builder.block(2, round + 4, { strong: [1, 2, 3] });
  for (let r = round + 5; r < round + 5 + rounds; r++) {
    for (const author of [1, 2, 3]) builder.block(author, r, { strong: [1, 2, 3] });
  }
  return { builder, leader, twin, all: builder.blocks, part: builder.blocks.filter((block) => block !== holder) };
}

/**
 * n = 4, author 0 withholds: it hands its blocks of r, r+1, r+2 to author 1 alone, just in time for r+3. One author supports
 * its slot, two support nobody: neither certified nor skipped, on an otherwise perfect network.
 */
export function withheldDag(round: number, rounds: number): { builder: DagBuilder; leader: VerifiedBlock } {
  const builder = builderOf(4);
  builder.fullRounds(1, round - 1);
  const leader = builder.block(0, round);
  builder.round(round, [1, 2, 3]);
  for (const r of [round + 1, round + 2]) {
    builder.block(0, r, { strong: [0, 1, 2] });
    for (const author of [1, 2, 3]) builder.block(author, r, { strong: [1, 2, 3] });
  }
  builder.block(1, round + 3, { strong: [0, 1, 2] });
  for (const author of [2, 3]) builder.block(author, round + 3, { strong: [1, 2, 3] });
  for (let r = round + 4; r < round + 4 + rounds; r++) {
    for (const author of [1, 2, 3]) builder.block(author, r, { strong: [1, 2, 3] });
  }
  return { builder, leader };
}
