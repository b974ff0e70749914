/** What a request says, read with care: parameters as the endpoint takes them, and the address that it is charged to. */
import type { IncomingMessage } from "node:http";
import type * as z from "zod";
import { ApiError } from "../../api/errors.ts";
import { issuesOf } from "../../api/http.ts";

export function queryOf(search: URLSearchParams): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of search) {
    if (Object.hasOwn(query, name))
      throw new ApiError("badRequest", "a parameter comes once", { details: { name: name.slice(0, 40) } });
    // defineProperty: a parameter named __proto__ is a name like any other.
    Object.defineProperty(query, name, { value, enumerable: true });
  }
  return query;
}

/** @throws ApiError badRequest */
export function decodeParameters(schema: z.ZodType, values: Readonly<Record<string, string>>, place: string): unknown {
  const result = schema.safeDecode(values as never); // CAST: unknown text; the schema decides
  if (result.success) return result.data;
  throw new ApiError("badRequest", `a ${place} parameter is not what this endpoint takes`, {
    details: { issues: issuesOf(result.error) },
  });
}

/** The address to rate-limit: the peer's, or what the last trusted proxy saw. Entries further left are the client's own claims. */
export function clientAddress(request: IncomingMessage, trustedProxies: number): string {
  const peer = request.socket.remoteAddress ?? "unknown";
  if (trustedProxies === 0) return peer;
  const forwarded = request.headers["x-forwarded-for"];
  const hops = (Array.isArray(forwarded) ? forwarded.join(",") : (forwarded ?? "")).split(",").map((hop) => hop.trim());
  return hops.at(-trustedProxies) || peer;
}

/** Items of a list in a body, if it is one: the endpoint's own checks come later. */
export function countItems(body: unknown, name: string): number {
  const list = typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined;
  return Array.isArray(list) ? list.length : 0;
}
