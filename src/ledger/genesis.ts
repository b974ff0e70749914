/** What a ledger starts from, and its hash: consensus binds it, so members with different terms never build on each other. */
import { utf8ToBytes } from "../lib/bytes.ts";
import { bytesToHex, type Hex, isHex, ZERO_ADDRESS } from "../lib/hex.ts";
import { compareBigint, compareText } from "../lib/math.ts";
import type { Committee } from "../threshold/committee.ts";
import { LedgerError } from "./codes.ts";
import { MAX_AMOUNT, MAX_PRICE, MAX_UINT64 } from "./limits.ts";
import type { ChainConfig, LedgerGenesis, MarketConfig } from "./types.ts";
import { WordWriter } from "./words.ts";

/** Largest n: committee sizes beyond it are not meant (reliability.md), and tallies are per member. */
const MAX_MEMBERS = 1024;
const MAX_WINDOW = 4096n;

/** Throws LedgerError `badGenesis` naming the first thing that is wrong. */
export function validateGenesis(genesis: LedgerGenesis): void {
  const check = (condition: boolean, what: string, details: Record<string, unknown> = {}): void => {
    if (!condition) throw new LedgerError("badGenesis", `bad genesis: ${what}`, { details });
  };
  const unique = (values: readonly string[], what: string): void =>
    check(new Set(values).size === values.length, `${what} must be unique`, { values });

  check(lowerHex(genesis.committeeId, 32), "committeeId is 32 bytes of lower-case hex");
  check(inRange(genesis.epoch, 0n, MAX_UINT64), "epoch is a uint64");
  check(
    Number.isInteger(genesis.members) && genesis.members >= 1 && genesis.members <= MAX_MEMBERS,
    "members is 1 … 1024",
  );
  check(inRange(genesis.window, 1n, MAX_WINDOW), "window is 1 … 4096 batches");
  check(genesis.assets.length > 0, "there is at least one asset");
  unique(
    genesis.assets.map((a) => a.id),
    "asset ids",
  );
  for (const asset of genesis.assets) {
    check(lowerHex(asset.id, 32), "an asset id is 32 bytes of lower-case hex", { asset: asset.symbol });
    check(Number.isInteger(asset.decimals) && asset.decimals >= 0 && asset.decimals <= 36, "asset decimals are 0 … 36");
  }
  unique(
    genesis.chains.map((c) => c.chainId.toString()),
    "chain ids",
  );
  for (const chain of genesis.chains) validateChain(chain, genesis, check, unique);
  unique(
    genesis.markets.map((m) => m.id.toString()),
    "market ids",
  );
  // One margin limit per lane and one cash balance behind all margin: several collateral assets need conversion rates first.
  check(new Set(genesis.markets.map((m) => m.quote)).size <= 1, "all markets settle in one asset");
  for (const market of genesis.markets) validateMarket(market, genesis, check);
}

type Check = (condition: boolean, what: string, details?: Record<string, unknown>) => void;

function validateChain(
  chain: ChainConfig,
  genesis: LedgerGenesis,
  check: Check,
  unique: (values: readonly string[], what: string) => void,
): void {
  const details = { chainId: chain.chainId };
  check(inRange(chain.chainId, 1n, MAX_UINT64), "a chain id is a positive uint64", details);
  for (const address of [chain.hub, chain.vault, ...chain.tokens.map((t) => t.token)]) {
    check(
      lowerHex(address, 20) && address !== ZERO_ADDRESS,
      "an address is 20 bytes of lower-case hex, not zero",
      details,
    );
  }
  unique(
    chain.tokens.map((t) => t.token),
    `tokens of chain ${chain.chainId}`,
  );
  // A withdrawal names an asset and a chain; two tokens for one asset would leave open which one is paid.
  unique(
    chain.tokens.map((t) => t.asset),
    `assets of chain ${chain.chainId}`,
  );
  for (const token of chain.tokens) {
    check(
      genesis.assets.some((a) => a.id === token.asset),
      "a token backs a known asset",
      details,
    );
    check(inRange(token.unitsPerLedgerUnit, 1n, MAX_AMOUNT), "unitsPerLedgerUnit is at least 1", details);
  }
}

function validateMarket(market: MarketConfig, genesis: LedgerGenesis, check: Check): void {
  const details = { market: market.symbol };
  check(Number.isInteger(market.id) && market.id >= 0 && market.id <= 0xffffffff, "a market id is a uint32", details);
  check(
    genesis.assets.some((a) => a.id === market.quote),
    "a market's quote is a known asset",
    details,
  );
  check(inRange(market.priceCap, 1n, MAX_PRICE), "a price cap is 1 … 2^96 − 1", details);
  check(
    Number.isInteger(market.quantityDecimals) && market.quantityDecimals >= 0 && market.quantityDecimals <= 36,
    "quantity decimals are 0 … 36",
    details,
  );
  check(
    Number.isInteger(market.expirySlots) && market.expirySlots >= 1 && market.expirySlots <= 4096,
    "expiry slots are 1 … 4096",
    details,
  );
  check(
    Number.isInteger(market.slotSeconds) && market.slotSeconds >= 1 && market.slotSeconds <= 86_400,
    "slot seconds are 1 … 86400",
    details,
  );
}

function inRange(value: bigint, low: bigint, high: bigint): boolean {
  return typeof value === "bigint" && value >= low && value <= high;
}

function lowerHex(value: string, size: number): boolean {
  return isHex(value, size) && value === value.toLowerCase();
}

/** keccak-256 over all fields in type order, lists by length and sorted by id. Throws LedgerError `badGenesis`. */
export function genesisHash(genesis: LedgerGenesis): Hex {
  validateGenesis(genesis);
  const text = (value: string): Hex => bytesToHex(utf8ToBytes(value));
  const w = new WordWriter();
  w.blob(text("Clockless ledger genesis 1"));
  w.hex(genesis.committeeId).int(genesis.epoch).int(genesis.members).int(genesis.window);
  const assets = [...genesis.assets].sort((a, b) => compareText(a.id, b.id));
  w.int(assets.length);
  for (const asset of assets) w.hex(asset.id).blob(text(asset.symbol)).int(asset.decimals);
  const chains = [...genesis.chains].sort((a, b) => compareBigint(a.chainId, b.chainId));
  w.int(chains.length);
  for (const chain of chains) {
    const tokens = [...chain.tokens].sort((a, b) => compareText(a.token, b.token));
    w.int(chain.chainId).hex(chain.hub).hex(chain.vault).int(tokens.length);
    for (const token of tokens) w.hex(token.asset).hex(token.token).int(token.unitsPerLedgerUnit);
  }
  const markets = [...genesis.markets].sort((a, b) => a.id - b.id);
  w.int(markets.length);
  for (const market of markets) {
    w.int(market.id).blob(text(market.symbol)).hex(market.quote).int(market.quantityDecimals);
    w.int(market.priceCap).int(market.expirySlots).int(market.slotSeconds);
  }
  return w.keccakHex();
}

/** Throws LedgerError `badGenesis` unless this is the committee that the genesis is of. */
export function checkCommittee(genesis: LedgerGenesis, committee: Committee): void {
  const { id, epoch, members } = committee;
  if (id === genesis.committeeId && epoch === genesis.epoch && members.length === genesis.members) return;
  throw new LedgerError("badGenesis", "bad genesis: the committee is another one", {
    details: { id, epoch, members: members.length },
  });
}
