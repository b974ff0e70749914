/**
 * The event stream. Each client has a cursor and pulls from the node what it has not sent yet; nothing is queued for it. A client that
 * reads slowly therefore costs one event of memory, and one that stops reading is dropped: it comes back with Last-Event-ID.
 */
import type { ServerResponse } from "node:http";
import { ApiError } from "../../api/errors.ts";
import { STREAM_TYPES, type StreamType } from "../../api/schema.ts";
import type { Suite } from "../../threshold/types.ts";
import { drained } from "./answers.ts";
import { createEventFeed, type EventFeed } from "./event-feed.ts";
import type { NodeView } from "./view.ts";

export interface StreamLimits {
  readonly maxStreams: number;
  /** A comment is sent so often, so that clients and proxies can tell silence from death. */
  readonly heartbeatMs: number;
  /** A client that takes nothing for so long is dropped. */
  readonly stallMs: number;
}

export interface Streams {
  /** Answers with a stream until the client leaves. @throws ApiError badRequest, tooManyConnections */
  open(response: ServerResponse, types: string | null, lastEventId: string | undefined): void;
  readonly size: number;
  /** Ends all streams; clients reconnect elsewhere. */
  close(): void;
}

interface Stream {
  wake(): void;
  heartbeat(): void;
  end(): void;
}

const LAST_EVENT_ID = /^(?:0|[1-9][0-9]{0,18})$/;

export function createStreams(view: NodeView, limits: StreamLimits, onDrop: (reason: string) => void): Streams {
  const streams = new Set<Stream>();
  const feed = createEventFeed(view);
  const unsubscribe = view.subscribe((event) => {
    if (event.kind === "certificate") feed.invalidate(event.suite);
    for (const stream of streams) stream.wake();
  });
  const heartbeat = setInterval(() => {
    for (const stream of streams) stream.heartbeat();
  }, limits.heartbeatMs);
  heartbeat.unref();

  return {
    get size() {
      return streams.size;
    },
    open(response, typesText, lastEventId) {
      const types = parseTypes(typesText);
      if (lastEventId !== undefined && lastEventId !== "" && !LAST_EVENT_ID.test(lastEventId))
        throw new ApiError("badRequest", "Last-Event-ID is a batch sequence", {
          details: { lastEventId: lastEventId.slice(0, 40) },
        });
      if (streams.size >= limits.maxStreams)
        throw new ApiError("tooManyConnections", "too many event streams", {
          details: { maxStreams: limits.maxStreams },
        });
      const after =
        lastEventId === undefined || lastEventId === "" ? view.status().settledSequence : BigInt(lastEventId);
      response.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      });
      response.write(": clockless\n\n");
      const stream = createStream(view, feed, response, types, after + 1n, limits.stallMs, onDrop);
      streams.add(stream);
      response.on("close", () => streams.delete(stream));
      stream.wake();
    },
    close() {
      unsubscribe();
      clearInterval(heartbeat);
      for (const stream of streams) stream.end();
    },
  };
}

function parseTypes(text: string | null): ReadonlySet<StreamType> {
  if (text === null) return new Set(STREAM_TYPES);
  const types = new Set<StreamType>();
  for (const name of text.split(",")) {
    const type = STREAM_TYPES.find((known) => known === name);
    if (type === undefined)
      throw new ApiError("badRequest", "unknown event type", {
        details: { received: name.slice(0, 40), known: STREAM_TYPES },
      });
    types.add(type);
  }
  return types;
}

function createStream(
  view: NodeView,
  feed: EventFeed,
  response: ServerResponse,
  types: ReadonlySet<StreamType>,
  from: bigint,
  stallMs: number,
  onDrop: (reason: string) => void,
): Stream {
  let next = from;
  const certified = new Map<Suite, bigint>();
  let running = false;
  let dirty = false;
  let ended = false;

  /** Writes one event; resolves to false when the client is gone. */
  const write = async (text: string, id?: bigint): Promise<boolean> => {
    if (ended || response.destroyed) return false;
    if (response.write(`${text}${id === undefined ? "" : `id: ${id}\n`}\n`)) return true;
    const how = await drained(response, stallMs);
    if (how === "stalled") {
      onDrop("stalled");
      response.destroy();
    }
    return how === "drained";
  };

  /** Newest certificates first: whoever has one needs none before it. */
  const sendCertificates = async (): Promise<boolean> => {
    if (!types.has("certificate")) return true;
    for (const suite of view.committee().requiredSuites) {
      const certificate = feed.certificate(suite);
      if (certificate === undefined || certificate.sequence <= (certified.get(suite) ?? 0n)) continue;
      certified.set(suite, certificate.sequence);
      if (!(await write(certificate.text))) return false;
    }
    return true;
  };

  const sendBatch = async (sequence: bigint, summary: string): Promise<boolean> => {
    // The id goes with the last event of a sequence: a client that resumes after it has all of it.
    if (types.has("receipt")) {
      const receipts = feed.receipts(sequence);
      const last = types.has("batch") ? -1 : receipts.length - 1;
      for (const [k, receipt] of receipts.entries())
        if (!(await write(receipt, k === last ? sequence : undefined))) return false;
    }
    return types.has("batch") ? write(summary, sequence) : true;
  };

  const sendBatches = async (): Promise<boolean> => {
    if (!types.has("batch") && !types.has("receipt")) return true;
    while (!ended) {
      if (!(await sendCertificates())) return false;
      const summary = feed.summary(next);
      if (summary !== undefined) {
        if (!(await sendBatch(next++, summary))) return false;
        // A client that replays years, and reads as fast as we write, must leave the member its turns.
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      if (next > view.status().settledSequence) return true;
      // Dropped here, or never had (this member caught up from a certificate): say so and go on.
      const oldest = view.oldestBatch();
      const to = oldest > next ? oldest - 1n : next;
      if (!(await write(feed.gap(next, to), to))) return false;
      next = to + 1n;
    }
    return true;
  };

  const run = async (): Promise<void> => {
    running = true;
    try {
      while (dirty && !ended) {
        dirty = false;
        if (!(await sendCertificates()) || !(await sendBatches())) return;
      }
    } catch {
      // A value that cannot be written is our bug; this client resumes elsewhere, the others go on.
      onDrop("internal");
      response.destroy();
    } finally {
      running = false;
    }
  };

  return {
    wake() {
      dirty = true;
      if (!running) void run();
    },
    heartbeat() {
      if (!response.writableNeedDrain) response.write(": \n\n");
    },
    end() {
      ended = true;
      response.end();
    },
  };
}
