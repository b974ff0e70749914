/** Blocks that left memory are in the log, and nobody can tell the difference but by the memory. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { assert, expect } from "chai";
import fc from "fast-check";
import { REFERENCE_BYTES } from "../../src/consensus/block-memory.ts";
import { Consensus } from "../../src/consensus/consensus.ts";
import { ConsensusError } from "../../src/consensus/errors.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import type { ConsensusEffect, ConsensusMessage, VerifiedBlock } from "../../src/consensus/types.ts";
import { concatBytes } from "../../src/lib/bytes.ts";
import { type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { seed } from "../seed.ts";
import { configOf, Network, randomOf } from "./support/network.ts";
import { builderOf, randomDag, shuffled } from "./support/random-dag.ts";

const asMessage = ({ bytes }: VerifiedBlock): ConsensusMessage => ({ kind: "block", bytes });
const MAX_PENDING_BYTES = 16 * 1024;
const MAX_REQUESTED_BYTES = 64 * 1024;
const limitsOf = (maxHeldBytes: number) => ({
  ...DEFAULT_CONSENSUS_LIMITS,
  maxHeldBytes,
  maxPendingBytesPerPeer: MAX_PENDING_BYTES,
  maxRequestedBytes: MAX_REQUESTED_BYTES,
});
const NOTHING = 1;
const EVERYTHING = Number.MAX_SAFE_INTEGER;

/** A learner with a log, which has what it accepted once a step is over. */
function createFollower(n: number, budget: number, retainedRounds = 50) {
  const log = new Map<Hex, Uint8Array>();
  const counts = { reads: 0 };
  const readBlock = (digest: Hex): Uint8Array | undefined => {
    counts.reads++;
    return log.get(digest);
  };
  const consensus = new Consensus(configOf(n, undefined, { limits: limitsOf(budget), readBlock, retainedRounds }));
  return {
    consensus,
    log,
    counts,
    receive(from: number, message: ConsensusMessage, nowMs = 0): ConsensusEffect[] {
      consensus.shed();
      const effects = consensus.receive(from, message, nowMs);
      for (const effect of effects) if (effect.kind === "accepted") log.set(effect.block.digest, effect.block.bytes);
      return effects;
    },
  };
}

/** What can be seen of an effect, content of blocks included. */
function shown(effect: ConsensusEffect): unknown {
  switch (effect.kind) {
    case "output":
      return effect.output.commits.map(({ digest, blocks }) => [
        digest,
        blocks.map(({ bytes, payload }) => [bytes, payload]),
      ]);
    case "exposed":
      return [effect.kind, effect.author, effect.first.bytes, effect.second.bytes];
    case "accepted":
      return [effect.kind, effect.block.digest];
    default:
      return effect;
  }
}

