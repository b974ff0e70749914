/**
 * Round trips between regions, imposed on real connections: a TCP proxy in user space that hands on what it reads half a round trip
 * later, in order. Members find each other through it, so every byte between two regions is delayed, handshakes included.
 */
import { createServer, type Server, Socket } from "node:net";

export const REGIONS = ["af-south-1", "ap-east-1", "eu-south-1", "us-east-2", "us-west-2"] as const;

/** Round trips in milliseconds between AWS regions (cloudping.co sample, consensus.md). */
const ROUND_TRIPS: readonly (readonly [a: number, b: number, ms: number])[] = [
  [0, 1, 240],
  [0, 2, 170],
  [0, 3, 241],
  [0, 4, 273],
  [1, 2, 180],
  [1, 3, 175],
  [1, 4, 136],
  [2, 3, 110],
  [2, 4, 150],
  [3, 4, 52],
];
/** consensus.md says 1 to 4. */
const WITHIN_REGION_MS = 2;

export function roundTripMs(a: number, b: number): number {
  if (a === b) return WITHIN_REGION_MS;
  return ROUND_TRIPS.find(([x, y]) => (x === a && y === b) || (x === b && y === a))![2];
}

/** Members of one region are not neighbours by index, so that the first members are not one region's. */
export function regionOf(member: number): number {
  return member % REGIONS.length;
}

/** What the proxy process listens on and where to it connects. */
export interface Route {
  readonly port: number;
  readonly target: number;
  readonly oneWayMs: number;
}

/** Hands chunks on in order, each no earlier than `delayMs` after it came. */
export class DelayLine {
  readonly #delayMs: () => number;
  readonly #write: (chunk: Uint8Array) => void;
  readonly #waiting: { readonly dueMs: number; readonly chunk: Uint8Array }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(delayMs: () => number, write: (chunk: Uint8Array) => void) {
    this.#delayMs = delayMs;
    this.#write = write;
  }

  push(chunk: Uint8Array): void {
    this.#waiting.push({ dueMs: performance.now() + this.#delayMs(), chunk });
    if (this.#timer === undefined) this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #schedule(): void {
    const next = this.#waiting[0];
    this.#timer =
      next === undefined ? undefined : setTimeout(() => this.#flush(), Math.max(0, next.dueMs - performance.now()));
  }

  #flush(): void {
    const now = performance.now();
    let ready = 0;
    // Timers may fire a fraction of a millisecond early.
    while (ready < this.#waiting.length && this.#waiting[ready]!.dueMs <= now) ready++;
    for (const { chunk } of this.#waiting.splice(0, ready)) this.#write(chunk);
    this.#schedule();
  }
}

/** Listens on every route. What one side ends, the other loses after the delay. */
export async function startProxy(routes: readonly Route[]): Promise<{ slowDown(times: number): void; close(): void }> {
  let times = 1;
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  for (const { port, target, oneWayMs } of routes) {
    const server = createServer({ noDelay: true }, (near) => {
      const far = new Socket();
      far.connect({ port: target, host: "127.0.0.1" });
      far.setNoDelay(true);
      const delayMs = () => oneWayMs * times;
      join(near, far, delayMs, sockets);
      join(far, near, delayMs, sockets);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    servers.push(server);
  }
  return {
    slowDown(newTimes) {
      times = newTimes;
    },
    close() {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function join(from: Socket, to: Socket, delayMs: () => number, sockets: Set<Socket>): void {
  sockets.add(from);
  const line = new DelayLine(delayMs, (chunk) => {
    if (!to.destroyed) to.write(chunk);
  });
  from.on("data", (chunk: Buffer) => line.push(chunk));
  from.on("error", () => {});
  from.once("close", () => {
    sockets.delete(from);
    setTimeout(() => {
      line.stop();
      to.destroy();
    }, delayMs());
  });
}
