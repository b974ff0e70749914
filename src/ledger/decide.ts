/**
 * Verdicts on instruction bodies. Each function looks at the book, decides, and returns either why not (with the figures) or the
 * change to make; nothing here changes anything, so a preview is the same call without `commit`.
 */
import type { AccountId } from "../batch/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { ZERO_ADDRESS } from "../lib/hex.ts";
import type { Book } from "./book.ts";
import type { ChainBook } from "./chains.ts";
import type { ReceiptCode } from "./codes.ts";
import { Draft, type DraftAccount } from "./draft.ts";
import type { FundingModel } from "./funding.ts";
import { type Grant, spend, withLimits } from "./grants.ts";
import { ownerOf } from "./instruction.ts";
import { fitsMarket, isOption, tryDecodeInstrument } from "./instrument.ts";
import { laneKeyOf } from "./lanes.ts";
import { MAX_AMOUNT, MAX_GRANTS_PER_ACCOUNT, MAX_POSITIONS_PER_ACCOUNT } from "./limits.ts";
import type { MarginModel, PositionGroup } from "./margin.ts";
import type { Fill, InstructionBody, InstructionHead, MarketConfig } from "./types.ts";

/** What a verdict may read. */
export interface World {
  readonly book: Book;
  readonly assets: ReadonlySet<Hex>;
  readonly markets: ReadonlyMap<number, MarketConfig>;
  readonly chains: ReadonlyMap<bigint, ChainBook>;
  readonly margin: MarginModel;
  readonly funding: FundingModel;
  /** Ledger time in seconds. */
  readonly time: bigint;
  /** Newest price of a market, if it ever had one. */
  price(market: number): bigint | undefined;
}

export interface Effects {
  /** Writes a payout to a chain's outbox, in the order of calls. */
  payout(chain: ChainBook, asset: Hex, recipient: Address, amount: bigint, relayerFee: bigint): void;
  openLane(signer: Address, lane: bigint): void;
}

export type Verdict =
  | { readonly code: "applied"; readonly commit: (effects: Effects) => void }
  | { readonly code: Exclude<ReceiptCode, "applied">; readonly figures: Readonly<Record<string, string>> };

type Refusal = Exclude<Verdict, { code: "applied" }>;
type Body<Kind extends InstructionBody["kind"]> = Extract<InstructionBody, { kind: Kind }>;

function refuse(code: Refusal["code"], figures: Readonly<Record<string, bigint | number | string>> = {}): Refusal {
  return { code, figures: Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, String(value)])) };
}

export function decide(world: World, head: InstructionHead, body: InstructionBody): Verdict {
  switch (body.kind) {
    case "openLane":
      return decideOpenLane(world, head, body);
    case "fills":
      return decideFills(world, head, body.fills);
    case "transfer":
      return decideTransfer(world, head, body);
    case "withdraw":
      return decideWithdraw(world, head, body);
  }
}

function decideOpenLane({ book, assets }: World, head: InstructionHead, body: Body<"openLane">): Verdict {
  if (ownerOf(body.account) !== head.signer) return refuse("notOwner", { account: body.account });
  const named = body.cashLimits.map((limit) => limit.asset);
  if (new Set(named).size !== named.length || !named.every((asset) => assets.has(asset))) return refuse("badLimits");
  const key = laneKeyOf(body.laneSigner, body.laneNumber);
  const grants = book.accounts.get(body.account)?.grants;
  const previous = grants?.get(key);
  if (previous === undefined && (grants?.size ?? 0) >= MAX_GRANTS_PER_ACCOUNT) {
    return refuse("tooManyGrants", { limit: MAX_GRANTS_PER_ACCOUNT });
  }
  const grant = withLimits(previous, body.laneSigner, body.laneNumber, body.marginLimit, body.cashLimits);
  return {
    code: "applied",
    commit: (effects) => {
      book.setGrant(book.account(body.account), key, grant);
      effects.openLane(body.laneSigner, body.laneNumber);
    },
  };
}

