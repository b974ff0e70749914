import { expect } from "chai";
import { encodeSignedInstruction } from "../../src/ledger/codec.ts";
import { instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { alice, bob, carol, genesis, Harness, openLane, transfer, venue, withdraw } from "./fixtures.ts";

function funded(): Harness {
  const h = new Harness();
  h.deposit(alice, 1000n);
  h.deposit(bob, 1000n);
  return h;
}

describe("ledger: lanes", () => {
  it("ignores a repeated instruction: one receipt, moved once", () => {
    const h = funded();
    const signed = h.sign(alice, transfer(alice, bob, 10n));
    expect(h.submit(signed, signed)?.receipts.length).equal(1);
    expect(h.submit(signed)).equal(undefined);
    expect(h.cash(alice)).equal(990n);
    // Long after its id was forgotten its nonce still is not free.
    for (let i = 0; i < 10; i++) h.deposit(carol, 1n);
    expect(h.submit(signed)).equal(undefined);
    expect(h.cash(alice)).equal(990n);
    expect(h.ledger.dropped).equal(3);
  });

  it("drops what its signer did not sign, consumes nothing of that signer, and still takes the genuine one", () => {
    const h = funded();
    const genuine = h.sign(alice, transfer(alice, bob, 10n));
    const forged = { ...genuine, signature: h.sign(bob, transfer(bob, alice, 1n)).signature };
    expect(h.submit(forged)).equal(undefined);
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(0n);
    expect(h.ledger.preview(forged).code).equal("badSignature");
    const block = { observations: [], transactions: [] };
    const batch = h.round([
      { author: 0, instructions: [forged], ...block },
      { author: 1, instructions: [genuine], ...block },
    ]);
    expect(batch?.receipts.map((r) => [r.instructionId, r.code])).deep.equal([
      [instructionId(genuine.instruction), "applied"],
    ]);
  });

  it("ignores what stands behind a false signature in a block: thousands of them cost one check", () => {
    let checks = 0;
    const h = new Harness({ verify: (_, signature) => ++checks > 0 && !signature.startsWith("0xff") });
    h.deposit(alice, 1_000n);
    const genuine = h.sign(alice, transfer(alice, bob, 10n));
    const forged = Array.from({ length: 1_000 }, (_, k) => {
      const other = h.sign(alice, transfer(alice, bob, BigInt(11 + k)));
      return { ...other, signature: `0xff${other.signature.slice(4)}` as const };
    });
    checks = 0;
    expect(h.submit(...forged, genuine)).equal(undefined);
    expect(checks).equal(1);
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(0n);
    expect(h.submit(genuine)?.receipts.map(({ code }) => code)).deep.equal(["applied"]);
  });

  it("parks a gap and releases it in order when the gap fills, in the same or a later batch", () => {
    const h = funded();
    const [first, second, third] = [1n, 2n, 3n].map((amount) => h.sign(alice, transfer(alice, bob, amount)));
    expect(h.submit(third!, second!)).equal(undefined);
    expect(h.ledger.preview(second!).code).equal("repeated");
    const ids = h.submit(first!)!.receipts.map((receipt) => receipt.instructionId);
    expect(ids).deep.equal([first, second, third].map((signed) => instructionId(signed!.instruction)));
    expect(h.cash(alice)).equal(994n);
  });

  it("lets what was parked past its window end as late, without its nonce", () => {
    const h = funded();
    const parked = h.sign(alice, transfer(alice, bob, 1n), { nonce: 1n });
    h.submit(parked);
    // Named batch 2, W = 4: batches 3 … 6 may apply it; the seventh says late.
    for (let i = 0; i < 4; i++) expect(h.deposit(carol, 1n)?.receipts).deep.equal([]);
    const receipts = h.deposit(carol, 1n)!.receipts;
    expect(receipts.map((r) => [r.instructionId, r.code])).deep.equal([[instructionId(parked.instruction), "late"]]);
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(0n);
  });

  it("keeps a nonce that is too far ahead decidable instead of refusing it", () => {
    const h = funded();
    const far = h.sign(alice, transfer(alice, bob, 1n), { nonce: 5n });
    expect(h.submit(far)).equal(undefined);
    expect(h.ledger.preview(far).code).equal("gapTooWide");
    h.submit(h.sign(alice, transfer(alice, bob, 1n)));
    expect(h.ledger.preview(far).code).equal("parked");
  });

  it("refuses late instructions without their nonce, and drops those that name a batch to come", () => {
    const h = funded();
    const early = h.sign(alice, transfer(alice, bob, 1n), { nonce: 0n, namedBatch: 3n });
    expect(h.ledger.preview(early).code).equal("early");
    expect(h.submit(early)).equal(undefined);
    for (let i = 0; i < 3; i++) h.deposit(carol, 1n);
    expect(h.code(alice, transfer(alice, bob, 1n), { nonce: 0n, namedBatch: 1n })).equal("late");
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(0n);
    expect(h.code(alice, transfer(alice, bob, 2n), { nonce: 0n, namedBatch: 3n })).equal("applied");
  });

  it("gives a late instruction its receipt once, however often and long it is carried", () => {
    const h = funded();
    const late = h.sign(alice, transfer(alice, bob, 1n), { nonce: 0n, namedBatch: 1n });
    for (let i = 0; i < 5; i++) h.deposit(carol, 1n);
    let receipts = 0;
    for (let i = 0; i < 10; i++) {
      receipts += h.submit(late)?.receipts.length ?? 0;
      h.deposit(carol, 1n);
    }
    expect(receipts).equal(1);
    expect(h.ledger.preview(late).code).equal("stale");
  });

  it("gives one receipt to a refusal that left the nonce free, however long it is carried", () => {
    const h = funded();
    const stranger = h.sign(carol, transfer(carol, bob, 1n));
    h.submit(h.sign(alice, transfer(alice, bob, 3n), { nonce: 2n }));
    const second = h.sign(alice, transfer(alice, bob, 4n), { nonce: 2n });
    const codes: string[] = [];
    for (let i = 0; i < 12; i++) {
      codes.push(...(h.submit(stranger, second)?.receipts ?? []).map((receipt) => receipt.code));
      h.deposit(bob, 1n);
    }
    // The last one is what was parked, at the end of its own window.
    expect(codes).deep.equal(["unknownSigner", "nonceUsed", "late"]);
  });

  it("consumes a forced instruction that names a batch to come without deciding it", () => {
    const h = funded();
    const forced = h.sign(alice, withdraw(alice, 100n), { nonce: 0n, namedBatch: 9n });
    const entry = h.forced(10n, bytesToHex(encodeSignedInstruction(forced)));
    const batch = h.observe({ kind: "inbox", chainId: 10n, entries: [entry] })!;
    expect(batch.events[0]).include({ kind: "inboxRefused", code: "early" });
    expect(batch.receipts).deep.equal([]);
  });

  it("refuses a named batch that falls along the lane, and consumes its nonce", () => {
    const h = funded();
    expect(h.code(alice, transfer(alice, bob, 1n), { nonce: 0n, namedBatch: 2n })).equal("applied");
    expect(h.code(alice, transfer(alice, bob, 1n), { nonce: 1n, namedBatch: 1n })).equal("namedBatchFell");
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(2n);
    expect(h.code(alice, transfer(alice, bob, 1n), { nonce: 2n, namedBatch: 2n })).equal("applied");
  });

  it("refuses another instruction under a used or parked nonce", () => {
    const h = funded();
    expect(h.code(alice, transfer(alice, bob, 1n), { nonce: 0n })).equal("applied");
    expect(h.code(alice, transfer(alice, bob, 2n), { nonce: 0n })).equal("nonceUsed");
    h.submit(h.sign(alice, transfer(alice, bob, 3n), { nonce: 2n }));
    expect(h.code(alice, transfer(alice, bob, 4n), { nonce: 2n })).equal("nonceUsed");
    expect(h.cash(alice)).equal(999n);
  });

  it("keeps no state for signers it does not know", () => {
    const h = funded();
    const before = h.ledger.totals();
    expect(h.code(carol, transfer(carol, bob, 1n), { nonce: 0n })).equal("unknownSigner");
    expect(h.ledger.totals()).deep.equal(before);
    expect(h.ledger.nextNonce(carol.address, 0n)).equal(0n);
  });

  it("lets an opened lane start although its signer owns nothing, and strangers' openings cost it no lane", () => {
    const h = funded();
    for (let lane = 0n; lane < 60n; lane++) {
      expect(h.code(alice, openLane(alice, venue, 1n, lane))).equal("applied");
    }
    expect(h.code(venue, transfer(alice, bob, 1n), { lane: 59n })).equal("notOwner");
    expect(h.ledger.nextNonce(venue.address, 59n)).equal(1n);
  });

  it("bounds the lanes of one signer", () => {
    const h = funded();
    let last: string | undefined;
    for (let lane = 0n; lane < 257n; lane++) last = h.code(alice, transfer(alice, bob, 1n), { lane });
    expect(last).equal("tooManyLanes");
    expect(h.code(alice, transfer(alice, bob, 1n), { lane: 255n })).equal("applied");
  });

  it("decides a forced instruction with every rule but the window", () => {
    const h = funded();
    const forced = h.sign(alice, withdraw(alice, 100n), { nonce: 0n, namedBatch: 0n });
    for (let i = 0; i < 6; i++) h.deposit(carol, 1n);
    expect(h.code(alice, withdraw(alice, 100n), { nonce: 0n, namedBatch: 1n })).equal("late");
    const entry = h.forced(10n, bytesToHex(encodeSignedInstruction(forced)));
    const batch = h.observe({ kind: "inbox", chainId: 10n, entries: [entry] })!;
    expect(batch.receipts.map((r) => r.code)).deep.equal(["applied"]);
    expect(batch.entries.length).equal(1);
    expect(h.cash(alice)).equal(900n);
    const again = h.forced(10n, bytesToHex(encodeSignedInstruction(forced)));
    const refused = h.observe({ kind: "inbox", chainId: 10n, entries: [again] })!;
    expect(refused.events.at(-1)).include({ kind: "inboxRefused", code: "repeated" });
    expect(h.cash(alice)).equal(900n);
  });

  it("lets nobody close the forced way by carrying the instruction to a refusal first", () => {
    const h = funded();
    const forced = h.sign(alice, withdraw(alice, 100n), { nonce: 0n, namedBatch: 1n });
    for (let i = 0; i < 4; i++) h.deposit(carol, 1n);
    // A member saw the entry on its way and carries the instruction itself, too late for its window.
    expect(h.receipt(forced)?.code).equal("late");
    const entry = h.forced(10n, bytesToHex(encodeSignedInstruction(forced)));
    const batch = h.observe({ kind: "inbox", chainId: 10n, entries: [entry] })!;
    expect(batch.receipts.map((r) => r.code)).deep.equal(["applied"]);
    expect(h.cash(alice)).equal(900n);
    for (let i = 0; i < 12; i++) {
      h.deposit(carol, 1n);
      h.submit(forced);
    }
    expect(h.cash(alice)).equal(900n);
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(1n);
  });

  it("does not apply what waited past its window when a forced instruction fills the gap", () => {
    const h = funded();
    const first = h.sign(alice, transfer(alice, bob, 1n), { nonce: 0n, namedBatch: 0n });
    const second = h.sign(alice, transfer(alice, bob, 2n), { nonce: 1n });
    h.submit(second);
    for (let i = 0; i < 4; i++) h.deposit(carol, 1n);
    const entry = h.forced(10n, bytesToHex(encodeSignedInstruction(first)));
    const batch = h.observe({ kind: "inbox", chainId: 10n, entries: [entry] })!;
    expect(batch.header.sequence).equal(second.instruction.head.namedBatch + genesis.window + 1n);
    expect(batch.receipts.map((r) => r.code)).deep.equal(["late", "applied"]);
    expect(h.cash(alice)).equal(999n);
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(1n);
  });

  it("commits to which lanes count against their signer", () => {
    const roots = [true, false].map((openedFirst) => {
      const h = funded();
      const start = () => h.code(bob, transfer(bob, alice, 1n), { lane: 7n, nonce: 0n, namedBatch: 2n });
      const open = () => h.code(alice, openLane(alice, bob, 1n, 7n), { nonce: 0n, namedBatch: 2n });
      h.deposit(bob, 10n);
      expect((openedFirst ? [open, start] : [start, open]).map((step) => step())).deep.equal(["applied", "applied"]);
      for (let i = 0; i < 9; i++) h.deposit(carol, 1n);
      return h.ledger.header!.state;
    });
    expect(roots[0]).not.equal(roots[1]);
  });

  it("consumes forced bytes that are no instruction, or nobody's, without stopping the inbox", () => {
    const h = funded();
    const forged = signInstruction(bob.secret, genesis.committeeId, {
      head: { signer: alice.address, lane: 0n, nonce: 0n, namedBatch: 0n },
      body: withdraw(alice, 100n),
    });
    const entries = ["0x" as const, "0xdeadbeef" as const, bytesToHex(encodeSignedInstruction(forged))].map((bytes) =>
      h.forced(10n, bytes),
    );
    const batch = h.observe({ kind: "inbox", chainId: 10n, entries })!;
    const codes = batch.events.map((event) => event.kind === "inboxRefused" && event.code);
    expect(codes).deep.equal(["undecodable", "undecodable", "badSignature"]);
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(0n);
    expect(h.deposit(alice, 5n)?.events[0]?.kind).equal("deposit");
  });
});
