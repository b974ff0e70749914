/** Blocks that travel with their ancestors: asked for where messages overtake each other, and only there. */
import { assert, expect } from "chai";
import { slotOfBytes } from "../../src/consensus/block.ts";
import { Consensus } from "../../src/consensus/consensus.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import type { ConsensusEffect, ConsensusMessage, VerifiedBlock } from "../../src/consensus/types.ts";
import { seed } from "../seed.ts";
import { configOf, Network, type NetworkOptions, secretOf } from "./support/network.ts";
import { builderOf } from "./support/random-dag.ts";

const UNIT_MS = 50;

/** consensus.md's chaos: a message takes 0.5 to 1.5 delays, and one in five up to 12 more. */
const chaos: NetworkOptions["route"] = (_from, _to, _message, network) =>
  UNIT_MS * (0.5 + network.random() + (network.random() < 0.2 ? 12 * network.random() : 0));

/** Rounds output by everybody in `delays` message delays, and what was sent. */
function run(n: number, delays: number, route: NetworkOptions["route"]) {
  const kinds = new Map<string, number>();
  const counted: NetworkOptions["route"] = (from, to, message, network) => {
    kinds.set(message.kind, (kinds.get(message.kind) ?? 0) + 1);
    return route?.(from, to, message, network);
  };
  const network = new Network({ n, seed, delay: { min: 0, max: 0 }, route: counted });
  network.run(delays * UNIT_MS);
  network.assertAgreement();
  return { rounds: Math.min(...network.members.map((member) => member.outputs.length)), kinds };
}

