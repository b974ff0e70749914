/**
 * One instruction's effect on the book before it is decided: nothing shared changes until `commit`, so an instruction is atomic over
 * everything it touches and can be previewed with the code that decides it.
 */
import type { AccountId } from "../batch/types.ts";
import type { Hex } from "../lib/hex.ts";
import { maxBigint } from "../lib/math.ts";
import type { Account, Book } from "./book.ts";
import type { Cost, Grant } from "./grants.ts";
import { groupKeyOf, isOption } from "./instrument.ts";
import type { Leg, MarginModel, MarkOf, PositionGroup } from "./margin.ts";
import type { Instrument, MarketConfig } from "./types.ts";

interface Working {
  readonly market: MarketConfig;
  readonly expiry: bigint;
  readonly legs: Map<Hex, Leg>;
}

export interface DraftAccount {
  readonly id: AccountId;
  readonly base: Account | undefined;
  /** The grant this instruction acts under; undefined for the owner. */
  readonly grant: Grant | undefined;
  /** Change of cash in the quote asset. */
  cash: bigint;
  /** Of which premium: negative when paid. */
  premium: bigint;
  /** Of which variation at the fill. */
  variation: bigint;
  readonly groups: Map<string, Working>;
  /** The instruction's own net trade, for its cost to the lane. Kept only under a grant. */
  readonly trade: Map<string, Working>;
}

export interface Opening {
  readonly terms: Instrument;
  readonly market: MarketConfig;
  readonly mark: bigint;
}

export class Draft {
  readonly accounts = new Map<AccountId, DraftAccount>();
  /** Instruments that nobody holds yet and this instruction trades. */
  readonly openings = new Map<Hex, Opening>();
  private readonly book: Book;

  constructor(book: Book) {
    this.book = book;
  }

  account(id: AccountId, grant: Grant | undefined): DraftAccount {
    let account = this.accounts.get(id);
    if (account === undefined) {
      const base = this.book.accounts.get(id);
      account = { id, base, grant, cash: 0n, premium: 0n, variation: 0n, groups: new Map(), trade: new Map() };
      this.accounts.set(id, account);
    }
    return account;
  }

  readonly markOf: MarkOf = (id) => this.book.instruments.get(id)?.mark ?? this.openings.get(id)?.mark ?? 0n;

  /** Adds `quantity` (signed) to a position. Options move `quantity × price` of premium, futures variation against the mark. */
  trade(
    account: DraftAccount,
    id: Hex,
    terms: Instrument,
    market: MarketConfig,
    quantity: bigint,
    price: bigint,
  ): void {
    if (isOption(terms)) {
      account.premium -= quantity * price;
      account.cash -= quantity * price;
    } else {
      const variation = quantity * (this.markOf(id) - price);
      account.variation += variation;
      account.cash += variation;
    }
    const key = groupKeyOf(market.id, terms.expiry);
    let group = account.groups.get(key);
    if (group === undefined) {
      group = { market, expiry: terms.expiry, legs: new Map(account.base?.groups.get(key)?.legs) };
      account.groups.set(key, group);
    }
    addLeg(group.legs, id, terms, quantity);
    if (account.grant === undefined) return;
    let traded = account.trade.get(key);
    if (traded === undefined) {
      traded = { market, expiry: terms.expiry, legs: new Map() };
      account.trade.set(key, traded);
    }
    addLeg(traded.legs, id, terms, quantity);
  }

  /** The account's groups as they would be; changed ones are new objects and are what `commit` stores. */
  groupsAfter(account: DraftAccount): Map<string, PositionGroup> {
    const groups = new Map<string, PositionGroup>(account.base?.groups);
    for (const [key, group] of account.groups) groups.set(key, { key, ...group });
    return groups;
  }

  /** What the instruction costs this account's owner, from the instruction and the marks alone (grants.ts). */
  costOf(account: DraftAccount, quote: Hex, model: MarginModel): Cost {
    const groups = [...account.trade].map(([key, group]): PositionGroup => ({ key, ...group }));
    const worst = model.worstValue(account.variation, groups, this.markOf);
    return { margin: maxBigint(0n, -worst), cash: new Map([[quote, maxBigint(0n, -account.premium)]]) };
  }
}

function addLeg(legs: Map<Hex, Leg>, id: Hex, terms: Instrument, quantity: bigint): void {
  const sum = (legs.get(id)?.quantity ?? 0n) + quantity;
  if (sum === 0n) legs.delete(id);
  else legs.set(id, { terms, quantity: sum });
}
