/**
 * The book that the demo settles: option series with open interest, spread over accounts, longs equal to shorts. Either read
 * from an expiry file (`instrument,type,strike,expiry,open_interest,mark_price_eth,implied_volatility,futures_price`) or generated
 * from a seed. Open interest has no owners in such files, so the spreading is ours and deterministic.
 */
import { createRandom } from "../../src/testing/random.ts";

/** 0.001 ETH a quantity unit and 10^-6 USD a cash unit: a price of 2066.89 USD/ETH is 2,066,890 cash units per quantity unit. */
export const QUANTITY_DECIMALS = 3;
export const CASH_DECIMALS = 6;
const PRICE_DECIMALS = CASH_DECIMALS - QUANTITY_DECIMALS;

export interface Series {
  readonly name: string;
  readonly kind: "call" | "put";
  /** Cash units per quantity unit. */
  readonly strike: bigint;
  /** Quantity units. */
  readonly openInterest: bigint;
  /** Premium, cash units per quantity unit. */
  readonly premium: bigint;
}

export interface Trade {
  readonly series: number;
  readonly buyer: number;
  readonly seller: number;
  readonly quantity: bigint;
}

export interface Book {
  readonly source: string;
  /** Seconds since the Unix epoch. */
  readonly expiry: bigint;
  readonly series: readonly Series[];
  readonly trades: readonly Trade[];
  /** Settlement price cap in the instruments' terms, cash units per quantity unit. */
  readonly priceCap: bigint;
  readonly deliveryPrice: bigint;
}

export class InputError extends Error {
  override readonly name = "InputError";
}

/** Reads decimal text (an exponent is allowed) as an integer with `decimals` places; more places than that are refused. */
export function parseDecimal(text: string, decimals: number, what: string): bigint {
  const match = /^(\d{1,30})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/.exec(text.trim());
  if (match === null) throw new InputError(`${what}: "${text}" is no decimal number`);
  const digits = `${match[1]}${match[2] ?? ""}`;
  const places = decimals - (match[2] ?? "").length + Number(match[3] ?? 0);
  if (places >= 0) return BigInt(digits) * 10n ** BigInt(places);
  const divisor = 10n ** BigInt(-places);
  if (BigInt(digits) % divisor !== 0n)
    throw new InputError(`${what}: "${text}" has more than ${decimals} decimal places`);
  return BigInt(digits) / divisor;
}

/** Formats an integer with `decimals` places, at least two of them shown. */
export function formatDecimal(value: bigint, decimals: number): string {
  const sign = value < 0n ? "-" : "";
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, "0");
  const fraction = digits.slice(-decimals).replace(/0+$/, "").padEnd(2, "0");
  return `${sign}${digits.slice(0, -decimals)}.${fraction}`;
}

export function parsePrice(text: string, what: string): bigint {
  return parseDecimal(text, PRICE_DECIMALS, what);
}

/** @throws InputError with the line that is wrong */
export function readBook(csv: string, source: string, deliveryPrice: bigint, accounts: number): Book {
  const lines = csv.split(/\r?\n/).filter((line) => line.trim() !== "");
  const header =
    lines
      .shift()
      ?.split(",")
      .map((name) => name.trim()) ?? [];
  const column = (name: string): number => {
    const position = header.indexOf(name);
    if (position < 0) throw new InputError(`${source}: column "${name}" is missing`);
    return position;
  };
  const [name, type, strike, expiry, interest, mark, futures] = [
    "instrument",
    "type",
    "strike",
    "expiry",
    "open_interest",
    "mark_price_eth",
    "futures_price",
  ].map(column) as [number, number, number, number, number, number, number];
  let expiresAt: bigint | undefined;
  const series = lines.map((line, row): Series => {
    const cells = line.split(",");
    const where = `${source}, line ${row + 2}`;
    const kind = cells[type]?.trim();
    if (kind !== "call" && kind !== "put") throw new InputError(`${where}: type "${kind}" is neither call nor put`);
    const milliseconds = Date.parse(cells[expiry] ?? "");
    if (Number.isNaN(milliseconds)) throw new InputError(`${where}: "${cells[expiry]}" is no date`);
    const seconds = BigInt(milliseconds) / 1000n;
    if (expiresAt !== undefined && expiresAt !== seconds)
      throw new InputError(`${where}: another expiry than the lines before`);
    expiresAt = seconds;
    return {
      name: cells[name] ?? "",
      kind,
      strike: parsePrice(cells[strike] ?? "", `${where}, strike`),
      openInterest: parseDecimal(cells[interest] ?? "", QUANTITY_DECIMALS, `${where}, open interest`),
      premium: premiumOf(cells[mark] ?? "", cells[futures] ?? "", where),
    };
  });
  if (expiresAt === undefined) throw new InputError(`${source}: no series`);
  return finish(source, expiresAt, series, deliveryPrice, accounts);
}

