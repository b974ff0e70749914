import { assert, expect } from "chai";
import { Consensus } from "../../src/consensus/consensus.ts";
import { ConsensusError } from "../../src/consensus/errors.ts";
import { COIN_DELAY, DEFAULT_CONSENSUS_LIMITS, RETRY_MAX_MS } from "../../src/consensus/limits.ts";
import type { BlockSigner, ConsensusEffect, ConsensusMessage, VerifiedBlock } from "../../src/consensus/types.ts";
import { configOf, secretOf } from "./support/network.ts";
import { builderOf } from "./support/random-dag.ts";
import { standInCoin, standInSigner } from "./support/stand-ins.ts";
import { View, withheldDag } from "./support/view.ts";

const asMessage = (block: VerifiedBlock): ConsensusMessage => ({ kind: "block", bytes: block.bytes });
const asLog = (blocks: readonly VerifiedBlock[]) =>
  blocks.map((block) => ({ kind: "block" as const, bytes: block.bytes }));
const sends = (effects: readonly ConsensusEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "send" ? [effect] : []));
const content = { payload: new Uint8Array(0), partials: [] };
const upTo = (blocks: readonly VerifiedBlock[], round: number) => blocks.filter((block) => block.round <= round);

describe("consensus: exposure and jumps", () => {
  it("n = 4: a member that jumped and an exposed author do not deadlock the others", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 4);
    // Member 2 is away in round 5; author 3 equivocates there, member 2 meets only one of the twins and jumps to round 6.
    for (const author of [0, 1]) dag.block(author, 5);
    const first = dag.block(3, 5);
    const twin = dag.block(3, 5, { salt: 1 });
    const jumped = dag.block(2, 6, { strong: [0, 1, first] });
    const member = new Consensus(configOf(4, 0));
    member.restore(asLog(dag.blocks.filter((block) => ![first, twin, jumped].includes(block))));
    expect(member.lastOwnRound).equal(5);
    const effects = member.receive(3, asMessage(first), 0);
    expect(effects.some((effect) => effect.kind === "exposed")).equal(false);
    expect(member.proposal(1e6)).deep.equal({ kind: "ready", round: 6 });
    const exposed = member.receive(3, asMessage(twin), 0).filter((effect) => effect.kind === "exposed");
    expect(exposed.map((effect) => effect.author)).deep.equal([3]);
    // Excluded now, and only two others are there: nobody could go on without the clause.
    expect(member.proposal(1e6)).equal(undefined);
    member.receive(2, asMessage(jumped), 0);
    expect(member.proposal(1e6)).deep.equal({ kind: "ready", round: 6 });
    const own = member.propose(content, secretOf(0), 1e6)[0];
    assert(own?.kind === "accepted");
    expect(own.block.parents.map((ref) => ref.digest)).include(first.digest);
    expect(own.block.parents.map((ref) => ref.digest)).not.include(twin.digest);
  });

  it("an exposed author is not linked while Q others are there", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 4);
    dag.block(3, 4, { salt: 1 });
    const member = new Consensus(configOf(4, 0));
    member.restore(asLog(dag.blocks));
    const own = member.propose(content, secretOf(0), 0)[0];
    assert(own?.kind === "accepted");
    expect(own.block.parents.map((ref) => ref.author)).deep.equal([0, 1, 2]);
  });

  it("a member that fell behind jumps, own last block first, with the coin shares of all rounds it skipped", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 2);
    dag.fullRounds(3, 9, [1, 2, 3]);
    const member = new Consensus(configOf(4, 0));
    member.restore(asLog(dag.blocks));
    const own = member.propose(content, secretOf(0), 0)[0];
    assert(own?.kind === "accepted");
    expect(own.block.round).equal(10);
    expect(own.block.parents[0]).deep.include({ round: 2, author: 0 });
    expect(own.block.coinShares.map((share) => share.round)).deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(member.proposal(0)).equal(undefined);
    expect(() => member.propose(content, secretOf(0), 0))
      .throw(ConsensusError)
      .property("code", "notReady");
  });

  it("weak links bring in what nobody linked, oldest first, bounded", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 1);
    for (let round = 2; round <= 6; round++) {
      dag.block(3, round, { strong: [1, 2, 3].slice(0, round === 2 ? 3 : 2).concat(round === 2 ? [] : [3]) });
      for (const author of [0, 1, 2]) dag.block(author, round, { strong: [0, 1, 2] });
    }
    const limits = { ...DEFAULT_CONSENSUS_LIMITS, maxWeakLinks: 1 };
    const member = new Consensus(configOf(4, 0, { limits }));
    member.restore(asLog(dag.blocks.filter((block) => !(block.author === 3 && block.round > 4))));
    const own = member.propose(content, secretOf(0), 0)[0];
    assert(own?.kind === "accepted");
    const weak = own.block.parents.filter((ref, i) => i > 0 && ref.round < 6);
    expect(weak.map(({ round, author }) => [round, author])).deep.equal([[1, 3]]);
  });

  it("a block in our own name that we never made: never propose again", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 3);
    const member = new Consensus(configOf(4, 0));
    for (const block of dag.blocks) member.receive(1, asMessage(block), 0);
    expect(member.isSignedElsewhere).equal(true);
    expect(member.proposal(0)).equal(undefined);
  });
});

