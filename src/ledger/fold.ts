/**
 * The phases of a batch, in the order of ledger.md: inbox entries, time and prices, funding and expiry, instructions. Holds the whole
 * state the fold reads; what it makes of a round goes into the next header (ledger.ts).
 */
import type { DepositEntry, ForcedEntry, InboxEntry } from "../batch/types.ts";
import { assert } from "../lib/assert.ts";
import { isSignatureBy } from "../lib/ecdsa.ts";
import { type Address, type Hex, hexToBytes } from "../lib/hex.ts";
import { compareBigint, compareText, divFloor, quorumOf } from "../lib/math.ts";
import type { Committee } from "../threshold/committee.ts";
import { Book } from "./book.ts";
import { ChainBook } from "./chains.ts";
import { LedgerClock } from "./clock.ts";
import { tryDecodeSignedInstruction } from "./codec.ts";
import type { InboxCode, ReceiptCode } from "./codes.ts";
import { decide, type Effects, type World } from "./decide.ts";
import { type FundingModel, NO_FUNDING } from "./funding.ts";
import { checkCommittee } from "./genesis.ts";
import { InboxTally } from "./inbox.ts";
import { digestOfId, instructionId } from "./instruction.ts";
import { Lanes, type Parked } from "./lanes.ts";
import { MAX_AMOUNT } from "./limits.ts";
import type { MarginModel } from "./margin.ts";
import type { LedgerOptions, Making, Preview } from "./options.ts";
import { applyExpiries, applyPrices, applyTime } from "./phases.ts";
import { MarketPrices } from "./prices.ts";
import { Epochs } from "./reconfiguration/epochs.ts";
import { payFunding } from "./settlement.ts";
import type { BatchInput, LedgerEvent, LedgerGenesis, MarketConfig, SignedInstruction } from "./types.ts";
import { createWorstIntrinsic } from "./worst-intrinsic.ts";

export class Fold {
  readonly assets: ReadonlySet<Hex>;
  readonly book: Book;
  readonly lanes: Lanes;
  readonly clock: LedgerClock;
  /** Ascending by market id. */
  readonly prices: ReadonlyMap<number, MarketPrices>;
  /** Ascending by chain id. */
  readonly chains: ReadonlyMap<bigint, ChainBook>;
  readonly tallies: ReadonlyMap<bigint, InboxTally>;
  /** Instructions that left no trace, since start; not part of the state. */
  dropped = 0;
  /** Ledger time as of the newest batch. */
  announcedTime = 0n;
  epochs: Epochs | undefined;
  /** Number of members of the current epoch. */
  private members: number;
  private readonly genesis: LedgerGenesis;
  private readonly verify: (digest: Hex, signature: Hex, signer: Address) => boolean;
  private readonly margin: MarginModel;
  private readonly funding: FundingModel;
  readonly markets: ReadonlyMap<number, MarketConfig>;

  constructor(genesis: LedgerGenesis, options: LedgerOptions) {
    this.genesis = genesis;
    this.verify = options.verify ?? ((digest, signature, signer) => isSignatureBy(signer, digest, signature));
    this.margin = options.margin ?? createWorstIntrinsic();
    this.funding = options.funding ?? NO_FUNDING;
    this.members = genesis.members;
    const quorum = quorumOf(genesis.members);
    const { committee, reshare } = options;
    if (committee !== undefined && reshare !== undefined) {
      checkCommittee(genesis, committee);
      this.epochs = new Epochs(committee, reshare);
    }
    this.assets = new Set(genesis.assets.map((asset) => asset.id).sort(compareText));
    this.book = new Book(genesis.markets);
    this.lanes = new Lanes(genesis.window);
    this.clock = new LedgerClock(quorum);
    const markets = [...genesis.markets].sort((a, b) => a.id - b.id);
    this.markets = new Map(markets.map((market) => [market.id, market]));
    this.prices = new Map(markets.map((market) => [market.id, new MarketPrices(market, quorum)]));
    const chains = [...genesis.chains].sort((a, b) => compareBigint(a.chainId, b.chainId));
    this.chains = new Map(chains.map((chain) => [chain.chainId, new ChainBook(chain)]));
    this.tallies = new Map(chains.map((chain) => [chain.chainId, new InboxTally(quorum)]));
  }

  /** Runs all phases of one output round as batch `sequence`. Throws InvariantError only. */
  settle(input: BatchInput, sequence: bigint): Making {
    const making: Making = { sequence, receipts: [], events: [], entries: [], closes: this.epochs?.tick() === true };
    // Before anything can fill a gap: what waited past its window must not apply at prices it never named.
    this.expireParked(making);
    this.applyInbox(input, making);
    applyTime(this, input, making);
    applyPrices(this, input, making);
    payFunding(this.book, this.funding);
    applyExpiries(this, making);
    this.applyInstructions(input, making);
    this.book.sweep();
    this.applyTransactions(input, making);
    return making;
  }