describe("consensus: blocks that left memory", () => {
  it("change nothing that a member says or outputs, whatever arrives in whatever order", () => {
    let read = 0;
    let isOutput = false;
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(4, 5, 7), (from, n) => {
        const dag = randomDag(from, n, 24);
        const random = randomOf(from + 1);
        const [bare, whole] = [NOTHING, EVERYTHING].map((budget) => createFollower(n, budget, 12)) as [
          Follower,
          Follower,
        ];
        const arrivals = inWindows(dag.builder.blocks, random);
        for (const [step, block] of arrivals.entries()) {
          const sender = Math.floor(random() * n);
          const asked = arrivals[Math.floor(random() * (step + 1))]!;
          const messages: ConsensusMessage[] = [asMessage(block)];
          if (random() < 0.3) messages.push({ kind: "fetch", refs: [asked], after: asked.round, depth: 3 });
          // A copy of something that is here.
          if (random() < 0.2) messages.push(asMessage(asked));
          for (const message of messages) {
            const [mine, theirs] = [bare, whole].map(({ receive }) => receive(sender, message, step).map(shown));
            expect(mine).to.deep.equal(theirs);
            isOutput ||= mine!.length > 1;
          }
        }
        expect(bare.consensus.nextDecision).to.deep.equal(whole.consensus.nextDecision);
        expect(bare.consensus.exposedAuthors).to.deep.equal(whole.consensus.exposedAuthors);
        expect(whole.counts.reads).to.equal(0);
        read += bare.counts.reads;
      }),
      { numRuns: 20 },
    );
    expect(read).to.be.greaterThan(300);
    expect(isOutput).to.equal(true);
  });

  it("stay within the budget while f members fill every block, and whoever was away gets them from the log", () => {
    const n = 4;
    const budget = 256 * 1024;
    const [full, small] = [64 * 1024, 200];
    let largest = 0;
    const isAway = (nowMs: number): boolean => nowMs > 1_000 && nowMs < 2_500;
    const network = new Network({
      n,
      seed,
      delay: { min: 20, max: 60 },
      config: () => ({ limits: limitsOf(budget), retainedRounds: 200 }),
      payload: (self) => new Uint8Array(self === 3 ? full : small).fill(1 + self),
      route: (from, to, _, { nowMs, random, members }) => {
        // Not of who is in the middle of a step.
        for (const [self, { consensus }] of members.entries())
          if (self !== from) largest = Math.max(largest, consensus.sizes.heldBytes);
        return isAway(nowMs) && (from === 2 || to === 2) ? undefined : 20 + 40 * random();
      },
    });
    network.run(4_000);
    expect(largest).to.be.within(budget / 2, budget);
    network.assertAgreement();
    const [one, back] = [network.members[0]!, network.members[2]!];
    const stored = [...one.blocks.values()].reduce((sum, { length }) => sum + length, 0);
    expect(stored).to.be.greaterThan(8 * budget);
    expect(one.consensus.sizes.blocks).to.be.greaterThan(4 * 40);
    expect(back.outputs.length).to.be.greaterThan(one.outputs.length - 8);
    const digests = (member: typeof one): Hex[] =>
      member.outputs.slice(0, 20).flatMap(({ commits }) => commits.map(({ digest }) => digest));
    network.restart(2);
    expect(digests(network.members[2]!)).to.deep.equal(digests(one));
    expect(network.members[2]!.consensus.sizes.heldBytes).to.be.at.most(budget);
    const { lastOwnRound } = network.members[2]!.consensus;
    expect(lastOwnRound).to.equal(back.consensus.lastOwnRound);
    network.run(500);
    expect(network.members[2]!.consensus.lastOwnRound).to.be.greaterThan(lastOwnRound);
  });

  it("are gone from memory: nothing that stays of a block holds on to the message that brought it", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void; // CAST: --expose-gc defines it
    const PAYLOAD = 64 * 1024;
    const ROUNDS = 60;
    const dag = builderOf(4);
    const follower = createFollower(4, 4 * PAYLOAD, 2 * ROUNDS);
    collect();
    const before = process.memoryUsage().arrayBuffers;
    let outputs = 0;
    for (let round = 1; round <= ROUNDS; round++) {
      // Part of a larger message each, as they come in bundles.
      for (const { author, bytes } of dag.round(round, undefined, { payload: new Uint8Array(PAYLOAD).fill(round) })) {
        const message = concatBytes(new Uint8Array(4_000), bytes, new Uint8Array(PAYLOAD));
        const effects = follower.receive(author, {
          kind: "block",
          bytes: message.subarray(4_000, 4_000 + bytes.length),
        });
        outputs += effects.filter(({ kind }) => kind === "output").length;
        follower.log.clear();
      }
      dag.blocks.splice(0, dag.blocks.length - 4);
      for (const block of dag.blocks) Object.assign(block, { payload: undefined, bytes: undefined });
    }
    follower.consensus.shed();
    const kept = (): number => process.memoryUsage().arrayBuffers - before;
    // Byte arrays are freed by another thread, some time after the collection.
    for (let i = 0; i < 200 && kept() >= 16 * PAYLOAD; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(outputs).to.be.greaterThan(ROUNDS - 8);
    expect(follower.consensus.sizes.blocks).to.equal(4 + 4 * ROUNDS);
    // 240 blocks of 64 KiB came.
    expect(kept()).to.be.lessThan(16 * PAYLOAD);
  });

  it("prove their author's offence as well as others", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 6);
    const first = dag.at(3, 2)[0] as VerifiedBlock; // CAST: the builder's own blocks are whole
    const twin = dag.block(2, 3, { salt: 9 });
    const follower = createFollower(4, NOTHING);
    for (const block of dag.blocks) if (block !== twin) follower.receive(block.author, asMessage(block));
    follower.consensus.shed();
    expect(follower.consensus.sizes.heldBytes).to.equal(0);
    const exposed = follower.receive(1, asMessage(twin)).find(({ kind }) => kind === "exposed");
    assert(exposed?.kind === "exposed");
    expect([exposed.first.bytes, exposed.second.bytes]).to.deep.equal([first.bytes, twin.bytes]);
    expect(exposed.first.signature).to.equal(first.signature);
  });

  it("are not found where the log lost or damaged them, and nothing else happens", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 12);
    const follower = createFollower(4, NOTHING);
    for (const block of dag.blocks) follower.receive(block.author, asMessage(block));
    const [lost, flipped, unsigned, cut, other, sound] = [3, 4, 5, 6, 7, 8].map(
      (round) => dag.at(round, 1)[0] as VerifiedBlock, // CAST: as above
    );
    follower.log.delete(lost!.digest);
    follower.log.set(
      flipped!.digest,
      flipped!.bytes.map((byte, at) => (at === 200 ? byte ^ 1 : byte)),
    );
    // The digest of this one is still right.
    const signatureAt = Buffer.from(unsigned!.bytes).indexOf(Buffer.from(hexToBytes(unsigned!.signature)));
    follower.log.set(
      unsigned!.digest,
      unsigned!.bytes.map((byte, at) => (at === signatureAt + 10 ? byte ^ 1 : byte)),
    );
    follower.log.set(cut!.digest, cut!.bytes.subarray(0, 60));
    follower.log.set(other!.digest, sound!.bytes);
    const refs = [lost!, flipped!, unsigned!, cut!, other!, sound!];
    const [answer, ...more] = follower.receive(2, { kind: "fetch", refs });
    assert(answer?.kind === "send" && answer.message.kind === "fetched");
    expect(answer.message.blocks).to.deep.equal([sound!.bytes]);
    expect(answer.message.notFound.map(({ digest }) => digest)).to.deep.equal(
      refs.slice(0, 5).map(({ digest }) => digest),
    );
    expect(more).to.deep.equal([]);
    dag.fullRounds(13, 14);
    const after = dag.blocks.slice(-8).flatMap((block) => follower.receive(block.author, asMessage(block)));
    expect(after.some(({ kind }) => kind === "output")).to.equal(true);
  });

  it("stop a member that cannot do without one", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 2);
    const follower = createFollower(4, NOTHING);
    for (const block of dag.blocks) follower.receive(block.author, asMessage(block));
    follower.consensus.shed();
    follower.log.clear();
    dag.fullRounds(3, 4);
    const outputs = dag.blocks.slice(-8).flatMap((block) => follower.receive(block.author, asMessage(block)));
    const blocks = outputs.flatMap((effect) =>
      effect.kind === "output" ? effect.output.commits.flatMap((c) => c.blocks) : [],
    );
    const stored = blocks.find(({ round }) => round === 1)!;
    expect(() => stored.payload)
      .to.throw(ConsensusError)
      .with.property("code", "blockLost");
  });

  it("come back after a restart, but for those that an older version wrote without their digests", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 8);
    const size = dag.blocks.reduce(
      (sum, { bytes, parents }) => sum + bytes.length + REFERENCE_BYTES * parents.length,
      0,
    );
    for (const isKeyed of [true, false]) {
      const follower = createFollower(4, NOTHING);
      const outputs: ConsensusEffect[] = [];
      for (const { digest, bytes } of dag.blocks) follower.log.set(digest, bytes);
      follower.consensus.restore(
        dag.blocks.map(({ bytes, digest }) => ({ kind: "block", bytes, ...(isKeyed ? { digest } : {}) })),
        (effect) => outputs.push(effect),
      );
      expect(outputs.length).to.be.greaterThan(3);
      expect(follower.consensus.sizes.heldBytes).to.equal(isKeyed ? 0 : size);
      const [answer] = follower.receive(2, { kind: "fetch", refs: dag.blocks });
      assert(answer?.kind === "send" && answer.message.kind === "fetched");
      expect(answer.message.blocks).to.deep.equal(dag.blocks.map(({ bytes }) => bytes));
    }
  });
});

