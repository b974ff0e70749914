/**
 * The member's HTTP API on node:http. Strangers talk to it: every body, header, URL, connection and stream is bounded, every answer is
 * JSON with a typed error, and no error of ours leaves as a stack trace.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type * as z from "zod";
import { ENDPOINTS, type EndpointId } from "../../api/endpoints.ts";
import { ApiError } from "../../api/errors.ts";
import { openApiDocument } from "../../api/openapi.ts";
import { API_LIMITS } from "../../api/schema.ts";
import { assert } from "../../lib/assert.ts";
import { utf8ToBytes } from "../../lib/bytes.ts";
import type { Logger } from "../../telemetry/port.ts";
import { SYSTEM_CLOCK } from "../../transport/clock.ts";
import { answerError, answerPreflight, answerText, applyCors, CHUNK_BYTES, type Cors, errorJson } from "./answers.ts";
import { type BodyBudget, createBodyBudget, readJsonBody } from "./body.ts";
import { createConnections } from "./connections.ts";
import { createDownloads, type Downloads } from "./downloads.ts";
import { type Answered, createHandlers, type HandlerContext, type Handlers, matchEndpoint } from "./handlers.ts";
import { createRateLimiter, type RateLimit, type RateLimiter } from "./rate-limit.ts";
import { clientAddress, countItems, decodeParameters, queryOf } from "./request.ts";
import { createStreams, type Streams } from "./streams.ts";
import type { NodeView } from "./view.ts";

export interface ApiServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Version that /openapi.json names. */
  readonly version: string;
  /** An endpoint may take more (api/endpoints.ts). */
  readonly maxBodyBytes: number;
  /** Of all bodies larger than that together, while they arrive. */
  readonly maxLargeBodyBytes: number;
  /** Large answers (snapshots, deals) that are being sent at once, and of these to one address. */
  readonly maxDownloads: number;
  readonly maxDownloadsPerAddress: number;
  /** Of other answers above 64 KiB together, while they are being sent. */
  readonly maxLargeAnswerBytes: number;
  /** A large answer is broken off when it takes longer than `streamStallMs` and its bytes' time at this rate. */
  readonly minBytesPerSecond: number;
  readonly maxUrlLength: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  /** Not counted with `trustedProxies`: all connections are the proxy's then. */
  readonly maxConnectionsPerAddress: number;
  readonly maxStreams: number;
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly streamHeartbeatMs: number;
  readonly streamStallMs: number;
  /** Per client address; undefined for none. /healthz and /readyz are exempt. */
  readonly rateLimit: RateLimit | undefined;
  /** Number of reverse proxies in front whose X-Forwarded-For entry is believed. */
  readonly trustedProxies: number;
  readonly cors: Cors | undefined;
  /** Told of every finished answer, for metrics; `endpoint` has few values. Must not throw. */
  readonly onAnswer: ((answer: ObservedAnswer) => void) | undefined;
}

export interface ObservedAnswer {
  /** Operation id of /openapi.json, or `other`. */
  readonly endpoint: string;
  readonly status: number;
  readonly seconds: number;
}

/** Chosen for a small machine behind nothing; a public member raises connections and puts a proxy in front. */
export const DEFAULT_API_OPTIONS: Omit<ApiServerOptions, "version"> = {
  host: "127.0.0.1",
  port: 0,
  maxBodyBytes: API_LIMITS.maxBodyBytes,
  maxLargeBodyBytes: 64 << 20,
  maxDownloads: 16,
  // Several members may sit behind one address, and each asks for one thing at a time.
  maxDownloadsPerAddress: 8,
  maxLargeAnswerBytes: 64 << 20,
  // A snapshot of 100,000 accounts (13 MB) may take fourteen minutes; whoever needs longer never catches up anyhow.
  minBytesPerSecond: 16 * 1024,
  maxUrlLength: 8192 + 1024, // the longest list of outbox indexes and its path
  maxHeaderBytes: 16 * 1024,
  maxConnections: 1024,
  maxConnectionsPerAddress: 256,
  maxStreams: 256,
  requestTimeoutMs: 15_000,
  keepAliveTimeoutMs: 5_000,
  streamHeartbeatMs: 15_000,
  streamStallMs: 30_000,
  rateLimit: { perSecond: 50, burst: 200 },
  trustedProxies: 0,
  cors: undefined,
  onAnswer: undefined,
};

export interface ApiServer {
  /** Starts to listen. @throws the platform's error when the address is taken */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Stops accepting, ends streams, lets requests finish for `graceMs`, then breaks the rest off. Idempotent. */
  close(graceMs?: number): Promise<void>;
  readonly connections: number;
  readonly streams: number;
}

