/** Reads a request body within its limit. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError } from "../../api/errors.ts";

/**
 * How much beyond the limit is still read and thrown away. Closing a connection with unread bytes resets it, and the sender would then
 * see a broken pipe instead of the 413; so moderate excess is drained, and only a flood is cut off.
 */
const DRAIN_FACTOR = 8;

/** After which a sender may try again when all large bodies together are too much. */
const RETRY_MS = 1_000;

/** How many bytes all large bodies together may take while they arrive: many slow senders must not fill the memory. */
export interface BodyBudget {
  /** False when there is no room. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export function createBodyBudget(maxBytes: number): BodyBudget {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > maxBytes) return false;
      taken += bytes;
      return true;
    },
    give(bytes) {
      taken -= bytes;
    },
  };
}

/**
 * The parsed JSON of a request; keeps at most `maxBytes` in memory.
 * @throws ApiError unsupportedMediaType, bodyTooLarge, badRequest; unavailable when the budget is spent
 */
export async function readJsonBody(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
  budget?: BodyBudget,
): Promise<unknown> {
  const type = (request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
  const bytes = await readBytes(request, response, maxBytes, budget);
  if (type !== "application/json")
    throw new ApiError("unsupportedMediaType", "send application/json", { details: { received: type.slice(0, 80) } });
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ApiError("badRequest", "the body is not JSON", { cause });
  }
}

function readBytes(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
  budget: BodyBudget | undefined,
): Promise<Buffer> {
  const tooLarge = (): ApiError =>
    new ApiError("bodyTooLarge", `a body has at most ${maxBytes} bytes`, { details: { maxBytes } });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let total = 0;
    let taken = 0;
    const cutOff = (error = tooLarge()): void => {
      request.removeAllListeners("data");
      request.pause();
      chunks.length = 0;
      response.setHeader("connection", "close");
      reject(error);
    };
    // "close" comes after every end, good or bad.
    request.on("close", () => budget?.give(taken));
    if (Number(request.headers["content-length"] ?? 0) > DRAIN_FACTOR * maxBytes) return cutOff();
    request.on("data", (chunk: Buffer) => {
      total += chunk.length;
      if (total <= maxBytes) {
        if (budget?.take(chunk.length) === false)
          return cutOff(
            new ApiError("unavailable", "too many large bodies at once", { details: { retryAfterMs: RETRY_MS } }),
          );
        taken += chunk.length;
        chunks.push(chunk);
      } else {
        chunks.length = 0;
        if (total > DRAIN_FACTOR * maxBytes) cutOff();
      }
    });
    request.on("end", () => (total > maxBytes ? reject(tooLarge()) : resolve(Buffer.concat(chunks))));
    request.on("error", (cause) => reject(new ApiError("badRequest", "the body did not arrive", { cause })));
    request.on("close", () => reject(new ApiError("badRequest", "the body did not arrive whole")));
  });
}
