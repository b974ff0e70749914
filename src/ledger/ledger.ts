/**
 * The ledger: a fold of output rounds into settlement batches. Deterministic: it reads the genesis and the order, nothing else.
 * Anything a user or a member can send ends in a receipt, an event or a drop; only our own broken invariants throw.
 */
import { headerDigest } from "../batch/header.ts";
import type { MultiProof } from "../batch/multiproof.ts";
import { outboxesRoot } from "../batch/outbox.ts";
import { commitToReceipts, ledgerRestOf, type ReceiptsCommitment, type StateParts } from "../batch/receipts.ts";
import { type AccountProof, combineState } from "../batch/state.ts";
import { AppendOnlyTree } from "../batch/tree.ts";
import type { AccountId, BatchHeader, Destination, InclusionProof } from "../batch/types.ts";
import { assert } from "../lib/assert.ts";
import { equalBytes } from "../lib/bytes.ts";
import { type Address, bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import { LedgerError } from "./codes.ts";
import { assertConserved, auditBook } from "./conservation.ts";
import { Fold } from "./fold.ts";
import { genesisHash } from "./genesis.ts";
import { isOption } from "./instrument.ts";
import { AUDIT_INTERVAL } from "./limits.ts";
import type { LedgerOptions, Making, Preview } from "./options.ts";
import type { EpochsView, ReshareScheme } from "./reconfiguration/types.ts";
import { RestHash } from "./rest.ts";
import { badSnapshot } from "./snapshot/bytes.ts";
import { readSnapshot, writeSnapshot } from "./snapshot/snapshot.ts";
import { StateRoots } from "./state.ts";
import type { AccountView, BatchInput, LedgerGenesis, SettledBatch, SignedInstruction } from "./types.ts";

export type { LedgerOptions, Preview } from "./options.ts";

export class Ledger {
  readonly genesis: LedgerGenesis;
  readonly genesisHash: Hex;
  private readonly fold: Fold;
  private readonly state: StateRoots;
  private readonly rest: RestHash;
  private history = new AppendOnlyTree();
  private currentHeader: BatchHeader | undefined;
  private headerHash: Hex = ZERO_BYTES32;
  private receipts: ReceiptsCommitment | undefined;
  /** Nothing was applied since the newest batch. */
  private isAtBatch = false;
  /** Rounds applied since the newest batch: 0 wherever a snapshot is taken. */
  private quietRounds = 0;
  private readonly heartbeatRounds: number;

  /** Throws LedgerError `badGenesis`. */
  constructor(genesis: LedgerGenesis, options: LedgerOptions = {}) {
    this.genesisHash = genesisHash(genesis);
    this.genesis = genesis;
    this.heartbeatRounds = options.heartbeatRounds ?? Number.POSITIVE_INFINITY;
    this.fold = new Fold(genesis, options);
    this.rest = new RestHash(this.genesisHash);
    const assets = [...this.fold.assets];
    this.state = new StateRoots(assets, genesis.markets[0]?.quote ?? assets[0]!);
  }

  /**
   * The ledger as `snapshot` gave it right after the batch of `header`, which must be a header that the committee certified: everything
   * else is checked against it. `options` as for a new ledger; of the committee nothing is needed but `reshare`, if it can change.
   * Throws LedgerError `badGenesis`, `badSnapshot`.
   */
  static restore(
    genesis: LedgerGenesis,
    header: BatchHeader,
    snapshot: Uint8Array,
    { committee: _, ...options }: LedgerOptions = {},
  ): Ledger {
    const ledger = new Ledger(genesis, options);
    try {
      ledger.load(header, snapshot, options.reshare);
    } catch (cause) {
      if (cause instanceof LedgerError && cause.code === "badSnapshot") throw cause;
      // A stranger chose these bytes; whatever they run into, an assertion of ours included, means the same.
      throw new LedgerError("badSnapshot", "bad snapshot: not a possible state", { cause });
    }
    return ledger;
  }

  private load(header: BatchHeader, bytes: Uint8Array, reshare: ReshareScheme | undefined): void {
    const { fold, state } = this;
    const { sequence, receipts, history } = readSnapshot(bytes, this.genesisHash, fold, state, reshare);
    if (sequence !== header.sequence) throw badSnapshot("of another batch", { sequence });
    this.receipts = receipts;
    this.history = history;
    const { header: made } = this.headerOf(header.epoch, header.previous, header.commit, sequence, receipts);
    if (made.history !== header.history) throw badSnapshot("another history than the header's");
    if (made.outboxes !== header.outboxes) throw badSnapshot("other outboxes than the header's");
    if (made.state !== header.state) throw badSnapshot("another state than the header's");
    this.audit();
    this.accept(header);
    if (!equalBytes(this.snapshot(), bytes)) throw badSnapshot("not the one encoding of this state");
  }

  /**
   * Everything the fold reads, right after a batch: the same bytes on every member. Not to be called after an `apply` that made no batch
   * (what it changed is in no header yet).
   */
  snapshot(): Uint8Array {
    const { sequence, receipts, history, genesisHash } = this;
    assert(this.isAtBatch && receipts !== undefined, "a snapshot is taken right after a batch");
    return writeSnapshot({ genesisHash, sequence, receipts, history }, this.fold, this.state);
  }

  /** Committees, and where a change of them stands; undefined when the committee cannot change. */
  get epochs(): EpochsView | undefined {
    return this.fold.epochs?.view;
  }

  /** Of the current epoch; undefined when the ledger was given none. */
  get committee(): Committee | undefined {
    return this.fold.epochs?.committee;
  }

  /** The epoch whose order is applied next. */
  get epoch(): bigint {
    return this.fold.epochs?.committee.epoch ?? this.genesis.epoch;
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
    return this.fold.clock.time;
  }

  /** Instructions that left no trace, since start; not part of the state. */
  get dropped(): number {
    return this.fold.dropped;
  }

  get destinations(): readonly Destination[] {
    return [...this.fold.chains.values()].map((chain) => chain.destination);
  }

  /**
   * Settles one output round. Returns undefined, and makes no batch, when nothing happened that anybody outside could wait for: no
   * receipt, no inbox entry consumed, no price fixed, no expiry. What such a round did change (tallies, time reports, parked
   * instructions) is kept and enters the next batch's state root. The rule depends on the order alone; without it an idle committee
   * would sign a batch for every round in which somebody reports the time. After `heartbeatRounds` of them a batch is made all the same:
   * whoever was away needs one that is not too old to start from. Throws InvariantError only.
   */
  apply(input: BatchInput): SettledBatch | undefined {
    this.isAtBatch = false;
    // A batch is of the epoch that ordered it, also the one after which there is another.
    const { epoch } = this;
    const making = this.fold.settle(input, this.sequence + 1n);
    const isQuiet = making.receipts.length === 0 && making.events.every((event) => event.kind === "time");
    if (isQuiet && ++this.quietRounds < this.heartbeatRounds) return undefined;
    return this.close(input.commit, epoch, making);
  }

  /** What would become of an instruction if the next batch held nothing before it. Verifies the signature; changes nothing. */
  preview(signed: SignedInstruction): Preview {
    return this.fold.preview(signed, this.sequence + 1n);
  }

  /**
   * An account as batch `sequence` left it. Undefined for one that was then neither credited nor had a lane opened, and for a batch older
   * than the last 64. `detailsHash` of it is the `details` of its collateral leaf.
   */
  account(id: AccountId, sequence: bigint = this.sequence): AccountView | undefined {
    return this.state.view(id, sequence);
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
    return this.fold.chains.get(chainId)?.outbox.prove(index, size);
  }

  /** One proof for several entries. Throws BatchError `outOfRange`, `duplicate`. */
  proveOutboxMany(chainId: bigint, indexes: readonly bigint[], size?: bigint): MultiProof | undefined {
    return this.fold.chains.get(chainId)?.outbox.proveMany(indexes, size);
  }

  /** Proof of header `sequence` in the history of the header `size + 1`, whose tree has `size` leaves. Throws BatchError `outOfRange`. */
  proveHistory(sequence: bigint, size: bigint = this.history.size): InclusionProof {
    return this.history.prove(sequence - 1n, size);
  }

  /** The nonce a lane's next instruction must have; 0 for a lane nobody used. */
  nextNonce(signer: Address, lane: bigint): bigint {
    return this.fold.lanes.nextNonce(signer, lane);
  }

  /** Newest price of a market's underlying. */
  price(market: number): bigint | undefined {
    return this.fold.priceOf(market);
  }

  /** Current mark and open interest of an instrument somebody holds. */
  instrument(id: Hex): { readonly mark: bigint | undefined; readonly openInterest: bigint } | undefined {
    const open = this.fold.book.instruments.get(id);
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
      accounts: this.fold.book.accounts.size,
      lanes: this.fold.lanes.size,
      instruments: this.fold.book.instruments.size,
      assets: [...this.fold.assets].map((asset) => ({
        asset,
        cash: this.fold.book.cashTotals.get(asset) ?? 0n,
        exitValue: this.state.exitTotal(asset),
        chains: [...this.fold.chains].map(([chainId, chain]) => ({ chainId, held: chain.backingOf(asset) })),
      })),
    };
  }

  /** Recomputes every sum from the accounts. Throws InvariantError. */
  audit(): void {
    auditBook(this.fold.book);
    assertConserved(this.fold.book, this.fold.assets, this.fold.chains.values());
  }

  private close(commit: Hex, epoch: bigint, making: Making): SettledBatch {
    const { sequence, receipts, events, entries } = making;
    const { book, assets, chains, lanes, clock, epochs } = this.fold;
    assertConserved(book, assets, chains.values());
    if (sequence % AUDIT_INTERVAL === 0n) this.audit();
    lanes.forget(sequence);
    this.fold.announcedTime = clock.time;
    if (this.currentHeader !== undefined) this.history.append(this.headerHash);
    this.receipts = commitToReceipts(receipts);
    const { header, stateParts } = this.headerOf(epoch, this.headerHash, commit, sequence, this.receipts);
    this.accept(header);
    const { destinations, headerHash: digest } = this;
    const batch = { header, digest, stateParts, receipts, events, entries, destinations };
    if (!making.closes || epochs === undefined) return batch;
    return { ...batch, closes: { committee: epochs.committee, peers: epochs.peers, snapshot: this.snapshot() } };
  }

  /** The header of the state as it is now, and what its `state` is made of. */
  private headerOf(
    epoch: bigint,
    previous: Hex,
    commit: Hex,
    sequence: bigint,
    receipts: ReceiptsCommitment,
  ): { readonly header: BatchHeader; readonly stateParts: StateParts } {
    const core = this.rest.close(sequence, this.fold);
    const rest = ledgerRestOf(receipts, core);
    const stateParts: StateParts = { ...this.state.close(sequence, this.fold.book, this.fold.priceOf, rest), core };
    const state = bytesToHex(combineState(stateParts.assets, hexToBytes(stateParts.assetsRoot), hexToBytes(rest)));
    const outboxes = outboxesRoot(this.destinations);
    return { header: { sequence, epoch, previous, history: this.history.root(), outboxes, state, commit }, stateParts };
  }

  private accept(header: BatchHeader): void {
    this.currentHeader = header;
    this.headerHash = headerDigest(header, this.genesis.committeeId);
    this.isAtBatch = true;
    this.quietRounds = 0;
  }
}
