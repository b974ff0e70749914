/** What one member does when its committee changes; whole runs with faults are the simulator's (test/simulation). */
import { assert, expect } from "chai";
import { encodeConsensusMessage } from "../../src/consensus/wire.ts";
import { encodePayload } from "../../src/ledger/codec.ts";
import { accountIdOf, instructionDigest } from "../../src/ledger/instruction.ts";
import { MAX_FAILED_CHECKS } from "../../src/ledger/limits.ts";
import { encodeTransaction } from "../../src/ledger/reconfiguration/codec.ts";
import { makeApproval } from "../../src/ledger/reconfiguration/make.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { Member } from "../../src/member/member.ts";
import type { MemberEffect } from "../../src/member/types.ts";
import { decodeMessage, encodeMessage, epochOfMessage } from "../../src/member/wire.ts";
import { TEST_ASSET } from "../../src/testing/committee.ts";
import { standInAddress } from "../../src/testing/stand-in.ts";
import type { Engine, Suite } from "../../src/threshold/types.ts";
import { createWorld } from "./changes.ts";

const codesOf = (effects: readonly MemberEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "taken" ? effect.codes : []));

describe("member: changes of the committee", () => {
  it("refreshes its shares and goes on in the next epoch, which is the last thing it says in a step", () => {
    const world = createWorld();
    const proposal = world.propose([0, 1, 2, 3]);
    for (const bytes of world.approvals(proposal, [0, 1, 2]))
      expect(codesOf(world.step(3, { kind: "transactions", transactions: [bytes] }))).to.deep.equal(["accepted"]);
    world.run(() => [...world.members.values()].every(({ committee }) => committee.epoch === 1n));
    for (const person of [0, 1, 2, 3]) {
      const [turn] = world.effectsOf(person, "epoch");
      assert(turn !== undefined);
      expect(turn.self).to.equal(person);
      expect(turn.header.epoch).to.equal(0n);
      expect(turn.certificates.map(({ suite }) => suite)).to.have.members(["bls12-381", "bn254"]);
      const { effects } = world.log.find((entry) => entry.person === person && entry.effects.includes(turn))!;
      expect(effects.at(-1)).to.equal(turn);
      // Nothing of the new epoch leaves before the node could store where it begins.
      const epochs = effects.flatMap((effect) => (effect.kind === "send" ? [epochOfMessage(effect.bytes)] : []));
      expect(new Set(epochs)).to.deep.equal(new Set([0n]));
      const member = world.members.get(person)!;
      expect(member.isSigner).to.equal(true);
      expect(member.committee.keys.bn254.groupKey).to.equal(world.test.committee.keys.bn254.groupKey);
      expect(member.committee.keys.bn254.publicShares).to.not.deep.equal(world.test.committee.keys.bn254.publicShares);
    }
    // And orders and certifies there.
    world.run(() => world.members.get(0)!.consensus.nextDecision.round > 3);
  });

  it("signs again in the next epoch after its log was torn in this one", () => {
    const world = createWorld();
    const torn = new Member(world.configOf(3));
    // The register has a block of ours that the log has not.
    torn.restore({ log: [], certificates: [], registered: () => undefined, signedRound: 1 }, () => {});
    world.members.set(3, torn);
    for (const bytes of world.approvals(world.propose([0, 1, 2, 3]), [0, 1, 2]))
      world.step(0, { kind: "transactions", transactions: [bytes] });
    let signed = 0;
    world.run(() => {
      if (torn.committee.epoch === 0n) signed = Math.max(signed, torn.consensus.lastOwnRound);
      return torn.committee.epoch === 1n;
    });
    expect(signed).to.equal(0);
    world.run(() => torn.consensus.lastOwnRound > 0);
  });

  it("says what is wrong with a transaction, and holds nothing of it", () => {
    const world = createWorld();
    const { test, addresses, identities } = world;
    const proposal = world.propose([0, 1, 2, 3]);
    const take = (...transactions: Uint8Array[]) => codesOf(world.step(0, { kind: "transactions", transactions }));
    const [approval] = world.approvals(proposal, [1]);
    expect(take(new Uint8Array(7), approval!, approval!)).to.deep.equal(["malformed", "accepted", "known"]);
    expect(take(...world.approvals(world.propose([0, 1, 2, 3], 1n, 2n), [2]))).to.deep.equal(["notCurrent"]);
    expect(take(...world.approvals(proposal, [7]))).to.deep.equal(["stranger"]);
    const forged = makeApproval(test.committee.id, proposal, addresses[2]!, (digest) =>
      test.identities.sign(identities[3]!, digest),
    );
    expect(take(encodeTransaction(forged))).to.deep.equal(["badSignature"]);
    const [first, ...rest] = world.propose([4, 5, 6, 7]).members;
    const stolen = { ...proposal, members: [{ ...first!, proof: rest[0]!.proof }, ...rest] };
    expect(take(...world.approvals(stolen, [2]))).to.deep.equal(["badProposal"]);
    const many = [2n, 3n, 4n, 5n].map((attempt) => world.approvals(world.propose([0, 1, 2, 3], attempt), [1])[0]!);
    expect(take(...many)).to.deep.equal(["accepted", "accepted", "accepted", "tooMany"]);
  });

  it("proposes a transaction until its own block was output, whatever became of a copy in a malicious block", () => {
    const world = createWorld();
    const { members, test, muted } = world;
    const proposal = world.propose([0, 1, 2, 3]);
    const [ours, ...others] = world.approvals(proposal, [0, 1, 2]);
    // The malicious member sees our approval before anybody else does, and orders it behind forgeries that end a carrier's turn.
    muted.add(0);
    world.step(0, { kind: "transactions", transactions: [ours!] });
    const malicious = members.get(3)!;
    assert(malicious.consensus.proposal(0)?.kind === "ready");
    const forgeries = Array.from({ length: MAX_FAILED_CHECKS }, (_, i) => Uint8Array.of(i));
    const payload = encodePayload({ instructions: [], observations: [], transactions: [...forgeries, ours!] });
    for (const effect of malicious.consensus.propose({ payload, partials: [] }, test.secrets[3]!.identity, 0)) {
      if (effect.kind !== "send") continue;
      const bytes = encodeMessage(0n, { kind: "consensus", bytes: encodeConsensusMessage(effect.message) });
      for (const person of [0, 1, 2]) world.step(person, { kind: "message", epoch: 0n, from: 3, bytes });
    }
    const isCounted = () => members.get(1)!.ledger.epochs!.open.some(({ approvals }) => approvals.length > 0);
    // Meanwhile no block of ours comes through, and those with the approval sink below everybody's floor.
    world.run(() => members.get(1)!.consensus.floor > 2);
    expect(members.get(1)!.consensus.vectorClock[3]).to.be.at.least(1);
    expect(isCounted()).to.equal(false);
    muted.delete(0);
    world.run(isCounted);
    world.step(1, { kind: "transactions", transactions: others });
    world.run(() => [...members.values()].every(({ committee }) => committee.epoch === 1n));
  });

  it("asks its node once to deal and once to open, and shows READY only with shares that it was given", () => {
    const world = createWorld();
    world.diligent.delete(3);
    const proposal = world.propose([0, 1, 2, 3]);
    world.step(0, { kind: "transactions", transactions: world.approvals(proposal, [0, 1, 2]) });
    world.run(() => world.members.get(3)!.committee.epoch === 1n);
    const tasks = world.effectsOf(3, "task").map(({ task }) => task.kind);
    expect(tasks.filter((kind) => kind === "deal")).to.have.length(1);
    // Once for the attempt, and again as a member of an epoch that it has no shares of.
    world.step(3, { kind: "tick" });
    const opens = world.effectsOf(3, "task").flatMap(({ task }) => (task.kind === "open" ? [task.epoch] : []));
    expect(opens).to.deep.equal([1n, 1n]);
    expect(world.members.get(3)!.isSigner).to.equal(false);
  });

  it("follows an epoch without signing in it until its shares come, from what the ledger keeps of the deals", () => {
    const world = createWorld();
    world.diligent.delete(3);
    const proposal = world.propose([0, 1, 2, 3]);
    world.step(0, { kind: "transactions", transactions: world.approvals(proposal, [0, 1, 2]) });
    world.run(() => world.members.get(3)!.committee.epoch === 1n);
    world.run(() => world.members.get(3)!.consensus.nextDecision.round > 3);
    expect(world.members.get(3)!.consensus.lastOwnRound).to.equal(0);
    const task = world.effectsOf(3, "task").at(-1)!.task;
    assert(task.kind === "open");
    // A second life of the same node may only have come to this now.
    world.diligent.add(3);
    const again = new Member({
      ...world.configOf(3),
      committee: world.members.get(3)!.committee,
      start: startOf(world, 3),
      secrets: { identity: world.identities[3]!, shares: undefined },
    });
    world.members.set(3, again);
    world.run(() => again.isSigner && again.consensus.lastOwnRound > 0);
    const registered = world
      .effectsOf(3, "persist")
      .flatMap(({ write }) => write.register.map(({ kind, position }) => `${kind}/${position}`));
    expect(new Set(registered).size).to.equal(registered.length);
  });

  it("signs what was settled before its shares came: an epoch could not end otherwise", () => {
    const world = createWorld();
    let isMalicious = false;
    const config = world.configOf(2);
    const isOfBatch = (message: Uint8Array): boolean =>
      world.members.get(2)!.ledger.epochs?.attempt?.readyDigest !== bytesToHex(message);
    const malicious = (suite: Suite): Engine => ({
      ...config.engines[suite],
      sign: (secret, message) =>
        config.engines[suite].sign(secret, isMalicious && isOfBatch(message) ? message.toReversed() : message),
    });
    const engines = { "bls12-381": malicious("bls12-381"), bn254: malicious("bn254") };
    world.members.set(2, new Member({ ...config, engines }));
    world.diligent.delete(3);
    world.step(0, { kind: "transactions", transactions: world.approvals(world.propose([0, 1, 2, 3]), [0, 1, 2]) });
    world.run(() => [0, 1, 2, 3].every((person) => world.members.get(person)!.committee.epoch === 1n));
    // From here on it orders with the others, says that it is ready, and signs no batch.
    isMalicious = true;
    const second = world.propose([0, 1, 2, 3], 1n, 2n);
    world.step(0, { kind: "transactions", transactions: world.approvals(second, [0, 1, 2]) });
    world.run(() => world.members.get(0)!.ledger.epoch === 2n);
    const settled = world.members.get(0)!.ledger.sequence;
    let rounds = 0;
    world.run(() => rounds++ === 20);
    expect(world.members.get(0)!.certifiedSequence < settled).to.equal(true);
    const late = world.effectsOf(3, "task").find(({ task }) => task.kind === "open" && task.epoch === 1n);
    assert(late !== undefined);
    world.work(3, late.task);
    world.run(() => [0, 1, 3].every((person) => world.members.get(person)!.committee.epoch === 2n), 60);
  });

  it("registers the handover before its partial leaves, and leaves a signed one behind", () => {
    const world = createWorld();
    const proposal = world.propose([3, 4, 5, 6]);
    world.step(0, { kind: "transactions", transactions: world.approvals(proposal, [0, 1, 2]) });
    // People who join have no member: their READY comes through somebody's API.
    world.run(() => world.members.get(0)!.ledger.epochs?.attempt?.phase === "opening");
    expect(world.members.get(0)!.ledger.epochs?.attempt?.kind).to.equal("generation");
    const registered = (person: number) =>
      world
        .effectsOf(person, "persist")
        .flatMap(({ write }) => write.register.filter(({ kind }) => kind === "handover"));
    expect([0, 1, 2, 3].flatMap(registered)).to.deep.equal([]);
    for (const person of [4, 5, 6]) expect(codesOf(world.ready(person, 0))).to.deep.equal(["accepted"]);
    world.run(() => world.effectsOf(3, "epoch").length > 0 && world.effectsOf(0, "epoch").length > 0);
    const { epochs } = world.members.get(3)!.ledger;
    const [handover] = epochs!.handovers;
    assert(handover !== undefined && epochs!.handovers.length === 1);
    expect(handover.groupKeys.bn254).to.not.equal(world.test.committee.keys.bn254.groupKey);
    for (const person of [0, 1, 2, 3]) {
      const entries = registered(person);
      expect(entries.map(({ position }) => position)).to.deep.equal([1n]);
      const { effects } = world.log.find(
        (entry) =>
          entry.person === person &&
          entry.effects.some((effect) => effect.kind === "persist" && effect.write.register.includes(entries[0]!)),
      )!;
      // In the one write of the step in which the partial is made; whatever carries it leaves after that.
      expect(effects.findIndex((effect) => effect.kind === "persist")).to.equal(0);
    }
    expect(world.members.get(0)!.isRetired).to.equal(true);
  });

  it("retires when it is left out: serves, takes nothing more and signs nothing more", () => {
    const world = createWorld(5);
    const proposal = world.propose([0, 1, 2, 3]);
    world.step(0, { kind: "transactions", transactions: world.approvals(proposal, [0, 1, 2, 3]) });
    world.run(() => [...world.members.values()].every((member) => member.isRetired || member.committee.epoch === 1n));
    const member = world.members.get(4)!;
    expect(member.isRetired).to.equal(true);
    expect(world.effectsOf(4, "epoch")[0]?.self).to.equal(undefined);
    const before = world.log.length;
    for (let i = 0; i < 20; i++) {
      world.wait(1000);
      world.step(4, { kind: "tick" });
    }
    const later = world.log.slice(before).flatMap(({ effects }) => effects.map(({ kind }) => kind));
    expect(later).to.not.include.members(["persist"]);
    expect(later).to.not.include("epoch");
    expect(codesOf(world.step(4, { kind: "transactions", transactions: [new Uint8Array(1)] }))).to.deep.equal([
      "unavailable",
    ]);
    // Its peers of the old epoch may still lack what it has.
    const wanted = encodeMessage(0n, { kind: "certificatesWanted", from: 0n });
    const answer = world.step(4, { kind: "message", epoch: 0n, from: 1, bytes: wanted });
    expect(answer.some((effect) => effect.kind === "send")).to.equal(true);
  });

  it("retires when its node was shown that a later epoch is without it, and not when it went on meanwhile", () => {
    const world = createWorld();
    const { test } = world;
    const secret = new Uint8Array(32).fill(1);
    const signer = standInAddress(secret);
    const body = {
      kind: "transfer",
      from: accountIdOf(signer),
      to: accountIdOf(signer, 1n),
      asset: TEST_ASSET,
    } as const;
    const instruction = { head: { signer, lane: 0n, nonce: 0n, namedBatch: 0n }, body: { ...body, amount: 1n } };
    const digest = instructionDigest(test.committee.id, instruction);
    const signed = { instruction, signature: test.identities.sign(secret, digest) };
    const kindsOf = (effects: readonly MemberEffect[]) => effects.map(({ kind }) => kind);
    world.step(1, { kind: "submit", instructions: [signed] });

    expect(kindsOf(world.step(1, { kind: "leave", epoch: 1n }))).to.not.include("left");
    expect(world.members.get(1)!.isRetired).to.equal(false);

    const [left] = world.step(1, { kind: "leave", epoch: 0n }).filter((effect) => effect.kind === "left");
    expect(left?.undecided).to.deep.equal([signed]);
    expect(world.members.get(1)!.isRetired).to.equal(true);
    expect(kindsOf(world.step(1, { kind: "leave", epoch: 0n }))).to.not.include("left");
    const verdicts = world
      .step(1, { kind: "submit", instructions: [signed] })
      .flatMap((effect) => (effect.kind === "verdict" ? [effect.verdict.code] : []));
    expect(verdicts).to.deep.equal(["retired"]);
    const before = world.log.length;
    // The three others are a quorum, and it hears all that they say.
    world.run(() => world.members.get(0)!.consensus.nextDecision.round > 3);
    const own = world.log.slice(before).filter(({ person }) => person === 1);
    const blocks = own.flatMap(({ effects }) =>
      effects.flatMap((effect) => (effect.kind === "persist" ? effect.write.register : [])),
    );
    expect(blocks.filter(({ kind }) => kind === "block")).to.deep.equal([]);
  });

  it("tells those that are behind what closed their epoch, not more often than they can use", () => {
    const world = createWorld();
    const proposal = world.propose([0, 1, 2, 3]);
    world.step(0, { kind: "transactions", transactions: world.approvals(proposal, [0, 1, 2]) });
    world.run(() => world.members.get(0)!.committee.epoch === 1n);
    const stale = encodeMessage(0n, { kind: "certificatesWanted", from: 0n });
    world.wait(10_000);
    const answers = [1, 2, 3].flatMap(() => world.step(0, { kind: "message", epoch: 1n, from: 1, bytes: stale }));
    const closed = answers.flatMap((effect) => {
      if (effect.kind !== "send" || epochOfMessage(effect.bytes) !== 0n) return [];
      return [decodeMessage(effect.bytes)];
    });
    expect(closed.map(({ kind }) => kind)).to.deep.equal(["closed"]);
    // What an old transport still delivers is nobody's word: its indices mean others.
    expect(world.step(0, { kind: "message", epoch: 0n, from: 1, bytes: new Uint8Array(1) })).to.deep.equal([]);
  });

  it("looks for a later epoch only after a while of hearing of it, and then not all the time", () => {
    const world = createWorld();
    world.cut.add(0);
    const ahead = encodeMessage(5n, { kind: "certificatesWanted", from: 0n });
    const behind = () => world.effectsOf(0, "behind").map(({ epoch }) => epoch);
    world.step(0, { kind: "message", epoch: 0n, from: 1, bytes: ahead });
    expect(behind()).to.deep.equal([]);
    for (let i = 0; i < 8; i++) {
      world.wait(500);
      world.step(0, { kind: "message", epoch: 0n, from: 1, bytes: ahead });
    }
    expect(behind()).to.deep.equal([1n]);
  });

  it("suspects nothing because of closing certificates that nobody signed, and blames who sends them", () => {
    const world = createWorld();
    const proposal = world.propose([0, 1, 2, 3]);
    const fresh = createWorld();
    world.step(0, { kind: "transactions", transactions: world.approvals(proposal, [0, 1, 2]) });
    world.run(() => world.members.get(0)!.committee.epoch === 1n);
    const { certificates } = world.effectsOf(0, "epoch")[0]!;
    const forged = certificates.map((certificate) => ({
      ...certificate,
      header: { ...certificate.header, state: certificate.header.history },
    }));
    const send = (bytes: Uint8Array) => {
      const effects = fresh.step(0, { kind: "message", epoch: 0n, from: 1, bytes });
      return effects.flatMap((effect) => (effect.kind === "punish" ? [effect.code] : []));
    };
    expect(send(encodeMessage(0n, { kind: "closed", certificates: forged }))).to.include("badCertificate");
    fresh.wait(2000);
    fresh.step(0, { kind: "tick" });
    expect(fresh.effectsOf(0, "behind")).to.deep.equal([]);
    // The genuine ones are by the same keys: this member has not settled that batch.
    expect(send(encodeMessage(0n, { kind: "closed", certificates }))).to.deep.equal([]);
    fresh.wait(2000);
    fresh.step(0, { kind: "tick" });
    expect(fresh.effectsOf(0, "behind").map(({ epoch }) => epoch)).to.deep.equal([1n]);
  });
});

function startOf(world: ReturnType<typeof createWorld>, person: number) {
  const { header, certificates, change } = world.effectsOf(person, "epoch")[0]!;
  return { header, certificates, snapshot: change.snapshot };
}