/** Connections beyond the limit that are still told why before they are closed. */
const POLITE_REFUSALS = 64;
const DEFAULT_GRACE_MS = 5_000;

export function createApiServer(
  view: NodeView,
  options: Partial<ApiServerOptions> & Pick<ApiServerOptions, "version">,
  logger: Logger,
): ApiServer {
  const config: ApiServerOptions = { ...DEFAULT_API_OPTIONS, ...options };
  const limiter = config.rateLimit === undefined ? undefined : createRateLimiter(config.rateLimit);
  const streams = createStreams(
    view,
    { maxStreams: config.maxStreams, heartbeatMs: config.streamHeartbeatMs, stallMs: config.streamStallMs },
    (reason) => logger.warn("dropped an event stream", { reason }),
  );
  const connections = createConnections({
    maxConnections: config.maxConnections,
    maxPerAddress: config.trustedProxies > 0 ? undefined : config.maxConnectionsPerAddress,
    stallMs: config.streamStallMs,
  });
  let closing: Promise<void> | undefined;
  const context: ServeContext = {
    view,
    config,
    logger,
    limiter,
    streams,
    largeBodies: createBodyBudget(config.maxLargeBodyBytes),
    downloads: createDownloads({ ...config, stallMs: config.streamStallMs }, SYSTEM_CLOCK),
    handlers: createHandlers(view),
    openApi: JSON.stringify(openApiDocument(config.version)),
    isOverloaded: (socket) => connections.isTooMany(socket),
    isClosing: () => closing !== undefined,
  };

  const server = createServer(
    {
      maxHeaderSize: config.maxHeaderBytes,
      requestTimeout: config.requestTimeoutMs,
      headersTimeout: config.requestTimeoutMs,
      keepAliveTimeout: config.keepAliveTimeoutMs,
      // How often the two timeouts above are looked at.
      connectionsCheckingInterval: Math.max(50, Math.min(1_000, config.requestTimeoutMs / 4)),
    },
    (request, response) => {
      // While closing, a connection goes as soon as its last answer is out instead of idling until the keep-alive timeout.
      response.on("close", () => closing !== undefined && setImmediate(() => server.closeIdleConnections()));
      void serve(context, request, response);
    },
  );
  server.maxConnections = config.maxConnections + POLITE_REFUSALS;
  connections.watch(server);
  const sweeping = setInterval(() => connections.sweep(performance.now()), config.streamStallMs / 4);
  sweeping.unref();
  server.on("clientError", answerClientError);

  return {
    get connections() {
      return connections.size;
    },
    get streams() {
      return streams.size;
    },
    listen: () => listen(server, config),
    close(graceMs = DEFAULT_GRACE_MS) {
      clearInterval(sweeping);
      closing ??= closeServer(server, streams, graceMs);
      return closing;
    },
  };
}

interface ServeContext {
  readonly view: NodeView;
  readonly config: ApiServerOptions;
  readonly logger: Logger;
  readonly limiter: RateLimiter | undefined;
  readonly streams: Streams;
  readonly largeBodies: BodyBudget;
  readonly downloads: Downloads;
  readonly handlers: Handlers;
  readonly openApi: string;
  isOverloaded(socket: Socket): boolean;
  isClosing(): boolean;
}

async function serve(context: ServeContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A client that leaves in the middle is not an event.
  response.on("error", () => undefined);
  const startMs = performance.now();
  let endpoint = "other";
  response.on("close", () => {
    const seconds = (performance.now() - startMs) / 1000;
    context.config.onAnswer?.({ endpoint, status: response.statusCode, seconds });
  });
  const observe = (id: string): void => {
    endpoint = id;
  };
  try {
    applyCors(request, response, context.config.cors);
    await route(context, request, response, observe);
  } catch (cause) {
    answerError(response, toApiError(cause, request, context.logger));
  }
}

