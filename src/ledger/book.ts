/**
 * Who owns what: cash per asset, positions per instrument, opened lanes. All money and all positions change through the few methods
 * below, which keep the running sums that conservation is checked against after every batch.
 */
import type { AccountId } from "../batch/types.ts";
import { assert } from "../lib/assert.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { ExpiryQueue } from "./expiry-queue.ts";
import type { Grant } from "./grants.ts";
import { ownerOf } from "./instruction.ts";
import { groupKeyOf, isOption } from "./instrument.ts";
import type { Leg, PositionGroup } from "./margin.ts";
import type { Instrument, MarketConfig } from "./types.ts";

export interface Account {
  readonly id: AccountId;
  readonly cash: Map<Hex, bigint>;
  /** By group key; never holds an empty group. */
  readonly groups: Map<string, PositionGroup>;
  positions: number;
  /** By lane key. */
  readonly grants: Map<string, Grant>;
}

/** An instrument somebody holds. */
export interface OpenInstrument {
  readonly id: Hex;
  readonly terms: Instrument;
  /** Futures and perpetuals: the price up to which variation is paid. Options: 0, unused. */
  mark: bigint;
  /** Perpetuals: the funding index up to which funding is paid. */
  fundingIndex: bigint;
  /** Σ of all positions: 0 whenever nothing is half done. */
  net: bigint;
  /** Σ of long positions. */
  openInterest: bigint;
}

/** All open instruments that settle at one price, and who holds any of them. */
export interface OpenGroup {
  readonly key: string;
  readonly market: MarketConfig;
  readonly expiry: bigint;
  readonly instruments: Map<Hex, OpenInstrument>;
  readonly holders: Set<AccountId>;
}

export class Book {
  readonly accounts = new Map<AccountId, Account>();
  /** Owners known by any account: who may have lanes of their own. */
  readonly owners = new Set<Address>();
  /** By market id, then group key. */
  readonly open: ReadonlyMap<number, Map<string, OpenGroup>>;
  /** Of the open groups that expire, by market id. */
  readonly expiries: ReadonlyMap<number, ExpiryQueue>;
  readonly instruments = new Map<Hex, OpenInstrument>();
  /** Of which futures and perpetuals: the ones that have a mark. */
  readonly linear = new Map<Hex, OpenInstrument>();
  /** Σ cash per asset. */
  readonly cashTotals = new Map<Hex, bigint>();
  /** What changed since the last state root: leaves and details to hash again. */
  readonly dirty = new Set<AccountId>();
  /** Instruments whose positions changed since the last check. */
  readonly touched = new Set<OpenInstrument>();

  constructor(markets: readonly MarketConfig[]) {
    this.open = new Map(markets.map((market) => [market.id, new Map()]));
    this.expiries = new Map(markets.map((market) => [market.id, new ExpiryQueue()]));
  }

  /** The account, opened if need be: whoever is credited has one. */
  account(id: AccountId): Account {
    let account = this.accounts.get(id);
    if (account === undefined) {
      account = { id, cash: new Map(), groups: new Map(), positions: 0, grants: new Map() };
      this.accounts.set(id, account);
      this.owners.add(ownerOf(id));
      this.dirty.add(id);
    }
    return account;
  }

  cashOf(id: AccountId, asset: Hex): bigint {
    return this.accounts.get(id)?.cash.get(asset) ?? 0n;
  }

  addCash(account: Account, asset: Hex, amount: bigint): void {
    if (amount === 0n) return;
    account.cash.set(asset, (account.cash.get(asset) ?? 0n) + amount);
    this.cashTotals.set(asset, (this.cashTotals.get(asset) ?? 0n) + amount);
    this.dirty.add(account.id);
  }

  /** Cash as a snapshot has it, 0 too: who ever held an asset has a leaf in its tree. */
  restoreCash(account: Account, asset: Hex, amount: bigint): void {
    account.cash.set(asset, amount);
    this.cashTotals.set(asset, (this.cashTotals.get(asset) ?? 0n) + amount);
  }

  setGrant(account: Account, laneKey: string, grant: Grant): void {
    account.grants.set(laneKey, grant);
    this.dirty.add(account.id);
  }