describe("consensus: bad input", () => {
  it("a bad signature costs its sender, does not poison the digest, and is not checked twice", () => {
    const dag = builderOf(4);
    const [block] = dag.round(1);
    const forged = block!.bytes.slice();
    forged[20]! ^= 1;
    let checks = 0;
    const config = configOf(4, undefined);
    const signer = config.signer!;
    const counting = {
      ...signer,
      verify: (...args: Parameters<typeof signer.verify>) => ++checks > 0 && signer.verify(...args),
    };
    const view = new View(4, { signer: counting });
    for (let i = 0; i < 3; i++) {
      const effects = view.consensus.receive(2, { kind: "block", bytes: forged }, 0);
      expect(effects.map((effect) => effect.kind === "punish" && [effect.member, effect.code])).deep.equal([
        [2, "badSignature"],
      ]);
    }
    expect(checks).equal(1);
    expect(view.consensus.receive(3, asMessage(block!), 0).map((effect) => effect.kind)).deep.equal(["accepted"]);
  });

  it("garbage is answered by a punishment with the code and changes nothing", () => {
    const view = new View(4);
    const before = view.consensus.checkpoint();
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(500),
      new Uint8Array(DEFAULT_CONSENSUS_LIMITS.maxBlockBytes + 1),
    ]) {
      const effects = view.consensus.receive(1, { kind: "block", bytes }, 0);
      expect(effects.map((effect) => effect.kind)).deep.equal(["punish"]);
    }
    expect(view.consensus.checkpoint()).deep.equal(before);
    expect(view.consensus.sizes).deep.include({ pending: 0, wanted: 0, shares: 0 });
  });

  it("what nobody asked for is bounded per sender, the lowest rounds stay", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 12);
    const view = new View(4, { limits: { ...DEFAULT_CONSENSUS_LIMITS, maxPendingPerPeer: 3 } });
    for (const block of [...dag.blocks].reverse()) {
      if (block.round > 1) view.consensus.receive(1, { kind: "block", bytes: block.bytes }, 0);
    }
    // Requested ancestors are outside the quota, so what waits for them may be more than three; unrequested are three.
    const others = new View(4, { limits: { ...DEFAULT_CONSENSUS_LIMITS, maxPendingPerPeer: 3 } });
    for (const block of dag.blocks) if (block.round % 2 === 0) others.consensus.receive(1, asMessage(block), 0);
    expect(others.consensus.sizes.pending).equal(3);
    others.feed(dag.blocks);
    expect(others.outputs.length).equal(10);
  });

  it("third twins are not kept unless an accepted block needs them", () => {
    const dag = builderOf(4);
    dag.round(1);
    const twins = [1, 2, 3].map((salt) => dag.block(3, 1, { salt }));
    const view = new View(4);
    view.feed(dag.blocks);
    expect(view.consensus.blocksAt(1).filter((block) => block.author === 3).length).equal(2);
    const needs = dag.block(0, 2, { strong: [0, 1, twins[2]!] });
    const [fetch] = sends(view.consensus.receive(0, asMessage(needs), 1000)).concat(sends(view.consensus.tick(1100)));
    expect(fetch?.to).equal(0);
    expect(fetch?.message).nested.property("refs[0].digest", twins[2]!.digest);
    view.feed([twins[2]!]);
    expect(view.consensus.block(needs)?.digest).equal(needs.digest);
  });

  it("an exposed author cannot keep us busy checking the signatures of further twins", () => {
    const dag = builderOf(4);
    let checks = 0;
    const verify: BlockSigner["verify"] = (...args) => {
      checks++;
      return standInSigner.verify(...args);
    };
    const member = new Consensus(configOf(4, 0, { signer: { ...standInSigner, verify } }));
    for (let salt = 0; salt < 50; salt++) member.receive(3, asMessage(dag.block(3, 1, { salt })), 0);
    expect(checks).equal(2);
  });

  it("one far-future block does nothing, f + 1 authors far ahead mean behind", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 60);
    const view = new View(4, { retainedRounds: 20 });
    const tip = (author: number) =>
      asMessage(dag.blocks.find((block) => block.round === 60 && block.author === author)!);
    expect(view.consensus.receive(1, tip(1), 0)).deep.equal([]);
    expect(view.consensus.sizes).deep.include({ pending: 0, wanted: 0 });
    const effects = view.consensus.receive(2, tip(2), 0);
    const behind = [{ kind: "behind", round: 60 }];
    expect(effects.filter((effect) => effect.kind === "behind")).deep.equal(behind);
    // Said again while it is so, even if the others get no further: whoever had to act on it may have found nobody to ask.
    const againAt = (nowMs: number, author: number) =>
      view.consensus.receive(author, tip(author), nowMs).filter((effect) => effect.kind === "behind");
    expect(againAt(RETRY_MAX_MS - 1, 0)).deep.equal([]);
    expect(againAt(RETRY_MAX_MS, 3)).deep.equal(behind);
  });
});

