/** The smallest market adapter: serves a time and slot prices that somebody sets. Members poll it (node/market.ts has the format). */
import { once } from "node:events";
import { createServer } from "node:http";

export interface MarketQuote {
  readonly market: number;
  readonly firstSlotEnd: bigint;
  readonly values: readonly bigint[];
}

export interface MarketAdapter {
  readonly url: string;
  /** From now on every member that asks is told this. */
  set(time: bigint, prices: readonly MarketQuote[]): void;
  close(): Promise<void>;
}

export async function startMarketAdapter(port: number, time: bigint): Promise<MarketAdapter> {
  let body = "";
  const set = (seconds: bigint, prices: readonly MarketQuote[]): void => {
    body = JSON.stringify({
      time: seconds.toString(),
      prices: prices.map(({ market, firstSlotEnd, values }) => ({
        market,
        firstSlotEnd: firstSlotEnd.toString(),
        values: values.map(String),
      })),
    });
  };
  set(time, []);
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(body);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${port}/`,
    set,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
