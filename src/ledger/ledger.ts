/**
 * The ledger: a fold of output rounds into settlement batches. Deterministic: it reads the genesis and the order, nothing else.
 * Anything a user or a member can send ends in a receipt, an event or a drop; only our own broken invariants throw.
 */
import { headerDigest } from "../batch/header.ts";
import type { MultiProof } from "../batch/multiproof.ts";
import { outboxesRoot } from "../batch/outbox.ts";
import type { AccountProof } from "../batch/state.ts";
import { AppendOnlyTree } from "../batch/tree.ts";
import type {
  AccountId,
  BatchHeader,
  DepositEntry,
  Destination,
  ForcedEntry,
  InboxEntry,
  InclusionProof,
  OutboxEntry,
} from "../batch/types.ts";
import { assert } from "../lib/assert.ts";
import { isSignatureBy } from "../lib/ecdsa.ts";
import { type Address, type Hex, hexToBytes, ZERO_BYTES32 } from "../lib/hex.ts";
import { compareBigint, compareText, divFloor } from "../lib/math.ts";
import { Book } from "./book.ts";
import { ChainBook } from "./chains.ts";
import { LedgerClock } from "./clock.ts";
import { tryDecodeSignedInstruction } from "./codec.ts";
import type { DropCode, InboxCode, ReceiptCode } from "./codes.ts";
import { assertConserved, auditBook } from "./conservation.ts";
import { decide, type Effects, type World } from "./decide.ts";
import { type FundingModel, NO_FUNDING } from "./funding.ts";
import { genesisHash, quorumsOf } from "./genesis.ts";
import { InboxTally } from "./inbox.ts";
import { digestOfId, instructionId } from "./instruction.ts";
import { isOption } from "./instrument.ts";
import { Lanes, type Parked } from "./lanes.ts";
import { AUDIT_INTERVAL, MAX_AMOUNT } from "./limits.ts";
import type { MarginModel } from "./margin.ts";
import { MarketPrices } from "./prices.ts";
import { payFunding, remark, settleExpiry } from "./settlement.ts";
import { StateRoots } from "./state.ts";
import type {
  AccountView,
  BatchInput,
  LedgerEvent,
  LedgerGenesis,
  Receipt,
  SettledBatch,
  SignedInstruction,
} from "./types.ts";
import { WordWriter } from "./words.ts";
import { createWorstIntrinsic } from "./worst-intrinsic.ts";

export interface LedgerOptions {
  /** Pure; callers that verified a signature before may answer from memory. Default: secp256k1 recovery. */
  readonly verify?: (digest: Hex, signature: Hex, signer: Address) => boolean;
  /** Default: worst intrinsic value. Part of the rules: every member must use the same. */
  readonly margin?: MarginModel;
  /** Default: no funding. Part of the rules: every member must use the same. */
  readonly funding?: FundingModel;
}

/** What `preview` says: a receipt code, or why the instruction would leave no trace yet. */
export interface Preview {
  readonly code: ReceiptCode | DropCode;
  readonly figures: Readonly<Record<string, string>>;
}

/** What one batch is making. */
interface Making {
  readonly sequence: bigint;
  readonly receipts: Receipt[];
  readonly events: LedgerEvent[];
  readonly entries: { readonly chainId: bigint; readonly hub: Address; readonly entry: OutboxEntry }[];
}

export class Ledger {
  readonly genesis: LedgerGenesis;
  readonly genesisHash: Hex;
  /** Instructions that left no trace, since start; not part of the state. */
  dropped = 0;
  private readonly verify: (digest: Hex, signature: Hex, signer: Address) => boolean;
  private readonly margin: MarginModel;
  private readonly funding: FundingModel;
  private readonly assets: ReadonlySet<Hex>;
  private readonly book: Book;
  private readonly lanes: Lanes;
  private readonly clock: LedgerClock;
  /** Ascending by market id. */
  private readonly prices: ReadonlyMap<number, MarketPrices>;
  /** Ascending by chain id. */
  private readonly chains: ReadonlyMap<bigint, ChainBook>;
  private readonly tallies: ReadonlyMap<bigint, InboxTally>;
  private readonly state: StateRoots;
  private readonly history = new AppendOnlyTree();
  private readonly sections = new Map<string, Uint8Array>();
  private readonly words = new WordWriter();
  private announcedTime = 0n;
  private currentHeader: BatchHeader | undefined;
  private headerHash: Hex = ZERO_BYTES32;

