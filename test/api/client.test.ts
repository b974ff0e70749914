import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { createApiClient } from "../../src/api/client.ts";
import { errorOf } from "./server.ts";

describe("the API client", () => {
  let server: Server | undefined;

  /** A server that answers everything like this. */
  async function serve(listener: RequestListener): Promise<string> {
    server = createServer(listener);
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    // CAST: a TCP server's address is never a pipe name
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  it("bounds answers, declared and undeclared", async () => {
    const url = await serve((request, response) => {
      if (request.url === "/v1/status") response.setHeader("content-length", 5000);
      for (let k = 0; k < 5; k++) response.write("x".repeat(1000));
      response.end();
    });
    const client = createApiClient({ url, maxAnswerBytes: 4000 });
    expect((await errorOf(client.status())).code).to.equal("answerTooLarge");
    expect((await errorOf(client.committee())).code).to.equal("answerTooLarge");
  });

  it("takes no answer that is not what the schema says", async () => {
    const answers = ["<html>", "{}", "null", '{"signer":"0x","lane":"1","nextNonce":"1"}'];
    const valid = { signer: `0x${"ab".repeat(20)}`, lane: "1" };
    for (const nextNonce of ["-1", "01", "1e9", 5, "0x1", "9".repeat(90)])
      answers.push(JSON.stringify({ ...valid, nextNonce }));
    let next = "";
    const url = await serve((_, response) => response.end(next));
    const client = createApiClient({ url });
    for (next of answers) {
      const error = await errorOf(client.lane(`0x${"ab".repeat(20)}`, 1n));
      expect(error.code, next).to.equal("badAnswer");
      expect(error.isTransient).to.equal(false);
    }
    next = JSON.stringify({ ...valid, nextNonce: "18446744073709551615", added: "by a newer member" });
    expect((await client.lane(`0x${"ab".repeat(20)}`, 1n)).nextNonce).to.equal(2n ** 64n - 1n);
  });

  it("types every failure between here and there", async () => {
    let status = 500;
    const url = await serve((request, response) => {
      if (request.url?.startsWith("/slow") === true) return;
      if (status === 302) response.setHeader("location", "/elsewhere");
      if (status === 429) response.setHeader("retry-after", "3");
      response.writeHead(status).end("<html>from a proxy</html>");
    });
    const code = async (): Promise<[string, boolean]> => {
      const { code, isTransient } = await errorOf(createApiClient({ url }).status());
      return [code, isTransient];
    };
    expect(await code()).to.deep.equal(["unavailable", true]);
    status = 429;
    expect(await code()).to.deep.equal(["rateLimited", true]);
    status = 404;
    expect(await code()).to.deep.equal(["badAnswer", false]);
    status = 302;
    expect(await code()).to.deep.equal(["networkFailure", true]);
    const slow = createApiClient({ url: `${url}/slow`, timeoutMs: 30 });
    expect((await errorOf(slow.status())).code).to.equal("timeout");
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    expect((await errorOf(slow.status({ signal: controller.signal, timeoutMs: 5_000 }))).code).to.equal("aborted");
    expect((await errorOf(slow.status({ signal: AbortSignal.abort() }))).code).to.equal("aborted");
  });

  it("keeps a path prefix and sends its headers", async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      seen.push(request.url, request.headers["x-key"]?.toString());
      response.writeHead(503).end();
    });
    await errorOf(createApiClient({ url: `${url}/member/3/`, headers: { "x-key": "k" } }).status());
    expect(seen).to.deep.equal(["/member/3/v1/status", "k"]);
  });

  it("refuses a submission that was not answered one by one", async () => {
    const url = await serve((_, response) => response.writeHead(202).end('{"results":[]}'));
    const signed = {
      instruction: {
        head: { signer: `0x${"ab".repeat(20)}`, lane: 0n, nonce: 0n, namedBatch: 0n },
        body: { kind: "fills", fills: [] },
      },
      signature: `0x${"00".repeat(65)}`,
    } as const;
    expect((await errorOf(createApiClient({ url }).submit([signed]))).code).to.equal("badAnswer");
  });
});
