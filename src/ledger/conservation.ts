/**
 * Conservation (ledger.md): per asset Σ cash = Σ over chains of what their vaults still hold for us, each ≥ 0; per instrument
 * Σ positions = 0. A violation is a bug of ours and stops the member: an InvariantError leaves nothing to sign.
 */
import { assert } from "../lib/assert.ts";
import type { Hex } from "../lib/hex.ts";
import type { Book } from "./book.ts";
import type { ChainBook } from "./chains.ts";

/** From running totals, after every batch; positions are checked per touched instrument by `Book.sweep`. */
export function assertConserved(book: Book, assets: Iterable<Hex>, chains: Iterable<ChainBook>): void {
  const all = [...chains];
  for (const asset of assets) {
    let backing = 0n;
    for (const chain of all) {
      const held = chain.backingOf(asset);
      assert(held >= 0n, "conservation: a chain holds less than nothing");
      backing += held;
    }
    assert((book.cashTotals.get(asset) ?? 0n) === backing, "conservation: cash does not equal what the vaults hold");
  }
}

/** The same from scratch, plus that every running figure and index is what its parts say. O(accounts + positions). */
export function auditBook(book: Book): void {
  const cash = new Map<Hex, bigint>();
  const positions = new Map<Hex, { net: bigint; long: bigint }>();
  for (const account of book.accounts.values()) {
    for (const [asset, amount] of account.cash) cash.set(asset, (cash.get(asset) ?? 0n) + amount);
    let count = 0;
    for (const [key, group] of account.groups) {
      const shared = book.open.get(group.market.id)?.get(key);
      assert(group.key === key && shared?.holders.has(account.id) === true, "audit: a holder is not listed");
      for (const [id, { quantity }] of group.legs) {
        assert(quantity !== 0n && shared.instruments.has(id), "audit: a position in nothing");
        const sum = positions.get(id) ?? { net: 0n, long: 0n };
        sum.net += quantity;
        if (quantity > 0n) sum.long += quantity;
        positions.set(id, sum);
        count++;
      }
    }
    assert(count === account.positions, "audit: wrong number of positions");
  }
  for (const [asset, total] of book.cashTotals) assert((cash.get(asset) ?? 0n) === total, "audit: wrong cash total");
  for (const [asset, total] of cash) assert(book.cashTotals.get(asset) === total, "audit: cash outside the totals");
  for (const instrument of book.instruments.values()) {
    const sum = positions.get(instrument.id);
    assert(sum !== undefined && sum.net === 0n, "audit: positions do not sum to 0");
    assert(instrument.net === 0n && instrument.openInterest === sum.long, "audit: wrong open interest");
  }
  for (const id of positions.keys())
    assert(book.instruments.has(id), "audit: positions in an instrument that is not open");
  for (const groups of book.open.values()) {
    for (const group of groups.values()) {
      assert(group.instruments.size > 0, "audit: an empty group is open");
      for (const holder of group.holders) {
        assert(book.accounts.get(holder)?.groups.has(group.key) === true, "audit: a listed holder holds nothing");
      }
    }
  }
}