  /** Throws LedgerError `badGenesis`. */
  constructor(genesis: LedgerGenesis, options: LedgerOptions = {}) {
    this.genesisHash = genesisHash(genesis);
    this.genesis = genesis;
    this.verify = options.verify ?? ((digest, signature, signer) => isSignatureBy(signer, digest, signature));
    this.margin = options.margin ?? createWorstIntrinsic();
    this.funding = options.funding ?? NO_FUNDING;
    const { quorum } = quorumsOf(genesis);
    const assets = genesis.assets.map((asset) => asset.id).sort(compareText);
    this.assets = new Set(assets);
    this.book = new Book(genesis.markets);
    this.lanes = new Lanes(genesis.window);
    this.clock = new LedgerClock(quorum);
    const markets = [...genesis.markets].sort((a, b) => a.id - b.id);
    this.prices = new Map(markets.map((market) => [market.id, new MarketPrices(market, quorum)]));
    const chains = [...genesis.chains].sort((a, b) => compareBigint(a.chainId, b.chainId));
    this.chains = new Map(chains.map((chain) => [chain.chainId, new ChainBook(chain)]));
    this.tallies = new Map(chains.map((chain) => [chain.chainId, new InboxTally(quorum)]));
    this.state = new StateRoots(assets, markets[0]?.quote ?? assets[0]!);
  }

  /** Sequence of the newest batch; 0 before the first. */
  get sequence(): bigint {
    return this.currentHeader?.sequence ?? 0n;
  }

  /** Header of the newest batch. */
  get header(): BatchHeader | undefined {
    return this.currentHeader;
  }

  /** Digest of the newest header; zero before the first. */
  get digest(): Hex {
    return this.headerHash;
  }

  /** Seconds since the Unix epoch, as members report them; 0 before n − f did. */
  get time(): bigint {
    return this.clock.time;
  }

  get destinations(): readonly Destination[] {
    return [...this.chains.values()].map((chain) => chain.destination);
  }

  /**
   * Settles one output round. Returns undefined, and makes no batch, when nothing happened that anybody outside could wait for: no
   * receipt, no inbox entry consumed, no price fixed, no expiry. What such a round did change (tallies, time reports, parked
   * instructions) is kept and enters the next batch's state root. The rule depends on the order alone; without it an idle committee
   * would sign a batch for every round in which somebody reports the time. Throws InvariantError only.
   */
  apply(input: BatchInput): SettledBatch | undefined {
    const making: Making = { sequence: this.sequence + 1n, receipts: [], events: [], entries: [] };
    this.applyInbox(input, making);
    this.applyTime(input, making);
    this.applyPrices(input, making);
    payFunding(this.book, this.funding);
    this.applyExpiries(making);
    this.applyInstructions(input, making);
    this.book.sweep();
    if (making.receipts.length === 0 && making.events.every((event) => event.kind === "time")) return undefined;
    return this.close(input.commit, making);
  }

  /** What would become of an instruction if the next batch held nothing before it. Verifies the signature; changes nothing. */
  preview(signed: SignedInstruction): Preview {
    const id = instructionId(signed.instruction);
    const { head, body } = signed.instruction;
    const admission = this.admit(id, signed, this.sequence + 1n);
    if (admission.kind === "park") return { code: "parked", figures: {} };
    if (admission.kind === "drop") return { code: admission.code, figures: {} };
    if (admission.kind === "refuse") return { code: admission.code, figures: admission.figures };
    if (this.lanes.falls(head.signer, head.lane, head.namedBatch)) return { code: "namedBatchFell", figures: {} };
    const verdict = decide(this.world(), head, body);
    return { code: verdict.code, figures: verdict.code === "applied" ? {} : verdict.figures };
  }

