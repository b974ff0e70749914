/** What streams send, encoded once for all of them: the newest certificates and the last batches as ready text. */
import type * as z from "zod";
import { STREAM_SCHEMAS } from "../../api/schema.ts";
import { SUITES, type Suite } from "../../threshold/types.ts";
import type { NodeView } from "./view.ts";

/** Fields of one event without the blank line that ends it, so that an id can still follow. */
type EventText = string;

export interface EncodedBatch {
  readonly summary: EventText;
  readonly receipts: readonly EventText[];
}

export interface EventFeed {
  /** Newest certificate of a suite. */
  certificate(suite: Suite): { readonly sequence: bigint; readonly text: EventText } | undefined;
  batch(sequence: bigint): EncodedBatch | undefined;
  gap(from: bigint, to: bigint): EventText;
  /** A certificate of this suite came: look again. */
  invalidate(suite: Suite): void;
}

/** Batches kept as text: live clients are all near the newest; one that replays history reads the store. A full batch has 4 MB. */
const KEPT_BATCHES = 8;

export function createEventFeed(view: NodeView): EventFeed {
  const certificates = new Map<Suite, ReturnType<EventFeed["certificate"]>>();
  const stale = new Set<Suite>(SUITES);
  const batches = new Map<bigint, EncodedBatch>();

  return {
    certificate(suite) {
      if (stale.delete(suite)) {
        const certificate = view.latestCertificate(suite);
        certificates.set(
          suite,
          certificate && {
            sequence: certificate.header.sequence,
            text: eventText("certificate", STREAM_SCHEMAS.certificate, certificate),
          },
        );
      }
      return certificates.get(suite);
    },
    batch(sequence) {
      const known = batches.get(sequence);
      if (known !== undefined) return known;
      const batch = view.batch(sequence);
      if (batch === undefined) return undefined;
      const { header, digest, receipts, entries } = batch;
      const summary = { header, digest, receipts: receipts.length, entries: entries.length };
      const encoded: EncodedBatch = {
        summary: eventText("batch", STREAM_SCHEMAS.batch, summary),
        receipts: receipts.map((receipt) => eventText("receipt", STREAM_SCHEMAS.receipt, receipt)),
      };
      batches.set(sequence, encoded);
      if (batches.size > KEPT_BATCHES) {
        // A replay must not push the newest batches out: the oldest sequence goes, whoever read it last.
        let oldest = sequence;
        for (const kept of batches.keys()) if (kept < oldest) oldest = kept;
        batches.delete(oldest);
      }
      return encoded;
    },
    gap: (from, to) => eventText("gap", STREAM_SCHEMAS.gap, { from, to }),
    invalidate: (suite) => void stale.add(suite),
  };
}

function eventText<T>(type: keyof typeof STREAM_SCHEMAS, schema: z.ZodType<T>, value: T): EventText {
  return `event: ${type}\ndata: ${JSON.stringify(schema.encode(value))}\n`;
}