function decideFills(world: World, head: InstructionHead, fills: readonly Fill[]): Verdict {
  const { book } = world;
  if (fills.length === 0) return refuse("empty");
  const laneKey = laneKeyOf(head.signer, head.lane);
  const draft = new Draft(book);
  for (const [at, fill] of fills.entries()) {
    const refusal = tradeOf(world, head.signer, laneKey, draft, fill);
    if (refusal !== undefined) return { ...refusal, figures: { fill: at.toString(), ...refusal.figures } };
  }
  const settled: { account: DraftAccount; groups: Map<string, PositionGroup>; grant: Grant | undefined }[] = [];
  for (const account of draft.accounts.values()) {
    const groups = draft.groupsAfter(account);
    const checked = checkAccount(world, draft, account, groups);
    if ("code" in checked) return checked;
    settled.push({ account, groups, grant: checked.grant });
  }
  return {
    code: "applied",
    commit: () => {
      for (const [id, { terms, market, mark }] of draft.openings) {
        book.openInstrument(id, terms, market, mark, world.funding.index(market.id));
      }
      for (const { account, groups, grant } of settled) {
        const target = book.account(account.id);
        for (const key of account.groups.keys()) {
          book.setGroup(target, groups.get(key)!);
        }
        book.addCash(target, quoteOf(account), account.cash);
        if (grant !== undefined) book.setGrant(target, laneKey, grant);
      }
    },
  };
}

/** All markets settle in one asset (genesis.ts), so any group of the account names it. */
function quoteOf(account: DraftAccount): Hex {
  const [group] = account.groups.values();
  return group!.market.quote;
}

/** Checks one fill and books it into the draft. */
function tradeOf(world: World, signer: Address, laneKey: string, draft: Draft, fill: Fill): Refusal | undefined {
  const { book } = world;
  const { instrument: id, buyer, seller, quantity, price } = fill;
  const terms = book.instruments.get(id)?.terms ?? draft.openings.get(id)?.terms ?? tryDecodeInstrument(id);
  const market = terms && world.markets.get(terms.market);
  if (terms === undefined || market === undefined || !fitsMarket(terms, market)) {
    return refuse("unknownInstrument", { instrument: id });
  }
  if (quantity === 0n) return refuse("zeroAmount");
  if (buyer === seller) return refuse("sameAccount", { account: buyer });
  if (terms.expiry > 0n && world.time >= terms.expiry) {
    return refuse("expired", { expiry: terms.expiry, time: world.time });
  }
  if (!isOption(terms) && price > market.priceCap) {
    return refuse("priceAboveCap", { price, priceCap: market.priceCap });
  }
  if (!book.instruments.has(id) && !draft.openings.has(id)) {
    // Before a market has a price, the first fill's price is the mark: any other choice would move cash nobody agreed on.
    const mark = isOption(terms) ? 0n : (world.price(market.id) ?? price);
    draft.openings.set(id, { terms, market, mark });
  }
  for (const [accountId, signed] of [
    [buyer, quantity],
    [seller, -quantity],
  ] as const) {
    const grant = book.accounts.get(accountId)?.grants.get(laneKey);
    const isOwner = ownerOf(accountId) === signer;
    // One signature would open a thousand accounts, each kept for ever.
    if (isOwner && !book.accounts.has(accountId)) return refuse("unknownAccount", { account: accountId });
    if (!isOwner && grant === undefined) return refuse("laneNotOpen", { account: accountId });
    draft.trade(draft.account(accountId, isOwner ? undefined : grant), id, terms, market, signed, price);
  }
  return undefined;
}