  /** Undefined for an account that was never credited nor opened a lane. */
  account(id: AccountId): AccountView | undefined {
    const account = this.book.accounts.get(id);
    if (account === undefined) return undefined;
    const cash = [...account.cash.keys()].sort(compareText).map((asset) => {
      const leaf = this.state.leafOf(account, asset, this.priceOf);
      return { asset, amount: leaf.cash, exitValue: leaf.exitValue };
    });
    const positions: { instrument: Hex; quantity: bigint }[] = [];
    for (const group of account.groups.values()) {
      for (const [instrument, { quantity }] of group.legs) positions.push({ instrument, quantity });
    }
    positions.sort((a, b) => compareText(a.instrument, b.instrument));
    return { account: id, cash, positions };
  }

  /**
   * Proof of one account's leaf against the header of batch `sequence`; undefined when it had no leaf there or the batch is older than
   * the last 64. The collateral asset's leaf exists for every account, another asset's once the account held it.
   */
  proveAccount(id: AccountId, asset: Hex, sequence: bigint = this.sequence): AccountProof | undefined {
    return this.state.prove(id, asset, sequence);
  }

  /** Proof of outbox entry `index` against the outbox root at `size`. Throws BatchError `outOfRange`. */
  proveOutbox(chainId: bigint, index: bigint, size?: bigint): InclusionProof | undefined {
    return this.chains.get(chainId)?.outbox.prove(index, size);
  }

  /** One proof for several entries. Throws BatchError `outOfRange`, `duplicate`. */
  proveOutboxMany(chainId: bigint, indexes: readonly bigint[], size?: bigint): MultiProof | undefined {
    return this.chains.get(chainId)?.outbox.proveMany(indexes, size);
  }

  /** Proof of header `sequence` in the history of the header `size + 1`, whose tree has `size` leaves. Throws BatchError `outOfRange`. */
  proveHistory(sequence: bigint, size: bigint = this.history.size): InclusionProof {
    return this.history.prove(sequence - 1n, size);
  }

  /** The nonce a lane's next instruction must have; 0 for a lane nobody used. */
  nextNonce(signer: Address, lane: bigint): bigint {
    return this.lanes.nextNonce(signer, lane);
  }

  /** Newest price of a market's underlying. */
  price(market: number): bigint | undefined {
    return this.priceOf(market);
  }

  /** Current mark and open interest of an instrument somebody holds. */
  instrument(id: Hex): { readonly mark: bigint | undefined; readonly openInterest: bigint } | undefined {
    const open = this.book.instruments.get(id);
    if (open === undefined) return undefined;
    return { mark: isOption(open.terms) ? undefined : open.mark, openInterest: open.openInterest };
  }

  /** Per asset: Σ cash, Σ exit values, and what each chain's vault still holds for us. */
  totals(): {
    readonly accounts: number;
    readonly lanes: number;
    readonly instruments: number;
    readonly assets: readonly {
      readonly asset: Hex;
      readonly cash: bigint;
      readonly exitValue: bigint;
      readonly chains: readonly { readonly chainId: bigint; readonly held: bigint }[];
    }[];
  } {
    return {
      accounts: this.book.accounts.size,
      lanes: this.lanes.size,
      instruments: this.book.instruments.size,
      assets: [...this.assets].map((asset) => ({
        asset,
        cash: this.book.cashTotals.get(asset) ?? 0n,
        exitValue: this.state.exitTotal(asset),
        chains: [...this.chains].map(([chainId, chain]) => ({ chainId, held: chain.backingOf(asset) })),
      })),
    };
  }

