/** What streams send, encoded once for all of them: the newest certificates and the last batches as ready text. */
import type * as z from "zod";
import { STREAM_SCHEMAS } from "../../api/schema.ts";
import { SUITES, type Suite } from "../../threshold/types.ts";
import type { NodeView } from "./view.ts";

/** Fields of one event without the blank line that ends it, so that an id can still follow. */
type EventText = string;

export interface EventFeed {
  /** Newest certificate of a suite. */
  certificate(suite: Suite): { readonly sequence: bigint; readonly text: EventText } | undefined;
  /** Undefined for a batch that is not held here. Cheap. */
  summary(sequence: bigint): EventText | undefined;
  /** Of a batch that is held here; reads all of it unless it is one of the last. */
  receipts(sequence: bigint): readonly EventText[];
  gap(from: bigint, to: bigint): EventText;
  /** A certificate of this suite came: look again. */
  invalidate(suite: Suite): void;
}

/** Batches kept as text: live clients are all near the newest; one that replays history reads the store. A full batch has 4 MB. */
const KEPT_BATCHES = 8;

export function createEventFeed(view: NodeView): EventFeed {
  const certificates = new Map<Suite, ReturnType<EventFeed["certificate"]>>();
  const stale = new Set<Suite>(SUITES);
  const kept = new Map<bigint, readonly EventText[]>();

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
    summary(sequence) {
      const summary = view.summary(sequence);
      return summary && eventText("batch", STREAM_SCHEMAS.batch, summary);
    },
    receipts(sequence) {
      const known = kept.get(sequence);
      if (known !== undefined) return known;
      const receipts = view.batch(sequence)?.receipts ?? [];
      const encoded = receipts.map((receipt) => eventText("receipt", STREAM_SCHEMAS.receipt, receipt));
      kept.set(sequence, encoded);
      if (kept.size > KEPT_BATCHES) {
        // A replay must not push the newest batches out: the oldest sequence goes, whoever read it last.
        let oldest = sequence;
        for (const each of kept.keys()) if (each < oldest) oldest = each;
        kept.delete(oldest);
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
