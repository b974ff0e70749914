/**
 * Batches and receipts as the store keeps them: the API's own JSON, so that serving one is reading one. A batch is two lines: its head,
 * which most questions are about and which is small, and its lists, which may have megabytes.
 */

import * as z from "zod";
import { type BatchAnswer, batchAnswer } from "../api/schema.ts";
import * as wire from "../api/wire.ts";
import type { StateParts } from "../batch/receipts.ts";
import type { BatchHeader, Destination, OutboxEntry } from "../batch/types.ts";
import type { Receipt, SettledBatch } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import type { Hex } from "../lib/hex.ts";

/** A batch without its lists. */
export interface BatchHead {
  readonly header: BatchHeader;
  readonly digest: Hex;
  readonly stateParts: StateParts;
  readonly destinations: readonly Destination[];
  readonly counts: { readonly receipts: number; readonly entries: number };
}

const batchHead: z.ZodType<BatchHead> = z.object({
  header: wire.batchHeader,
  digest: wire.bytes32,
  stateParts: wire.stateParts,
  destinations: wire.list(wire.destination, 4096),
  counts: z.object({ receipts: z.number(), entries: z.number() }),
});

/**
 * The same text as the API's schemas encode, without running them: what the ledger made is not a stranger's. A schema that refused it,
 * for its size say, would stop every member at the same batch.
 */
function toText(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? field.toString() : field));
}

export function encodeBatchJson(batch: SettledBatch): string {
  const { header, digest, stateParts, destinations, receipts, events, entries } = batch;
  const counts = { receipts: receipts.length, entries: entries.length };
  return `${toText({ header, digest, stateParts, destinations, counts })}\n${toText({ receipts, events, entries })}`;
}

export function decodeBatchHead(json: string): BatchHead {
  return batchHead.parse(JSON.parse(json.slice(0, endOfHead(json))));
}

export function decodeBatchJson(json: string): BatchAnswer {
  const end = endOfHead(json);
  return batchAnswer.parse({ ...JSON.parse(json.slice(0, end)), ...JSON.parse(json.slice(end + 1)) });
}

/** JSON has no line break that is not escaped or between tokens, and ours has none between tokens. */
function endOfHead(json: string): number {
  const end = json.indexOf("\n");
  assert(end > 0, "a stored batch is two lines");
  return end;
}

export function encodeReceiptJson(receipt: Receipt): string {
  return toText(receipt);
}

export function decodeReceiptJson(json: string): Receipt {
  return wire.receipt.parse(JSON.parse(json));
}

export function encodeEntryJson(entry: OutboxEntry): string {
  return toText(entry);
}

export function decodeEntryJson(json: string): OutboxEntry {
  return wire.outboxEntry.parse(JSON.parse(json));
}
