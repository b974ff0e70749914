import { expect } from "chai";
import { headerDigest } from "../../src/batch/header.ts";
import { verifyInclusion } from "../../src/batch/merkle.ts";
import { outboxEntryHash } from "../../src/batch/outbox.ts";
import { verifyAccount } from "../../src/batch/state.ts";
import { encodeInstrument } from "../../src/ledger/instrument.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { alice, bob, fill, genesis, Harness, transfer, USDC, venue, withdraw } from "./fixtures.ts";

const call = encodeInstrument({ kind: "call", market: 1, expiry: 6000n, strike: 2000n });
const future = encodeInstrument({ kind: "future", market: 1, expiry: 6000n, strike: 0n });

/** Of a ledger with nothing in it, right after its first heartbeat. */
function restoredSnapshot(options: { readonly heartbeatRounds: number }): Uint8Array {
  const ledger = new Ledger(genesis, options);
  while (ledger.apply({ commit: ZERO_BYTES32, items: [] }) === undefined);
  return ledger.snapshot();
}

describe("ledger", () => {
  it("credits a deposit once n − f members reported it, and not before", () => {
    const h = new Harness();
    const entry = h.entry(10n, alice.account, 500n);
    const observations = [{ kind: "inbox", chainId: 10n, entries: [entry] }] as const;
    const seen = (authors: number[]) =>
      h.round(authors.map((author) => ({ author, instructions: [], observations, transactions: [] })));
    expect(seen([0, 1])).equal(undefined);
    expect(seen([0, 1])).equal(undefined);
    const batch = seen([2]);
    expect(batch?.events).deep.equal([
      { kind: "deposit", chainId: 10n, index: 0n, account: alice.account, asset: USDC, amount: 500n },
    ]);
    expect(h.cash(alice)).equal(500n);
    expect(batch?.destinations[0]?.inboxCursor).equal(1n);
  });

  it("makes a batch after so many rounds in which nothing happened, on every member alike", () => {
    const options = { heartbeatRounds: 3 };
    const ledger = new Ledger(genesis, options);
    const quiet = () => ledger.apply({ commit: ZERO_BYTES32, items: [] })?.header;
    expect([quiet(), quiet()]).deep.equal([undefined, undefined]);
    const header = quiet()!;
    expect(header.sequence).equal(1n);
    expect(quiet()).equal(undefined);
    // Whoever starts from that batch counts like those that were there.
    const young = Ledger.restore(genesis, header, restoredSnapshot(options), options);
    expect(young.apply({ commit: ZERO_BYTES32, items: [] })).equal(undefined);
    for (const member of [ledger, young]) expect(member.apply({ commit: ZERO_BYTES32, items: [] })).equal(undefined);
    const next = [ledger, young].map((member) => member.apply({ commit: ZERO_BYTES32, items: [] })?.digest);
    expect(next[0]).equal(next[1]);
    expect(next[0]).not.equal(undefined);
    const never = new Ledger(genesis);
    for (let i = 0; i < 100; i++) expect(never.apply({ commit: ZERO_BYTES32, items: [] })).equal(undefined);
  });

  it("chains headers, and proves accounts, payouts and history against them", () => {
    const h = new Harness();
    const first = h.deposit(alice, 1000n)!;
    expect(first.header.sequence).equal(1n);
    expect(first.header.previous).equal(ZERO_BYTES32);
    const signed = h.sign(alice, withdraw(alice, 300n, 10n, 7n));
    const second = h.submit(signed)!;
    expect(second.receipts.map((receipt) => receipt.code)).deep.equal(["applied"]);
    expect(second.header.previous).equal(headerDigest(first.header, genesis.committeeId));
    expect(h.cash(alice)).equal(693n);

    const proof = h.ledger.proveAccount(alice.account, USDC)!;
    expect(proof.leaf.cash).equal(693n);
    expect(verifyAccount(second.header.state, proof)).equal(true);
    expect(verifyAccount(first.header.state, proof)).equal(false);
    expect(verifyAccount(first.header.state, h.ledger.proveAccount(alice.account, USDC, 1n)!)).equal(true);

    const { entry, chainId } = second.entries[0]!;
    expect(entry).include({ kind: "payout", amount: 300n, relayerFee: 7n, recipient: alice.address });
    const leaf = outboxEntryHash(genesis.chains[0]!, entry);
    const { outboxRoot } = second.destinations[0]!;
    expect(verifyInclusion(outboxRoot, leaf, h.ledger.proveOutbox(chainId, 0n)!)).equal(true);
    expect(verifyInclusion(second.header.history, first.digest, h.ledger.proveHistory(1n))).equal(true);
  });

  it("pays option premium at the fill and variation of futures against the mark", () => {
    const h = new Harness();
    h.deposit(alice, 1_000_000n);
    h.deposit(bob, 1_000_000n);
    expect(h.open(alice)).equal("applied");
    expect(h.open(bob)).equal("applied");
    expect(h.code(venue, fill(call, alice, bob, 10n, 50n))).equal("applied");
    expect(h.cash(alice)).equal(999_500n);
    expect(h.cash(bob)).equal(1_000_500n);
    expect(h.code(venue, fill(future, alice, bob, 10n, 2000n))).equal("applied");
    expect(h.cash(alice)).equal(999_500n);
    h.price(600n, 2100n);
    expect(h.cash(alice)).equal(1_000_500n);
    expect(h.code(venue, fill(future, bob, alice, 10n, 2150n))).equal("applied");
    expect(h.cash(alice)).equal(1_001_000n);
    expect(h.position(alice, future)).equal(0n);
    const view = h.ledger.account(alice.account)!;
    expect(view.cash[0]?.exitValue).equal(1_001_000n + 10n * 100n);
    h.ledger.audit();
  });

  it("settles an expiry when its slots have their prices, alike for both sides", () => {
    const h = new Harness();
    h.deposit(alice, 100_000n);
    h.deposit(bob, 100_000n);
    h.open(alice);
    h.open(bob);
    expect(h.code(venue, fill(call, alice, bob, 10n, 50n))).equal("applied");
    h.time(6000n);
    expect(h.code(venue, fill(call, alice, bob, 1n, 50n))).equal("expired");
    for (const [i, value] of [2101n, 2102n, 2103n, 2104n].entries()) h.price(5976n + 6n * BigInt(i), value);
    expect(h.position(alice, call)).equal(10n);
    const batch = h.price(6000n, 2107n);
    expect(batch?.events.at(-1)).deep.equal({
      kind: "expiry",
      market: 1,
      expiry: 6000n,
      price: 2103n,
      longPayout: 1030n,
      accounts: 2,
    });
    expect(h.cash(alice)).equal(100_000n - 500n + 1030n);
    expect(h.cash(bob)).equal(100_000n + 500n - 1030n);
    expect(h.position(alice, call)).equal(0n);
    h.ledger.audit();
  });

  it("moves nothing when a transfer is short, and says by how much", () => {
    const h = new Harness();
    h.deposit(alice, 100n);
    const receipt = h.receipt(h.sign(alice, transfer(alice, bob, 101n)));
    expect(receipt?.code).equal("overdraft");
    expect(receipt?.figures).deep.equal({ account: alice.account, cash: "100", needed: "101" });
    expect(h.cash(alice)).equal(100n);
    expect(h.ledger.nextNonce(alice.address, 0n)).equal(1n);
  });
});
