import { expect } from "chai";
import type { Address } from "../../src/lib/hex.ts";
import { createMemoryHub } from "../../src/transport/memory.ts";
import { until } from "./mesh.ts";

const addresses = [0, 1, 2].map((index): Address => `0x${String(index).repeat(40)}`);

function startAll(limits = {}) {
  const hub = createMemoryHub({ addresses, limits });
  const received: string[] = [];
  const events: string[] = [];
  const transports = addresses.map((_, self) => hub.endpoint(self));
  const start = (self: number) =>
    transports[self]!.start({
      onMessage: (from, bytes) => void received.push(`${from}>${self} ${[...bytes].join()}`),
      onPeer: (peer, up) => void events.push(`${self}:${peer} ${up ? "up" : "down"}`),
    });
  return { hub, transports, received, events, start };
}

describe("transport/memory", () => {
  it("connects endpoints as they start and delivers in order, never inside send", async () => {
    const { transports, received, events, start } = startAll();
    await start(0);
    expect(events).to.be.empty;
    transports[0]!.send(1, Uint8Array.of(1));
    await start(1);
    transports[0]!.send(1, Uint8Array.of(2));
    expect(events).to.deep.equal(["1:0 up", "0:1 up"]);
    expect(received).to.be.empty;
    await until("delivered", () => received.length === 2);
    expect(received).to.deep.equal(["0>1 1", "0>1 2"]);
  });

  it("holds messages while a link is cut, within the bound, and delivers after healing", async () => {
    const { hub, transports, received, events, start } = startAll({ maxQueuedMessages: 2 });
    await Promise.all([start(0), start(1), start(2)]);
    hub.setLink(0, 1, false);
    for (const n of [1, 2, 3]) transports[0]!.send(1, Uint8Array.of(n));
    transports[0]!.send(2, Uint8Array.of(4));
    await until("the other link works", () => received.length === 1);
    expect(transports[0]!.peers()[0]).to.include({ connected: false, queued: 2, dropped: 1 });
    hub.setLink(0, 1, true);
    await until("delivered", () => received.length === 3);
    expect(received).to.deep.equal(["0>2 4", "0>1 2", "0>1 3"]);
    expect(events.filter((event) => event.startsWith("0:1"))).to.deep.equal(["0:1 up", "0:1 down", "0:1 up"]);
  });

  it("mutes, counts, and tells the others when an endpoint stops", async () => {
    const { transports, received, events, start } = startAll();
    await Promise.all([start(0), start(1)]);
    transports[1]!.mute(0, 60_000);
    transports[0]!.send(1, Uint8Array.of(1));
    await until("it was counted", () => transports[1]!.peers()[0]!.messagesIn === 1);
    expect(received).to.be.empty;
    await transports[1]!.stop();
    expect(events.at(-1)).to.equal("0:1 down");
    expect(transports[0]!.peers()[0]!.connected).to.equal(false);
  });

  it("refuses what cannot be framed and who is not there, as real transports do", async () => {
    const { transports, start } = startAll({ maxFrameBytes: 10, maxQueuedBytes: 10 });
    await start(0);
    expect(() => transports[0]!.send(1, new Uint8Array(11))).to.throw();
    expect(() => transports[0]!.send(1, new Uint8Array(0))).to.throw();
    expect(() => transports[0]!.send(0, new Uint8Array(1))).to.throw();
    expect(() => transports[0]!.send(3, new Uint8Array(1))).to.throw();
  });
});
