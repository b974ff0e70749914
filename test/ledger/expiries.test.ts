import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import type { AccountId } from "../../src/batch/types.ts";
import { accountIdOf } from "../../src/ledger/instruction.ts";
import { encodeInstrument } from "../../src/ledger/instrument.ts";
import type { Fill, LedgerGenesis } from "../../src/ledger/types.ts";
import { genesis, Harness, party } from "./fixtures.ts";

const data = new URL("../../../shared/data/expiries/", import.meta.url);

/** Prices in 10^-2 USD per ETH; quantities in 10^-1 ETH (open interest has tenths); cash in 10^-3 USD, so everything is exact. */
const market = {
  ...genesis.markets[0]!,
  quantityDecimals: 1,
  priceCap: 10_000_000n,
  expirySlots: 300,
  slotSeconds: 6,
};
const exact: LedgerGenesis = {
  ...genesis,
  assets: [{ ...genesis.assets[0]!, decimals: 3 }, genesis.assets[1]!],
  markets: [market],
};

/** Decimal text in units of 10^-decimals; throws when digits would be lost. */
function units(text: string, decimals: number): bigint {
  const [whole = "0", rawFraction = ""] = text.split(".");
  const fraction = rawFraction.replace(/0+$/, "");
  if (fraction.length > decimals) throw new RangeError(`${text} has more than ${decimals} decimals`);
  return BigInt(whole + fraction.padEnd(decimals, "0"));
}

function rows(file: string): string[][] {
  return readFileSync(new URL(file, data), "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
}

interface Series {
  readonly kind: "call" | "put";
  readonly strike: bigint;
  readonly quantity: bigint;
}

/** Trades every series between a few accounts, then prices the last 300 slots so that their mean is the delivery price. */
function settle(date: string, series: readonly Series[], delivery: bigint) {
  const venue = party("venue of expiries");
  const h = new Harness({ verify: () => true }, exact);
  const owner = party("owner of expiries");
  const accounts: AccountId[] = Array.from({ length: 12 }, (_, i) => accountIdOf(owner.address, BigInt(i)));
  const entries = accounts.map((account) => h.entry(10n, account, 10n ** 18n));
  h.observe({ kind: "inbox", chainId: 10n, entries });
  for (const account of accounts) {
    const limit = 10n ** 30n;
    const cashLimits = [{ asset: genesis.assets[0]!.id, limit }];
    const code = h.code(owner, {
      kind: "openLane",
      account,
      laneSigner: venue.address,
      laneNumber: 0n,
      marginLimit: limit,
      cashLimits,
    });
    expect(code).equal("applied");
  }
  const expiry = BigInt(Date.parse(`${date}T08:00:00Z`) / 1000);
  const fills = series.map(
    ({ kind, strike, quantity }, i): Fill => ({
      instrument: encodeInstrument({ kind, market: market.id, expiry, strike }),
      buyer: accounts[i % 12]!,
      seller: accounts[(5 * i + 1 + (i % 12 === (5 * i + 1) % 12 ? 1 : 0)) % 12]!,
      quantity,
      price: 0n,
    }),
  );
  expect(h.code(venue, { kind: "fills", fills: fills.filter((fill) => fill.quantity > 0n) })).equal("applied");
  // Slots alternate around the delivery price, so that the mean and not the last value must come out.
  const values = Array.from({ length: 300 }, (_, i) => delivery + (i % 2 === 0 ? 50n : -50n));
  const firstSlotEnd = expiry - 299n * 6n;
  const batch = h.observe(
    { kind: "time", seconds: expiry },
    { kind: "prices", market: market.id, firstSlotEnd, values },
  )!;
  h.ledger.audit();
  expect(h.ledger.totals().instruments).equal(0);
  const event = batch.events.find((candidate) => candidate.kind === "expiry");
  if (event?.kind !== "expiry") throw new Error("the expiry did not settle");
  return { event, holdings: accounts.map((account) => h.ledger.account(account)?.cash[0]?.amount ?? 0n) };
}

describe("ledger: real expiries", () => {
  it("pay to the cent what the delivery prices say", function () {
    if (!existsSync(data)) {
      console.log("      skipped: the market data is not beside this repository (shared/data/expiries)");
      this.skip();
    }
    const index = rows("INDEX.csv");
    const files = readdirSync(data).filter((name) => /^\d{4}-/.test(name));
    expect(files.length).equal(index.length);
    let checked = 0;
    for (const [date, deliveryUsd, count, , interest, payoutUsd] of index) {
      const series = rows(`${date}.csv`).map(([, kind, strike, , openInterest]): Series => {
        expect(kind).to.be.oneOf(["call", "put"]);
        return {
          kind: kind === "call" ? "call" : "put",
          strike: units(strike!, 2),
          quantity: units(openInterest!, 1),
        };
      });
      expect(series.length).equal(Number(count));
      expect(series.reduce((sum, { quantity }) => sum + quantity, 0n)).equal(units(interest!, 1));
      const { event, holdings } = settle(date!, series, units(deliveryUsd!, 2));
      expect(event.price, date).equal(units(deliveryUsd!, 2));
      expect(event.longPayout, date).equal(units(payoutUsd!, 3));
      expect(holdings.reduce((sum, cash) => sum + cash, 0n)).equal(12n * 10n ** 18n);
      if (date === "2026-03-27") {
        expect(event.longPayout).equal(units("137044199.04", 3));
        checked++;
      }
    }
    expect(checked).equal(1);
  });
});