describe("consensus: fetching", () => {
  it("says that it is behind for as long as f + 1 members say that they dropped what it needs", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 6);
    const view = new View(4);
    const reports: number[] = [];
    const perform = (effects: readonly ConsensusEffect[], nowMs: number): void => {
      for (const effect of effects) {
        if (effect.kind === "behind") reports.push(effect.round);
        if (effect.kind !== "send" || effect.to === "all" || effect.message.kind !== "fetch") continue;
        const answer = { kind: "fetched", blocks: [], notFound: effect.message.refs, floor: 5 } as const;
        perform(view.consensus.receive(effect.to, answer, nowMs), nowMs);
      }
    };
    perform(view.feed(dag.blocks.filter(({ round, author }) => round === 6 && author === 1)), 0);
    for (let nowMs = 0; nowMs <= 10 * RETRY_MAX_MS; nowMs += 250) perform(view.consensus.tick(nowMs), nowMs);
    expect(reports.length).within(5, 11);
    expect(new Set(reports)).deep.equal(new Set([5]));
  });

  it("asks the sender first, then the others at once after notFound, then with back-off", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 6);
    const member = new Consensus(configOf(4, 0));
    const lost = dag.blocks.find((block) => block.round === 1 && block.author === 3)!;
    const asked: number[] = [];
    const note = (effects: readonly ConsensusEffect[]) => {
      for (const { to, message } of sends(effects)) if (message.kind === "fetch" && to !== "all") asked.push(to);
    };
    for (const block of dag.blocks) {
      if (block !== lost && block.author !== 0) note(member.receive(2, asMessage(block), 1000));
    }
    // Round-1 blocks of author 0 (ours) and 3 are missing.
    note(member.tick(1100));
    expect(new Set(asked)).deep.equal(new Set([2]));
    asked.length = 0;
    note(member.receive(2, { kind: "fetched", blocks: [], notFound: [lost] }, 1150));
    note(member.receive(3, { kind: "fetched", blocks: [], notFound: [lost] }, 1160));
    expect(asked).deep.equal([3, 1]);
    asked.length = 0;
    note(member.receive(1, { kind: "fetched", blocks: [], notFound: [lost] }, 1170));
    const accepted = member.receive(1, { kind: "fetched", blocks: [lost.bytes], notFound: [] }, 1180);
    expect(accepted.some((effect) => effect.kind === "accepted" && effect.block.digest === lost.digest)).equal(true);
  });

  it("answers with what it has, notFound for the rest, and for a peer far behind with what comes next", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 12);
    const view = new View(4);
    view.feed(dag.blocks);
    const tip = dag.blocks.at(-1)!;
    const unknown = { round: 3, author: 1, digest: `0x${"ab".repeat(32)}` } as const;
    const near = sends(view.consensus.receive(1, { kind: "fetch", refs: [tip, unknown], after: 10 }, 0));
    expect(near[0]!.message).deep.include({ blocks: [tip.bytes], notFound: [unknown] });
    const far = sends(view.consensus.receive(1, { kind: "fetch", refs: [tip], after: 2 }, 0))[0]!.message;
    assert(far.kind === "fetched");
    // Rounds 3 to 11 of the three others, and the tip.
    expect(far.blocks.length).equal(1 + 9 * 3);
    const refs = Array.from({ length: DEFAULT_CONSENSUS_LIMITS.maxFetchRefs + 1 }, () => tip);
    // Limits may differ between members: who asks for more than ours gets the first, and no blame.
    const [answer, ...others] = view.consensus.receive(1, { kind: "fetch", refs }, 0);
    expect(others).deep.equal([]);
    assert(answer?.kind === "send" && answer.message.kind === "fetched");
    expect(answer.message.blocks.length).equal(DEFAULT_CONSENSUS_LIMITS.maxFetchRefs);
  });

  it("blocks below the floor are dropped from the DAG, stay servable for a while, and memory stays bounded", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 60);
    const view = new View(4, { retainedRounds: 10 });
    view.feed(dag.blocks);
    expect(view.consensus.floor).equal(58 - 10);
    expect(view.consensus.sizes).deep.include({ blocks: 12 * 4, pending: 0 });
    expect(view.consensus.block(dag.at(45, 1)[0]!)?.round).equal(45);
    expect(view.consensus.block(dag.at(30, 1)[0]!)).equal(undefined);
    expect(view.consensus.receive(1, asMessage(dag.blocks[0]!), 0)).deep.equal([]);
    expect(view.consensus.sizes.shares).most((12 + 4) * 4);
  });

  it("a weak link to an invented block below the floor neither stalls nor is passed on", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 29);
    const invented = { round: 15, author: 2, digest: `0x${"cd".repeat(32)}` } as const;
    const bad = dag.block(3, 30, { weak: [invented] });
    for (const author of [0, 1, 2]) dag.block(author, 30);
    const member = new Consensus(configOf(4, 0, { retainedRounds: 10 }));
    member.restore(asLog(dag.blocks.filter((block) => block !== bad)));
    expect(member.floor).within(invented.round, invented.round + 9);
    expect(member.receive(3, asMessage(bad), 0).map((effect) => effect.kind)).deep.equal(
      ["accepted", "output"].slice(0, 1),
    );
    const own = member.propose(content, secretOf(0), 0)[0];
    assert(own?.kind === "accepted");
    expect(own.block.parents.map((ref) => ref.author)).deep.equal([0, 1, 2]);
  });

  it("who was not heard for K rounds is built upon again, once nobody in reach waits for what went unheard", () => {
    const retainedRounds = 10;
    const dag = builderOf(4);
    const member = new Consensus(configOf(4, 0, { retainedRounds }));
    dag.fullRounds(1, 1);
    member.restore(asLog(dag.blocks));
    let unheard: number | undefined;
    let linked: number | undefined;
    for (let round = 2; round < 60 && linked === undefined; round++) {
      // Everybody else goes on without author 3, which builds on everybody and on itself.
      const others = [1, 2].map((author) => dag.block(author, round, { strong: [0, 1, 2] }));
      const own = member.propose(content, secretOf(0), round)[0];
      assert(own?.kind === "accepted");
      dag.adopt(own.block);
      const late = dag.block(3, round, { strong: [0, 1, 2, 3] });
      for (const block of others) member.receive(block.author, asMessage(block), round);
      // Only what is above our floor is of any use to us by the time that it comes.
      if (round === 30) {
        unheard = member.floor;
        for (const block of dag.blocks)
          if (block.author === 3 && block.round > unheard) member.receive(3, asMessage(block), round);
      } else if (round > 30) member.receive(3, asMessage(late), round);
      const isLinked = own.block.parents.some(({ author }) => author === 3);
      if (round > 2 && isLinked) linked = member.floor;
    }
    assert(unheard !== undefined && linked !== undefined);
    expect(linked).to.be.within(unheard + retainedRounds - 1, unheard + retainedRounds + 2);
  });
});

