/** Accounts, positions and marks in a snapshot. Sums, open groups, holders and lanes that were opened follow from them. */
import type { AccountId } from "../../batch/types.ts";
import type { Hex } from "../../lib/hex.ts";
import { compareBigint, compareText } from "../../lib/math.ts";
import type { Account, Book } from "../book.ts";
import type { Allowance, Grant } from "../grants.ts";
import { groupKeyOf, tryDecodeInstrument } from "../instrument.ts";
import { laneKeyOf } from "../lanes.ts";
import type { Leg } from "../margin.ts";
import type { MarketConfig } from "../types.ts";
import { type ByteReader, type ByteWriter, badSnapshot } from "./bytes.ts";

/** `ids`: in the order of the account tree. `assets`: all, in their defined order. */
export function saveAccounts(out: ByteWriter, book: Book, ids: readonly AccountId[], assets: readonly Hex[]): void {
  const linear = [...book.linear.values()].sort((a, b) => compareText(a.id, b.id));
  out.list(linear, ({ id, mark, fundingIndex }) => out.hex(id).int(mark).int(fundingIndex));
  out.list(ids, (id) => saveAccount(out.hex(id), book.accounts.get(id)!, assets));
}

function saveAccount(out: ByteWriter, account: Account, assets: readonly Hex[]): void {
  const cash = [...account.cash];
  if (cash.length > 1) cash.sort(([a], [b]) => compareText(a, b));
  out.list(cash, ([asset, amount]) => out.u32(assets.indexOf(asset)).int(amount));
  const legs = [...account.groups.values()].flatMap((group) => [...group.legs]);
  legs.sort(([a], [b]) => compareText(a, b));
  out.list(legs, ([id, { quantity }]) => out.hex(id).int(quantity));
  const grants = [...account.grants.values()];
  grants.sort((a, b) => compareText(a.laneSigner, b.laneSigner) || compareBigint(a.laneNumber, b.laneNumber));
  const allowance = ({ limit, spent }: Allowance): void => void out.int(limit).int(spent);
  out.list(grants, ({ laneSigner, laneNumber, margin, cash: limits }) => {
    out.hex(laneSigner).u64(laneNumber);
    allowance(margin);
    const byAsset = [...limits].sort(([a], [b]) => compareText(a, b));
    out.list(byAsset, ([asset, limit]) => {
      out.u32(assets.indexOf(asset));
      allowance(limit);
    });
  });
}

/** Fills an empty book whose expiry queues know ledger time; returns the accounts in the order of the account tree. */
export function loadAccounts(
  reader: ByteReader,
  book: Book,
  markets: ReadonlyMap<number, MarketConfig>,
  assets: readonly Hex[],
): AccountId[] {
  const marks = new Map(
    reader.list(34, () => [reader.hex(32), { mark: reader.int(), fundingIndex: reader.int() }] as const),
  );
  const asset = (): Hex => {
    const id = assets[reader.u32()];
    if (id === undefined) throw badSnapshot("an unknown asset");
    return id;
  };
  const ids = reader.list(44, () => {
    const id = reader.hex(32);
    const account = book.account(id);
    reader.list(5, () => book.restoreCash(account, asset(), reader.int()));
    loadPositions(reader, book, account, markets, marks);
    reader.list(34, () => {
      const grant = loadGrant(reader, asset);
      account.grants.set(laneKeyOf(grant.laneSigner, grant.laneNumber), grant);
    });
    return id;
  });
  // Also checks that the positions of every instrument sum to 0.
  book.sweep();
  return ids;
}

type Marks = ReadonlyMap<Hex, { readonly mark: bigint; readonly fundingIndex: bigint }>;

function loadPositions(
  reader: ByteReader,
  book: Book,
  account: Account,
  markets: ReadonlyMap<number, MarketConfig>,
  marks: Marks,
): void {
  const groups = new Map<string, { market: MarketConfig; expiry: bigint; legs: Map<Hex, Leg> }>();
  reader.list(33, () => {
    const id = reader.hex(32);
    const quantity = reader.int();
    const terms = tryDecodeInstrument(id);
    const market = terms && markets.get(terms.market);
    if (terms === undefined || market === undefined || quantity === 0n) throw badSnapshot("a position in nothing");
    const { mark, fundingIndex } = marks.get(id) ?? { mark: 0n, fundingIndex: 0n };
    book.openInstrument(id, terms, market, mark, fundingIndex);
    const key = groupKeyOf(market.id, terms.expiry);
    let group = groups.get(key);
    if (group === undefined) {
      group = { market, expiry: terms.expiry, legs: new Map() };
      groups.set(key, group);
    }
    group.legs.set(id, { terms, quantity });
  });
  for (const [key, group] of groups) book.setGroup(account, { key, ...group });
}

function loadGrant(reader: ByteReader, asset: () => Hex): Grant {
  const allowance = (): Allowance => ({ limit: reader.int(), spent: reader.int() });
  const laneSigner = reader.hex(20);
  const laneNumber = reader.u64();
  const margin = allowance();
  const cash = new Map(reader.list(6, () => [asset(), allowance()] as const));
  return { laneSigner, laneNumber, margin, cash };
}