  /** Recomputes every sum from the accounts. Throws InvariantError. */
  audit(): void {
    auditBook(this.book);
    assertConserved(this.book, this.assets, this.chains.values());
  }

  private readonly priceOf = (market: number): bigint | undefined => this.prices.get(market)?.latest?.value;

  private world(): World {
    return {
      book: this.book,
      assets: this.assets,
      markets: new Map([...this.prices].map(([id, { market }]) => [id, market])),
      chains: this.chains,
      margin: this.margin,
      funding: this.funding,
      time: this.clock.time,
      price: this.priceOf,
    };
  }

  private admit(id: Hex, signed: SignedInstruction, sequence: bigint) {
    const { signer } = signed.instruction.head;
    return this.lanes.admit(id, signed, sequence, this.isOwner, () => this.isSigned(id, signed, signer));
  }

  private readonly isOwner = (signer: Address): boolean => this.book.owners.has(signer);

  private isSigned(id: Hex, signed: SignedInstruction, signer: Address): boolean {
    return this.verify(digestOfId(this.genesis.committeeId, id), signed.signature, signer);
  }

  private applyInbox(input: BatchInput, making: Making): void {
    for (const { author, observations } of input.items) {
      assert(author >= 0 && author < this.genesis.members, "a block by nobody of this committee");
      for (const observation of observations) {
        if (observation.kind !== "inbox") continue;
        const chain = this.chains.get(observation.chainId);
        if (chain === undefined) continue;
        this.tallies.get(observation.chainId)!.report(author, observation.entries, chain.inboxCursor);
      }
    }
    for (const [chainId, chain] of this.chains) {
      const tally = this.tallies.get(chainId)!;
      for (let entry = tally.take(chain.inboxCursor); entry !== undefined; entry = tally.take(chain.inboxCursor)) {
        chain.consume(entry);
        this.applyEntry(chain, entry, making);
      }
    }
  }

  private applyEntry(chain: ChainBook, entry: InboxEntry, making: Making): void {
    const refused = entry.kind === "deposit" ? this.deposit(chain, entry, making) : this.force(entry, making);
    if (refused === undefined) return;
    making.events.push({ kind: "inboxRefused", chainId: chain.config.chainId, index: entry.index, code: refused });
  }

  private deposit(chain: ChainBook, entry: DepositEntry, making: Making): InboxCode | undefined {
    const token = chain.tokenByAddress.get(entry.token);
    if (token === undefined) return "unknownToken";
    // What is lost to rounding stays in the vault, where it can only be missing to nobody.
    const amount = divFloor(entry.amount, token.unitsPerLedgerUnit);
    if (amount <= 0n) return "dust";
    if ((this.book.cashTotals.get(token.asset) ?? 0n) + amount > MAX_AMOUNT) return "ledgerFull";
    chain.credit(token.asset, amount);
    this.book.addCash(this.book.account(entry.account), token.asset, amount);
    const { chainId } = chain.config;
    const { index, account } = entry;
    making.events.push({ kind: "deposit", chainId, index, account, asset: token.asset, amount });
    return undefined;
  }

  /** Forced instructions obey every rule but the window: a censored owner cannot know when the chain lets it through. */
  private force(entry: ForcedEntry, making: Making): InboxCode | ReceiptCode | undefined {
    const signed = tryDecodeSignedInstruction(hexToBytes(entry.instruction));
    if (signed === undefined) return "undecodable";
    const { head } = signed.instruction;
    const id = instructionId(signed.instruction);
    if (this.lanes.isDecided(id)) return "repeated";
    if (!this.isSigned(id, signed, head.signer)) return "badSignature";
    const next = this.lanes.nextNonce(head.signer, head.lane);
    if (head.nonce !== next) return head.nonce < next ? "nonceUsed" : "nonceGap";
    const closed = this.lanes.mayStart(head.signer, head.lane, this.isOwner);
    if (closed !== undefined) return closed;
    // A named batch from the future must not make every later instruction of the lane fall.
    const named = head.namedBatch < making.sequence ? head.namedBatch : making.sequence - 1n;
    this.take(id, signed, making, named, true);
    return undefined;
  }

