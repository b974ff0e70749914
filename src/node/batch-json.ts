/** Batches and receipts as the store keeps them: the API's own JSON, so that serving one is reading one. */

import { z } from "zod";
import { type BatchAnswer, batchAnswer } from "../api/schema.ts";
import { outboxEntry as entryCodec, receipt as receiptCodec } from "../api/wire.ts";
import type { OutboxEntry } from "../batch/types.ts";
import type { Receipt, SettledBatch } from "../ledger/types.ts";

export function encodeBatchJson(batch: SettledBatch): string {
  return JSON.stringify(z.encode(batchAnswer, batch));
}

export function decodeBatchJson(json: string): BatchAnswer {
  return batchAnswer.parse(JSON.parse(json));
}

export function encodeReceiptJson(receipt: Receipt): string {
  return JSON.stringify(z.encode(receiptCodec, receipt));
}

export function decodeReceiptJson(json: string): Receipt {
  return receiptCodec.parse(JSON.parse(json));
}

export function encodeEntryJson(entry: OutboxEntry): string {
  return JSON.stringify(z.encode(entryCodec, entry));
}

export function decodeEntryJson(json: string): OutboxEntry {
  return entryCodec.parse(JSON.parse(json));
}
