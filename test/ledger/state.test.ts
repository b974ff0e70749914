import { expect } from "chai";
import { merkleRoot } from "../../src/batch/merkle.ts";
import { verifyAccount } from "../../src/batch/state.ts";
import { Book } from "../../src/ledger/book.ts";
import { ChainBook } from "../../src/ledger/chains.ts";
import { assertConserved, auditBook } from "../../src/ledger/conservation.ts";
import { describeHoldings, detailsHash, holdingsHash, holdingsOf } from "../../src/ledger/details.ts";
import { withLimits } from "../../src/ledger/grants.ts";
import { decodeInstrument, encodeInstrument } from "../../src/ledger/instrument.ts";
import { MerkleList } from "../../src/ledger/merkle-list.ts";
import { remark } from "../../src/ledger/settlement.ts";
import { InvariantError } from "../../src/lib/assert.ts";
import { keccak256 } from "../../src/lib/hash.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { alice, bob, carol, ETH, EURC, fill, genesis, Harness, openLane, transfer, USDC, venue } from "./fixtures.ts";

const market = genesis.markets[0]!;
const perpetual = encodeInstrument({ kind: "perpetual", market: ETH, expiry: 0n, strike: 0n });
const call = encodeInstrument({ kind: "call", market: ETH, expiry: 6000n, strike: 2000n });