  private applyTime(input: BatchInput, making: Making): void {
    for (const { author, observations } of input.items) {
      for (const observation of observations) {
        if (observation.kind === "time") this.clock.report(author, observation.seconds);
      }
    }
    this.clock.advance();
    if (this.clock.time > this.announcedTime) making.events.push({ kind: "time", seconds: this.clock.time });
  }

  private applyPrices(input: BatchInput, making: Making): void {
    const { time } = this.clock;
    const expiries = new Map<number, bigint[]>();
    for (const [market, groups] of this.book.open)
      expiries.set(
        market,
        [...groups.values()].map((g) => g.expiry),
      );
    for (const { author, observations } of input.items) {
      for (const observation of observations) {
        if (observation.kind !== "prices") continue;
        const prices = this.prices.get(observation.market);
        if (prices === undefined) continue;
        const { firstSlotEnd, values, market } = observation;
        const slot = BigInt(prices.market.slotSeconds);
        for (const [i, value] of values.entries()) {
          prices.report(author, firstSlotEnd + BigInt(i) * slot, value, time, expiries.get(market)!);
        }
      }
    }
    for (const [market, prices] of this.prices) {
      const before = prices.latest;
      for (const { slotEnd, value } of prices.fix()) making.events.push({ kind: "price", market, slotEnd, value });
      if (prices.latest !== undefined && prices.latest !== before) remark(this.book, market, prices.latest.value);
    }
  }

  private applyExpiries(making: Making): void {
    for (const [market, prices] of this.prices) {
      const groups = [...this.book.open.get(market)!.values()].filter((group) => group.expiry > 0n);
      groups.sort((a, b) => compareBigint(a.expiry, b.expiry));
      for (const group of groups) {
        if (group.expiry > this.clock.time) break;
        const price = prices.expiryPrice(group.expiry);
        if (price !== undefined) making.events.push(settleExpiry(this.book, group, price));
      }
    }
    this.book.sweep();
    for (const [market, prices] of this.prices) {
      prices.prune(
        this.clock.time,
        [...this.book.open.get(market)!.values()].map((group) => group.expiry),
      );
    }
  }

  private applyInstructions(input: BatchInput, making: Making): void {
    for (const { id, signed } of this.lanes.expireParked(making.sequence)) {
      const { namedBatch } = signed.instruction.head;
      this.receipt(making, id, "late", { namedBatch: namedBatch.toString() });
    }
    for (const { instructions } of input.items) {
      for (const signed of instructions) {
        const id = instructionId(signed.instruction);
        const admission = this.admit(id, signed, making.sequence);
        if (admission.kind === "drop") this.dropped += 1;
        else if (admission.kind === "refuse") this.receipt(making, id, admission.code, admission.figures);
        else if (admission.kind === "park") this.lanes.park(id, signed);
        else this.take(id, signed, making, signed.instruction.head.namedBatch, false);
      }
    }
  }

  /** Decides the instruction whose turn it is, then whatever its nonce was holding up. */
  private take(id: Hex, signed: SignedInstruction, making: Making, named: bigint, isForced: boolean): void {
    let current: Parked | undefined = { id, signed };
    let namedBatch = named;
    let mayFall = isForced;
    while (current !== undefined) {
      const { head, body } = current.signed.instruction;
      if (!mayFall && this.lanes.falls(head.signer, head.lane, namedBatch)) {
        this.receipt(making, current.id, "namedBatchFell", { namedBatch: namedBatch.toString() });
      } else {
        const verdict = decide(this.world(), head, body);
        if (verdict.code === "applied") {
          verdict.commit(this.effects(making, current.id));
          this.receipt(making, current.id, "applied", {});
        } else this.receipt(making, current.id, verdict.code, verdict.figures);
      }
      const released: Parked | undefined = this.lanes.consume(head.signer, head.lane, namedBatch);
      current = released;
      mayFall = false;
      if (released !== undefined) namedBatch = released.signed.instruction.head.namedBatch;
    }
  }

