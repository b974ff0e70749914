/** Checkpoints: whoever starts from one goes on like those that saw everything, and nothing else can be passed off as one. */
import { expect } from "chai";
import fc from "fast-check";
import {
  decodeOrderTail,
  deriveCheckpoint,
  encodeOrderTail,
  OrderRecorder,
  type OrderRules,
  type OrderTail,
} from "../../src/consensus/checkpoint.ts";
import { ConsensusError } from "../../src/consensus/errors.ts";
import type { OutputRound, VerifiedBlock } from "../../src/consensus/types.ts";
import { quorumOf } from "../../src/lib/math.ts";
import type { DagBuilder } from "../../src/testing/dag-builder.ts";
import { configOf } from "./support/network.ts";
import { builderOf, randomDag, shuffled } from "./support/random-dag.ts";
import { View } from "./support/view.ts";

const rulesOf = (members: number, retainedRounds: number, activityWindow: number): OrderRules => ({
  members,
  retainedRounds,
  activityWindow,
  genesisHash: configOf(members, undefined).genesisHash,
});

/** The tail after each output round that has commits, by round, with the digest of the last commit. */
function tailsOf(outputs: readonly OutputRound[], rules: OrderRules) {
  const recorder = new OrderRecorder(rules);
  return outputs.flatMap((output) => {
    recorder.add(output);
    const last = output.commits.at(-1);
    return last === undefined ? [] : [{ round: output.round, tail: recorder.tail(), commit: last.digest }];
  });
}

/**
 * Again and again until two passes change nothing: third twins are taken only once something needs them, which one pass may bring no
 * further than to being waited for, and cost tokens, which come with time.
 */
function feedAll(view: View, blocks: readonly VerifiedBlock[]): void {
  for (let pass = 1, idle = 0; idle < 2; pass++) {
    const { pending, wanted } = view.consensus.sizes;
    const isMoved = view.feed(blocks, 60_000 * pass).some(({ kind }) => kind === "accepted");
    const isSame = view.consensus.sizes.pending === pending && view.consensus.sizes.wanted === wanted;
    idle = isSame && !isMoved ? idle + 1 : 0;
  }
}

/** So many more rounds with a block of everybody that has none there. */
function calmDown(builder: DagBuilder, n: number, rounds: number): void {
  const everybody = Array.from({ length: n }, (_, author) => author);
  const absent = (round: number) => everybody.filter((author) => builder.at(round, author).length === 0);
  let top = builder.blocks.at(-1)!.round;
  while (n - absent(top).length < quorumOf(n)) top--;
  for (let round = top + 1; round <= top + rounds; round++) builder.round(round, absent(round));
}

/** Without third twins that nothing is built on: who got two others first never takes them, and may be a few slots behind for that. */
function withoutIdleTwins(blocks: readonly VerifiedBlock[]): readonly VerifiedBlock[] {
  const wanted = new Set<string>();
  const perSlot = new Map<string, number>();
  const kept = new Set<VerifiedBlock>();
  const keep = (block: VerifiedBlock): void => {
    const slot = `${block.round}/${block.author}`;
    perSlot.set(slot, (perSlot.get(slot) ?? 0) + 1);
    kept.add(block);
    for (const { digest } of block.parents) wanted.add(digest);
  };
  const rounds = [...new Set(blocks.map(({ round }) => round))].sort((a, b) => b - a);
  for (const round of rounds) {
    const here = blocks.filter((block) => block.round === round);
    for (const block of here) if (wanted.has(block.digest)) keep(block);
    for (const block of here) if (!kept.has(block) && (perSlot.get(`${round}/${block.author}`) ?? 0) < 2) keep(block);
  }
  return blocks.filter((block) => kept.has(block));
}

const digests = (outputs: readonly OutputRound[]) =>
  outputs.map(({ round, commits }) => [round, ...commits.map(({ digest }) => digest)]);

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof ConsensusError) return error.code;
    throw error;
  }
}

