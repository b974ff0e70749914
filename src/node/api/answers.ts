/** Writing answers: JSON, typed errors without stack traces, CORS. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ApiError } from "../../api/errors.ts";

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

export function answerJson(response: ServerResponse, status: number, value: unknown, immutable = false): void {
  answerText(response, status, "application/json", JSON.stringify(value), immutable);
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
