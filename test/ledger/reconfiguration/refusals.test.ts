import { expect } from "chai";
import {
  ACTIVATION_ROUNDS,
  MAX_EXAMINED_PER_EPOCH,
  MAX_EXAMINED_PER_ROUND,
  MAX_FAILED_CHECKS,
  MAX_TRANSACTION_BYTES,
} from "../../../src/ledger/limits.ts";
import { encodeTransaction } from "../../../src/ledger/reconfiguration/codec.ts";
import { makeReady } from "../../../src/ledger/reconfiguration/make.ts";
import type { EpochTransaction, Proposal } from "../../../src/ledger/reconfiguration/types.ts";
import { createStandInReshare, makeStandInMember } from "../../../src/testing/stand-in-reshare.ts";
import { ThresholdError } from "../../../src/threshold/errors.ts";
import { ENGINES, people, person, signer, steps, World } from "./world.ts";

const abcd = people("abcd");
const bcde = people("bcde");
const [a, b, c, d] = abcd as [(typeof abcd)[0], (typeof abcd)[0], (typeof abcd)[0], (typeof abcd)[0]];
const stranger = person("z");

describe("approvals", () => {
  const refusals: readonly [string, (w: World) => Proposal, string][] = [
    ["too few members", (w) => w.proposal(people("abc")), "wrongSize"],
    ["a member twice", (w) => w.proposal(people("abcda")), "repeatedMember"],
    [
      "two members with one encryption key",
      (w) => {
        const proposal = w.proposal(bcde);
        const secret = w.encryptionSecret(b, 1n);
        const copied = makeStandInMember(w.scope(1n), stranger.address, stranger.secret, secret);
        return { ...proposal, members: [...proposal.members, copied] };
      },
      "duplicateKey",
    ],
    [
      "an announcement of another attempt",
      (w) => ({ ...w.proposal(bcde), members: [...w.proposal(bcde).members.slice(1), w.member(a, 2n)] }),
      "badSignature",
    ],
    [
      "a public key of somebody else",
      (w) => {
        const { members, ...rest } = w.proposal(bcde);
        return { ...rest, members: members.map((member) => ({ ...member, publicKey: members[0]!.publicKey })) };
      },
      "malformed",
    ],
  ];
  for (const [what, make, code] of refusals) {
    it(`refuse a proposal with ${what}: ${code}, whoever approves it`, () => {
      const w = new World(abcd);
      const proposal = make(w);
      for (const who of abcd) {
        const [event] = w.send(w.approve(proposal, who));
        expect(event).include({ step: "refused", code, member: who.address });
        // The same again is not examined again.
        expect(w.send(w.approve(proposal, who))).deep.equal([]);
      }
      expect(w.epochs).deep.include({ open: [], attempt: undefined });
    });
  }

  it("count members of the current committee only, once each, for the next epoch only", () => {
    const w = new World(abcd);
    const proposal = w.proposal(bcde);
    expect(w.send(w.approve(proposal, stranger))).deep.equal([]);
    for (const epoch of [0n, 2n]) expect(w.send(w.approve({ ...proposal, epoch }, a))).deep.equal([]);
    expect(w.send(w.approve({ ...proposal, attempt: 0n }, a))).deep.equal([]);
    w.send(w.approve(proposal, a), w.approve(proposal, a), w.approve(proposal, b));
    expect(w.epochs.open[0]?.approvals).deep.equal([a.address, b.address].sort());
    expect(w.epochs.attempt).equal(undefined);
  });

  it("count only under the approver's own signature over this very proposal", () => {
    const w = new World(abcd);
    const proposal = w.proposal(bcde);
    const { signature } = w.approve(w.proposal(abcd), b);
    for (const forged of [w.approve(proposal, a).signature, signature]) {
      expect(w.send({ ...w.approve(proposal, b), signature: forged })).deep.equal([]);
    }
    expect(w.epochs.open).deep.equal([]);
  });

  it("are withdrawn by a later attempt of the same member, and never replaced by an earlier one", () => {
    const w = new World(abcd);
    const [first, second] = [w.proposal(bcde, 1n), w.proposal(people("abce"), 2n)];
    w.send(w.approve(first, a), w.approve(first, b));
    w.send(w.approve(second, a));
    expect(w.epochs.open.map(({ approvals }) => approvals)).deep.equal([[b.address], [a.address]]);
    w.send(w.approve(second, b));
    expect(w.epochs.open.map(({ proposal }) => proposal.attempt)).deep.equal([2n]);
    expect(w.send(w.approve(first, a), w.approve(first, b))).deep.equal([]);
    expect(steps(w.send(w.approve(first, c), w.approve(first, d)))).deep.equal(["proposed", "approved"]);
    expect(w.epochs.attempt).equal(undefined);
  });

  it("of two proposals for one attempt: the first counts and the member is blamed, once", () => {
    const w = new World(abcd);
    const [first, second] = [w.proposal(bcde), w.proposal(people("abce"))];
    w.send(w.approve(first, a));
    const fault = { member: a.address, code: "approvedTwice" };
    const blamed = w.send(w.approve(second, a));
    expect(blamed).deep.equal([{ ...blamed[0], step: "blamed", fault }]);
    expect(w.send(w.approve(second, a), w.approve(w.proposal(people("abcf")), a))).deep.equal([]);
    w.send(w.approve(second, b));
    expect(w.epochs.open.map(({ approvals }) => approvals.length)).deep.equal([1, 1]);
    w.send(w.approve(first, c), w.approve(first, d));
    expect(w.attempt.proposal).deep.equal(first);
    expect(w.attempt.faults).deep.equal([fault]);
    // What was approved for this attempt or an earlier one is settled.
    expect(w.epochs.open).deep.equal([]);
    expect(w.send(w.approve(second, c), w.approve(second, d))).deep.equal([]);
  });

  it("let a member have a few new proposals examined a round and in an epoch, however many it signs", () => {
    let examined = 0;
    const scheme = createStandInReshare();
    const counting: typeof scheme = {
      ...scheme,
      faultOfAnnouncements: (id, proposal) => {
        examined++;
        return scheme.faultOfAnnouncements(id, proposal);
      },
    };
    const w = new World(abcd, { scheme: counting });
    const proposals = Array.from({ length: MAX_EXAMINED_PER_EPOCH + 4 }, (_, i) => w.proposal(bcde, BigInt(i) + 1n));
    w.send(...proposals.slice(0, 8).map((proposal) => w.approve(proposal, a)));
    expect(examined).equal(MAX_EXAMINED_PER_ROUND);
    expect(w.epochs.open.map(({ proposal }) => proposal.attempt)).deep.equal([BigInt(MAX_EXAMINED_PER_ROUND)]);
    for (const proposal of proposals) w.send(w.approve(proposal, a));
    expect(examined).equal(MAX_EXAMINED_PER_EPOCH);
    // It may still join others.
    const last = proposals.at(-1)!;
    expect(steps(w.send(w.approve(last, b), w.approve(last, a)))).deep.equal(["proposed", "approved"]);
    expect(examined).equal(MAX_EXAMINED_PER_EPOCH + 1);
  });
});

