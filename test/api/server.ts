/** Starts API servers for tests and stops them afterwards. */
import { type ApiClient, createApiClient } from "../../src/api/client.ts";
import { type ApiServer, type ApiServerOptions, createApiServer } from "../../src/node/api/server.ts";
import type { NodeView } from "../../src/node/api/view.ts";
import type { LogFields, Logger } from "../../src/telemetry/port.ts";

export interface Started {
  readonly server: ApiServer;
  readonly client: ApiClient;
  readonly url: string;
  readonly port: number;
  readonly errors: { message: string; fields: LogFields | undefined }[];
}

const running: ApiServer[] = [];

export async function start(view: NodeView, options: Partial<ApiServerOptions> = {}): Promise<Started> {
  const errors: Started["errors"] = [];
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (message, fields) => void errors.push({ message, fields }),
    child: () => logger,
  };
  const server = createApiServer(view, { version: "0.0.0-test", rateLimit: undefined, ...options }, logger);
  running.push(server);
  const { url, port } = await server.listen();
  return { server, url, port, errors, client: createApiClient({ url }) };
}

/** For afterEach. */
export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.close(0)));
}

/** The error a promise rejects with; fails when it does not. */
export async function errorOf(
  promise: Promise<unknown>,
): Promise<{ code: string; isTransient: boolean; details: Record<string, unknown> }> {
  try {
    await promise;
  } catch (error) {
    if (error !== null && typeof error === "object" && "code" in error) return error as never; // CAST: a ClocklessError; tests read its fields
    throw error;
  }
  throw new Error("expected a rejection");
}
