/** GET /metrics for processes that have no API of their own. Bound to one address that the operator names; answers nothing else. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { Metrics } from "../telemetry/port.ts";
import { UsageError } from "./errors.ts";

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws UsageError badOption when the port cannot be had */
export async function serveMetrics(metrics: Metrics, host: string, port: number): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: 10_000, maxHeaderSize: 8_192 }, (request, response) => {
    if (request.method !== "GET" || request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    metrics.expose().then(
      ({ contentType, body }) => response.writeHead(200, { "content-type": contentType }).end(body),
      () => response.writeHead(500).end(),
    );
  });
  server.maxConnections = 16;
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    throw new UsageError("badOption", `cannot listen on ${host}:${port} for metrics`, {
      details: { host, port },
      cause,
    });
  }
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
