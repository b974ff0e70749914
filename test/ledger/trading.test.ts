import { expect } from "chai";
import { accountIdOf } from "../../src/ledger/instruction.ts";
import { encodeInstrument } from "../../src/ledger/instrument.ts";
import type { Fill, Instrument } from "../../src/ledger/types.ts";
import {
  alice,
  bob,
  carol,
  ETH,
  EURC,
  fill,
  genesis,
  Harness,
  openLane,
  type Party,
  transfer,
  USDC,
  venue,
  withdraw,
} from "./fixtures.ts";

const EXPIRY = 6000n;
const option = (kind: "call" | "put", strike: bigint, expiry = EXPIRY) =>
  encodeInstrument({ kind, market: ETH, expiry, strike });
const future = encodeInstrument({ kind: "future", market: ETH, expiry: EXPIRY, strike: 0n });
const perpetual = encodeInstrument({ kind: "perpetual", market: ETH, expiry: 0n, strike: 0n });

function market(cash = 1_000_000n): Harness {
  const h = new Harness();
  for (const who of [alice, bob]) {
    h.deposit(who, cash);
    h.open(who);
  }
  return h;
}

const trade = (instrument: `0x${string}`, buyer: Party, seller: Party, quantity: bigint, price: bigint): Fill => ({
  instrument,
  buyer: buyer.account,
  seller: seller.account,
  quantity,
  price,
});