describe("deals", () => {
  const start = (): World => {
    const w = new World(abcd);
    w.agree(w.proposal(bcde), abcd);
    return w;
  };

  it("count from old members under their own signature, for this attempt only", () => {
    const w = start();
    const deal = w.deal(a);
    expect(w.send({ ...deal, dealer: stranger.address })).deep.equal([]);
    expect(w.send({ ...deal, dealer: b.address })).deep.equal([]);
    expect(w.send({ ...deal, attempt: 2n })).deep.equal([]);
    expect(w.send({ ...deal, epoch: 2n })).deep.equal([]);
    expect(w.attempt.dealt).deep.equal([]);
    expect(steps(w.send(deal))).deep.equal(["dealt"]);
  });

  it("are blamed by name and never again looked at when they are wrong", () => {
    const w = start();
    const other = new World(people("wxyz"));
    other.agree(other.proposal(bcde), people("wxyz"));
    // The right form, another secret: a stranger's share.
    w.shares.set(b.address, other.shares.get(person("w").address)!);
    const [event] = w.send(w.deal(b));
    expect(event?.fault).deep.equal({ member: b.address, code: "wrongSecret", suite: "bls12-381" });
    expect(w.send(w.deal(b, "again"))).deep.equal([]);
    expect(w.attempt).deep.include({ qualified: [], dealt: [b.address] });
    w.send(w.deal(a), w.deal(c), w.deal(d));
    expect(w.attempt.phase).equal("opening");
  });

  it("of one dealer: the first decides; another one is blamed, the same one again is not", () => {
    const w = start();
    const [first, second] = [w.deal(a), w.deal(a, "another")];
    w.send(first);
    expect(w.send(first)).deep.equal([]);
    const [event] = w.send(second);
    expect(event?.fault).deep.equal({ member: a.address, code: "dealtTwice" });
    expect(w.send(second)).deep.equal([]);
    expect(w.attempt.qualified.map(({ deals }) => deals)).deep.equal([first.deals]);
    expect(w.attempt.faults.length).equal(1);
  });

  it("that another attempt's members were dealt are worth nothing after it is superseded", () => {
    const w = start();
    const old = [a, b, c].map((who) => w.deal(who));
    w.send(...old.slice(0, 2));
    const events = w.agree(w.proposal(people("abce"), 2n), abcd);
    expect(steps(events)).deep.equal(["proposed", "approved", "approved", "superseded", "tookEffect"]);
    expect(w.attempt).deep.include({ phase: "dealing", qualified: [], dealt: [], faults: [] });
    expect(w.send(...old)).deep.equal([]);
    w.send(...[a, b, c].map((who) => w.deal(who)));
    expect(w.attempt.phase).equal("opening");
  });

  it("that make no key end the attempt, and the committee goes on to another", () => {
    const scheme = createStandInReshare();
    let cancels = true;
    const w = new World(abcd, {
      scheme: {
        ...scheme,
        aggregate: (context, qualified) => {
          if (cancels) throw new ThresholdError("invalidDeal", "the deals cancel out");
          return scheme.aggregate(context, qualified);
        },
      },
    });
    w.agree(w.proposal(bcde), abcd);
    const events = w.send(...[a, b, c].map((who) => w.deal(who)));
    expect(events.at(-1)).include({ step: "failed", code: "invalidDeal" });
    expect(w.epochs.attempt).equal(undefined);
    cancels = false;
    expect(w.agree(w.proposal(bcde, 1n), abcd)).deep.equal([]);
    expect(w.change(abcd, bcde, 2n).closes?.committee.epoch).equal(1n);
  });
});