  /** What would become of an instruction as the first of batch `sequence`. Verifies the signature; changes nothing. */
  preview(signed: SignedInstruction, sequence: bigint): Preview {
    const id = instructionId(signed.instruction);
    const { head, body } = signed.instruction;
    const admission = this.admit(id, signed, sequence);
    if (admission.kind === "park") return { code: "parked", figures: {} };
    if (admission.kind === "drop") return { code: admission.code, figures: {} };
    if (admission.kind === "refuse") return { code: admission.code, figures: admission.figures };
    if (this.lanes.falls(head.signer, head.lane, head.namedBatch)) return { code: "namedBatchFell", figures: {} };
    const verdict = decide(this.world(), head, body);
    return { code: verdict.code, figures: verdict.code === "applied" ? {} : verdict.figures };
  }

  readonly priceOf = (market: number): bigint | undefined => this.prices.get(market)?.latest?.value;

  private world(): World {
    return {
      book: this.book,
      assets: this.assets,
      markets: this.markets,
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
      assert(author >= 0 && author < this.members, "a block by nobody of this committee");
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
    // Its id would be forgotten before its window opens, and a carrier could have it decided a second time.
    if (head.namedBatch >= making.sequence) return "early";
    if (!this.isSigned(id, signed, head.signer)) return "badSignature";
    const next = this.lanes.nextNonce(head.signer, head.lane);
    if (head.nonce !== next) return head.nonce < next ? "nonceUsed" : "nonceGap";
    const closed = this.lanes.mayStart(head.signer, head.lane, this.isOwner);
    if (closed !== undefined) return closed;
    this.take(id, signed, making, true);
    return undefined;
  }

  private expireParked(making: Making): void {
    for (const { id, signed } of this.lanes.expireParked(making.sequence)) {
      const { namedBatch } = signed.instruction.head;
      this.receipt(making, id, "late", { namedBatch: namedBatch.toString() }, false);
    }
  }

  /**
   * Members verify before they carry: the first false signature ends what a block's instructions may cost us, and who carries one
   * loses the rest of its block. Whoever handed in what stood there is carried by others.
   */
  private applyInstructions(input: BatchInput, making: Making): void {
    for (const { instructions } of input.items) {
      for (const [at, signed] of instructions.entries()) {
        const id = instructionId(signed.instruction);
        const admission = this.admit(id, signed, making.sequence);
        if (admission.kind === "drop" && admission.code === "badSignature") {
          this.dropped += instructions.length - at;
          break;
        }
        if (admission.kind === "drop") this.dropped += 1;
        else if (admission.kind === "refuse") this.receipt(making, id, admission.code, admission.figures, false);
        else if (admission.kind === "park") this.lanes.park(id, signed);
        else this.take(id, signed, making, false);
      }
    }
  }

  /** Decides the instruction whose turn it is, then whatever its nonce was holding up. */
  private take(id: Hex, signed: SignedInstruction, making: Making, isForced: boolean): void {
    let current: Parked | undefined = { id, signed };
    let mayFall = isForced;
    while (current !== undefined) {
      const { head, body } = current.signed.instruction;
      if (!mayFall && this.lanes.falls(head.signer, head.lane, head.namedBatch)) {
        this.receipt(making, current.id, "namedBatchFell", { namedBatch: head.namedBatch.toString() }, true);
      } else {
        const verdict = decide(this.world(), head, body);
        if (verdict.code === "applied") {
          verdict.commit(this.effects(making, current.id));
          this.receipt(making, current.id, "applied", {}, true);
        } else this.receipt(making, current.id, verdict.code, verdict.figures, true);
      }
      current = this.lanes.consume(head.signer, head.lane, head.namedBatch);
      mayFall = false;
    }
  }

  private applyTransactions(input: BatchInput, making: Making): void {
    const { epochs } = this;
    if (epochs === undefined) return;
    const emit = (event: LedgerEvent): void => void making.events.push(event);
    if (!making.closes) {
      epochs.fold(input.items, emit);
      return;
    }
    epochs.advance(emit);
    this.startEpoch(epochs.committee);
  }

  get committeeId(): Hex {
    return this.genesis.committeeId;
  }

  /** Of a snapshot; comes before everything that n − f members report. */
  restoreEpochs(epochs: Epochs): void {
    this.epochs = epochs;
    this.startEpoch(epochs.committee);
  }

  /** What members reported one by one means nothing under other members; what n − f of them agreed on stays. */
  private startEpoch({ members }: Committee): void {
    this.members = members.length;
    const quorum = quorumOf(members.length);
    this.clock.startEpoch(quorum);
    for (const prices of this.prices.values()) prices.startEpoch(quorum);
    for (const tally of this.tallies.values()) tally.startEpoch(quorum);
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

  private receipt(
    making: Making,
    id: Hex,
    code: ReceiptCode,
    figures: Readonly<Record<string, string>>,
    isConsumed: boolean,
  ): void {
    const { sequence, receipts } = making;
    const status = code === "applied" ? "applied" : "refused";
    receipts.push({ instructionId: id, status, code, figures, sequence, position: receipts.length });
    this.lanes.remember(id, sequence, isConsumed);
  }
}
