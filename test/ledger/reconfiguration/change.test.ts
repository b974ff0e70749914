import { expect } from "chai";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { ACTIVATION_ROUNDS } from "../../../src/ledger/limits.ts";
import type { Observation } from "../../../src/ledger/types.ts";
import { hexToBytes } from "../../../src/lib/hex.ts";
import { quorumOf } from "../../../src/lib/math.ts";
import { SUITES } from "../../../src/threshold/types.ts";
import { alice, USDC } from "../fixtures.ts";
import { ENGINES, people, steps, World } from "./world.ts";

const abcd = people("abcd");
const abcde = people("abcde");

/** One round in which the first `count` members say the same. */
function observe(w: World, count: number, ...observations: readonly Observation[]) {
  return w.apply(
    Array.from({ length: count }, (_, author) => ({ author, instructions: [], observations, transactions: [] })),
  );
}

describe("a change of the committee", () => {
  it("goes from approvals over deals and READYs to a new committee under the same group key", () => {
    const w = new World(abcd);
    const proposal = w.proposal(abcde);
    expect(steps(w.send(w.approve(proposal, abcd[0]!)))).deep.equal(["proposed"]);
    expect(w.epochs.open).deep.include({
      proposal,
      digest: w.epochs.open[0]!.digest,
      approvals: [abcd[0]!.address],
      approvalsNeeded: 3,
    });
    expect(steps(w.send(w.approve(proposal, abcd[1]!)))).deep.equal(["approved"]);
    expect(steps(w.send(w.approve(proposal, abcd[2]!)))).deep.equal(["approved", "tookEffect"]);
    expect(w.epochs.open).deep.equal([]);
    expect(w.attempt).include({ kind: "reshare", phase: "dealing", dealersNeeded: 3, readyNeeded: 4 });

    expect(steps(w.send(w.deal(abcd[3]!), w.deal(abcd[0]!)))).deep.equal(["dealt", "dealt"]);
    expect(steps(w.send(w.deal(abcd[1]!)))).deep.equal(["dealt", "keysMade"]);
    expect(w.attempt.qualified.map(({ dealer }) => dealer)).deep.equal([3, 0, 1]);
    expect(w.attempt.phase).equal("opening");
    expect(w.attempt.keys?.bn254.groupKey).equal(w.first.keys.bn254.groupKey);

    const shares = new Map(abcde.map((who) => [who.address, w.open(who)]));
    expect(steps(w.send(...abcde.slice(0, 3).map((who) => w.ready(who))))).deep.equal(["ready", "ready", "ready"]);
    expect(steps(w.send(w.ready(abcde[4]!)))).deep.equal(["ready", "closing"]);
    expect(w.attempt.closesIn).equal(ACTIVATION_ROUNDS);

    expect(w.idle(ACTIVATION_ROUNDS - 1)).equal(undefined);
    const closing = w.idle()!;
    expect(closing.header.epoch).equal(0n);
    expect(closing.events).deep.equal([{ ...closing.events[0], kind: "reconfiguration", step: "closed" }]);
    const { committee, peers, snapshot } = closing.closes!;
    expect(committee).deep.equal({
      id: w.first.id,
      epoch: 1n,
      members: abcde.map(({ address }) => ({ address })),
      keys: w.ledger.committee!.keys,
      requiredSuites: SUITES,
    });
    expect(peers).deep.equal(proposal.members);
    expect(snapshot).deep.equal(w.ledger.snapshot());
    expect(w.epochs).include({ attempt: undefined, committee: w.ledger.committee });
    expect(w.epochs.dealt?.qualified.length).equal(3);

    // Any n′ − f′ of the new shares sign for the old group key.
    const digest = closing.digest;
    for (const suite of SUITES) {
      const partials = [4, 2, 1, 3].map((i) => ({
        x: i + 1,
        signature: ENGINES[suite].sign(shares.get(abcde[i]!.address)![suite], hexToBytes(digest)),
      }));
      const signature = ENGINES[suite].interpolate(partials);
      const { groupKey } = w.first.keys[suite];
      expect(ENGINES[suite].verify(hexToBytes(groupKey), hexToBytes(digest), signature)).equal(true);
    }
  });

  it("counts the new committee's members from the next round on, and forgets what the old ones reported one by one", () => {
    const w = new World(abcd);
    const deposit = {
      kind: "deposit" as const,
      index: 0n,
      token: w.genesis.chains[0]!.tokens[0]!.token,
      amount: 7n,
      account: alice.account,
      refundTo: alice.address,
      total: 7n,
    };
    const seen: Observation = { kind: "inbox", chainId: 10n, entries: [deposit] };
    observe(w, 4, { kind: "time", seconds: 6000n });
    observe(w, 3, { kind: "prices", market: 1, firstSlotEnd: 6000n, values: [2000n] });
    observe(w, 2, seen, { kind: "prices", market: 1, firstSlotEnd: 5994n, values: [1000n] });
    w.change(abcd, people("abcdefg"));
    expect(w.ledger.time).equal(6000n);
    expect(w.ledger.price(1)).equal(2000n);

    // Of seven, five are needed; who had reported before is not remembered.
    const four = [3, 4, 5, 6].map((author) => ({
      author,
      instructions: [],
      observations: [{ kind: "time" as const, seconds: 6500n }],
      transactions: [],
    }));
    expect(w.apply(four)).equal(undefined);
    expect(w.ledger.time).equal(6000n);
    for (const author of [0, 1]) w.apply([{ ...four[0]!, author, observations: [{ kind: "time", seconds: 6001n }] }]);
    expect(w.ledger.time).equal(6500n);
    expect(observe(w, 4, seen)).equal(undefined);
    const batch = observe(w, 5, seen, { kind: "time", seconds: 7000n })!;
    expect(batch.header.epoch).equal(1n);
    expect(batch.events.map(({ kind }) => kind)).deep.equal(["deposit", "time"]);
    expect(w.ledger.account(alice.account)?.cash).deep.equal([{ asset: USDC, amount: 7n, exitValue: 7n }]);
    expect(observe(w, 7, { kind: "time", seconds: 7000n })).equal(undefined);
    expect(() => observe(w, 8, { kind: "time", seconds: 7000n })).throw("nobody of this committee");
  });

  it("may follow another: smaller, larger, the same members again, and keeps the group key throughout", () => {
    const w = new World(abcd);
    const line = ["abcdefg", "abcdefg", "bcdefgh", "bcde"].map(people);
    let from = abcd;
    for (const [i, to] of line.entries()) {
      const batch = w.change(from, to);
      expect(batch.closes?.committee.epoch).equal(BigInt(i) + 1n);
      expect(w.ledger.committee?.keys.bn254).deep.include({
        groupKey: w.first.keys.bn254.groupKey,
        threshold: quorumOf(to.length),
      });
      from = to;
    }
    expect(w.ledger.genesisHash).equal(new Ledger(w.genesis).genesisHash);
  });

  it("makes a new group key, signed for by the old one, when leavers of any epoch of the key could sign together", () => {
    const w = new World(abcd);
    // Two of abcd left: fine. With c gone, too, three of them have: t of epoch 0, though only one left epoch 1.
    w.change(abcd, people("cdef"));
    const events = w.prepare(people("defg"), people("cdef"));
    expect(w.attempt.kind).equal("generation");
    expect(w.attempt.dealersNeeded).equal(2);
    expect(steps(events).slice(-3)).deep.equal(["ready", "handover", "ready"]);
    expect(w.attempt.phase).equal("handover");
    expect(w.statement.number).equal(1n);
    // However long that takes.
    w.idle(2 * ACTIVATION_ROUNDS);

    const cdef = people("cdef");
    expect(steps(w.send(...cdef.slice(0, 2).map((who) => w.handover(who))))).deep.equal([
      "handoverSigned",
      "handoverSigned",
    ]);
    expect(w.attempt.handover?.signed).deep.equal(cdef.slice(0, 2).map(({ address }) => address));
    const next = new Map(people("defg").map((who) => [who.address, w.open(who)]));
    const { digest } = w.attempt.handover!;
    expect(steps(w.send(w.handover(cdef[3]!)))).deep.equal(["handoverSigned", "handedOver", "closing"]);
    const [signed] = w.epochs.handovers;
    for (const suite of SUITES) {
      expect(w.scheme.verify(suite, w.first.keys[suite].groupKey, digest, signed!.signatures[suite])).equal(true);
    }
    expect(signed).deep.include({ epoch: 2n, statement: w.statement });
    const closing = w.idle(ACTIVATION_ROUNDS)!;
    const { keys } = closing.closes!.committee;
    expect(keys.bn254.groupKey).equal(signed!.groupKeys.bn254).not.equal(w.first.keys.bn254.groupKey);

    // The new key has no past: one may leave again without another handover. The next one's number follows.
    w.shares = next;
    expect(w.change(people("defg"), people("efgh")).closes).not.equal(undefined);
    expect(w.epochs.handovers.length).equal(1);
    w.change(people("efgh"), people("abcd"));
    expect(w.epochs.handovers.map(({ statement }) => statement.number)).deep.equal([1n, 2n]);
  });

  it("settles in the closing batch what was ordered before it, as any other batch does", () => {
    const w = new World(abcd);
    w.prepare(abcde, abcd);
    w.idle(ACTIVATION_ROUNDS - 1);
    const closing = observe(w, 3, { kind: "time", seconds: 6000n })!;
    expect(closing.closes).not.equal(undefined);
    expect(closing.events.map((event) => (event.kind === "reconfiguration" ? event.step : event.kind))).deep.equal([
      "time",
      "closed",
    ]);
    expect(w.ledger.time).equal(6000n);
  });

  it("is not for a ledger without a committee: transactions are dropped, and nothing else is different", () => {
    const w = new World(abcd);
    const other = new Ledger(w.genesis, { verify: () => true });
    const transactions = [new Uint8Array(3)];
    expect(other.epochs).equal(undefined);
    expect(
      other.apply({
        commit: w.genesis.committeeId,
        items: [{ author: 0, instructions: [], observations: [], transactions }],
      }),
    ).equal(undefined);
    expect(() => new Ledger({ ...w.genesis, members: 5 }, { committee: w.first, reshare: w.scheme })).throw(
      "another one",
    );
  });
});