describe("READYs", () => {
  const open = (): World => {
    const w = new World(abcd);
    w.agree(w.proposal(bcde), abcd);
    w.send(...[a, b, c].map((who) => w.deal(who)));
    return w;
  };

  it("count from proposed members, once each, under their own signature", () => {
    const w = open();
    const ready = w.ready(b);
    expect(w.send({ ...ready, member: a.address })).deep.equal([]);
    expect(w.send({ ...ready, member: c.address })).deep.equal([]);
    expect(w.send({ ...ready, attempt: 2n })).deep.equal([]);
    expect(steps(w.send(ready))).deep.equal(["ready"]);
    expect(w.send(ready)).deep.equal([]);
    expect(w.attempt.ready).deep.equal([b.address]);
  });

  it("with a wrong partial in either suite count nothing and name their member; what strangers change names nobody", () => {
    const w = open();
    const { proposal, readyDigest } = w.attempt;
    const right = w.open(b);
    const foreign = w.open(c);
    const bad = (shares: typeof right, who = b) =>
      makeReady(w.genesis.committeeId, ENGINES, proposal, readyDigest!, who.address, shares, signer(who));
    const stolen = w.ready(b);
    expect(w.send({ ...stolen, partials: bad(foreign).partials })).deep.equal([]);
    const [first] = w.send(bad({ ...right, bn254: foreign.bn254 }));
    expect(first?.fault).deep.equal({ member: b.address, code: "wrongPartial", suite: "bn254" });
    const own = w.open(d);
    const [second] = w.send(bad({ ...own, "bls12-381": foreign["bls12-381"] }, d));
    expect(second?.fault).deep.equal({ member: d.address, code: "wrongPartial", suite: "bls12-381" });
    // The first READY decides, so that a member cannot have a committee verify without end.
    expect(w.send(w.ready(b))).deep.equal([]);
    expect(w.attempt.ready).deep.equal([]);
  });

  it("of n′ − f′ stop everything that would supersede the attempt", () => {
    const w = open();
    w.agree(w.proposal(people("abcf"), 2n), [a, b]);
    w.send(...[b, c].map((who) => w.ready(who)));
    expect(w.attempt.phase).equal("opening");
    w.send(w.ready(d));
    expect(w.attempt.phase).equal("closing");
    const later = w.proposal(people("abcf"), 2n);
    expect(w.send(...abcd.map((who) => w.approve(later, who)))).deep.equal([]);
    expect(w.idle(ACTIVATION_ROUNDS - 1)?.closes?.committee.members.map(({ address }) => address)).deep.equal(
      bcde.map(({ address }) => address),
    );
    // The open proposal was for the epoch that has begun now.
    expect(w.epochs.open).deep.equal([]);
  });

  it("may still be superseded while they are too few", () => {
    const w = open();
    w.send(...[b, c].map((who) => w.ready(who)));
    w.agree(w.proposal(people("abcf"), 2n), abcd);
    expect(w.attempt).deep.include({ phase: "dealing", ready: [], keys: undefined });
  });
});

