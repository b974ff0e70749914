import { assert, expect } from "chai";
import { Consensus } from "../../src/consensus/consensus.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import { Pacing } from "../../src/consensus/pacing.ts";
import { configOf, secretOf } from "./support/network.ts";
import { builderOf } from "./support/random-dag.ts";
import { riggedCoin, withheldDag } from "./support/view.ts";

describe("consensus: waiting for stragglers", () => {
  it("waits a good half of the measured delay for an author that was lately in time, and only for such", () => {
    const dag = builderOf(4);
    const member = new Consensus(configOf(4, 0));
    const deliver = (author: number, round: number, nowMs: number) => {
      const block = dag.block(author, round, { strong: [1, 2, 3] });
      member.receive(author, { kind: "block", bytes: block.bytes }, nowMs);
      return block;
    };
    const propose = (nowMs: number) => member.propose({ payload: new Uint8Array(0), partials: [] }, secretOf(0), nowMs);
    propose(0);
    deliver(1, 1, 90);
    expect(member.proposal(95)).equal(undefined);
    deliver(2, 1, 100);
    // Nobody has been in time yet, so nobody is waited for; the delay is now known to be about 100.
    expect(member.proposal(100)).deep.equal({ kind: "ready", round: 2 });
    deliver(3, 1, 120);
    propose(130);
    deliver(1, 2, 220);
    deliver(2, 2, 230);
    expect(member.proposal(230)).deep.equal({ kind: "wait", untilMs: 285 });
    expect(member.proposal(284)).deep.equal({ kind: "wait", untilMs: 285 });
    expect(member.proposal(285)).deep.equal({ kind: "ready", round: 3 });
    deliver(3, 2, 250);
    expect(member.proposal(250)).deep.equal({ kind: "ready", round: 3 });
  });

  it("a crashed author costs at most three short waits; the wait is bounded whatever was measured", () => {
    const pacing = new Pacing(4);
    let nowMs = 0;
    const waits: number[] = [];
    for (let round = 1; round <= 8; round++) {
      pacing.proposed(round, nowMs);
      if (round <= 2) pacing.blockAccepted(3, round, nowMs);
      nowMs += 100_000;
      pacing.quorumReached(round, round <= 2 ? [] : [3], true, nowMs);
      const untilMs = pacing.waitUntil(round, [3], nowMs);
      waits.push(untilMs === undefined ? 0 : untilMs - nowMs);
    }
    expect(waits).deep.equal([400, 400, 400, 400, 0, 0, 0, 0]);
  });

  it("stops waiting where waiting does not make the parents full, and starts again where it does", () => {
    const pacing = new Pacing(4);
    let nowMs = 0;
    const isWaiting = (rounds: readonly [number, number], lateMs: number): boolean => {
      let waits = false;
      for (let round = rounds[0]; round <= rounds[1]; round++) {
        pacing.proposed(round, nowMs);
        nowMs += 100;
        pacing.quorumReached(round, [3], true, nowMs);
        waits = pacing.waitUntil(round, [3], nowMs) !== undefined;
        pacing.blockAccepted(3, round, nowMs + lateMs);
        // Now and then it is early: it stays worth waiting for by its own record.
        if (round % 3 === 0) pacing.blockAccepted(3, round + 1, nowMs + lateMs);
      }
      return waits;
    };
    expect(isWaiting([1, 20], 10)).equal(true);
    expect(isWaiting([21, 60], 190)).equal(false);
    expect(isWaiting([61, 100], 10)).equal(true);
  });

  it("waits longer where somebody regularly comes later than that, and no longer than it takes", () => {
    const pacing = new Pacing(4);
    let nowMs = 0;
    const waits = (rounds: readonly [number, number], lateMs: number): number => {
      let waitMs = 0;
      for (let round = rounds[0]; round <= rounds[1]; round++) {
        pacing.proposed(round, nowMs);
        nowMs += 100;
        pacing.quorumReached(round, [3], true, nowMs);
        waitMs = (pacing.waitUntil(round, [3], nowMs) ?? nowMs) - nowMs;
        nowMs += lateMs;
        pacing.blockAccepted(3, round, nowMs);
      }
      return waitMs;
    };
    expect(waits([1, 40], 40)).closeTo(55, 1);
    expect(waits([41, 80], 120)).closeTo(150, 1);
    expect(waits([81, 140], 40)).closeTo(55, 1);
  });

  it("stops waiting where full parents of its own do not close the window, for longer each time, and goes on where they do", () => {
    const pacing = new Pacing(4);
    let nowMs = 0;
    /** Rounds in which it waited: author 3 comes 40 ms after the quorum, all of them within the grace. */
    const waits = (from: number, to: number, isFirstWindow: boolean): number[] => {
      const waited: number[] = [];
      for (let round = from; round <= to; round++) {
        pacing.proposed(round, nowMs);
        nowMs += 100;
        pacing.quorumReached(round, [3], isFirstWindow, nowMs);
        if (pacing.waitUntil(round, [3], nowMs) !== undefined) {
          waited.push(round);
          nowMs += 40;
        }
        pacing.blockAccepted(3, round, nowMs);
        pacing.blockAccepted(3, round + 1, nowMs);
      }
      return waited;
    };
    expect(waits(1, 100, true).length).greaterThan(95);
    const before = waits(101, 1000, false);
    // It gives up within a few rounds and tries again, together with others, at multiples of 128, 256, 512 rounds.
    expect(before.filter((round) => round > 128 && round % 128 > 20)).deep.equal([]);
    expect(before.length).lessThan(60);
    const after = waits(1001, 2500, true);
    expect(after.at(-1)).equal(2500);
    expect(after[0]).equal(1024);
    expect(after.length).equal(2500 - 1024 + 1);
    // Where it has paid for long, whatever held members up for some rounds is over soon: that costs a short pause, each time anew.
    for (let from = 2501; from < 4000; from += 120) {
      waits(from, from + 11, false);
      expect(waits(from + 12, from + 119, true).length, `rounds from ${from}`).greaterThan(90);
    }
  });

  it("beyond the bound of uncommitted rounds, blocks carry no payload", () => {
    const { builder } = withheldDag(1, 20);
    const limits = { ...DEFAULT_CONSENSUS_LIMITS, maxUncommittedRounds: 10 };
    // No coin ever comes: the withheld slot of round 1 stays open.
    const coin = { ...riggedCoin(4, {}, 1), combine: () => ({ signature: undefined, bad: [] }) };
    const member = new Consensus(configOf(4, 1, { limits, coin }));
    const log = builder.blocks.map((block) => ({ kind: "block" as const, bytes: block.bytes }));
    member.restore(log.slice(0, 20));
    expect(member.acceptsPayload).equal(true);
    member.restore(log);
    expect(member.acceptsPayload).equal(false);
    const own = member.propose({ payload: Uint8Array.of(1), partials: [] }, secretOf(1), 0)[0];
    assert(own?.kind === "accepted");
    expect(own.block.payload.length).equal(0);
  });

  it("the last own block is sent again to whoever has not built on it, with back-off, and on connection", () => {
    const dag = builderOf(4);
    const member = new Consensus(configOf(4, 0));
    expect(member.connected(1, 0)).deep.equal([]);
    member.propose({ payload: new Uint8Array(0), partials: [] }, secretOf(0), 0);
    const targets = (nowMs: number) =>
      member.tick(nowMs).map((effect) => (effect.kind === "send" && effect.message.kind === "block" ? effect.to : "?"));
    expect(targets(100)).deep.equal([]);
    expect(targets(300)).deep.equal([1, 2, 3]);
    expect(targets(600)).deep.equal([]);
    const own = member.lastOwnBlock!;
    for (const author of [1, 2, 3]) dag.block(author, 1);
    const round1 = dag.blocks.slice();
    const knows = dag.block(2, 2, { strong: [own, 1, 2, 3] });
    for (const block of [...round1, knows]) member.receive(2, { kind: "block", bytes: block.bytes }, 700);
    // The delay measured by now is 700 ms: patience grows with it.
    expect(targets(900)).deep.equal([]);
    expect(targets(7000)).deep.equal([1, 3]);
    expect(member.connected(3, 7000).map((effect) => effect.kind === "send" && effect.to)).deep.equal([3]);
  });
});