describe("ledger: trading under the plain margin", () => {
  it("bounds a position that costs no margin, so that no figure outgrows its 256-bit word", () => {
    const h = market();
    const largest = (1n << 128n) - 1n;
    // Call − put − future at the strike is worth nothing at any price: nobody's margin stops it.
    const parity = (quantity: bigint) => ({
      kind: "fills" as const,
      fills: [
        trade(option("call", 2_000n), alice, bob, quantity, 0n),
        trade(option("put", 2_000n), bob, alice, quantity, 0n),
        trade(future, bob, alice, quantity, 2_000n),
      ],
    });
    expect(h.code(venue, parity(largest))).equal("applied");
    expect(h.code(venue, parity(1n))).equal("positionTooLarge");
    h.price(600n, 9_999n);
    expect(h.ledger.account(alice.account)!.cash[0]!.exitValue).equal(1_000_000n);
    h.ledger.audit();
  });

  it("opens no account by trading: one signature would open a thousand", () => {
    const h = market();
    const empty = accountIdOf(alice.address, 7n);
    const before = h.ledger.totals().accounts;
    const fills = [{ ...trade(option("call", 9_999n), alice, alice, 1n, 0n), buyer: empty }];
    expect(h.code(alice, { kind: "fills", fills })).equal("unknownAccount");
    expect(h.ledger.totals().accounts).equal(before);
    h.code(alice, { kind: "transfer", from: alice.account, to: empty, asset: USDC, amount: 1n });
    expect(h.code(alice, { kind: "fills", fills })).equal("applied");
  });

  it("asks of a short put its strike, and of a spread its width (Opyn's worked examples)", () => {
    // −1 P250 needs 250; −1 P250 +1 P200 needs 50; −1 P200 +1 P250 needs 0; −1 P200 +2 P100 needs 100; −3 P200 +2 P250 needs 100.
    const cases: [need: bigint, legs: [quantity: bigint, strike: bigint][]][] = [
      [250n, [[-1n, 250n]]],
      [
        50n,
        [
          [-1n, 250n],
          [1n, 200n],
        ],
      ],
      [
        0n,
        [
          [-1n, 200n],
          [1n, 250n],
        ],
      ],
      [
        100n,
        [
          [-1n, 200n],
          [2n, 100n],
        ],
      ],
      [
        150n,
        [
          [-2n, 200n],
          [1n, 250n],
        ],
      ],
      [
        100n,
        [
          [-3n, 200n],
          [2n, 250n],
        ],
      ],
    ];
    for (const [need, legs] of cases) {
      for (const cash of need === 0n ? [1n] : [need, need - 1n]) {
        const h = new Harness();
        h.deposit(alice, cash + 1n);
        // One unit pays for opening the account; the margin has exactly `cash`.
        h.code(alice, transfer(alice, carol, need === 0n ? 2n : 1n));
        h.deposit(bob, 1_000_000n);
        h.open(alice);
        h.open(bob);
        const fills = legs.map(([quantity, strike]) =>
          quantity > 0n
            ? trade(option("put", strike), alice, bob, quantity, 0n)
            : trade(option("put", strike), bob, alice, -quantity, 0n),
        );
        const expected = cash >= need || need === 0n ? "applied" : "marginShort";
        expect(h.code(venue, { kind: "fills", fills }), `need ${need}, cash ${cash}`).equal(expected);
      }
    }
  });

  it("leaves after expiry what Opyn's worked examples leave", () => {
    const cases: [settlement: bigint, collateral: bigint, legs: [bigint, bigint][], left: bigint][] = [
      [150n, 250n, [[-1n, 250n]], 150n],
      [
        150n,
        0n,
        [
          [-1n, 200n],
          [1n, 250n],
        ],
        50n,
      ],
      [
        150n,
        0n,
        [
          [-1n, 200n],
          [2n, 250n],
        ],
        150n,
      ],
      [150n, 0n, [[1n, 200n]], 50n],
      [300n, 250n, [[-1n, 250n]], 250n],
      [
        210n,
        50n,
        [
          [-1n, 250n],
          [1n, 200n],
        ],
        10n,
      ],
    ];
    for (const [settlement, collateral, legs, left] of cases) {
      const h = market();
      h.code(alice, transfer(alice, carol, 1_000_000n - collateral));
      const fills = legs.map(([quantity, strike]) =>
        quantity > 0n
          ? trade(option("put", strike), alice, bob, quantity, 0n)
          : trade(option("put", strike), bob, alice, -quantity, 0n),
      );
      expect(h.code(venue, { kind: "fills", fills })).equal("applied");
      for (let slot = EXPIRY - 24n; slot <= EXPIRY; slot += 6n) h.price(slot, settlement);
      expect(h.cash(alice), `settled at ${settlement}`).equal(left);
    }
  });

  it("asks of a short call the distance to the market's price cap", () => {
    const h = market(8_000n);
    expect(h.code(venue, fill(option("call", 2000n), alice, bob, 1n, 0n))).equal("applied");
    const receipt = h.receipt(h.sign(venue, fill(option("call", 2000n), alice, bob, 1n, 0n)));
    expect(receipt?.code).equal("marginShort");
    expect(receipt?.figures).deep.equal({ account: bob.account, worstValue: "-8000" });
  });

  it("nets a future against options of the same expiry and no other", () => {
    const h = market(0n + 3_000n);
    // Long one future from 2000 can lose 2000; with a put at 2000 it can lose nothing.
    expect(h.code(alice, openLane(alice, venue, 10n ** 12n))).equal("applied");
    h.deposit(bob, 1_000_000n);
    expect(h.code(venue, fill(future, alice, bob, 1n, 2000n))).equal("applied");
    expect(h.code(venue, fill(future, alice, bob, 1n, 2000n))).equal("marginShort");
    expect(h.code(venue, fill(option("put", 2000n), alice, bob, 1n, 10n))).equal("applied");
    expect(h.code(venue, fill(future, alice, bob, 1n, 2000n))).equal("applied");
    expect(h.code(venue, fill(option("put", 2000n, 6006n), alice, bob, 1n, 10n))).equal("applied");
    expect(h.code(venue, fill(future, alice, bob, 1n, 2000n))).equal("marginShort");
  });

  it("stays solvent whatever the price does once an account has passed", () => {
    const h = market(20_000n);
    expect(h.code(venue, fill(future, alice, bob, 2n, 5000n))).equal("applied");
    expect(h.code(venue, fill(perpetual, bob, alice, 1n, 5000n))).equal("applied");
    let slot = 600n;
    for (const price of [9_999n, 0n, 10_000n, 1n, 123_456n, 5_000n]) {
      h.price(slot, price);
      slot += 6n;
      for (const who of [alice, bob]) expect(h.cash(who) >= 0n).equal(true);
      h.ledger.audit();
    }
    expect(h.ledger.price(ETH)).equal(5_000n);
    expect(h.cash(alice)).equal(20_000n);
  });

  it("marks a future at its first fill until the market has a price", () => {
    const h = market();
    expect(h.code(venue, fill(future, alice, bob, 2n, 2000n))).equal("applied");
    expect(h.ledger.instrument(future)).deep.equal({ mark: 2000n, openInterest: 2n });
    expect(h.code(venue, fill(future, alice, bob, 1n, 2100n))).equal("applied");
    expect(h.cash(alice)).equal(1_000_000n - 100n);
    h.price(600n, 1900n);
    expect(h.cash(alice)).equal(1_000_000n - 100n - 300n);
    expect(h.cash(bob)).equal(1_000_000n + 400n);
  });

  it("applies many fills under one signature or none of them", () => {
    const h = market();
    const fills = [
      trade(option("call", 2000n), alice, bob, 1n, 10n),
      trade(option("call", 2100n), alice, carol, 1n, 10n),
    ];
    const receipt = h.receipt(h.sign(venue, { kind: "fills", fills }));
    expect(receipt?.code).equal("laneNotOpen");
    expect(receipt?.figures).deep.equal({ fill: "1", account: carol.account });
    expect(h.cash(alice)).equal(1_000_000n);
    expect(h.ledger.totals().instruments).equal(0);
    h.deposit(carol, 1_000_000n);
    h.open(carol);
    expect(h.code(venue, { kind: "fills", fills })).equal("applied");
    expect(h.position(carol, option("call", 2100n))).equal(-1n);
  });

  it("lets a venue spend of an account what its owner allowed, ever, and not a unit more", () => {
    const h = new Harness();
    for (const who of [alice, bob]) h.deposit(who, 1_000_000n);
    h.open(bob);
    const limits = (margin: bigint, cash: bigint) => ({
      ...openLane(alice, venue, 0n),
      marginLimit: margin,
      cashLimits: [{ asset: USDC, limit: cash }],
    });
    h.code(alice, limits(500n, 100n));
    expect(h.code(venue, fill(option("put", 300n), alice, bob, 1n, 60n))).equal("applied");
    const receipt = h.receipt(h.sign(venue, fill(option("put", 300n), alice, bob, 1n, 41n)));
    expect(receipt?.figures).deep.equal({ account: alice.account, resource: USDC, cost: "41", remaining: "40" });
    expect(h.code(venue, fill(option("put", 300n), alice, bob, 1n, 40n))).equal("applied");
    // Selling spends margin: a put of 500 its strike. Buying it back does not give the limit back.
    expect(h.code(venue, fill(option("put", 500n), bob, alice, 1n, 0n))).equal("applied");
    expect(h.code(venue, fill(option("put", 500n), alice, bob, 1n, 0n))).equal("applied");
    expect(h.code(venue, fill(option("put", 1n), bob, alice, 1n, 0n))).equal("laneLimit");
    // Raising the limit keeps what was spent.
    h.code(alice, limits(501n, 100n));
    expect(h.code(venue, fill(option("put", 1n), bob, alice, 1n, 0n))).equal("applied");
    expect(h.code(venue, fill(option("put", 1n), bob, alice, 1n, 0n))).equal("laneLimit");
  });

  it("counts a future sold away from its mark as margin spent", () => {
    const h = market();
    h.price(600n, 5000n);
    const limits = { ...openLane(alice, venue, 0n), marginLimit: 6_000n };
    h.code(alice, limits);
    // Long from 5000 can lose 5000 more; bought at 6001 it has lost 1001 already.
    expect(h.code(venue, fill(future, alice, bob, 1n, 6001n))).equal("laneLimit");
    expect(h.code(venue, fill(future, alice, bob, 1n, 6000n))).equal("applied");
  });

  it("lets owners trade between their own accounts without opening a lane, and with nobody else's", () => {
    const h = new Harness();
    h.deposit(alice, 5_000n);
    h.deposit(bob, 5_000n);
    const second = accountIdOf(alice.address, 1n);
    h.deposit(second, 5_000n);
    const own = { ...trade(option("put", 1000n), alice, alice, 2n, 7n), seller: second };
    expect(h.code(alice, { kind: "fills", fills: [own] })).equal("applied");
    expect(h.cash(alice)).equal(4_986n);
    expect(h.ledger.account(second)?.positions).deep.equal([{ instrument: option("put", 1000n), quantity: -2n }]);
    expect(h.code(alice, { kind: "fills", fills: [{ ...own, seller: bob.account }] })).equal("laneNotOpen");
  });

  it("names what is wrong with a fill", () => {
    const h = market();
    const at = (terms: Partial<Instrument>) =>
      encodeInstrument({ kind: "call", market: ETH, expiry: EXPIRY, strike: 2000n, ...terms });
    const codes = [
      fill(at({ market: 9 }), alice, bob, 1n, 1n),
      fill(at({ expiry: 6001n }), alice, bob, 1n, 1n),
      fill(at({ expiry: 24n }), alice, bob, 1n, 1n),
      fill(at({ strike: 10_000n }), alice, bob, 1n, 1n),
      fill(`0x${"ff".repeat(32)}`, alice, bob, 1n, 1n),
      fill(at({}), alice, bob, 0n, 1n),
      fill(at({}), alice, alice, 1n, 1n),
      fill(future, alice, bob, 1n, 10_001n),
      fill(at({}), alice, bob, 1n, 1_000_001n),
    ].map((body) => h.code(venue, body));
    const unknown = "unknownInstrument";
    expect(codes).deep.equal([
      ...[unknown, unknown, unknown, unknown, unknown],
      ...["zeroAmount", "sameAccount", "priceAboveCap", "overdraft"],
    ]);
    expect(h.code(venue, { kind: "fills", fills: [] })).equal("empty");
    expect(h.ledger.nextNonce(venue.address, 0n)).equal(10n);
  });
});

