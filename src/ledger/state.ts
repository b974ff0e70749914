/**
 * The state root: an account tree per asset, and one hash of everything else the fold reads. Per batch it costs O(changed accounts ×
 * log accounts); nothing walks over all accounts. The last batches' trees are kept so that accounts can be proven against headers
 * that are still on their way to a chain (the trees share what did not change), with what the leaves' details are the hash of.
 */
import { AccountTree } from "../batch/account-tree.ts";
import { type AccountProof, assetsRootOf, proveAccount } from "../batch/state.ts";
import type { AccountId, AccountLeaf } from "../batch/types.ts";
import { assert } from "../lib/assert.ts";
import { type Hex, ZERO_BYTES32 } from "../lib/hex.ts";
import { compareText, maxBigint } from "../lib/math.ts";
import type { Account, Book } from "./book.ts";
import { describeHoldings, type Holdings, holdingsHash, holdingsOf } from "./details.ts";
import { intrinsicValue, isOption } from "./instrument.ts";
import { RETAINED_BATCHES } from "./limits.ts";
import type { AccountView } from "./types.ts";

interface Snapshot {
  readonly trees: ReadonlyMap<Hex, AccountTree>;
  readonly rest: Hex;
}

/** Price of a market's underlying, if it ever had one. */
export type PriceOf = (market: number) => bigint | undefined;

export class StateRoots {
  /** The asset that positions settle in; its leaves carry positions and lanes. */
  readonly collateral: Hex;
  private readonly trees: Map<Hex, AccountTree>;
  /** An account's index in an asset's tree, given once and for ever. */
  private readonly indices = new Map<Hex, Map<AccountId, number>>();
  private readonly snapshots = new Map<bigint, Snapshot>();
  /** What each leaf's details are the hash of, as long as any tree holds the leaf: so for as many batches as proofs. */
  private readonly holdings = new WeakMap<AccountLeaf, Holdings>();

  constructor(assets: readonly Hex[], collateral: Hex) {
    this.collateral = collateral;
    this.trees = new Map(assets.map((asset) => [asset, AccountTree.empty(asset)]));
    for (const asset of assets) this.indices.set(asset, new Map());
  }

  /** Σ exit values of an asset: what a freeze would divide (contracts.md). */
  exitTotal(asset: Hex): bigint {
    return this.trees.get(asset)?.assetRoot.total ?? 0n;
  }

  /** Takes over what changed in the book as of batch `sequence`; `rest` goes into its proofs. Returns the root over all assets. */
  close(
    sequence: bigint,
    book: Book,
    priceOf: PriceOf,
    rest: Hex,
  ): { readonly assets: bigint; readonly assetsRoot: Hex } {
    // New leaves by account id: the order in which accounts changed is nothing that a restored ledger could know.
    const fresh: [asset: Hex, account: Account][] = [];
    for (const id of book.dirty) {
      const account = book.accounts.get(id);
      assert(account !== undefined, "a changed account does not exist");
      const take = (asset: Hex): void => {
        if (this.indices.get(asset)?.has(id) === true) this.setLeaf(account, asset, priceOf);
        else fresh.push([asset, account]);
      };
      take(this.collateral);
      for (const asset of account.cash.keys()) if (asset !== this.collateral) take(asset);
    }
    fresh.sort(([, a], [, b]) => compareText(a.id, b.id));
    for (const [asset, account] of fresh) this.setLeaf(account, asset, priceOf);
    book.dirty.clear();
    this.snapshots.set(sequence, { trees: new Map(this.trees), rest });
    this.snapshots.delete(sequence - RETAINED_BATCHES);
    return assetsRootOf(this.assetRoots(this.trees));
  }

  /** Accounts of an asset's tree, by index. */
  order(asset: Hex): AccountId[] {
    return [...(this.indices.get(asset)?.keys() ?? [])];
  }

  /** Builds an asset's tree, empty so far, of these accounts in this order. */
  restore(asset: Hex, ids: readonly AccountId[], book: Book, priceOf: PriceOf): void {
    for (const id of ids) {
      const account = book.accounts.get(id);
      assert(account !== undefined, "a leaf without an account");
      this.setLeaf(account, asset, priceOf);
    }
  }

  /** Leaf of an account as it is now. */
  private leafOf(account: Account, asset: Hex, priceOf: PriceOf): AccountLeaf {
    const cash = account.cash.get(asset) ?? 0n;
    if (asset !== this.collateral)
      return { account: account.id, asset, cash, exitValue: maxBigint(0n, cash), details: ZERO_BYTES32 };
    const holdings = holdingsOf(account);
    const exitValue = maxBigint(0n, cash + optionValue(account, priceOf));
    const leaf = { account: account.id, asset, cash, exitValue, details: holdingsHash(holdings) };
    this.holdings.set(leaf, holdings);
    return leaf;
  }

  /** An account as batch `sequence` left it; undefined when it has no leaf there, or the batch is no longer kept. */
  view(id: AccountId, sequence: bigint): AccountView | undefined {
    const snapshot = this.snapshots.get(sequence);
    const leaves = [...(snapshot?.trees ?? [])].flatMap(([asset, tree]) => {
      const index = this.indices.get(asset)?.get(id);
      return index === undefined || index >= tree.size ? [] : [tree.get(index)];
    });
    const detailed = leaves.find((leaf) => leaf.asset === this.collateral);
    const holdings = detailed && this.holdings.get(detailed);
    if (holdings === undefined) return undefined;
    const cash = leaves.map(({ asset, cash: amount, exitValue }) => ({ asset, amount, exitValue }));
    return { account: id, cash, ...describeHoldings(holdings) };
  }

  /** Undefined when the account has no leaf in that batch, or the batch is no longer kept. */
  prove(id: AccountId, asset: Hex, sequence: bigint): AccountProof | undefined {
    const snapshot = this.snapshots.get(sequence);
    const tree = snapshot?.trees.get(asset);
    const index = this.indices.get(asset)?.get(id);
    if (snapshot === undefined || tree === undefined || index === undefined || index >= tree.size) return undefined;
    return proveAccount(tree, index, this.assetRoots(snapshot.trees), snapshot.rest);
  }

  private assetRoots(trees: ReadonlyMap<Hex, AccountTree>) {
    return [...trees.values()].map((tree) => tree.assetRoot);
  }

  private setLeaf(account: Account, asset: Hex, priceOf: PriceOf): void {
    const tree = this.trees.get(asset);
    const indices = this.indices.get(asset);
    assert(tree !== undefined && indices !== undefined, "cash in an unknown asset");
    let index = indices.get(account.id);
    if (index === undefined) {
      index = tree.size;
      indices.set(account.id, index);
    }
    this.trees.set(asset, tree.set(index, this.leafOf(account, asset, priceOf)));
  }
}

/**
 * Options at intrinsic value of the market's newest price, 0 before there is one. Futures and perpetuals add nothing: their
 * variation up to the mark is already cash.
 */
export function optionValue(account: Account, priceOf: PriceOf): bigint {
  let value = 0n;
  for (const group of account.groups.values()) {
    const price = priceOf(group.market.id);
    if (price === undefined) continue;
    for (const { terms, quantity } of group.legs.values()) {
      if (isOption(terms)) value += quantity * intrinsicValue(terms, price);
    }
  }
  return value;
}
