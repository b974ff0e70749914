/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): a parser for untrusted streams and an endless,
 * reconnecting reader. EventSource is not used: it sends no headers, has no bounds and does not exist in every runtime.
 */
import { ApiError } from "./errors.ts";
import { errorOf, send, type Transport } from "./http.ts";

export interface ServerSentEvent {
  readonly type: string;
  readonly data: string;
  /** Last event id as of this event; "" before the first. */
  readonly id: string;
}

/** One event of ours is a receipt or a certificate; a batch summary is smaller still. */
const MAX_EVENT_CHARS = 1 << 20;

/** Incremental parser. `push` returns the events a chunk of text completed. */
export interface EventParser {
  /** @throws ApiError answerTooLarge when one event exceeds its bound */
  push(text: string): ServerSentEvent[];
  /** Reconnection delay the server asked for, in ms. */
  readonly retryMs: number | undefined;
}

export function createEventParser(lastEventId = ""): EventParser {
  let rest = "";
  let data: string[] = [];
  let size = 0;
  let type = "";
  let id = lastEventId;
  let retryMs: number | undefined;

  const line = (text: string, events: ServerSentEvent[]): void => {
    if (text === "") {
      if (data.length > 0) events.push({ type: type || "message", data: data.join("\n"), id });
      data = [];
      size = 0;
      type = "";
      return;
    }
    const colon = text.indexOf(":");
    if (colon === 0) return; // a comment: the server's heartbeat
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") {
      size += value.length;
      data.push(value);
    } else if (field === "event") type = value;
    else if (field === "id" && !value.includes("\0")) id = value;
    else if (field === "retry" && /^[0-9]{1,9}$/.test(value)) retryMs = Number(value);
  };

  return {
    push(text) {
      const events: ServerSentEvent[] = [];
      // A chunk may end between \r and \n: keep a trailing \r until its successor is known.
      const whole = rest + text;
      const held = whole.endsWith("\r") ? 1 : 0;
      const lines = whole.slice(0, whole.length - held).split(/\r\n|\n|\r/);
      rest = (lines.pop() ?? "") + (held === 1 ? "\r" : "");
      for (const each of lines) line(each, events);
      if (rest.length + size > MAX_EVENT_CHARS)
        throw new ApiError("answerTooLarge", "one event exceeds its bound", { details: { maxChars: MAX_EVENT_CHARS } });
      return events;
    },
    get retryMs() {
      return retryMs;
    },
  };
}

export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  /** Resume after this id (a batch sequence as text). */
  readonly lastEventId?: string | undefined;
  /** Give up a connection on which nothing, not even a heartbeat, came for so long. */
  readonly idleTimeoutMs?: number | undefined;
  /** First pause before reconnecting; doubles up to `maxRetryMs`. */
  readonly retryMs?: number | undefined;
  readonly maxRetryMs?: number | undefined;
  /** Told why a connection ended, before the pause. */
  readonly onReconnect?: ((error: ApiError) => void) | undefined;
}

const DEFAULT_IDLE_TIMEOUT_MS = 45_000; // three heartbeats of our server
const DEFAULT_RETRY_MS = 500;
const DEFAULT_MAX_RETRY_MS = 15_000;

/**
 * Reads events for ever, reconnecting after transient failures with the last id seen. Ends quietly when `signal` aborts; throws
 * ApiError on answers that another attempt will not change.
 */
export async function* streamEvents(
  transport: Transport,
  path: string,
  options: StreamOptions = {},
): AsyncGenerator<ServerSentEvent, void, undefined> {
  let lastEventId = options.lastEventId ?? "";
  let pauseMs = options.retryMs ?? DEFAULT_RETRY_MS;
  const maxPauseMs = options.maxRetryMs ?? DEFAULT_MAX_RETRY_MS;
  const isStopped = (): boolean => options.signal?.aborted === true;
  while (!isStopped()) {
    const parser = createEventParser(lastEventId);
    let failure: ApiError;
    try {
      for await (const event of readOnce(transport, path, lastEventId, parser, options)) {
        lastEventId = event.id;
        pauseMs = parser.retryMs ?? options.retryMs ?? DEFAULT_RETRY_MS;
        yield event;
      }
      failure = new ApiError("networkFailure", "the server closed the stream", { details: { path } });
    } catch (cause) {
      if (isStopped()) return;
      if (!(cause instanceof ApiError) || !cause.isTransient) throw cause;
      failure = cause;
    }
    if (isStopped()) return;
    options.onReconnect?.(failure);
    const retryAfterMs = Number(failure.details.retryAfterMs ?? 0);
    await pause(Math.max(pauseMs, Math.min(retryAfterMs, maxPauseMs)), options.signal);
    pauseMs = Math.min(2 * pauseMs, maxPauseMs);
  }
}

async function* readOnce(
  transport: Transport,
  path: string,
  lastEventId: string,
  parser: EventParser,
  options: StreamOptions,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const idle = startIdleTimer(options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS, options.signal);
  try {
    const headers = { ...transport.headers, ...(lastEventId === "" ? {} : { "last-event-id": lastEventId }) };
    const response = await send({ ...transport, headers }, path, { accept: "text/event-stream" }, idle.signal);
    if (!response.ok) throw await errorOf(response, path);
    if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream") || response.body === null) {
      await response.body?.cancel();
      throw new ApiError("badAnswer", "the answer is no event stream", { details: { path } });
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      idle.touch();
      const { done, value } = await reader.read();
      if (done) return;
      // While the consumer is busy with an event the server's silence is not its fault.
      idle.rest();
      for (const event of parser.push(decoder.decode(value, { stream: true }))) yield event;
    }
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    if (idle.expired())
      throw new ApiError("timeout", "the stream went silent", {
        details: { path, idleTimeoutMs: options.idleTimeoutMs },
      });
    throw new ApiError("networkFailure", "the stream broke", { details: { path }, cause });
  } finally {
    // Also ends the request when the consumer stopped iterating.
    idle.stop();
  }
}

interface IdleTimer {
  readonly signal: AbortSignal;
  touch(): void;
  rest(): void;
  expired(): boolean;
  stop(): void;
}

function startIdleTimer(timeoutMs: number, outer: AbortSignal | undefined): IdleTimer {
  const controller = new AbortController();
  let expired = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = (): void => controller.abort();
  if (outer?.aborted === true) controller.abort();
  else outer?.addEventListener("abort", onAbort, { once: true });
  const rest = (): void => clearTimeout(timer);
  const touch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      expired = true;
      controller.abort();
    }, timeoutMs);
  };
  touch();
  return {
    signal: controller.signal,
    touch,
    rest,
    expired: () => expired,
    stop: () => {
      clearTimeout(timer);
      outer?.removeEventListener("abort", onAbort);
      controller.abort();
    },
  };
}

/** Waits, or returns early when `signal` aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