describe("ledger: state root", () => {
  it("commits to everything the fold reads, not only to accounts", () => {
    const changes: Record<string, (h: Harness) => void> = {
      nothing: () => {},
      "a member's time report": (h) =>
        h.round([{ author: 0, instructions: [], observations: [{ kind: "time", seconds: 700n }], transactions: [] }]),
      "a price report": (h) => {
        const prices = { kind: "prices" as const, market: ETH, firstSlotEnd: 600n, values: [5n] };
        h.round([{ author: 0, instructions: [], observations: [prices], transactions: [] }]);
      },
      "an inbox report": (h) => {
        const entry = { ...h.entry(56n, alice.account, 10n ** 12n), index: 0n };
        h.round([
          {
            author: 0,
            instructions: [],
            observations: [{ kind: "inbox", chainId: 56n, entries: [entry] }],
            transactions: [],
          },
        ]);
      },
      "a parked instruction": (h) => h.submit(h.sign(alice, transfer(alice, bob, 1n), { nonce: 1n })),
    };
    const roots = Object.entries(changes).map(([name, change]) => {
      const h = new Harness();
      h.deposit(alice, 100n);
      h.time(600n);
      change(h);
      const batch = h.deposit(alice, 1n)!;
      expect(batch.header.sequence, name).equal(2n);
      return batch.header.state;
    });
    expect(new Set(roots).size).equal(roots.length);
  });

  it("commits to a refusal, an opened lane and what the lane has spent", () => {
    const roots = [0n, 1n, 2n].map((price) => {
      const h = new Harness();
      for (const who of [alice, bob]) {
        h.deposit(who, 100_000n);
        h.open(who);
      }
      h.code(venue, fill(call, alice, bob, 1n, price));
      // Premium back and position closed: only lanes remember.
      h.code(venue, fill(call, bob, alice, 1n, price));
      expect(h.cash(alice)).equal(100_000n);
      return h.ledger.header!.state;
    });
    expect(new Set(roots).size).equal(3);
  });

  it("proves accounts against each of the last 64 batches and no older one", () => {
    const h = new Harness();
    const states: Hex[] = [];
    for (let i = 0; i < 66; i++) states.push(h.deposit(alice, 1n)!.header.state);
    expect(h.ledger.proveAccount(alice.account, USDC, 2n)).equal(undefined);
    for (const sequence of [3n, 40n, 66n]) {
      const proof = h.ledger.proveAccount(alice.account, USDC, sequence)!;
      expect(proof.leaf.cash).equal(sequence);
      expect(verifyAccount(states[Number(sequence) - 1]!, proof)).equal(true);
    }
    expect(h.ledger.proveAccount(bob.account, USDC)).equal(undefined);
    expect(h.ledger.proveAccount(alice.account, EURC)).equal(undefined);
  });

  it("tells positions and lanes as each of the last 64 batches left them, as the proven leaf commits to them", () => {
    const h = new Harness();
    for (const who of [alice, bob]) {
      h.deposit(who, 1_000_000n);
      h.open(who);
    }
    h.deposit(alice, 7n, 10n, genesis.chains[0]!.tokens[1]!.token);
    const put = encodeInstrument({ kind: "put", market: ETH, expiry: 12_000n, strike: 1500n });
    const trades = [call, perpetual, put, call, put].map((id, k) => fill(id, alice, bob, BigInt(k + 1), 2n));
    const expected: { sequence: bigint; quantities: Record<string, bigint>; spent: bigint }[] = [];
    const quantities: Record<string, bigint> = {};
    for (const trade of trades) {
      expect(h.code(venue, trade)).equal("applied");
      const { instrument, quantity } = (trade as Extract<typeof trade, { kind: "fills" }>).fills[0]!;
      quantities[instrument] = (quantities[instrument] ?? 0n) + quantity;
      const spent = h.ledger.account(alice.account)!.lanes[0]!.margin.spent;
      expected.push({ sequence: h.ledger.sequence, quantities: { ...quantities }, spent });
    }
    h.time(12_000n);
    for (const slot of [0n, 1n, 2n, 3n, 4n]) h.price(6000n - 6n * slot, 2_100n);
    expect(h.position(alice, call)).equal(0n);
    for (const { sequence, quantities: held, spent } of expected) {
      const view = h.ledger.account(alice.account, sequence)!;
      expect(Object.fromEntries(view.positions.map((p) => [p.instrument, p.quantity]))).deep.equal(held);
      expect(view.lanes[0]).deep.include({ signer: venue.address, lane: 0n });
      expect(view.lanes[0]!.margin.spent).equal(spent);
      expect(view.cash.map(({ asset }) => asset).sort()).deep.equal([USDC, EURC].sort());
      const { leaf } = h.ledger.proveAccount(alice.account, USDC, sequence)!;
      expect(detailsHash(view)).equal(leaf.details);
      const shuffled = { positions: [...view.positions].reverse(), lanes: [...view.lanes].reverse() };
      expect(detailsHash(shuffled)).equal(leaf.details);
      expect(detailsHash({ ...view, positions: view.positions.slice(1) })).not.equal(leaf.details);
      expect(view.cash.find(({ asset }) => asset === USDC)!.amount).equal(leaf.cash);
    }
    for (let i = 0; i < 64; i++) h.deposit(carol, 1n);
    expect(h.ledger.account(alice.account, expected[0]!.sequence)).equal(undefined);
    expect(h.ledger.account(carol.account, 1n)).equal(undefined);
  });

  it("orders holdings by market and expiry as numbers, on both sides of the wire", () => {
    const ids = [
      { market: 2, expiry: 6000n },
      { market: 10, expiry: 600n },
      { market: 10, expiry: 60_000n },
      { market: 256, expiry: 6n },
    ].map((terms) => encodeInstrument({ kind: "future", strike: 0n, ...terms }));
    const account = new Book(genesis.markets).account(alice.account);
    for (const id of [...ids].reverse()) {
      const terms = decodeInstrument(id);
      const key = `${terms.market}:${terms.expiry}`;
      const legs = new Map([[id, { terms, quantity: 1n }]]);
      account.groups.set(key, { key, market: { ...market, id: terms.market }, expiry: terms.expiry, legs });
    }
    for (const laneNumber of [10n, 9n, 100n]) {
      const grant = withLimits(undefined, venue.address, laneNumber, 5n, [{ asset: USDC, limit: laneNumber }]);
      account.grants.set(`${venue.address}:${laneNumber}`, grant);
    }
    const holdings = holdingsOf(account);
    const told = describeHoldings(holdings);
    expect(told.positions.map(({ instrument }) => instrument)).deep.equal(ids);
    expect(told.lanes.map(({ lane }) => lane)).deep.equal([9n, 10n, 100n]);
    expect(detailsHash(told)).equal(holdingsHash(holdings));
  });

  it("carries exit values that hold options at the current price and never fall below zero", () => {
    const h = new Harness();
    for (const who of [alice, bob]) {
      h.deposit(who, 10_000n);
      h.open(who);
    }
    h.code(venue, fill(call, alice, bob, 1n, 10n));
    h.price(600n, 2_700n);
    const exit = (who: typeof alice) => h.ledger.proveAccount(who.account, USDC)!.leaf.exitValue;
    expect(exit(alice)).equal(9_990n + 700n);
    expect(exit(bob)).equal(10_010n - 700n);
    const root = h.ledger.proveAccount(alice.account, USDC)!.assetRoot;
    expect(root.total).equal(20_000n);
    h.price(606n, 1_500n);
    expect(exit(alice)).equal(9_990n);
  });

  it("keeps lists with the same root as a tree built at once", () => {
    const data = Array.from({ length: 37 }, (_, i) => keccak256(Uint8Array.of(i)));
    const list = new MerkleList();
    for (const [i, item] of data.entries()) {
      list.set(i, item);
      if (i % 5 === 0) expect(list.root()).deep.equal(merkleRoot(data.slice(0, i + 1)));
    }
    for (const i of [0, 17, 36]) {
      data[i] = keccak256(Uint8Array.of(100 + i));
      list.set(i, data[i]);
    }
    expect(list.root()).deep.equal(merkleRoot(data));
  });
});