function checkAccount(
  world: World,
  draft: Draft,
  account: DraftAccount,
  groups: ReadonlyMap<string, PositionGroup>,
): Refusal | { grant: Grant | undefined } {
  const quote = quoteOf(account);
  let grant = account.grant;
  if (grant !== undefined) {
    const spent = spend(grant, draft.costOf(account, quote, world.margin));
    if ("resource" in spent) {
      const { resource, cost, remaining } = spent;
      return refuse("laneLimit", { account: account.id, resource, cost, remaining });
    }
    grant = spent.grant;
  }
  let positions = 0;
  for (const group of groups.values()) positions += group.legs.size;
  for (const { legs } of account.groups.values()) {
    for (const [instrument, { quantity }] of legs) {
      // Parity trades carry no risk and could pile up until variation no longer fits the words that are hashed.
      if (quantity <= MAX_AMOUNT && quantity >= -MAX_AMOUNT) continue;
      return refuse("positionTooLarge", { account: account.id, instrument, quantity, limit: MAX_AMOUNT });
    }
  }
  if (positions > MAX_POSITIONS_PER_ACCOUNT && positions > (account.base?.positions ?? 0)) {
    return refuse("tooManyPositions", { account: account.id, positions, limit: MAX_POSITIONS_PER_ACCOUNT });
  }
  const before = account.base?.cash.get(quote) ?? 0n;
  const refusal = checkCash(account.id, before, account.cash);
  if (refusal !== undefined) return refusal;
  const worst = world.margin.worstValue(before + account.cash, groups.values(), draft.markOf);
  return worst < 0n ? refuse("marginShort", { account: account.id, worstValue: worst }) : { grant };
}

/** Instructions never take cash below zero; variation may, where the positions' own worst value covers it. */
function checkCash(account: AccountId, before: bigint, change: bigint): Refusal | undefined {
  if (change >= 0n || before + change >= 0n) return undefined;
  return refuse("overdraft", { account, cash: before, needed: -change });
}

/** Whether `amount` of cash can leave the account. */
function checkOutflow(world: World, id: AccountId, asset: Hex, amount: bigint): Refusal | undefined {
  const { book, margin } = world;
  const before = book.cashOf(id, asset);
  const refusal = checkCash(id, before, -amount);
  if (refusal !== undefined) return refusal;
  const groups = book.accounts.get(id)?.groups;
  const [first] = groups?.values() ?? [];
  if (groups === undefined || first === undefined || first.market.quote !== asset) return undefined;
  const worst = margin.worstValue(before - amount, groups.values(), (key) => book.instruments.get(key)?.mark ?? 0n);
  return worst < 0n ? refuse("marginShort", { account: id, worstValue: worst, amount }) : undefined;
}

function decideTransfer(world: World, head: InstructionHead, body: Body<"transfer">): Verdict {
  const { book } = world;
  const { from, to, asset, amount } = body;
  if (ownerOf(from) !== head.signer) return refuse("notOwner", { account: from });
  if (!world.assets.has(asset)) return refuse("unknownAsset", { asset });
  if (amount === 0n) return refuse("zeroAmount");
  if (from === to) return refuse("sameAccount", { account: from });
  const refusal = checkOutflow(world, from, asset, amount);
  if (refusal !== undefined) return refusal;
  return {
    code: "applied",
    commit: () => {
      book.addCash(book.account(from), asset, -amount);
      book.addCash(book.account(to), asset, amount);
    },
  };
}

function decideWithdraw(world: World, head: InstructionHead, body: Body<"withdraw">): Verdict {
  const { book } = world;
  const { account, asset, amount, chainId, recipient, relayerFee } = body;
  if (ownerOf(account) !== head.signer) return refuse("notOwner", { account });
  if (!world.assets.has(asset)) return refuse("unknownAsset", { asset });
  const chain = world.chains.get(chainId);
  if (chain === undefined) return refuse("unknownChain", { chainId });
  if (!chain.tokenByAsset.has(asset)) return refuse("unknownAsset", { asset, chainId });
  if (amount === 0n) return refuse("zeroAmount");
  const { hub, vault, tokens } = chain.config;
  if ([ZERO_ADDRESS, hub, vault, ...tokens.map((token) => token.token)].includes(recipient)) {
    return refuse("badRecipient", { recipient });
  }
  const total = amount + relayerFee;
  const refusal = checkOutflow(world, account, asset, total);
  if (refusal !== undefined) return refusal;
  const held = chain.backingOf(asset);
  if (held < total) return refuse("vaultShort", { chainId, held, needed: total });
  return {
    code: "applied",
    commit: (effects) => {
      book.addCash(book.account(account), asset, -total);
      effects.payout(chain, asset, recipient, amount, relayerFee);
    },
  };
}
