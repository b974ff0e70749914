/**
 * `details` of an account's collateral leaf: the hash of its positions and of the lanes opened on it, so that whoever is told them can
 * check them against a proven leaf.
 *
 *   details = keccak(groups ‖ hash of each group ‖ lanes ‖ each lane)       counts and integers are 32-byte words
 *   group   = keccak(instrument ‖ quantity, for each, by instrument id)     one per (market, expiry), in that order
 *   lane    = signer ‖ number ‖ margin limit ‖ margin spent ‖ assets ‖ (asset ‖ limit ‖ spent, for each, by asset id)
 *             by signer, then number
 *
 * Groups are hashed apart because the ledger's are immutable: one that did not change is not hashed again.
 */
import { type Hex, isHex } from "../lib/hex.ts";
import { compareBigint, compareText } from "../lib/math.ts";
import type { Account } from "./book.ts";
import type { Grant } from "./grants.ts";
import { MAX_UINT64 } from "./limits.ts";
import type { PositionGroup } from "./margin.ts";
import type { AccountDetails, LaneAllowance, Position } from "./types.ts";
import { WordWriter } from "./words.ts";

/** What the ledger holds of an account besides cash. Both lists in the order above; never changed. */
export interface Holdings {
  readonly groups: readonly PositionGroup[];
  readonly grants: readonly Grant[];
}

/** The account's holdings as they are now. */
export function holdingsOf(account: Account): Holdings {
  const groups = [...account.groups.values()];
  groups.sort((a, b) => a.market.id - b.market.id || compareBigint(a.expiry, b.expiry));
  const grants = [...account.grants.values()];
  grants.sort((a, b) => compareText(a.laneSigner, b.laneSigner) || compareBigint(a.laneNumber, b.laneNumber));
  return { groups, grants };
}

/** The same for people and clients: positions by instrument id within their group. */
export function describeHoldings({ groups, grants }: Holdings): AccountDetails {
  return { positions: groups.flatMap(positionsOf), lanes: grants.map(allowanceOf) };
}

function positionsOf(group: PositionGroup): Position[] {
  const positions = [...group.legs].map(([instrument, { quantity }]) => ({ instrument, quantity }));
  return positions.sort((a, b) => compareText(a.instrument, b.instrument));
}

function allowanceOf({ laneSigner, laneNumber, margin, cash }: Grant): LaneAllowance {
  const assets = [...cash].map(([asset, { limit, spent }]) => ({ asset, limit, spent }));
  assets.sort((a, b) => compareText(a.asset, b.asset));
  return { signer: laneSigner, lane: laneNumber, margin: { limit: margin.limit, spent: margin.spent }, cash: assets };
}

const words = new WordWriter();

function hashPositions(positions: readonly Position[]): Uint8Array {
  words.reset();
  for (const { instrument, quantity } of positions) words.hex(instrument).int(quantity);
  return words.keccak();
}

function hashDetails(groups: readonly Uint8Array[], lanes: readonly LaneAllowance[]): Hex {
  words.reset().int(groups.length);
  for (const hash of groups) words.raw(hash);
  words.int(lanes.length);
  for (const { signer, lane, margin, cash } of lanes) {
    words.hex(signer).int(lane).int(margin.limit).int(margin.spent).int(cash.length);
    for (const { asset, limit, spent } of cash) words.hex(asset).int(limit).int(spent);
  }
  return words.keccakHex();
}

const groupHashes = new WeakMap<PositionGroup, Uint8Array>();

/** `details` of what the ledger holds. */
export function holdingsHash({ groups, grants }: Holdings): Hex {
  const hashes = groups.map((group) => {
    let hash = groupHashes.get(group);
    if (hash === undefined) {
      hash = hashPositions(positionsOf(group));
      groupHashes.set(group, hash);
    }
    return hash;
  });
  return hashDetails(hashes, grants.map(allowanceOf));
}

/** Market and expiry in an instrument id (instrument.ts): ids that share them settle together. */
const GROUP_DIGITS = [6, 30] as const;

/** `details` that a stranger's account of positions and lanes, in any order, leads to; undefined when it fits no ledger. Never throws. */
export function detailsHash({ positions, lanes }: AccountDetails): Hex | undefined {
  if (!positions.every(isPosition) || !lanes.every(isAllowance)) return undefined;
  const groups = new Map<string, Position[]>();
  for (const position of [...positions].sort((a, b) => compareText(a.instrument, b.instrument))) {
    const key = position.instrument.slice(...GROUP_DIGITS);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [position]);
    else group.push(position);
  }
  const sorted = lanes.map((lane) => ({ ...lane, cash: [...lane.cash].sort((a, b) => compareText(a.asset, b.asset)) }));
  sorted.sort((a, b) => compareText(a.signer, b.signer) || compareBigint(a.lane, b.lane));
  const hashes = [...groups].sort(([a], [b]) => compareText(a, b)).map(([, group]) => hashPositions(group));
  return hashDetails(hashes, sorted);
}

const MAX_INT255 = (1n << 255n) - 1n;

function isAmount(value: bigint): boolean {
  return typeof value === "bigint" && value >= 0n && value <= MAX_INT255;
}

function isPosition({ instrument, quantity }: Position): boolean {
  return isHex(instrument, 32) && typeof quantity === "bigint" && isAmount(quantity < 0n ? -quantity : quantity);
}

function isAllowance({ signer, lane, margin, cash }: LaneAllowance): boolean {
  const isFit = isHex(signer, 20) && isAmount(lane) && lane <= MAX_UINT64;
  const allowances = [margin, ...cash];
  return (
    isFit &&
    allowances.every(({ limit, spent }) => isAmount(limit) && isAmount(spent)) &&
    cash.every(({ asset }) => isHex(asset, 32))
  );
}