describe("ledger: revaluation", () => {
  it("touches holders only when an option's intrinsic value changes, and then all of them", () => {
    const book = new Book(genesis.markets);
    const terms = decodeInstrument(call);
    book.openInstrument(call, terms, market, 0n, 0n);
    for (const [who, quantity] of [
      [alice, 1n],
      [bob, -1n],
    ] as const)
      book.setGroup(book.account(who.account), {
        key: "1:6000",
        market,
        expiry: 6000n,
        legs: new Map([[call, { terms, quantity }]]),
      });
    const touched = (price: bigint, previous: bigint | undefined): number => {
      book.dirty.clear();
      remark(book, ETH, price, previous);
      return book.dirty.size;
    };
    expect(touched(1_999n, undefined)).equal(0);
    expect(touched(2_000n, 1_999n)).equal(0);
    expect(touched(2_001n, 2_000n)).equal(2);
    expect(touched(2_001n, 2_001n)).equal(0);
    expect(touched(5n, 2_001n)).equal(2);
    expect(touched(2_001n, undefined)).equal(2);
  });
});

describe("ledger: conservation", () => {
  it("stops at money from nowhere, at a vault that would pay too much and at positions that do not sum to 0", () => {
    const chain = new ChainBook(genesis.chains[0]!);
    const book = new Book(genesis.markets);
    book.addCash(book.account(alice.account), USDC, 5n);
    expect(() => assertConserved(book, [USDC], [chain])).throw(InvariantError);
    chain.credit(USDC, 5n);
    assertConserved(book, [USDC], [chain]);
    expect(() => chain.writePayout(USDC, carol.address, 5n, 1n, perpetual)).throw(InvariantError);

    const terms = decodeInstrument(call);
    book.openInstrument(call, terms, market, 0n, 0n);
    const legs = new Map([[call, { terms, quantity: 1n }]]);
    book.setGroup(book.account(alice.account), { key: "1:6000", market, expiry: 6000n, legs });
    expect(() => book.sweep()).throw(InvariantError);
    expect(() => auditBook(book)).throw(InvariantError);
  });

  it("finds cash that bypassed the running totals", () => {
    const book = new Book(genesis.markets);
    book.account(alice.account).cash.set(USDC, 1n);
    expect(() => auditBook(book)).throw(InvariantError);
  });

  it("pays funding from longs to shorts, in full and to nobody else", () => {
    let index = 0n;
    const h = new Harness({ funding: { index: () => index } });
    for (const who of [alice, bob, carol]) {
      h.deposit(who, 100_000n);
      h.open(who);
    }
    expect(h.code(venue, fill(perpetual, alice, bob, 4n, 2_000n))).equal("applied");
    index = 50n;
    h.deposit(carol, 1n);
    expect([h.cash(alice), h.cash(bob), h.cash(carol)]).deep.equal([99_800n, 100_200n, 100_001n]);
    expect(h.code(venue, fill(perpetual, carol, bob, 1n, 2_000n))).equal("applied");
    index = 40n;
    h.deposit(carol, 1n);
    expect([h.cash(alice), h.cash(bob), h.cash(carol)]).deep.equal([99_840n, 100_150n, 100_012n]);
    h.ledger.audit();
  });

  it("leaves nothing behind of an instrument opened and closed in one instruction", () => {
    const h = new Harness();
    for (const who of [alice, bob]) {
      h.deposit(who, 100_000n);
      h.code(who, openLane(who, venue, 10n ** 9n));
    }
    const there = { instrument: call, buyer: alice.account, seller: bob.account, quantity: 1n, price: 5n };
    const back = { ...there, buyer: bob.account, seller: alice.account };
    expect(h.code(venue, { kind: "fills", fills: [there, back] })).equal("applied");
    expect(h.ledger.totals().instruments).equal(0);
    h.ledger.audit();
  });
});
