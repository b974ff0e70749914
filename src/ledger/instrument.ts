/**
 * Terms are the identity: an instrument needs no listing, its id packs its terms.
 *
 *   byte 0       1     version
 *   byte 1       kind  0 call, 1 put, 2 future, 3 perpetual
 *   bytes 2–5    market, uint32
 *   bytes 6–13   expiry, uint64 seconds; 0 for perpetuals
 *   bytes 14–19  zero
 *   bytes 20–31  strike, uint96 price units; 0 for futures and perpetuals
 *
 * One id per set of terms: any other byte string is refused, or one contract would trade under two names that do not net.
 */
import { type Hex, isHex } from "../lib/hex.ts";
import { LedgerError } from "./codes.ts";
import { MAX_PRICE, MAX_UINT64 } from "./limits.ts";
import type { Instrument, MarketConfig } from "./types.ts";

const KINDS = ["call", "put", "future", "perpetual"] as const;

export function isOption(instrument: Instrument): boolean {
  return instrument.kind === "call" || instrument.kind === "put";
}

/** Positions in one group net against each other: same market, same expiry. Perpetuals are their market's expiry 0. */
export function groupKeyOf(market: number, expiry: bigint): string {
  return `${market}:${expiry}`;
}

/** Packs terms into 32 bytes. Throws LedgerError `badInstrument` on terms that no id can carry. */
export function encodeInstrument(instrument: Instrument): Hex {
  const { market, expiry, strike } = instrument;
  const kind = KINDS.indexOf(instrument.kind);
  const fits =
    kind >= 0 &&
    Number.isInteger(market) &&
    market >= 0 &&
    market <= 0xffffffff &&
    (instrument.kind === "perpetual" ? expiry === 0n : expiry > 0n && expiry <= MAX_UINT64) &&
    (isOption(instrument) ? strike > 0n && strike <= MAX_PRICE : strike === 0n);
  if (!fits) {
    throw new LedgerError("badInstrument", "these terms do not make an instrument", { details: { ...instrument } });
  }
  const digits = (value: bigint | number, bytes: number): string => value.toString(16).padStart(2 * bytes, "0");
  return `0x01${digits(kind, 1)}${digits(market, 4)}${digits(expiry, 8)}${digits(0, 6)}${digits(strike, 12)}`;
}

/** Terms of an id, or undefined when the bytes are not the canonical encoding of any. */
export function tryDecodeInstrument(id: Hex): Instrument | undefined {
  if (!isHex(id, 32)) return undefined;
  const kind = KINDS[Number.parseInt(id.slice(4, 6), 16)];
  if (kind === undefined) return undefined;
  const instrument: Instrument = {
    kind,
    market: Number.parseInt(id.slice(6, 14), 16),
    expiry: BigInt(`0x${id.slice(14, 30)}`),
    strike: BigInt(`0x${id.slice(42)}`),
  };
  const hasStrike = instrument.strike > 0n;
  if (hasStrike !== isOption(instrument)) return undefined;
  if (instrument.expiry > 0n === (kind === "perpetual")) return undefined;
  // Encoding back is what makes version, zero bytes and letter case canonical.
  return encodeInstrument(instrument) === id ? instrument : undefined;
}

/** Throws LedgerError `badInstrument` on anything but a canonical id. */
export function decodeInstrument(id: Hex): Instrument {
  const instrument = tryDecodeInstrument(id);
  if (instrument === undefined) {
    throw new LedgerError("badInstrument", "not a canonical instrument id", { details: { id } });
  }
  return instrument;
}

/**
 * Whether terms fit their market: expiry on a slot's end (else it could never be priced) and a whole window after the epoch;
 * strike below the cap (else the option's worst value is 0 and its quantity unbounded).
 */
export function fitsMarket(instrument: Instrument, market: MarketConfig): boolean {
  if (instrument.market !== market.id) return false;
  if (isOption(instrument) && instrument.strike >= market.priceCap) return false;
  if (instrument.kind === "perpetual") return true;
  const slot = BigInt(market.slotSeconds);
  return instrument.expiry % slot === 0n && instrument.expiry >= slot * BigInt(market.expirySlots);
}

/** What one unit of a long option is worth when the underlying settles at `price`. */
export function intrinsicValue(instrument: Instrument, price: bigint): bigint {
  const value = instrument.kind === "call" ? price - instrument.strike : instrument.strike - price;
  return isOption(instrument) && value > 0n ? value : 0n;
}
