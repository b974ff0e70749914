/**
 * The state root: an account tree per asset, and one hash of everything else the fold reads. Per batch it costs O(changed accounts ×
 * log accounts); nothing walks over all accounts. The last batches' trees are kept so that accounts can be proven against headers
 * that are still on their way to a chain (the trees share what did not change).
 */
import { AccountTree } from "../batch/account-tree.ts";
import { type AccountProof, assetsRootOf, proveAccount } from "../batch/state.ts";
import type { AccountId, AccountLeaf } from "../batch/types.ts";
import { assert } from "../lib/assert.ts";
import { type Hex, ZERO_BYTES32 } from "../lib/hex.ts";
import { compareText, maxBigint } from "../lib/math.ts";
import type { Account, Book } from "./book.ts";
import { writeGrant } from "./grants.ts";
import { intrinsicValue, isOption } from "./instrument.ts";
import { RETAINED_BATCHES } from "./limits.ts";
import type { PositionGroup } from "./margin.ts";
import { WordWriter } from "./words.ts";

interface Snapshot {
  readonly trees: ReadonlyMap<Hex, AccountTree>;
  readonly rest: Hex;
}

/** Price of a market's underlying, if it ever had one. */
export type PriceOf = (market: number) => bigint | undefined;

export class StateRoots {
  /** The asset that positions settle in; its leaves carry positions and lanes. */
  private readonly collateral: Hex;
  private readonly trees: Map<Hex, AccountTree>;
  /** An account's index in an asset's tree, given once and for ever. */
  private readonly indices = new Map<Hex, Map<AccountId, number>>();
  private readonly snapshots = new Map<bigint, Snapshot>();
  private readonly groupHashes = new WeakMap<PositionGroup, Uint8Array>();
  private readonly words = new WordWriter();

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
    for (const id of book.dirty) {
      const account = book.accounts.get(id);
      assert(account !== undefined, "a changed account does not exist");
      this.setLeaf(account, this.collateral, priceOf);
      for (const asset of account.cash.keys()) if (asset !== this.collateral) this.setLeaf(account, asset, priceOf);
    }
    book.dirty.clear();
    this.snapshots.set(sequence, { trees: new Map(this.trees), rest });
    this.snapshots.delete(sequence - RETAINED_BATCHES);
    return assetsRootOf(this.assetRoots(this.trees));
  }

  /** Leaf of an account as it is now. */
  leafOf(account: Account, asset: Hex, priceOf: PriceOf): AccountLeaf {
    const cash = account.cash.get(asset) ?? 0n;
    const isCollateral = asset === this.collateral;
    return {
      account: account.id,
      asset,
      cash,
      exitValue: maxBigint(0n, isCollateral ? cash + optionValue(account, priceOf) : cash),
      details: isCollateral ? this.detailsOf(account) : ZERO_BYTES32,
    };
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

  /** Hash of positions and opened lanes; groups are hashed once, as long as they do not change. */
  private detailsOf(account: Account): Hex {
    const groups = [...account.groups].sort(([a], [b]) => compareText(a, b)).map(([, group]) => this.hashGroup(group));
    const w = this.words.reset().int(groups.length);
    for (const hash of groups) w.raw(hash);
    w.int(account.grants.size);
    for (const [, grant] of [...account.grants].sort(([a], [b]) => compareText(a, b))) writeGrant(w, grant);
    return w.keccakHex();
  }

  private hashGroup(group: PositionGroup): Uint8Array {
    let hash = this.groupHashes.get(group);
    if (hash === undefined) {
      const w = this.words.reset();
      for (const [id, { quantity }] of [...group.legs].sort(([a], [b]) => compareText(a, b))) w.hex(id).int(quantity);
      hash = w.keccak();
      this.groupHashes.set(group, hash);
    }
    return hash;
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
