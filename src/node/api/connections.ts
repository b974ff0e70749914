/**
 * Who is connected: so many at once, so many of them from one address, and nobody who does not read what it is sent. Requests that come
 * byte by byte end with node's own deadline for whole requests; answers need this.
 */
import type { Socket } from "node:net";
import { bucketKey } from "./rate-limit.ts";

export interface Connections {
  readonly size: number;
  /** From now on its connections are counted. */
  watch(server: { on(event: "connection", listener: (socket: Socket) => void): unknown }): void;
  /** There are too many, or too many of where this one comes from. */
  isTooMany(socket: Socket): boolean;
  /** Drops connections that have taken nothing of what waits for them since this was called `stallMs` ago, or longer. */
  sweep(nowMs: number): void;
}

interface Connection {
  readonly address: string;
  /** Bytes that wait in this process, and since when there have not been fewer. */
  waiting: number;
  sinceMs: number;
}

export function createConnections(limits: {
  readonly maxConnections: number;
  /** Undefined behind a proxy, whose address all have. */
  readonly maxPerAddress: number | undefined;
  readonly stallMs: number;
}): Connections {
  const connections = new Map<Socket, Connection>();
  const perAddress = new Map<string, number>();
  const add = (socket: Socket): void => {
    const address = bucketKey(socket.remoteAddress ?? "unknown");
    connections.set(socket, { address, waiting: 0, sinceMs: 0 });
    perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
    socket.once("close", () => {
      connections.delete(socket);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
    });
  };
  return {
    get size() {
      return connections.size;
    },
    watch: (server) => void server.on("connection", add),
    isTooMany(socket) {
      if (connections.size > limits.maxConnections) return true;
      const address = connections.get(socket)?.address;
      if (limits.maxPerAddress === undefined || address === undefined) return false;
      return (perAddress.get(address) ?? 0) > limits.maxPerAddress;
    },
    sweep(nowMs) {
      for (const [socket, connection] of connections) {
        const waiting = socket.writableLength;
        if (waiting === 0 || waiting < connection.waiting || connection.waiting === 0) connection.sinceMs = nowMs;
        connection.waiting = waiting;
        if (waiting > 0 && nowMs - connection.sinceMs >= limits.stallMs) socket.destroy();
      }
    },
  };
}