describe("consensus: the coin", () => {
  it("bad shares are dropped with their author, the rest still makes the coin", () => {
    const { builder } = withheldDag(1, 8);
    const view = new View(4);
    // Author 0 sends a wrong share directly; its later blocks are not even there.
    view.consensus.receive(0, { kind: "coinShares", shares: [{ round: 6, signature: new Uint8Array(32) }] }, 0);
    const effects = view.feed(builder.blocks);
    const punished = effects.flatMap((effect) => (effect.kind === "punish" ? [[effect.member, effect.code]] : []));
    expect(punished).deep.equal([[0, "badShare"]]);
    expect(effects.filter((effect) => effect.kind === "coin").length).greaterThan(0);
    expect(view.status(1, 0)).not.equal("undecided");
  });

  it("a combined coin is taken when a slot asks for it, verified; a wrong one is punished", () => {
    const { builder } = withheldDag(1, COIN_DELAY + 1);
    const view = new View(4);
    view.feed(builder.blocks.filter((block) => block.round < 6 + COIN_DELAY));
    const shares = new Map([0, 1, 2].map((author) => [author, standInCoin("test", 4, author).share(6)!]));
    const signature = standInCoin("test", 4, 0).combine(6, shares).signature!;
    expect(sends(view.consensus.tick(0)).map((send) => send.message)).deep.equal([{ kind: "coinRequest", round: 6 }]);
    expect(view.consensus.tick(1)).deep.equal([]);
    const wrong = view.consensus.receive(2, { kind: "coin", round: 6, signature: new Uint8Array(32) }, 0);
    expect(wrong.map((effect) => effect.kind === "punish" && effect.code)).deep.equal(["badCoin"]);
    expect(view.consensus.receive(2, { kind: "coin", round: 6, signature }, 0)).deep.include({
      kind: "coin",
      round: 6,
      signature,
    });
    // Nobody asks for round 7's: not even verified.
    expect(view.consensus.receive(2, { kind: "coin", round: 7, signature: new Uint8Array(32) }, 0)).deep.equal([]);
    expect(sends(view.consensus.receive(3, { kind: "coinRequest", round: 6 }, 0))[0]!.message.kind).equal("coin");
  });

  it("a share is never given before the own block of round q + COIN_DELAY", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 6);
    const member = new Consensus(configOf(4, 0));
    member.restore(asLog(dag.blocks));
    expect(member.receive(1, { kind: "coinRequest", round: 6 - COIN_DELAY + 1 }, 0)).deep.equal([]);
    const newest = 6 - COIN_DELAY;
    const answer = sends(member.receive(1, { kind: "coinRequest", round: newest }, 0))[0]!.message;
    expect(answer).deep.equal({
      kind: "coinShares",
      shares: [{ round: newest, signature: standInCoin("test", 4, 0).share(newest)! }],
    });
  });

  it("shares released too early by a block are ignored", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 2);
    const view = new View(4);
    view.feed(dag.blocks);
    const early = dag.codec.seal(
      {
        author: 1,
        round: 3,
        parents: [1, 0, 2, 3]
          .map((author) => dag.at(2, author)[0]!)
          .map(({ round, author, digest }) => ({ round, author, digest })),
        payload: new Uint8Array(0),
        coinShares: [{ round: 3, signature: new Uint8Array(32) }],
        partials: [],
      },
      (digest) => configOf(4, undefined).signer!.sign(secretOf(1), digest),
    );
    view.feed([early]);
    expect(view.consensus.sizes.shares).equal(0);
  });
});