describe("consensus: bundles", () => {
  it(`chaos costs little: a round takes less than two delays (seed ${seed})`, () => {
    const { rounds, kinds } = run(7, 150, chaos);
    expect(rounds).greaterThan(75);
    expect(kinds.get("bundle")).greaterThan(1000);
  });

  it("a network that keeps order sends no bundle", () => {
    const uniform: NetworkOptions["route"] = (_from, _to, _message, network) => UNIT_MS * (0.5 + network.random());
    const { kinds } = run(7, 60, uniform);
    expect(kinds.get("wantBundles")).equal(undefined);
    expect(kinds.get("bundle")).equal(undefined);
  });

  it("f members that withhold their blocks from most do not make everybody send everything n times", () => {
    const withheld: NetworkOptions["route"] = (from, to, message) =>
      message.kind === "block" && from < 2 && to !== 6 && to > 1 ? undefined : UNIT_MS;
    const { rounds, kinds } = run(7, 60, withheld);
    expect(rounds).greaterThan(10);
    expect(kinds.get("wantBundles")).equal(undefined);
  });

  const bundleOf = (effects: readonly ConsensusEffect[], to: number): ConsensusMessage | undefined =>
    effects.flatMap((effect) => (effect.kind === "send" && effect.to === to ? [effect.message] : []))[0];
  const propose = (member: Consensus) => member.propose({ payload: new Uint8Array(0), partials: [] }, secretOf(0), 0);

  it("holds what the peer has not shown to know, ancestors first, and makes one message enough; once only", () => {
    const dag = builderOf(4);
    const sender = new Consensus(configOf(4, 0));
    const receiver = new Consensus(configOf(4, 3));
    propose(sender);
    const own = sender.blocksAt(1)[0]!;
    for (const author of [1, 2, 3]) {
      sender.receive(author, { kind: "block", bytes: dag.block(author, 1).bytes }, 0);
    }
    sender.receive(3, { kind: "wantBundles", until: 2 }, 0);
    const effects = propose(sender);
    const bundle = bundleOf(effects, 3);
    assert(bundle?.kind === "bundle");
    // Of round 1 all but the peer's own, then ours of round 2.
    expect(bundle.blocks.length).equal(4);
    expect(bundle.blocks.some((bytes) => bytes === own.bytes)).equal(true);
    expect(bundle.blocks.at(-1)).equal(sender.blocksAt(2)[0]!.bytes);
    expect(bundleOf(effects, 1)?.kind, "did not ask").equal("block");
    receiver.receive(0, { kind: "block", bytes: dag.block(3, 1).bytes }, 0);
    const taken = receiver.receive(0, bundle, 0);
    expect(taken.filter((effect) => effect.kind === "accepted").length).equal(4);
    expect(taken.some((effect) => effect.kind === "punish")).equal(false);
    expect(receiver.sizes.pending).equal(0);
    // The lease was for round 2.
    for (const author of [1, 2, 3]) {
      sender.receive(author, { kind: "block", bytes: dag.block(author, 2, { strong: [1, 2, 3] }).bytes }, 0);
    }
    const later = propose(sender).filter((effect) => effect.kind === "send");
    expect(later.map((effect) => [effect.to, effect.message.kind])).deep.equal([["all", "block"]]);
  });

  it("once more than f members ask, everybody gets bundles", () => {
    const dag = builderOf(4);
    const member = new Consensus(configOf(4, 0));
    propose(member);
    for (const author of [1, 2, 3]) {
      member.receive(author, { kind: "block", bytes: dag.block(author, 1).bytes }, 0);
      if (author > 1) member.receive(author, { kind: "wantBundles", until: 9 }, 0);
    }
    expect(bundleOf(propose(member), 1)?.kind).equal("bundle");
  });

  /** Member 3 keeps its blocks of rounds 1 to 3 to itself and hands them to member 0 alone, which then makes its fourth. */
  const gift = (payload = new Uint8Array(0)) => {
    const dag = builderOf(4);
    const favourite = new Consensus(configOf(4, 0));
    const others = [1, 2].map((index) => new Consensus(configOf(4, index)));
    const kept: VerifiedBlock[] = [];
    let effects: readonly ConsensusEffect[] = [];
    for (let round = 1; round <= 3; round++) {
      const members = [0, 1, 2].map((author) => dag.block(author, round, round === 1 ? {} : { strong: [0, 1, 2] }));
      kept.push(dag.block(3, round, round === 1 ? { payload } : { payload, strong: [0, 1, 2] }));
      // From their logs, so that they know their own blocks.
      const log = members.map((block) => ({ kind: "block", bytes: block.bytes }) as const);
      for (const member of [favourite, ...others]) member.restore(log);
    }
    for (const block of kept) favourite.receive(3, asMessage(block), 0);
    effects = propose(favourite);
    return { favourite, others, kept, effects };
  };
  const asMessage = (block: { readonly bytes: Uint8Array }): ConsensusMessage => ({
    kind: "block",
    bytes: block.bytes,
  });

  it("late-gift: what a withholder handed to us alone travels with our block, so that nobody has to fetch it", () => {
    const { favourite, others, kept, effects } = gift();
    const message = bundleOf(effects, 1);
    assert(message?.kind === "bundle");
    expect(message.blocks).deep.equal([...kept, favourite.blocksAt(4)[0]!].map((block) => block.bytes));
    for (const [i, other] of others.entries()) {
      other.propose({ payload: new Uint8Array(0), partials: [] }, secretOf(i + 1), 0);
      const taken = other.receive(0, message, 0);
      expect(taken.filter((effect) => effect.kind === "accepted").length).equal(4);
      expect(taken.some((effect) => effect.kind === "send" && effect.message.kind === "fetch")).equal(false);
    }
    // Its author has it, and who builds on our block need not send it on.
    expect(bundleOf(effects, 3)?.kind).equal("block");
    const [first, second] = others;
    first!.receive(2, asMessage(second!.blocksAt(4).find((block) => block.author === 2)!), 0);
    const next = first!.propose({ payload: new Uint8Array(0), partials: [] }, secretOf(1), 0);
    expect(first!.lastOwnRound).equal(5);
    expect(next.flatMap((effect) => (effect.kind === "send" ? [effect.message.kind] : []))).deep.equal(["block"]);
  });

  it("late-gift: large blocks are fetched as ever", () => {
    const { favourite, effects } = gift(new Uint8Array(30_000));
    const message = bundleOf(effects, 1);
    assert(message?.kind === "bundle");
    expect(message.blocks.length).equal(3);
    expect(message.blocks.at(-1)).equal(favourite.blocksAt(4)[0]!.bytes);
    expect(message.blocks.reduce((sum, bytes) => sum + bytes.length, 0)).lessThan(64 * 1024 + 10_000);
  });

  /** Member 0 with all blocks of a round, in whose cone they are new; `peer` then gets what goes with the next own block. */
  const handed = (rounds: number, payload: Uint8Array, asks: (member: Consensus, round: number) => void) => {
    const dag = builderOf(4);
    const member = new Consensus(configOf(4, 0));
    propose(member);
    return Array.from({ length: rounds }, (_, i) => {
      const round = i + 1;
      for (const author of [1, 2, 3]) {
        const block = dag.block(author, round, round === 1 ? { payload } : { payload, strong: [1, 2, 3] });
        member.receive(author, asMessage(block), 0);
      }
      asks(member, round);
      const effects = propose(member);
      return [1, 2].map((peer) => {
        const sent = bundleOf(effects, peer);
        return sent?.kind === "bundle" ? sent.blocks.slice(0, -1) : [];
      });
    });
  };
  const fetch = (member: Consensus, round: number, author: number) =>
    member.receive(2, { kind: "fetch", refs: member.blocksAt(round).filter((block) => block.author === author) }, 0);

  it("hand-around: whose blocks a peer had to ask us for, those go to it with ours, for a lease, longer after each relapse", () => {
    const sent = handed(120, new Uint8Array(0), (member, round) => {
      if (round === 2 || round === 40) fetch(member, round, 3);
    });
    // Of author 3 alone, to the peer that asked alone.
    for (const [to1, to2] of sent) {
      expect(to1).deep.equal([]);
      expect(to2!.length).most(1);
      for (const bytes of to2!) expect(slotOfBytes(bytes)?.author).equal(3);
    }
    const served = sent.flatMap(([, to2], i) => (to2!.length > 0 ? [i + 1] : []));
    expect(served[0]).within(2, 3);
    const first = served.filter((round) => round < 40);
    const second = served.filter((round) => round >= 40);
    expect(first.length).within(30, 33);
    expect(second.length).equal(served.length - first.length);
    expect(second.at(-1)! - second[0]!).greaterThan(70);
  });

  it("hand-around: what nobody asked for, or is old, or large, does not go along", () => {
    const ask = (member: Consensus, round: number) => {
      if (round === 9) fetch(member, 2, 3);
    };
    for (const [, to2] of handed(12, new Uint8Array(0), ask)) expect(to2).deep.equal([]);
    const large = (member: Consensus, round: number) => {
      if (round === 1) for (const author of [1, 3]) fetch(member, round, author);
    };
    const sent = handed(12, new Uint8Array(40_000), large);
    expect(sent.some(([, to2]) => to2!.length > 0)).equal(true);
    for (const [, to2] of sent) expect(to2!.reduce((sum, bytes) => sum + bytes.length, 0)).most(64 * 1024);
  });

  it("a request costs a bounded number of bytes and rounds, whatever it asks for", () => {
    const dag = builderOf(4);
    const sender = new Consensus(configOf(4, 0));
    const payload = new Uint8Array(200_000);
    sender.receive(3, { kind: "wantBundles", until: Number.MAX_SAFE_INTEGER }, 0);
    propose(sender);
    for (let round = 1; round <= 40; round++) {
      for (const author of [1, 2, 3]) {
        const options = round === 1 ? { payload } : { payload, strong: [1, 2, 3] };
        sender.receive(author, { kind: "block", bytes: dag.block(author, round, options).bytes }, 0);
      }
      const message = bundleOf(propose(sender), 3);
      if (round <= 31) assert(message?.kind === "bundle");
      if (round > 32) expect(message).equal(undefined);
      if (message?.kind !== "bundle") continue;
      const bytes = message.blocks.reduce((sum, block) => sum + block.length, 0);
      expect(bytes).lessThan(256 * 1024 + 10_000);
    }
  });
});

