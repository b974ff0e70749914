/** One request with a deadline and a bounded answer, and every way it can end as a typed error. */
import type * as z from "zod";
import { concatBytes } from "../lib/bytes.ts";
import { decodeForeign } from "../lib/foreign-json.ts";
import { ApiError, isServerErrorCode } from "./errors.ts";
import { errorBody } from "./schema.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** For this call instead of the client's. */
  readonly timeoutMs?: number | undefined;
}

export interface Transport {
  readonly url: string;
  readonly fetch: typeof globalThis.fetch;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** An error answer is a few hundred bytes; more is not read. */
const MAX_ERROR_BYTES = 64 * 1024;

export interface RequestOptions extends CallOptions {
  readonly method?: "GET" | "POST";
  readonly body?: string;
  readonly accept?: string;
}

/** Sends a request and decodes its answer with `schema`. @throws ApiError */
export async function requestJson<T>(
  transport: Transport,
  path: string,
  schema: z.ZodType<T>,
  options: RequestOptions = {},
): Promise<T> {
  const text = await requestText(transport, path, options);
  return decodeJson(schema, text, path);
}

/** Sends a request and returns the text of a 2xx answer. @throws ApiError */
export async function requestText(transport: Transport, path: string, options: RequestOptions = {}): Promise<string> {
  const deadline = startDeadline(options.timeoutMs ?? transport.timeoutMs, options.signal);
  try {
    const response = await send(transport, path, options, deadline.signal);
    if (!response.ok) throw await errorOf(response, path);
    return await readText(response, transport.maxAnswerBytes, path);
  } catch (cause) {
    throw deadline.explain(cause, path);
  } finally {
    deadline.clear();
  }
}

/** Sends a request and returns the bytes of a 2xx answer, at most `maxBytes` of them. @throws ApiError */
export async function requestBytes(
  transport: Transport,
  path: string,
  maxBytes: number,
  options: RequestOptions = {},
): Promise<Uint8Array> {
  const deadline = startDeadline(options.timeoutMs ?? transport.timeoutMs, options.signal);
  try {
    const response = await send(transport, path, { ...options, accept: "application/octet-stream" }, deadline.signal);
    if (!response.ok) throw await errorOf(response, path);
    const chunks: Uint8Array[] = [];
    await readChunks(response, maxBytes, path, (chunk) => chunks.push(chunk));
    return concatBytes(...chunks);
  } catch (cause) {
    throw deadline.explain(cause, path);
  } finally {
    deadline.clear();
  }
}

/** Sends the request; network failures still come as the platform's own errors (see {@link startDeadline}). */
export function send(
  transport: Transport,
  path: string,
  options: RequestOptions,
  signal: AbortSignal,
): Promise<Response> {
  const init: RequestInit = {
    method: options.method ?? "GET",
    headers: {
      accept: options.accept ?? "application/json",
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
      ...transport.headers,
    },
    signal,
    // An API never redirects; following one would send a user's instruction somewhere else.
    redirect: "error",
  };
  if (options.body !== undefined) init.body = options.body;
  return transport.fetch(`${transport.url}${path}`, init);
}

/** The typed error of an answer that is not 2xx; never throws itself. */
export async function errorOf(response: Response, path: string): Promise<ApiError> {
  const { status } = response;
  let body: unknown;
  try {
    body = JSON.parse(await readText(response, MAX_ERROR_BYTES, path));
  } catch {
    body = undefined; // A proxy's HTML page, or nothing: the status says enough.
  }
  const parsed = decodeForeign(errorBody, body);
  if (parsed.success && isServerErrorCode(parsed.data.error.code)) {
    const { code, message, details } = parsed.data.error;
    return new ApiError(code, message, { status, details: { ...details, path } });
  }
  const retryAfter = Number(response.headers.get("retry-after"));
  const details = { path, status, ...(retryAfter > 0 ? { retryAfterMs: retryAfter * 1000 } : {}) };
  if (status === 429) return new ApiError("rateLimited", "too many requests", { status, details });
  if (status >= 500) return new ApiError("unavailable", `the server answered ${status}`, { status, details });
  return new ApiError("badAnswer", `the server answered ${status} without a known error`, { status, details });
}

/** Decodes JSON text with a schema. @throws ApiError badAnswer */
export function decodeJson<T>(schema: z.ZodType<T>, text: string, path: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ApiError("badAnswer", "the answer is not JSON", { cause, details: { path } });
  }
  const result = decodeForeign(schema, value);
  if (!result.success)
    throw new ApiError("badAnswer", "the answer is not what this endpoint answers", {
      details: { path, issues: issuesOf(result.error) },
    });
  return result.data;
}

/** The first issues of a failed check, short enough for logs and answers. */
export function issuesOf(error: Pick<z.ZodError, "issues">): { path: string; message: string }[] {
  return error.issues
    .slice(0, 8)
    .map((issue) => ({ path: issue.path.join("."), message: issue.message.slice(0, 200) }));
}

async function readText(response: Response, maxBytes: number, path: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  await readChunks(response, maxBytes, path, (chunk) => {
    text += decoder.decode(chunk, { stream: true });
  });
  return text + decoder.decode();
}

/** Reads a body piece by piece; never holds more than `maxBytes`. */
async function readChunks(
  response: Response,
  maxBytes: number,
  path: string,
  take: (chunk: Uint8Array) => void,
): Promise<void> {
  const tooLarge = (bytes: number): ApiError =>
    new ApiError("answerTooLarge", `the answer exceeds ${maxBytes} bytes`, { details: { path, bytes, maxBytes } });
  const declared = Number(response.headers.get("content-length"));
  if (declared > maxBytes) {
    await response.body?.cancel();
    throw tooLarge(declared);
  }
  if (response.body === null) return;
  const reader = response.body.getReader();
  let total = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    total += value.length;
    if (total > maxBytes) {
      await reader.cancel();
      throw tooLarge(total);
    }
    take(value);
  }
}

interface Deadline {
  readonly signal: AbortSignal;
  /** The typed error for whatever ended a request under this deadline. */
  explain(cause: unknown, path: string): ApiError;
  clear(): void;
}

/** Joins the caller's signal with a timer, and can tell afterwards which of them it was. */
function startDeadline(timeoutMs: number, outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    controller.abort();
  }, timeoutMs);
  const onAbort = (): void => controller.abort();
  if (outer?.aborted === true) controller.abort();
  else outer?.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    explain: (cause, path) => {
      if (outer?.aborted === true)
        return new ApiError("aborted", "aborted by the caller", { details: { path }, cause });
      if (timedOut)
        return new ApiError("timeout", `no answer within ${timeoutMs} ms`, { details: { path, timeoutMs }, cause });
      if (cause instanceof ApiError) return cause;
      return new ApiError("networkFailure", "the request failed before an answer came", { details: { path }, cause });
    },
    clear: () => {
      clearTimeout(timer);
      outer?.removeEventListener("abort", onAbort);
    },
  };
}
