/**
 * A ledger right after a batch, as bytes: everything the fold reads and nothing else, in one encoding. Whoever restores it needs to
 * trust nobody: the state root, the outboxes' root and the history's root are computed again and compared with a header that
 * the committee certified, and what was read is written again and compared with what came.
 */
import type { ReceiptsCommitment } from "../../batch/receipts.ts";
import { AppendOnlyTree } from "../../batch/tree.ts";
import type { AccountId } from "../../batch/types.ts";
import { utf8ToBytes } from "../../lib/bytes.ts";
import { bytesToHex, type Hex } from "../../lib/hex.ts";
import type { Fold } from "../fold.ts";
import { readEpochs, writeEpochs } from "../reconfiguration/bytes.ts";
import type { ReshareScheme } from "../reconfiguration/types.ts";
import type { StateRoots } from "../state.ts";
import { loadAccounts, saveAccounts } from "./accounts.ts";
import { ByteReader, ByteWriter, badSnapshot } from "./bytes.ts";

/** 20 bytes; a change of the format changes the number. */
const MAGIC = utf8ToBytes("Clockless snapshot 1");

/** What a snapshot is of, besides the fold. */
export interface Frame {
  readonly genesisHash: Hex;
  readonly sequence: bigint;
  /** Of the batch's receipts, which the state root also commits to. */
  readonly receipts: ReceiptsCommitment;
  readonly history: AppendOnlyTree;
}

export function writeSnapshot(
  { genesisHash, sequence, receipts, history }: Frame,
  fold: Fold,
  state: StateRoots,
): Uint8Array {
  const out = new ByteWriter();
  const assets = [...fold.assets];
  out.raw(MAGIC).hex(genesisHash).u64(sequence).u64(receipts.size).hex(receipts.root);
  out.flag(fold.epochs !== undefined);
  if (fold.epochs !== undefined) writeEpochs(out, fold.epochs);
  fold.clock.save(out);
  for (const prices of fold.prices.values()) prices.save(out);
  for (const chain of fold.chains.values()) chain.save(out, assets);
  for (const [chainId, tally] of fold.tallies) tally.save(out, chainId);
  const ids = state.order(state.collateral);
  saveAccounts(out, fold.book, ids, assets);
  const place = new Map(ids.map((id, at) => [id, at]));
  for (const asset of assets) {
    if (asset !== state.collateral) out.list(state.order(asset), (id) => out.u32(place.get(id)!));
  }
  fold.lanes.save(out);
  out.blob(history.leafHashes());
  return out.done();
}

/** Fills a fresh fold and its roots. Throws LedgerError, and whatever else hostile bytes run into: the caller judges. */
export function readSnapshot(
  bytes: Uint8Array,
  genesisHash: Hex,
  fold: Fold,
  state: StateRoots,
  reshare: ReshareScheme | undefined,
): Omit<Frame, "genesisHash"> {
  const reader = new ByteReader(bytes);
  const assets = [...fold.assets];
  if (bytesToHex(reader.raw(MAGIC.length)) !== bytesToHex(MAGIC)) throw badSnapshot("not a snapshot of this version");
  if (reader.hex(32) !== genesisHash) throw badSnapshot("of a ledger with another genesis");
  const sequence = reader.u64();
  const receipts = { size: reader.u64(), root: reader.hex(32) };
  if (reader.flag()) {
    if (reshare === undefined) throw badSnapshot("its committee can change, and nothing was given to follow that");
    fold.restoreEpochs(readEpochs(reader, fold.committeeId, reshare));
  }
  fold.clock.load(reader);
  fold.announcedTime = fold.clock.time;
  for (const expiries of fold.book.expiries.values()) expiries.advance(fold.clock.time);
  for (const prices of fold.prices.values()) prices.load(reader);
  for (const chain of fold.chains.values()) chain.load(reader, assets);
  for (const tally of fold.tallies.values()) tally.load(reader);
  const ids = loadAccounts(reader, fold.book, fold.markets, assets);
  for (const account of fold.book.accounts.values()) {
    for (const { laneSigner, laneNumber } of account.grants.values()) fold.lanes.open(laneSigner, laneNumber);
  }
  for (const asset of assets) {
    const order = asset === state.collateral ? ids : readOrder(reader, ids);
    state.restore(asset, order, fold.book, fold.priceOf);
  }
  fold.book.dirty.clear();
  fold.lanes.load(reader, sequence);
  const history = AppendOnlyTree.fromLeafHashes(reader.blob());
  reader.end();
  return { sequence, receipts, history };
}

function readOrder(reader: ByteReader, ids: readonly AccountId[]): AccountId[] {
  return reader.list(4, () => {
    const id = ids[reader.u32()];
    if (id === undefined) throw badSnapshot("an unknown account");
    return id;
  });
}
