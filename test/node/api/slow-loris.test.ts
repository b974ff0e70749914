import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { expect } from "chai";
import { isClocklessError } from "../../../src/lib/errors.ts";
import { createConnections } from "../../../src/node/api/connections.ts";
import { createDownloads, type Download } from "../../../src/node/api/downloads.ts";
import { FakeClock } from "../../transport/fake-clock.ts";

const CHUNK = 64 * 1024;

/** A client that takes a chunk when told. */
class SlowResponse extends EventEmitter {
  destroyed = false;
  sent = 0;
  isEnded = false;

  writeHead(): this {
    return this;
  }

  write(bytes: Uint8Array): boolean {
    this.sent += bytes.length;
    return false;
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }

  async take(): Promise<void> {
    this.emit("drain");
    await new Promise(setImmediate);
  }

  asResponse(): ServerResponse {
    return this as unknown as ServerResponse; // CAST: stands in for what an answer uses of it
  }
}

const limits = {
  maxDownloads: 3,
  maxDownloadsPerAddress: 2,
  maxLargeAnswerBytes: 10 * CHUNK,
  stallMs: 30_000,
  minBytesPerSecond: CHUNK,
};

function world() {
  const clock = new FakeClock();
  const downloads = createDownloads(limits, clock);
  const send = (address: string, chunks: number, isOwn = false) => {
    const response = new SlowResponse();
    const kind = { type: "application/octet-stream", status: 200, immutable: false, isOwn } satisfies Partial<Download>;
    const done = downloads
      .send(response.asResponse(), address, { ...kind, bytes: new Uint8Array(chunks * CHUNK) })
      .then(() => undefined, codeOf);
    return { response, done };
  };
  const hasRoom = (address: string): boolean => {
    try {
      downloads.requireRoom(address);
      return true;
    } catch (error) {
      expect(codeOf(error)).to.equal("unavailable");
      return false;
    }
  };
  return { clock, send, hasRoom };
}

function codeOf(error: unknown): string {
  if (!isClocklessError(error)) throw error;
  return error.code;
}

describe("the API and clients that dawdle", () => {
  it("breaks off an answer of which nothing is taken, and one that is taken below the least rate", async () => {
    const { clock, send } = world();
    const never = send("a", 100);
    clock.pass(30_000);
    await never.done;
    expect([never.response.destroyed, never.response.sent]).to.deep.equal([true, CHUNK]);

    // A chunk every 20 s is never a stall.
    const dribble = send("a", 100);
    let taken = 0;
    for (; taken < 100 && !dribble.response.destroyed; taken++) {
      clock.pass(20_000);
      await dribble.response.take();
    }
    expect([dribble.response.destroyed, taken]).to.deep.equal([true, 2]);

    const slow = send("a", 100);
    for (let k = 0; k < 100; k++) {
      clock.pass(1_000);
      await slow.response.take();
    }
    await slow.done;
    expect([slow.response.destroyed, slow.response.isEnded, clock.timers]).to.deep.equal([false, true, 0]);
  });

  it("leaves downloads to others however many one address starts", async () => {
    const { clock, send, hasRoom } = world();
    const held = [send("10.0.0.1", 5), send("::ffff:10.0.0.1", 5)];
    expect(hasRoom("10.0.0.1")).to.equal(false);
    expect(await send("10.0.0.1", 5).done).to.equal("unavailable");
    expect(hasRoom("10.0.0.2")).to.equal(true);
    held.push(send("2001:db8::1", 5));
    expect(hasRoom("10.0.0.2")).to.equal(false);
    clock.pass(limits.stallMs);
    await Promise.all(held.map(({ done }) => done));
    expect([hasRoom("10.0.0.1"), hasRoom("10.0.0.2")]).to.deep.equal([true, true]);
  });

  it("holds bounded memory for answers that were made for one client each, and takes one of any size", async () => {
    const { clock, send } = world();
    const giant = send("a", 11, true);
    expect(await send("b", 1, true).done).to.equal("unavailable");
    clock.pass(limits.stallMs);
    await giant.done;
    const several = [send("a", 4, true), send("b", 4, true)];
    expect(await send("c", 4, true).done).to.equal("unavailable");
    clock.pass(limits.stallMs);
    await Promise.all(several.map(({ done }) => done));
    expect(several.every(({ response }) => response.destroyed)).to.equal(true);
  });

  function sockets() {
    const server = new EventEmitter();
    const connections = createConnections({ maxConnections: 5, maxPerAddress: 2, stallMs: 30_000 });
    connections.watch(server);
    const connect = (remoteAddress: string) => {
      const socket = Object.assign(new EventEmitter(), {
        remoteAddress,
        writableLength: 0,
        destroy: () => void socket.emit("close"),
      });
      server.emit("connection", socket);
      return { socket, asSocket: socket as unknown as Socket }; // CAST: all that is looked at
    };
    return { connections, connect };
  }

  it("drops a connection that does not read what waits for it, and no other", () => {
    const { connections, connect } = sockets();
    const [stuck, reader, idle] = [connect("a"), connect("a"), connect("b")];
    const dropped: string[] = [];
    for (const [name, { socket }] of Object.entries({ stuck, reader, idle }))
      socket.on("close", () => void dropped.push(name));
    for (let second = 0; second <= 60; second += 5) {
      stuck.socket.writableLength = second < 20 ? 0 : 100 + second;
      reader.socket.writableLength = 1_000 - second;
      connections.sweep(second * 1_000);
    }
    expect(dropped).to.deep.equal(["stuck"]);
    expect(connections.size).to.equal(2);
  });

  it("has places left for others however many connections one address opens", () => {
    const { connections, connect } = sockets();
    const greedy = [connect("10.0.0.1"), connect("::ffff:10.0.0.1"), connect("10.0.0.1")];
    expect(greedy.map(({ asSocket }) => connections.isTooMany(asSocket))).to.deep.equal([true, true, true]);
    expect(connections.isTooMany(connect("10.0.0.2").asSocket)).to.equal(false);
    greedy[2]!.socket.destroy();
    expect(connections.isTooMany(greedy[0]!.asSocket)).to.equal(false);
  });
});