  private effects(making: Making, id: Hex): Effects {
    return {
      payout: (chain, asset, recipient, amount, relayerFee) => {
        const entry = chain.writePayout(asset, recipient, amount, relayerFee, id);
        making.entries.push({ chainId: chain.config.chainId, hub: chain.config.hub, entry });
      },
      openLane: (signer, lane) => this.lanes.open(signer, lane),
    };
  }

  private receipt(making: Making, id: Hex, code: ReceiptCode, figures: Readonly<Record<string, string>>): void {
    const { sequence, receipts } = making;
    const status = code === "applied" ? "applied" : "refused";
    receipts.push({ instructionId: id, status, code, figures, sequence, position: receipts.length });
    this.lanes.remember(id, sequence);
  }

  private close(commit: Hex, making: Making): SettledBatch {
    const { sequence } = making;
    assertConserved(this.book, this.assets, this.chains.values());
    if (sequence % AUDIT_INTERVAL === 0n) this.audit();
    this.lanes.forget(sequence);
    this.announcedTime = this.clock.time;
    const destinations = this.destinations;
    if (this.currentHeader !== undefined) this.history.append(this.headerHash);
    const header: BatchHeader = {
      sequence,
      epoch: this.genesis.epoch,
      previous: this.headerHash,
      history: this.history.root(),
      outboxes: outboxesRoot(destinations),
      state: this.state.close(sequence, this.book, this.priceOf, this.hashRest(sequence)),
      commit,
    };
    this.currentHeader = header;
    this.headerHash = headerDigest(header, this.genesis.committeeId);
    const { receipts, events, entries } = making;
    return { header, digest: this.headerHash, receipts, events, entries, destinations };
  }

  /** One hash over everything the fold reads and no account leaf holds. Sections are hashed again only when they changed. */
  private hashRest(sequence: bigint): Uint8Array {
    const section = (name: string, dirty: boolean, write: (w: WordWriter) => void): void => {
      if (!dirty && this.sections.has(name)) return;
      const w = this.words.reset();
      write(w);
      this.sections.set(name, w.keccak());
    };
    const lanes = this.lanes.digest(sequence);
    section("genesis", false, (w) => w.hex(this.genesisHash));
    section("lanes", true, (w) => w.raw(lanes));
    section("clock", true, (w) => this.clock.write(w));
    for (const [id, prices] of this.prices) section(`market ${id}`, prices.dirty, (w) => prices.write(w));
    for (const [id, tally] of this.tallies) section(`inbox ${id}`, tally.dirty, (w) => tally.write(w));
    section("chains", true, (w) => this.writeChains(w));
    section("marks", true, (w) => this.writeMarks(w));
    const w = this.words.reset().int(this.sections.size);
    // Insertion order of the sections is the order of the lines above, for every member alike.
    for (const hash of this.sections.values()) w.raw(hash);
    return w.keccak();
  }

  private writeChains(w: WordWriter): void {
    for (const chain of this.chains.values()) {
      const { chainId, inboxCursor, inboxHash, outboxSize, outboxRoot, promisedRoot } = chain.destination;
      w.int(chainId).int(inboxCursor).hex(inboxHash).int(outboxSize).hex(outboxRoot).hex(promisedRoot);
      for (const asset of this.assets) w.int(chain.backingOf(asset));
    }
  }

  /** Marks of what is open, by id: before a market has a price they follow from nothing else in the state. */
  private writeMarks(w: WordWriter): void {
    const linear = [...this.book.instruments.values()].filter((instrument) => !isOption(instrument.terms));
    linear.sort((a, b) => compareText(a.id, b.id));
    w.int(linear.length);
    for (const { id, mark, fundingIndex } of linear) w.hex(id).int(mark).int(fundingIndex);
  }
}
