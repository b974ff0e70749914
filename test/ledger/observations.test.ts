import { expect } from "chai";
import fc from "fast-check";
import type { InboxEntry } from "../../src/batch/types.ts";
import { LedgerClock, lowerMedian } from "../../src/ledger/clock.ts";
import { ExpiryQueue } from "../../src/ledger/expiry-queue.ts";
import { InboxTally } from "../../src/ledger/inbox.ts";
import { MarketPrices } from "../../src/ledger/prices.ts";
import { alice, bob, ETH, genesis, Harness } from "./fixtures.ts";

const market = genesis.markets[0]!;

function deposit(index: bigint, amount = 1n): InboxEntry {
  const token = genesis.chains[0]!.tokens[0]!.token;
  return { kind: "deposit", index, token, amount, account: alice.account, refundTo: alice.address, total: amount };
}

const NONE = new ExpiryQueue();

describe("ledger: time and prices", () => {
  it("take the lower median, index ⌊(m − 1)/2⌋", () => {
    expect(lowerMedian([5n])).equal(5n);
    expect(lowerMedian([9n, 1n])).equal(1n);
    expect(lowerMedian([9n, 1n, 5n])).equal(5n);
    expect(lowerMedian([9n, 1n, 5n, 7n])).equal(5n);
  });

  it("stay between honest reports whatever f members say", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }).chain((n) => {
          const f = Math.floor((n - 1) / 3);
          const honest = fc.array(fc.bigInt(1000n, 2000n), { minLength: n - 2 * f, maxLength: n - f });
          return fc.tuple(honest, fc.array(fc.bigInt(0n, 10_000n), { minLength: f, maxLength: f }));
        }),
        ([honest, lies]) => {
          // Lies count only while they are fewer than the honest reports: m ≥ n − f with at most f lies.
          const sorted = [...honest].sort((a, b) => (a < b ? -1 : 1));
          const median = lowerMedian([...honest, ...lies]);
          expect(median >= sorted[0]! && median <= sorted.at(-1)!).equal(true);
        },
      ),
    );
  });

  it("let time rise with n − f reports and never fall", () => {
    const clock = new LedgerClock(3);
    clock.report(0, 100n);
    clock.report(1, 110n);
    clock.advance();
    expect(clock.time).equal(0n);
    clock.report(2, 5n);
    clock.advance();
    expect(clock.time).equal(100n);
    clock.report(0, 90n);
    clock.report(3, 1n);
    clock.advance();
    expect(clock.time).equal(100n);
  });

  it("fix a slot at the end of the batch in which n − f members have reported it, from all their reports", () => {
    const prices = new MarketPrices(market, 3);
    prices.report(0, 600n, 10n, 600n, NONE);
    prices.report(1, 600n, 20n, 600n, NONE);
    prices.report(1, 600n, 99n, 600n, NONE);
    expect(prices.fix()).deep.equal([]);
    prices.report(2, 600n, 30n, 600n, NONE);
    prices.report(3, 600n, 40n, 600n, NONE);
    expect(prices.fix()).deep.equal([{ slotEnd: 600n, value: 20n }]);
    prices.report(3, 600n, 0n, 600n, NONE);
    expect(prices.fix()).deep.equal([]);
    expect(prices.latest).deep.equal({ slotEnd: 600n, value: 20n });
  });

  it("refuse early, misaligned and stale slots, and cap every value", () => {
    const prices = new MarketPrices(market, 1);
    const take = (slotEnd: bigint, value: bigint, time: bigint, open: bigint[] = []) => {
      const expiries = new ExpiryQueue();
      for (const expiry of open) expiries.add(expiry);
      expiries.advance(time);
      prices.report(0, slotEnd, value, time, expiries);
      return prices.fix().length === 1;
    };
    expect(take(606n, 1n, 605n)).equal(false);
    expect(take(601n, 1n, 700n)).equal(false);
    expect(take(606n, 1n, 606n)).equal(true);
    expect(take(612n, 1n, 612n + 55n * 6n)).equal(false);
    expect(take(612n, 1n, 612n + 55n * 6n, [636n])).equal(true);
    expect(take(1200n, 10n ** 9n, 1200n)).equal(true);
    expect(prices.latest?.value).equal(market.priceCap);
  });

  it("average an expiry's slots, rounded down, once all are there", () => {
    const prices = new MarketPrices(market, 1);
    for (const [i, value] of [7n, 8n, 9n, 10n].entries()) prices.report(0, 606n + 6n * BigInt(i), value, 700n, NONE);
    prices.fix();
    expect(prices.expiryPrice(630n)).equal(undefined);
    prices.report(0, 630n, 10n, 700n, NONE);
    prices.fix();
    expect(prices.expiryPrice(630n)).equal(8n);
  });

  it("blend inside the window as Derive's help page does: 10 minutes at 1950, 20 at 1975 are 1966.66…", () => {
    const prices = new MarketPrices({ ...market, priceCap: 10n ** 6n, expirySlots: 300 }, 1);
    for (let i = 0n; i < 300n; i++) prices.report(0, 606n + 6n * i, i < 100n ? 195_000n : 197_500n, 2400n, NONE);
    prices.fix();
    // In cents and rounded down, alike for both sides.
    expect(prices.expiryPrice(606n + 6n * 299n)).equal(196_666n);
  });

  it("make no batch of rounds in which nothing happened that anybody could wait for", () => {
    const h = new Harness();
    expect(h.round([])).equal(undefined);
    expect(h.time(100n)).equal(undefined);
    expect(h.time(200n)).equal(undefined);
    expect(h.ledger.time).equal(200n);
    expect(h.ledger.sequence).equal(0n);
    const batch = h.price(204n, 5n)!;
    expect(batch.events).deep.equal([
      { kind: "time", seconds: 204n },
      { kind: "price", market: ETH, slotEnd: 204n, value: 5n },
    ]);
    expect(h.price(204n, 6n)).equal(undefined);
  });
});

