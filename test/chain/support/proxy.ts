/** A JSON-RPC proxy that lies on purpose: every answer passes through `behaviour`, which tests replace at will. */
import { createServer, type Server } from "node:http";

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

export type RpcAnswer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } }
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Accept the request and never answer. */
  | { readonly hang: true };

export type Behaviour = (call: RpcCall, honest: () => Promise<RpcAnswer>) => Promise<RpcAnswer> | RpcAnswer;

export interface LyingProxy {
  readonly url: string;
  readonly calls: RpcCall[];
  behave(behaviour: Behaviour): void;
  stop(): Promise<void>;
}

export const honestly: Behaviour = (_call, honest) => honest();

export async function startProxy(upstream: string, initial: Behaviour = honestly): Promise<LyingProxy> {
  let behaviour = initial;
  const calls: RpcCall[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      // CAST: our own client wrote it
      const body = JSON.parse(Buffer.concat(chunks).toString()) as RpcCall & { id: number };
      const call = { method: body.method, params: body.params ?? [] };
      calls.push(call);
      try {
        const answer = await behaviour(call, () => forward(upstream, call));
        if ("hang" in answer) return;
        if ("status" in answer) {
          response.writeHead(answer.status, answer.headers ?? {});
          response.end(answer.body ?? "");
          return;
        }
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ jsonrpc: "2.0", id: body.id, ...answer }));
      } catch {
        response.writeHead(502);
        response.end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    behave(next) {
      behaviour = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function forward(upstream: string, call: RpcCall): Promise<RpcAnswer> {
  const response = await fetch(upstream, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...call }),
  });
  // CAST: anvil's answer; passed on as it is
  return (await response.json()) as RpcAnswer;
}