  /** Opens an instrument nobody holds, or returns the one that is open. */
  openInstrument(id: Hex, terms: Instrument, market: MarketConfig, mark: bigint, fundingIndex: bigint): OpenInstrument {
    const known = this.instruments.get(id);
    if (known !== undefined) return known;
    const groups = this.open.get(market.id);
    assert(groups !== undefined, "instrument of an unknown market");
    const key = groupKeyOf(market.id, terms.expiry);
    let group = groups.get(key);
    if (group === undefined) {
      group = { key, market, expiry: terms.expiry, instruments: new Map(), holders: new Set() };
      groups.set(key, group);
      if (terms.expiry > 0n) this.expiries.get(market.id)!.add(terms.expiry);
    }
    const opened: OpenInstrument = { id, terms, mark, fundingIndex, net: 0n, openInterest: 0n };
    group.instruments.set(id, opened);
    this.instruments.set(id, opened);
    if (!isOption(terms)) this.linear.set(id, opened);
    // Whoever opened it may have closed it again within one instruction: then the next sweep removes it.
    this.touched.add(opened);
    return opened;
  }

  /** Replaces an account's positions in one group. Instruments must be open. */
  setGroup(account: Account, next: PositionGroup): void {
    const previous = account.groups.get(next.key);
    const shared = this.open.get(next.market.id)?.get(next.key);
    assert(shared !== undefined, "positions in a group that is not open");
    for (const [id, leg] of previous?.legs ?? []) {
      if (!next.legs.has(id)) this.count(shared, id, leg.quantity, 0n);
    }
    for (const [id, leg] of next.legs) this.count(shared, id, previous?.legs.get(id)?.quantity ?? 0n, leg.quantity);
    account.positions += next.legs.size - (previous?.legs.size ?? 0);
    if (next.legs.size === 0) {
      account.groups.delete(next.key);
      shared.holders.delete(account.id);
    } else {
      account.groups.set(next.key, next);
      shared.holders.add(account.id);
    }
    this.dirty.add(account.id);
  }

  private count(group: OpenGroup, id: Hex, from: bigint, to: bigint): void {
    if (from === to) return;
    const instrument = group.instruments.get(id);
    assert(instrument !== undefined, "a position in an instrument that is not open");
    instrument.net += to - from;
    instrument.openInterest += (to > 0n ? to : 0n) - (from > 0n ? from : 0n);
    this.touched.add(instrument);
  }

  /** Forgets instruments and groups that nobody holds any more: their marks mean nothing to the next who opens them. */
  sweep(): void {
    for (const instrument of this.touched) {
      assert(instrument.net === 0n, "conservation: positions of an instrument do not sum to 0");
      assert(instrument.openInterest >= 0n, "conservation: negative open interest");
      if (instrument.openInterest > 0n) continue;
      const groups = this.open.get(instrument.terms.market);
      const key = groupKeyOf(instrument.terms.market, instrument.terms.expiry);
      const group = groups?.get(key);
      group?.instruments.delete(instrument.id);
      this.instruments.delete(instrument.id);
      this.linear.delete(instrument.id);
      if (group?.instruments.size === 0) {
        assert(group.holders.size === 0, "holders of a group without instruments");
        groups?.delete(key);
        this.expiries.get(instrument.terms.market)?.delete(instrument.terms.expiry);
      }
    }
    this.touched.clear();
  }

  /**
   * Every holder of a future or perpetual receives quantity × figure (pays, when negative). Σ positions = 0, so Σ payments = 0
   * exactly; the order of holders does not matter.
   */
  payPerUnit(group: OpenGroup, instrument: OpenInstrument, figure: bigint): void {
    if (figure === 0n) return;
    assert(!isOption(instrument.terms), "options pay at expiry only");
    for (const id of group.holders) {
      const account = this.account(id);
      const leg = account.groups.get(group.key)?.legs.get(instrument.id);
      if (leg !== undefined) this.addCash(account, group.market.quote, leg.quantity * figure);
    }
  }

  position(id: AccountId, instrument: Hex): bigint {
    for (const group of this.accounts.get(id)?.groups.values() ?? []) {
      const leg: Leg | undefined = group.legs.get(instrument);
      if (leg !== undefined) return leg.quantity;
    }
    return 0n;
  }
}