async function route(
  context: ServeContext,
  request: IncomingMessage,
  response: ServerResponse,
  observe: (endpoint: string) => void,
): Promise<void> {
  const { config, view } = context;
  const method = request.method ?? "GET";
  const target = request.url ?? "/";
  if (context.isClosing()) {
    response.setHeader("connection", "close");
    throw new ApiError("unavailable", "this member is shutting down");
  }
  if (context.isOverloaded(request.socket)) {
    response.setHeader("connection", "close");
    throw new ApiError("tooManyConnections", "too many connections");
  }
  if (target.length > config.maxUrlLength)
    throw new ApiError("urlTooLong", `a URL has at most ${config.maxUrlLength} characters`, {
      details: { maxUrlLength: config.maxUrlLength },
    });
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  const search = new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1));
  const address = clientAddress(request, config.trustedProxies);
  const charge = (requests: number): void => {
    const retryAfterMs = context.limiter?.take(address, Date.now(), requests) ?? 0;
    if (retryAfterMs > 0) throw new ApiError("rateLimited", "too many requests", { details: { retryAfterMs } });
  };
  if (path !== "/healthz" && path !== "/readyz") charge(1);
  if (method === "OPTIONS") return answerPreflight(response);

  if (path === "/v1/events" || path === "/metrics" || path === "/openapi.json") {
    if (method !== "GET") throw new ApiError("methodNotAllowed", "use GET", { details: { allowed: "GET" } });
    if (path === "/openapi.json") return answerText(response, 200, "application/json", context.openApi);
    if (path === "/metrics") {
      const { contentType, body } = await view.metrics();
      return answerText(response, 200, contentType, body);
    }
    observe("streamEvents");
    const lastEventId = request.headers["last-event-id"];
    return context.streams.open(
      response,
      search.get("types"),
      Array.isArray(lastEventId) ? lastEventId[0] : lastEventId,
    );
  }

  const { id, params } = matchEndpoint(method, path);
  observe(id);
  const endpoint = ENDPOINTS[id];
  const body = endpoint.method === "POST" ? await bodyOf(context, endpoint.maxBodyBytes, request, response) : undefined;
  // Before anything is read from the disk.
  if (endpoint.binary) context.downloads.requireRoom(address);
  if (endpoint.chargedItems !== undefined) charge(countItems(body, endpoint.chargedItems));
  const handlerContext = {
    params: decodeParameters(endpoint.params, params, "path"),
    query: decodeParameters(endpoint.query, queryOf(search), "query"),
    body,
  };
  // CAST: id selects endpoint and handler together, which the type system cannot follow through a union of keys.
  const handler = context.handlers[id] as (context: HandlerContext<EndpointId>) => Promise<Answered<unknown>>;
  const { value, status, encoded } = await handler(handlerContext as HandlerContext<EndpointId>);
  const immutable = endpoint.immutable ?? false;
  const send = (bytes: Uint8Array, type: string, isOwn: boolean): Promise<void> =>
    context.downloads.send(response, address, { bytes, type, isOwn, immutable, status: status ?? endpoint.status });
  if (endpoint.binary) {
    assert(value instanceof Uint8Array, "a binary endpoint answers bytes");
    return send(value, "application/octet-stream", false);
  }
  if (encoded !== undefined) return send(encoded, "application/json", false);
  // CAST: as above; the value is the endpoint's own answer.
  const json = JSON.stringify((endpoint.answer as z.ZodType<unknown>).encode(value));
  if (json.length > CHUNK_BYTES) return send(utf8ToBytes(json), "application/json", true);
  answerText(response, status ?? endpoint.status, "application/json", json, immutable);
}

function bodyOf(
  { config, largeBodies }: ServeContext,
  endpointMaxBytes: number | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<unknown> {
  return endpointMaxBytes === undefined
    ? readJsonBody(request, response, config.maxBodyBytes)
    : readJsonBody(request, response, endpointMaxBytes, largeBodies);
}

function toApiError(cause: unknown, request: IncomingMessage, logger: Logger): ApiError {
  if (cause instanceof ApiError) return cause;
  logger.error("the API failed to answer", { method: request.method, path: request.url?.slice(0, 200), error: cause });
  return new ApiError("internal", "this member failed to answer; its log says why", { cause });
}

/** What the HTTP parser refused never becomes a request; it still gets a typed answer. */
function answerClientError(error: NodeJS.ErrnoException, socket: import("node:stream").Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const typed =
    error.code === "HPE_HEADER_OVERFLOW"
      ? new ApiError("headersTooLarge", "the headers are too large")
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new ApiError("requestTimeout", "the request did not arrive in time")
        : new ApiError("badRequest", "not HTTP");
  const body = errorJson(typed);
  socket.end(
    `HTTP/1.1 ${typed.status} ${typed.code}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function listen(server: Server, { host, port }: ApiServerOptions): Promise<{ url: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      // CAST: a TCP server's address is never a pipe name
      const address = server.address() as AddressInfo;
      const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
      resolve({ url: `http://${name}:${address.port}`, port: address.port });
    });
  });
}

async function closeServer(server: Server, streams: Streams, graceMs: number): Promise<void> {
  streams.close();
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}
