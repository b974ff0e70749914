/**
 * Reads of stored batches. Strangers choose which ones, and a full batch has megabytes: what is asked for often (heads, receipt trees) is
 * kept, in bounded numbers, least recently used first out.
 */
import type { BatchAnswer } from "../api/schema.ts";
import { createReceiptTree, type ReceiptProof, type ReceiptTree } from "../batch/receipts.ts";
import type { Receipt } from "../ledger/types.ts";
import type { Store } from "../storage/port.ts";
import { type BatchHead, decodeBatchHead, decodeBatchJson } from "./batch-json.ts";

export interface Batches {
  /** Undefined for a batch that is not stored. */
  head(sequence: bigint): BatchHead | undefined;
  whole(sequence: bigint): BatchAnswer | undefined;
  /** Proof of a stored receipt against its own batch's header. */
  proveReceipt(receipt: Receipt): ReceiptProof | undefined;
}

/** Heads have about a kilobyte. */
const KEPT_HEADS = 512;
/** Trees of 10,000 receipts have some megabytes. */
const KEPT_TREES = 8;

export function createBatches(store: Store): Batches {
  const heads = createRecent<BatchHead>(KEPT_HEADS);
  const trees = createRecent<ReceiptTree>(KEPT_TREES);
  const whole = (sequence: bigint): BatchAnswer | undefined => {
    const stored = store.batch(sequence);
    return stored === undefined ? undefined : decodeBatchJson(stored.json);
  };
  return {
    head: (sequence) =>
      heads.get(sequence, () => {
        const stored = store.batch(sequence);
        return stored === undefined ? undefined : decodeBatchHead(stored.json);
      }),
    whole,
    proveReceipt: ({ sequence, position }) =>
      trees
        .get(sequence, () => {
          const batch = whole(sequence);
          return batch === undefined ? undefined : createReceiptTree(batch.receipts, batch.stateParts);
        })
        ?.prove(position),
  };
}

/** A map of the `limit` most recently used values. What cannot be loaded is not remembered: it may exist later. */
function createRecent<T>(limit: number): { get(key: bigint, load: () => T | undefined): T | undefined } {
  const values = new Map<bigint, T>();
  return {
    get(key, load) {
      const value = values.get(key) ?? load();
      if (value === undefined) return undefined;
      // Insertion order is order of use, because every use re-inserts.
      values.delete(key);
      values.set(key, value);
      const oldest = values.keys().next().value;
      if (values.size > limit && oldest !== undefined) values.delete(oldest);
      return value;
    },
  };
}