describe("consensus: what a peer may make us do", () => {
  it("an answer to an open question does not open the door: what nobody waits for counts against its sender", () => {
    const limits = { ...DEFAULT_CONSENSUS_LIMITS, maxPendingPerPeer: 4 };
    const dag = builderOf(4);
    dag.fullRounds(1, 30);
    const member = new Consensus(configOf(4, 0, { limits }));
    const above = dag.blocks.filter((block) => block.round > 5);
    // Blocks without ancestors make us ask member 1, which does not answer but sends the rest as "answers".
    for (const block of above) member.receive(1, { kind: "fetched", blocks: [block.bytes], notFound: [] }, 0);
    expect(member.sizes.pending).most(4 + 4 * 4);
  });

  it("a peer that asks all day is answered at a bounded rate, and again in the next second", () => {
    const limits = { ...DEFAULT_CONSENSUS_LIMITS };
    const dag = builderOf(4);
    dag.fullRounds(1, 3);
    const member = new Consensus(configOf(4, 0, { limits }));
    for (const block of dag.blocks) member.receive(1, { kind: "block", bytes: block.bytes }, 0);
    const unknown = { round: 3, author: 1, digest: `0x${"ab".repeat(32)}` } as const;
    let answers = 0;
    const ask = (nowMs: number) => {
      for (const effect of member.receive(1, { kind: "fetch", refs: [unknown] }, nowMs)) {
        if (effect.kind === "send") answers++;
      }
    };
    for (let i = 0; i < 10_000; i++) ask(10);
    expect(answers).within(1000, 5000);
    const before = answers;
    ask(1010);
    expect(answers).equal(before + 1);
  });
});
