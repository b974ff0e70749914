/** Reads a request body within its limit. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError } from "../../api/errors.ts";

/**
 * How much beyond the limit is still read and thrown away. Closing a connection with unread bytes resets it, and the sender would then
 * see a broken pipe instead of the 413; so moderate excess is drained, and only a flood is cut off.
 */
const DRAIN_FACTOR = 8;

/**
 * The parsed JSON of a request; keeps at most `maxBytes` in memory.
 * @throws ApiError unsupportedMediaType, bodyTooLarge, badRequest
 */
export async function readJsonBody(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
): Promise<unknown> {
  const type = (request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
  const bytes = await readBytes(request, response, maxBytes);
  if (type !== "application/json")
    throw new ApiError("unsupportedMediaType", "send application/json", { details: { received: type.slice(0, 80) } });
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ApiError("badRequest", "the body is not JSON", { cause });
  }
}

function readBytes(request: IncomingMessage, response: ServerResponse, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): ApiError =>
    new ApiError("bodyTooLarge", `a body has at most ${maxBytes} bytes`, { details: { maxBytes } });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let total = 0;
    const cutOff = (): void => {
      request.removeAllListeners("data");
      request.pause();
      response.setHeader("connection", "close");
      reject(tooLarge());
    };
    if (Number(request.headers["content-length"] ?? 0) > DRAIN_FACTOR * maxBytes) return cutOff();
    request.on("data", (chunk: Buffer) => {
      total += chunk.length;
      if (total <= maxBytes) chunks.push(chunk);
      else {
        chunks.length = 0;
        if (total > DRAIN_FACTOR * maxBytes) cutOff();
      }
    });
    request.on("end", () => (total > maxBytes ? reject(tooLarge()) : resolve(Buffer.concat(chunks))));
    request.on("error", (cause) => reject(new ApiError("badRequest", "the body did not arrive", { cause })));
    request.on("close", () => reject(new ApiError("badRequest", "the body did not arrive whole")));
  });
}