/** Mark in ETH × futures price in USD, rounded half up to a price unit. Both have at most 24 places. */
function premiumOf(mark: string, futures: string, where: string): bigint {
  const scale = 24;
  const product =
    parseDecimal(mark === "" ? "0" : mark, scale, `${where}, mark price`) *
    parseDecimal(futures === "" ? "0" : futures, scale, `${where}, futures price`);
  const unit = 10n ** BigInt(2 * scale - PRICE_DECIMALS);
  return (product + unit / 2n) / unit;
}

/** Strikes around 2,000 USD with random open interest and a delivery price among them. */
export function generateBook(seed: number, accounts: number): Book {
  const random = createRandom(seed, "book");
  const unit = 10n ** BigInt(PRICE_DECIMALS);
  const series = Array.from({ length: 24 }, (_, index): Series => {
    const strike = 1400n + 100n * BigInt(index >> 1);
    const kind = index % 2 === 0 ? "call" : "put";
    return {
      name: `ETH-DEMO-${strike}-${kind === "call" ? "C" : "P"}`,
      kind,
      strike: strike * unit,
      openInterest: BigInt(1 + random.below(500)) * 100n,
      premium: BigInt(1 + random.below(200)) * unit,
    };
  });
  const deliveryPrice = BigInt(1_500_00 + random.below(1_000_00)) * (unit / 100n);
  // 2026-12-25 08:00 UTC.
  return finish(`generated (seed ${seed})`, 1_798_185_600n, series, deliveryPrice, accounts);
}

function finish(
  source: string,
  expiry: bigint,
  series: readonly Series[],
  deliveryPrice: bigint,
  accounts: number,
): Book {
  let highest = deliveryPrice;
  for (const { strike } of series) if (strike > highest) highest = strike;
  return { source, expiry, series, trades: spread(series, accounts), priceCap: 2n * highest, deliveryPrice };
}

/**
 * Spreads each series over ⌊accounts / 2⌋ pairs. Who is long and who is short rotates from series to series; nobody is both in
 * one series, so that what the longs are paid is the whole open interest.
 */
export function spread(series: readonly Series[], accounts: number): Trade[] {
  if (!Number.isSafeInteger(accounts) || accounts < 2) throw new InputError("a book needs at least two accounts");
  const pairs = Math.floor(accounts / 2);
  const trades: Trade[] = [];
  for (const [index, { openInterest }] of series.entries()) {
    const share = openInterest / BigInt(pairs);
    const rest = Number(openInterest % BigInt(pairs));
    for (let pair = 0; pair < pairs; pair++) {
      const quantity = share + (pair < rest ? 1n : 0n);
      if (quantity === 0n) continue;
      const buyer = (2 * pair + index) % accounts;
      const seller = (2 * ((pair + index) % pairs) + 1 + index) % accounts;
      trades.push({ series: index, buyer, seller, quantity });
    }
  }
  return trades;
}