describe("consensus: checkpoint", () => {
  it("a learner that starts from it goes on exactly like the others, without any block below its floor", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 20);
    dag.fullRounds(21, 29, [0, 1, 2]);
    dag.fullRounds(30, 60);
    const changes = { retainedRounds: 8, activityWindow: 3 };
    const old = new View(4, changes);
    old.feed(upTo(dag.blocks, 30));
    const checkpoint = old.consensus.checkpoint();
    expect(checkpoint.round).greaterThan(20);
    const floor = checkpoint.committedRound - 8;
    const young = new View(4, { ...changes, checkpoint });
    expect(young.consensus.floor).equal(floor);
    young.feed(dag.blocks.filter((block) => block.round > floor));
    old.feed(dag.blocks);
    expect(young.outputs[0]!.round).equal(checkpoint.round + 1);
    expect(young.outputs.length).greaterThan(20);
    expect(young.outputs).deep.equal(old.outputs.slice(checkpoint.round));
    expect(young.consensus.vectorClock).deep.equal(old.consensus.vectorClock);
    expect(young.consensus.checkpoint()).deep.equal(old.consensus.checkpoint());
  });

  it("members at the same round have the same checkpoint, whatever else they have seen", () => {
    const dag = builderOf(4);
    dag.fullRounds(1, 20);
    const a = new View(4);
    const b = new View(4);
    a.feed(upTo(dag.blocks, 12));
    b.feed(upTo(dag.blocks, 12));
    b.feed(dag.blocks.filter((block) => block.round === 13).slice(0, 2));
    expect(b.consensus.checkpoint()).deep.equal(a.consensus.checkpoint());
  });
});
