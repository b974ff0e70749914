/**
 * What owners allow other signers' lanes to do with their accounts. In this version everything is decided in order, so a grant is
 * the owner's limit itself: a lane may spend while C + cost ≤ limit, C only rises (ledger.md, rules 2–4). Grants per batch, the
 * window over them and `out` come with the risk engine and replace `remaining` alone.
 *
 * Cost of an instruction to an account, ≥ 0:
 *   cash of the quote asset   net premium paid
 *   margin                    worst intrinsic loss of its net trade standing alone, plus its loss against the marks
 * so a venue's limits together are the most it can lose for an owner. Owners' own lanes have no limits.
 */
import type { Address, Hex } from "../lib/hex.ts";
import { MAX_AMOUNT } from "./limits.ts";

/** Cumulative spending against its limit, in ledger units. */
export interface Allowance {
  readonly limit: bigint;
  readonly spent: bigint;
}

export interface Grant {
  readonly laneSigner: Address;
  readonly laneNumber: bigint;
  readonly margin: Allowance;
  /** By asset id; an asset that is not named has limit 0. */
  readonly cash: ReadonlyMap<Hex, Allowance>;
}

/** What one instruction costs one account. */
export interface Cost {
  readonly margin: bigint;
  readonly cash: ReadonlyMap<Hex, bigint>;
}

/** What a lane may still spend; never negative, 0 after a limit was set below what is spent. */
export function remaining(allowance: Allowance | undefined): bigint {
  if (allowance === undefined || allowance.limit <= allowance.spent) return 0n;
  return allowance.limit - allowance.spent;
}

/** The grant after spending, or the resource that is short. Spending is all or nothing. */
export function spend(
  grant: Grant,
  cost: Cost,
): { readonly grant: Grant } | { readonly resource: string; readonly cost: bigint; readonly remaining: bigint } {
  const marginLeft = remaining(grant.margin);
  if (cost.margin > marginLeft) return { resource: "margin", cost: cost.margin, remaining: marginLeft };
  const cash = new Map(grant.cash);
  for (const [asset, amount] of cost.cash) {
    if (amount === 0n) continue;
    const left = remaining(cash.get(asset));
    if (amount > left) return { resource: asset, cost: amount, remaining: left };
    cash.set(asset, add(cash.get(asset)!, amount));
  }
  return { grant: { ...grant, margin: add(grant.margin, cost.margin), cash } };
}

function add({ limit, spent }: Allowance, amount: bigint): Allowance {
  return { limit, spent: spent + amount };
}

/** New limits for a lane; what it has spent stays spent, else reopening would be a way to spend twice. */
export function withLimits(
  previous: Grant | undefined,
  laneSigner: Address,
  laneNumber: bigint,
  marginLimit: bigint,
  cashLimits: readonly { readonly asset: Hex; readonly limit: bigint }[],
): Grant {
  const cash = new Map<Hex, Allowance>();
  for (const [asset, { spent }] of previous?.cash ?? []) cash.set(asset, { limit: 0n, spent });
  for (const { asset, limit } of cashLimits) cash.set(asset, { limit, spent: cash.get(asset)?.spent ?? 0n });
  return { laneSigner, laneNumber, margin: { limit: marginLimit, spent: previous?.margin.spent ?? 0n }, cash };
}

/** Spent amounts are bounded by limits, limits by 2^128. */
export function isLimit(value: bigint): boolean {
  return value >= 0n && value <= MAX_AMOUNT;
}