describe("consensus: checkpoint from the tail of the order", () => {
  it("on random DAGs, from any boundary, without any block that is output: the same order as everybody's", function () {
    const dags = Number(process.env.CLOCKLESS_DAGS ?? 100);
    this.timeout(600_000 + 600 * dags);
    let starts = 0;
    let outputs = 0;
    let longTails = 0;
    let exclusions = 0;
    let relapses = 0;
    const property = fc.property(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.constantFrom(4, 4, 5, 7),
      fc.constantFrom(6, 8, 30),
      fc.constantFrom(2, 4),
      (seed, n, retainedRounds, activityWindow) => {
        const dag = randomDag(seed, n, 12 + (seed % 20));
        // Calm at the end: which third twins were taken, when nothing needs them, then no longer says how far one has decided.
        calmDown(dag.builder, n, 10);
        const all = withoutIdleTwins(dag.builder.blocks);
        const rules = rulesOf(n, retainedRounds, activityWindow);
        const old = new View(n, { retainedRounds, activityWindow });
        feedAll(old, all);
        const boundaries = tailsOf(old.outputs, rules);
        for (const { round, tail, commit } of shuffled(boundaries, dag.random).slice(0, 4)) {
          const checkpoint = deriveCheckpoint(decodeOrderTail(encodeOrderTail(tail)), commit, rules);
          expect(checkpoint.round).equal(round);
          const young = new View(n, { retainedRounds, activityWindow, checkpoint });
          // Some blocks that are output come nevertheless: peers send what they think is missing.
          const known = new Set(checkpoint.output.map(({ digest }) => digest));
          const rest = all.filter((block) => !known.has(block.digest) || dag.random() < 0.1);
          feedAll(young, shuffled(rest, dag.random));
          // Digests chain over everything that a commit is.
          expect(digests(young.outputs)).deep.equal(digests(old.outputs.slice(round)));
          expect(young.consensus.checkpoint()).deep.equal(old.consensus.checkpoint());
          // And what it records from there on is what the others record.
          const recorder = new OrderRecorder(rules, tail);
          for (const output of young.outputs) recorder.add(output);
          if (young.outputs.some(({ commits }) => commits.length > 0))
            expect(recorder.tail()).deep.equal(boundaries.at(-1)!.tail);
          starts++;
          outputs += young.outputs.length;
          if (tail.index > 1n) longTails++;
          if (checkpoint.standings.some(({ until }) => until > round + 1)) exclusions++;
          if (checkpoint.standings.some(({ rounds }) => rounds > activityWindow)) relapses++;
        }
      },
    );
    fc.assert(property, {
      numRuns: dags,
      examples: [
        [191410170, 4, 6, 2],
        [465343614, 7, 6, 2],
        [1283517582, 5, 6, 2],
        [1937384003, 4, 6, 2],
        [975715861, 4, 6, 2],
        [627823224, 4, 6, 4],
      ],
    });
    expect(starts).greaterThan(1.5 * dags);
    expect(outputs).greaterThan(2 * dags);
    expect(longTails).greaterThan(0.2 * dags);
    expect(exclusions).greaterThan(0.5 * dags);
    expect(relapses).greaterThan(0.2 * dags);
  });

  it("it is what a member that saw everything has", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 20);
    dag.fullRounds(21, 29, [0, 1, 2]);
    dag.fullRounds(30, 60);
    const rules = rulesOf(4, 8, 3);
    const view = new View(4, { retainedRounds: 8, activityWindow: 3 });
    const recorder = new OrderRecorder(rules);
    let compared = 0;
    for (const block of dag.blocks) {
      const before = view.outputs.length;
      view.feed([block]);
      for (const output of view.outputs.slice(before)) recorder.add(output);
      const last = view.outputs.at(-1)?.commits.at(-1);
      if (view.outputs.length === before || last === undefined) continue;
      expect(deriveCheckpoint(recorder.tail(), last.digest, rules)).deep.equal(view.consensus.checkpoint());
      compared++;
    }
    expect(compared).greaterThan(50);
  });

  it("whatever is changed, left out, added or of other rules is refused", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 12);
    dag.fullRounds(13, 22, [0, 1, 2]);
    dag.fullRounds(23, 40);
    const rules = rulesOf(4, 8, 3);
    const view = new View(4, { retainedRounds: 8, activityWindow: 3 });
    view.feed(dag.blocks);
    const { tail, commit } = tailsOf(view.outputs, rules).at(-6)!;
    expect(codeOf(() => deriveCheckpoint(tail, commit, rules))).equal(undefined);
    expect(tail.index > 1n).equal(true);
    const record = tail.records[3]!;
    const standing = tail.past.standings[3]!;
    expect(standing.rounds).greaterThan(0);
    const withRecord = (changes: Partial<typeof record>): OrderTail => ({
      ...tail,
      records: tail.records.with(3, { ...record, ...changes }),
    });
    const withStandings = (standings: typeof tail.past.standings): OrderTail => ({
      ...tail,
      past: { ...tail.past, standings },
    });
    const withStanding = (changes: Partial<typeof standing>): OrderTail =>
      withStandings(tail.past.standings.with(3, { ...standing, ...changes }));
    const ref = record.blocks[0]!;
    const lies: Record<string, OrderTail> = {
      index: { ...tail, index: tail.index + 1n },
      previous: { ...tail, previous: commit },
      "no records": { ...tail, records: [] },
      "newest left out": { ...tail, records: tail.records.slice(0, -1) },
      "one left out": { ...tail, records: tail.records.toSpliced(3, 1) },
      leader: withRecord({ leader: { ...record.leader, author: (record.leader.author + 1) % 4 } }),
      "block's round": withRecord({ blocks: record.blocks.with(0, { ...ref, round: ref.round - 1 }) }),
      "block's author": withRecord({ blocks: record.blocks.with(0, { ...ref, author: (ref.author + 1) % 4 }) }),
      "block left out": withRecord({ blocks: record.blocks.slice(1) }),
      "block added": withRecord({ blocks: [...record.blocks, ref] }),
      past: withRecord({ past: commit }),
      seen: withStanding({ seen: standing.seen - 1 }),
      "an exclusion longer": withStanding({ until: standing.until + 1 }),
      "an exclusion lifted": withStanding({ until: 0, rounds: 0 }),
      "an exclusion forgotten": withStanding({ rounds: 0 }),
      "another left out": withStandings(tail.past.standings.with(1, standing)),
      "standing left out": withStandings(tail.past.standings.slice(1)),
      "standing added": withStandings([...tail.past.standings, standing]),
      clock: { ...tail, past: { ...tail.past, vectorClock: tail.past.vectorClock.with(3, 1) } },
    };
    for (const [name, lie] of Object.entries(lies)) {
      expect(
        codeOf(() => deriveCheckpoint(lie, commit, rules)),
        name,
      ).equal("badCheckpoint");
    }
    // True, but not enough to go on from: the oldest record is what shows that nothing above the floor is missing.
    const second = tailsOf(view.outputs, rulesOf(4, 7, 3)).find((other) => other.commit === commit)!;
    expect(codeOf(() => deriveCheckpoint(second.tail, commit, rules))).equal("badCheckpoint");
    const longer = tailsOf(view.outputs, rulesOf(4, 9, 3)).find((other) => other.commit === commit)!;
    expect(codeOf(() => deriveCheckpoint(longer.tail, commit, rules))).equal("badCheckpoint");
    expect(codeOf(() => deriveCheckpoint(tail, commit, { ...rules, members: 5 }))).equal("badCheckpoint");
  });

  it("bytes: one encoding, and nothing but a refusal for anything else", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 14);
    const rules = rulesOf(4, 8, 3);
    const view = new View(4, { retainedRounds: 8, activityWindow: 3 });
    view.feed(dag.blocks);
    const { tail, commit } = tailsOf(view.outputs, rules).at(-1)!;
    const bytes = encodeOrderTail(tail);
    expect(decodeOrderTail(bytes)).deep.equal(tail);
    for (let i = 0; i < bytes.length; i += 7) {
      const changed = Uint8Array.from(bytes);
      changed[i]! ^= 1 << (i % 8);
      expect(codeOf(() => deriveCheckpoint(decodeOrderTail(changed), commit, rules))).equal("badCheckpoint");
      expect(codeOf(() => deriveCheckpoint(decodeOrderTail(bytes.slice(0, i)), commit, rules))).equal("badCheckpoint");
    }
    const property = fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
      expect(codeOf(() => deriveCheckpoint(decodeOrderTail(noise), commit, rules))).equal("badCheckpoint");
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe("consensus: own blocks around a checkpoint", () => {
  it("the own last block is known from the log, also below the floor: no round up to it is signed again", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 12);
    dag.fullRounds(13, 45, [0, 1, 2]);
    const rules = rulesOf(4, 8, 3);
    const changes = { retainedRounds: 8, activityWindow: 3 };
    const view = new View(4, changes);
    view.feed(dag.blocks);
    const { tail, commit } = tailsOf(view.outputs, rules).at(-3)!;
    const checkpoint = deriveCheckpoint(tail, commit, rules);
    const { consensus } = new View(4, { ...changes, checkpoint, self: 3 });
    consensus.restore(dag.blocks.filter(({ round }) => round <= 12).map(({ bytes }) => ({ kind: "block", bytes })));
    const own = dag.blocks.find(({ round, author }) => round === 12 && author === 3)!;
    expect(own.round).lessThan(consensus.floor);
    expect(consensus.lastOwnBlock).deep.equal({ round: own.round, author: 3, digest: own.digest });
    const known = new Set(checkpoint.output.map(({ digest }) => digest));
    for (const block of dag.blocks) {
      if (!known.has(block.digest)) consensus.receive(block.author, { kind: "block", bytes: block.bytes }, 0);
    }
    expect(consensus.proposal(10_000)).deep.equal({ kind: "ready", round: 46 });
    // Whoever lacks it gets it from us.
    const [answer] = consensus.receive(0, { kind: "fetch", refs: [own] }, 10_000);
    expect(answer).nested.property("message.blocks[0]").deep.equal(own.bytes);
  });
});