describe("ledger: inbox", () => {
  it("consumes in index order what n − f members saw alike", () => {
    const tally = new InboxTally(3);
    for (const member of [0, 1]) tally.report(member, [deposit(0n), deposit(1n)], 0n);
    expect(tally.take(0n)).equal(undefined);
    tally.report(2, [deposit(0n)], 0n);
    expect(tally.take(0n)).deep.equal(deposit(0n));
    expect(tally.take(1n)).equal(undefined);
    tally.report(2, [deposit(0n), deposit(1n)], 1n);
    expect(tally.take(1n)).deep.equal(deposit(1n));
  });

  it("counts a member's first word on an index, and nothing behind a gap", () => {
    const tally = new InboxTally(2);
    tally.report(0, [deposit(0n, 5n)], 0n);
    tally.report(0, [deposit(0n, 6n)], 0n);
    tally.report(1, [deposit(1n, 1n)], 0n);
    tally.report(1, [deposit(0n, 6n)], 0n);
    expect(tally.take(0n)).equal(undefined);
    tally.report(2, [deposit(0n, 5n)], 0n);
    expect(tally.take(0n)).deep.equal(deposit(0n, 5n));
  });

  it("does not stitch an inbox together from members that saw different prefixes", () => {
    const tally = new InboxTally(3);
    tally.report(0, [deposit(0n, 1n), deposit(1n, 7n)], 0n);
    tally.report(1, [deposit(0n, 1n), deposit(1n, 7n)], 0n);
    tally.report(2, [deposit(0n, 1n), deposit(1n, 8n)], 0n);
    tally.report(3, [deposit(0n, 2n), deposit(1n, 7n)], 0n);
    expect(tally.take(0n)).deep.equal(deposit(0n, 1n));
    expect(tally.take(1n)).equal(undefined);
    tally.report(3, [deposit(1n, 7n)], 1n);
    expect(tally.take(1n)).deep.equal(deposit(1n, 7n));
  });

  it("tallies a bounded distance ahead of the cursor", () => {
    const h = new Harness();
    const entries = Array.from({ length: 256 }, (_, i) => deposit(BigInt(i)));
    const far = Array.from({ length: 256 }, (_, i) => deposit(BigInt(256 + i)));
    h.observe({ kind: "inbox", chainId: 10n, entries: far });
    h.observe({ kind: "inbox", chainId: 10n, entries });
    expect(h.ledger.destinations[0]?.inboxCursor).equal(256n);
    h.observe({ kind: "inbox", chainId: 10n, entries: far });
    expect(h.cash(alice)).equal(512n);
    expect(h.cash(bob)).equal(0n);
  });
});
