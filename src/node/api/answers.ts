/** Writing answers: JSON, typed errors without stack traces, CORS. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ApiError } from "../../api/errors.ts";
import { type Clock, SYSTEM_CLOCK } from "../../transport/clock.ts";

export interface Cors {
  /** Origins that may read answers in a browser; `*` for all. Requests carry no credentials. */
  readonly origins: readonly string[];
}

export function applyCors(request: IncomingMessage, response: ServerResponse, cors: Cors | undefined): void {
  const origin = request.headers.origin;
  if (cors === undefined || origin === undefined) return;
  const everyone = cors.origins.includes("*");
  if (!everyone) response.setHeader("vary", "origin");
  if (!everyone && !cors.origins.includes(origin)) return;
  response.setHeader("access-control-allow-origin", everyone ? "*" : origin);
  response.setHeader("access-control-expose-headers", "retry-after");
}

/** The answer to a preflight request. */
export function answerPreflight(response: ServerResponse): void {
  if (response.hasHeader("access-control-allow-origin")) {
    response.setHeader("access-control-allow-methods", "GET, POST");
    response.setHeader("access-control-allow-headers", "content-type, last-event-id");
    response.setHeader("access-control-max-age", "86400");
  }
  response.writeHead(204).end();
}

export function answerText(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string,
  immutable = false,
): void {
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": immutable ? "public, max-age=31536000, immutable" : "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

/** Of what is sent at once; a smaller answer is left to the system's buffers. */
export const CHUNK_BYTES = 64 * 1024;

/**
 * Sends bytes as fast as the client takes them and no faster: nothing but the array itself is held. A client that takes nothing for
 * `stallMs` is dropped, and so is one that is later than that and its bytes at `minBytesPerSecond`. Resolves when the answer is out or
 * the client gone.
 */
export async function answerBytes(
  response: ServerResponse,
  bytes: Uint8Array,
  options: {
    readonly status: number;
    readonly type: string;
    readonly immutable: boolean;
    readonly stallMs: number;
    readonly minBytesPerSecond: number;
    readonly clock: Clock;
  },
): Promise<void> {
  const { clock, stallMs, minBytesPerSecond } = options;
  const startMs = clock.nowMs();
  const isLate = (sent: number): boolean => clock.nowMs() - startMs > stallMs + (sent * 1_000) / minBytesPerSecond;
  response.writeHead(options.status, {
    "content-type": options.type,
    "content-length": bytes.length,
    "cache-control": options.immutable ? "public, max-age=31536000, immutable" : "no-store",
    "x-content-type-options": "nosniff",
  });
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    if (response.destroyed) return;
    const isRoom = response.write(bytes.subarray(at, at + CHUNK_BYTES));
    if (!isRoom && ((await drained(response, stallMs, clock)) !== "drained" || isLate(at))) {
      response.destroy();
      return;
    }
  }
  response.end();
}

/** Waits until the client has taken what was written. */
export function drained(
  response: ServerResponse,
  stallMs: number,
  clock: Clock = SYSTEM_CLOCK,
): Promise<"drained" | "gone" | "stalled"> {
  return new Promise((resolve) => {
    const finish = (how: "drained" | "gone" | "stalled"): void => {
      cancel();
      response.off("drain", onDrain);
      response.off("close", onClose);
      resolve(how);
    };
    const onDrain = (): void => finish("drained");
    const onClose = (): void => finish("gone");
    const cancel = clock.after(stallMs, () => finish("stalled"));
    response.on("drain", onDrain);
    response.on("close", onClose);
  });
}

/** The JSON of an error; bigints as decimal strings. Only code, message and details leave: causes and stacks stay in the log. */
export function errorJson(error: ApiError): string {
  return JSON.stringify(
    { error: { code: error.code, message: error.shortMessage, details: error.details } },
    (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value),
  );
}

export function answerError(response: ServerResponse, error: ApiError): void {
  if (response.headersSent) {
    // Half an answer is out: the only honest end is to break the connection.
    response.destroy();
    return;
  }
  const retryAfterMs = error.details.retryAfterMs;
  if (typeof retryAfterMs === "number") response.setHeader("retry-after", Math.max(1, Math.ceil(retryAfterMs / 1000)));
  answerText(response, error.status ?? 500, "application/json", errorJson(error));
}
