/** One chain as the ledger sees it: what its vault holds for us, how far its inbox is read, what was written to its outbox. */
import { EMPTY_INBOX_HASH, nextInboxHash } from "../batch/inbox.ts";
import { outboxEntryHash, type Promised, promisedRoot } from "../batch/outbox.ts";
import { AppendOnlyTree } from "../batch/tree.ts";
import type { Destination, InboxEntry, OutboxEntry, PayoutEntry } from "../batch/types.ts";
import { assert } from "../lib/assert.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { compareText } from "../lib/math.ts";
import type { ByteReader, ByteWriter } from "./snapshot/bytes.ts";
import type { ChainConfig, TokenConfig } from "./types.ts";

export class ChainBook {
  readonly config: ChainConfig;
  readonly tokenByAddress: ReadonlyMap<Address, TokenConfig>;
  readonly tokenByAsset: ReadonlyMap<Hex, TokenConfig>;
  /** Ledger units per asset that this vault still holds for us: credited − written to the outbox; ≥ 0. */
  readonly backing = new Map<Hex, bigint>();
  outbox = new AppendOnlyTree();
  private readonly promised = new Map<Address, bigint>();
  inboxCursor = 0n;
  inboxHash: Hex = EMPTY_INBOX_HASH;
  private cached: Destination | undefined;

  constructor(config: ChainConfig) {
    this.config = config;
    this.tokenByAddress = new Map(config.tokens.map((token) => [token.token, token]));
    this.tokenByAsset = new Map(config.tokens.map((token) => [token.asset, token]));
  }

  backingOf(asset: Hex): bigint {
    return this.backing.get(asset) ?? 0n;
  }

  /** Moves the cursor over one entry, whatever becomes of it. */
  consume(entry: InboxEntry): void {
    assert(entry.index === this.inboxCursor, "inbox entries are consumed in index order");
    this.inboxHash = nextInboxHash(this.inboxHash, entry);
    this.inboxCursor += 1n;
    this.cached = undefined;
  }

  credit(asset: Hex, amount: bigint): void {
    assert(amount > 0n, "a credit is positive");
    this.backing.set(asset, this.backingOf(asset) + amount);
  }

  /** Writes a payout; from here on it can no longer be redirected. Amounts in ledger units; the fee is on top. */
  writePayout(asset: Hex, recipient: Address, amount: bigint, relayerFee: bigint, reference: Hex): PayoutEntry {
    const token = this.tokenByAsset.get(asset);
    assert(token !== undefined, "payout of an asset this chain does not hold");
    const left = this.backingOf(asset) - amount - relayerFee;
    assert(left >= 0n, "conservation: a chain would pay more than it holds");
    this.backing.set(asset, left);
    const units = (value: bigint): bigint => value * token.unitsPerLedgerUnit;
    const entry: PayoutEntry = {
      kind: "payout",
      index: this.outbox.size,
      token: token.token,
      recipient,
      amount: units(amount),
      relayerFee: units(relayerFee),
      reference,
    };
    this.append(entry);
    this.promised.set(token.token, (this.promised.get(token.token) ?? 0n) + entry.amount + entry.relayerFee);
    return entry;
  }

  private append(entry: OutboxEntry): void {
    this.outbox.append(outboxEntryHash(this.config, entry));
    this.cached = undefined;
  }

  get destination(): Destination {
    this.cached ??= {
      chainId: this.config.chainId,
      hub: this.config.hub,
      inboxCursor: this.inboxCursor,
      inboxHash: this.inboxHash,
      outboxSize: this.outbox.size,
      outboxRoot: this.outbox.root(),
      promisedRoot: promisedRoot(this.promisedList()),
    };
    return this.cached;
  }

  /** With every leaf of the outbox: whoever holds the state can prove each payout there ever was. */
  save(out: ByteWriter, assets: Iterable<Hex>): void {
    out.u64(this.inboxCursor).hex(this.inboxHash);
    for (const asset of assets) out.int(this.backingOf(asset));
    const promised = [...this.promised].sort(([a], [b]) => compareText(a, b));
    out.list(promised, ([token, cumulative]) => out.hex(token).int(cumulative));
    out.blob(this.outbox.leafHashes());
  }

  load(reader: ByteReader, assets: Iterable<Hex>): void {
    this.inboxCursor = reader.u64();
    this.inboxHash = reader.hex(32);
    for (const asset of assets) {
      const amount = reader.int();
      if (amount !== 0n) this.backing.set(asset, amount);
    }
    reader.list(21, () => this.promised.set(reader.hex(20), reader.int()));
    this.outbox = AppendOnlyTree.fromLeafHashes(reader.blob());
    this.cached = undefined;
  }

  /** Cumulative token units ever promised, by token. */
  promisedList(): Promised[] {
    return [...this.promised].map(([token, cumulative]) => ({ token, cumulative }));
  }
}