type Follower = ReturnType<typeof createFollower>;

/** Out of order, but not by more than a few blocks. */
function inWindows(blocks: readonly VerifiedBlock[], random: () => number): readonly VerifiedBlock[] {
  const out: VerifiedBlock[] = [];
  for (let at = 0; at < blocks.length; at += 10) out.push(...shuffled(blocks.slice(at, at + 10), random));
  return out;
}

describe("consensus: bytes of blocks that wait for ancestors", function () {
  this.timeout(60_000);
  const PAYLOAD = 2 * 1024;

  it("are bounded by sender, lowest rounds first, and for what was asked for; all are accepted in the end", () => {
    const dag = builderOf(4);
    // A chain of author 3 of which nobody has seen the first block; nobody names its last one.
    const CHAIN = 42;
    for (let round = 1; round <= CHAIN; round++) {
      dag.round(round, [0, 1, 2]);
      dag.block(3, round, { payload: new Uint8Array(round === 1 ? 0 : PAYLOAD).fill(round) });
    }
    const chain = dag.blocks.filter(({ author }) => author === 3);
    const honest = dag.blocks.filter(({ author }) => author !== 3);
    const byDigest = new Map(dag.blocks.map((block) => [block.digest, block]));
    const follower = createFollower(4, NOTHING, 200);
    // Sent unasked, newest first: what is higher gives way. (Those in between are asked for.)
    for (const block of [...chain.slice(1)].reverse()) if (block.round % 2 === 0) follower.receive(3, asMessage(block));
    expect(follower.consensus.sizes.pendingBytes).to.be.within(MAX_PENDING_BYTES - 2 * PAYLOAD, MAX_PENDING_BYTES);
    const withheld = chain[0]!.digest;
    let isWithheld = true;
    let largest = 0;
    let nowMs = 0;
    /** Everybody answers what is asked, but for the first block of the chain. */
    const answer = (effects: readonly ConsensusEffect[]): void => {
      for (const effect of effects) {
        if (effect.kind !== "send" || effect.message.kind !== "fetch" || effect.to === "all") continue;
        for (const { digest } of effect.message.refs) {
          if (isWithheld && digest === withheld) continue;
          const blocks = [byDigest.get(digest)!.bytes];
          answer(follower.receive(effect.to, { kind: "fetched", blocks, notFound: [] }, nowMs));
          largest = Math.max(largest, follower.consensus.sizes.pendingBytes);
        }
      }
    };
    const wait = (rounds: number): void => {
      for (let i = 0; i < rounds; i++) {
        nowMs += 1_000;
        answer(follower.consensus.tick(nowMs));
      }
    };
    // The others' newest blocks name the chain's, and so all of it.
    for (const block of honest) answer(follower.receive(block.author, asMessage(block), nowMs));
    wait(80);
    expect(largest).to.be.within(MAX_REQUESTED_BYTES - PAYLOAD, MAX_REQUESTED_BYTES + 4 * MAX_PENDING_BYTES);
    expect(follower.consensus.highestRound).to.equal(1);
    isWithheld = false;
    wait(200);
    expect(follower.consensus.highestRound).to.equal(CHAIN);
    expect(follower.consensus.sizes).to.deep.include({ pending: 0, pendingBytes: 0, awaited: 0, wanted: 0 });
    for (const { digest } of chain.slice(0, -1)) expect(follower.consensus.block({ digest })?.digest).to.equal(digest);
  });
});