describe("ledger: cash", () => {
  it("names what is wrong with a transfer", () => {
    const h = market(100n);
    const eur = genesis.chains[0]!.tokens[1]!.token;
    h.deposit(alice, 5n, 10n, eur);
    expect(h.code(alice, transfer(alice, bob, 5n, EURC))).equal("applied");
    expect(h.code(alice, transfer(alice, bob, 1n, EURC))).equal("overdraft");
    expect(h.code(alice, transfer(bob, alice, 1n))).equal("notOwner");
    expect(h.code(alice, transfer(alice, alice, 1n))).equal("sameAccount");
    expect(h.code(alice, transfer(alice, bob, 0n))).equal("zeroAmount");
    expect(h.code(alice, transfer(alice, bob, 1n, `0x${"00".repeat(32)}`))).equal("unknownAsset");
    expect(h.ledger.proveAccount(bob.account, EURC)?.leaf.cash).equal(5n);
  });

  it("keeps collateral that open positions need", () => {
    const h = market(1_000n);
    expect(h.code(venue, fill(option("put", 400n), alice, bob, 1n, 10n))).equal("applied");
    const receipt = h.receipt(h.sign(bob, withdraw(bob, 611n)));
    expect(receipt?.code).equal("marginShort");
    expect(h.code(bob, withdraw(bob, 600n, 10n, 10n))).equal("applied");
  });

  it("pays from a vault only what that vault holds, and in its token's units", () => {
    const h = new Harness();
    h.deposit(alice, 100n, 10n);
    h.deposit(alice, 50n * 10n ** 12n + 999n, 56n);
    expect(h.cash(alice)).equal(150n);
    const receipt = h.receipt(h.sign(alice, withdraw(alice, 60n, 56n)));
    expect(receipt?.code).equal("vaultShort");
    expect(receipt?.figures).deep.equal({ chainId: "56", held: "50", needed: "60" });
    const batch = h.submit(h.sign(alice, withdraw(alice, 49n, 56n, 1n)))!;
    expect(batch.entries[0]?.entry).include({ amount: 49n * 10n ** 12n, relayerFee: 10n ** 12n, index: 0n });
    const bodies = [
      withdraw(alice, 1n, 99n),
      { ...withdraw(alice, 1n, 56n), asset: EURC },
      { ...withdraw(alice, 1n), recipient: genesis.chains[0]!.vault },
      { ...withdraw(alice, 1n), account: bob.account },
      withdraw(alice, 101n),
      withdraw(alice, 0n),
    ];
    const codes = bodies.map((body) => h.code(alice, body));
    expect(codes).deep.equal(["unknownChain", "unknownAsset", "badRecipient", "notOwner", "overdraft", "zeroAmount"]);
  });

  it("consumes deposits it cannot credit, with a reason, and goes on", () => {
    const h = new Harness();
    const entries = [
      h.entry(56n, alice.account, 10n ** 12n - 1n),
      h.entry(56n, alice.account, 5n, `0x${"aa".repeat(20)}`),
      h.entry(56n, alice.account, 2n ** 256n - 1n),
      h.entry(56n, alice.account, 10n ** 12n),
    ];
    const batch = h.observe({ kind: "inbox", chainId: 56n, entries })!;
    const seen = batch.events.map((event) => (event.kind === "inboxRefused" ? event.code : event.kind));
    expect(seen).deep.equal(["dust", "unknownToken", "ledgerFull", "deposit"]);
    expect(h.cash(alice)).equal(1n);
  });
});