describe("handovers", () => {
  const handover = (): World => {
    const w = new World(abcd);
    w.prepare(people("wxyz"), abcd);
    expect(w.attempt.phase).equal("handover");
    return w;
  };

  it("count right partials of old members only, and blame nobody, because anybody can send wrong ones", () => {
    const w = handover();
    const right = w.handover(a);
    expect(w.send({ ...right, member: stranger.address })).deep.equal([]);
    expect(w.send({ ...right, member: b.address })).deep.equal([]);
    const other = w.handover(b).partials;
    for (const partials of [
      { ...right.partials, bn254: other.bn254 },
      { ...right.partials, "bls12-381": other["bls12-381"] },
    ])
      expect(w.send({ ...right, partials })).deep.equal([]);
    expect(w.attempt).deep.include({ faults: [] });
    expect(w.attempt.handover?.signed).deep.equal([]);
    expect(steps(w.send(right))).deep.equal(["handoverSigned"]);
    expect(w.send(right)).deep.equal([]);
    w.send(w.handover(b));
    expect(w.epochs.handovers).deep.equal([]);
    const late = w.handover(d);
    w.send(w.handover(c));
    expect(w.send(late)).deep.equal([]);
    expect(w.attempt.handover?.signed.length).equal(3);
  });

  it("mean nothing before there is anything to hand over", () => {
    const [w, early] = [handover(), new World(abcd)];
    const partial = w.handover(a);
    expect(early.send(partial)).deep.equal([]);
    early.agree(early.proposal(people("wxyz")), abcd);
    expect(early.send(partial)).deep.equal([]);
    early.send(...abcd.map((who) => early.deal(who)));
    expect(early.send(partial)).deep.equal([]);
    expect(early.attempt.phase).equal("opening");
  });

  it("wait for n − f partials, and nothing supersedes the attempt meanwhile", () => {
    const w = handover();
    const later = w.proposal(bcde, 2n);
    expect(w.send(...abcd.map((who) => w.approve(later, who)))).deep.equal([]);
    expect(w.idle(3 * ACTIVATION_ROUNDS)).equal(undefined);
    expect(w.ledger.epoch).equal(0n);
  });
});

describe("what carriers send", () => {
  it("changes nothing when it is garbage, too long, of an unknown kind or longer than it need be", () => {
    const [w, clean] = [new World(abcd), new World(abcd)];
    w.agree(w.proposal(bcde), abcd);
    clean.agree(clean.proposal(bcde), abcd);
    const deal = encodeTransaction(w.deal(a));
    const garbage = [
      new Uint8Array(0),
      Uint8Array.of(9, 1, 2, 3),
      new Uint8Array(MAX_TRANSACTION_BYTES + 1),
      Uint8Array.from([...deal, 0]),
      deal.subarray(1),
    ];
    for (const bytes of garbage) {
      expect(w.send(bytes)).deep.equal([]);
      clean.idle();
    }
    w.send(w.deal(b));
    clean.send(clean.deal(b));
    expect(w.ledger.header).deep.equal(clean.ledger.header);
    expect(w.ledger.snapshot()).deep.equal(clean.ledger.snapshot());
  });

  it("is left to honest carriers after a few checks that failed, for that round", () => {
    const w = new World(abcd);
    w.agree(w.proposal(bcde), abcd);
    const forged = { ...w.deal(b), signature: w.deal(a).signature };
    const many: EpochTransaction[] = Array.from({ length: MAX_FAILED_CHECKS }, () => forged);
    expect(w.carry(3, ...many, w.deal(a))).deep.equal([]);
    expect(steps(w.carry(3, ...many.slice(1), w.deal(a)))).deep.equal(["dealt"]);
    const both = w.apply([
      { author: 3, instructions: [], observations: [], transactions: [...many, w.deal(b)].map(encodeTransaction) },
      { author: 1, instructions: [], observations: [], transactions: [encodeTransaction(w.deal(c))] },
    ]);
    expect(both?.events).deep.include({ ...both?.events[0], step: "dealt", member: c.address });
    expect(both?.events.length).equal(1);
  });
});
