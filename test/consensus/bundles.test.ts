/** Blocks that travel with their ancestors: asked for where messages overtake each other, and only there. */
import { assert, expect } from "chai";
import { Consensus } from "../../src/consensus/consensus.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import type { ConsensusEffect, ConsensusMessage } from "../../src/consensus/types.ts";
import { configOf, Network, type NetworkOptions, secretOf } from "./support/network.ts";
import { builderOf } from "./support/random-dag.ts";

const seed = Number(process.env.CLOCKLESS_SEED ?? 1);
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
