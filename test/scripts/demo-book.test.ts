import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import fc from "fast-check";
import {
  formatDecimal,
  generateBook,
  InputError,
  parseDecimal,
  parsePrice,
  readBook,
  spread,
} from "../../scripts/demo/book.ts";
import { collateralNeeded, expectedResults } from "../../scripts/demo/expected.ts";
import { planMoney, sum } from "../../scripts/demo/plan.ts";

const DATA = fileURLToPath(new URL("../../../shared/data/expiries/", import.meta.url));
const HEADER = "instrument,type,strike,expiry,open_interest,mark_price_eth,implied_volatility,futures_price";
const LINE = "ETH-X-2000-C,call,2000,2026-03-27T08:00:00+00:00,12.5,0.01,0.5,2054.25";

describe("demo: the book", () => {
  it("gives every published expiry the payout its index states", function () {
    if (!existsSync(DATA)) {
      console.log("  skipped: the market data beside the project is not there");
      this.skip();
    }
    const rows = readFileSync(`${DATA}INDEX.csv`, "utf8").trim().split("\n").slice(1);
    expect(rows.length).to.be.greaterThan(10);
    for (const row of rows) {
      const [date, price, series, , , payout] = row.split(",") as [string, string, string, string, string, string];
      const book = readBook(readFileSync(`${DATA}${date}.csv`, "utf8"), date, parsePrice(price, "price"), 64);
      expect(book.series.length).to.equal(Number(series));
      expect(parseDecimal(formatDecimal(expectedResults(book, 64).payout, 6), 6, "payout")).to.equal(
        parseDecimal(payout, 6, "payout"),
      );
    }
  });

  it("spreads a series so that longs equal shorts, nobody is both, and nothing is lost", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 9n }),
        fc.integer({ min: 2, max: 70 }),
        fc.nat(50),
        (openInterest, accounts, at) => {
          const one = { name: "", kind: "call", strike: 1n, openInterest, premium: 0n } as const;
          const trades = spread(
            Array.from({ length: at + 1 }, () => one),
            accounts,
          ).filter(({ series }) => series === at);
          expect(sum(trades.map(({ quantity }) => quantity))).to.equal(openInterest);
          const buyers = new Set(trades.map(({ buyer }) => buyer));
          for (const { buyer, seller } of trades) {
            expect(buyer).to.be.below(accounts);
            expect(buyers.has(seller)).to.equal(false);
          }
        },
      ),
    );
  });

  it("sums to zero, and plans deposits that cover it and withdrawals that the vaults can pay", () => {
    for (const seed of [1, 2, 3]) {
      const book = generateBook(seed, 10);
      const { expected, deposits, withdrawals } = planMoney(book, 10, seed);
      expect(sum(expected.results)).to.equal(0n);
      const needed = collateralNeeded(book, 10);
      for (let account = 0; account < 10; account++) {
        expect(deposits[0]![account]! + deposits[1]![account]! >= needed[account]!).to.equal(true);
      }
      for (const chain of [0, 1]) expect(sum(withdrawals[chain]!)).to.equal(sum(deposits[chain]!));
    }
  });

  it("names what is wrong with a file", () => {
    const refuses = (csv: string, what: RegExp): void => {
      expect(() => readBook(csv, "f.csv", 1n, 4)).to.throw(InputError, what);
    };
    refuses(`${HEADER.replace("strike", "x")}\n${LINE}`, /column "strike"/);
    refuses(`${HEADER}\n${LINE.replace("call", "swap")}`, /line 2.*swap/);
    refuses(`${HEADER}\n${LINE}\n${LINE.replace("2026-03-27", "2026-03-28")}`, /line 3.*another expiry/);
    refuses(`${HEADER}\n${LINE.replace("12.5", "12.5555")}`, /line 2, open interest.*decimal places/);
    refuses(`${HEADER}\n${LINE.replace("12.5", "-1")}`, /line 2, open interest/);
    refuses(HEADER, /no series/);
  });

  it("reads decimals with exponents exactly", () => {
    expect(parseDecimal("1.5e-05", 6, "x")).to.equal(15n);
    expect(parseDecimal("2066.89", 3, "x")).to.equal(2_066_890n);
    expect(() => parseDecimal("1e-7", 6, "x")).to.throw(InputError);
    expect(formatDecimal(137_044_199_040_000n, 6)).to.equal("137044199.04");
  });
});
