import { expect } from "chai";
import { createMemoryHub } from "../../src/transport/memory.ts";
import { freePorts, isConnected, membersAt, startNode, type TestNode, until } from "./mesh.ts";

describe("transport: a peer that is held", function () {
  this.timeout(600_000);
  const running: TestNode[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map(({ transport }) => transport.stop()));
  });

  it("is not read over real sockets while others are, and loses nothing", async () => {
    const members = membersAt(await freePorts(3));
    const limits = { maxQueuedBytes: 64 << 20 };
    for (let index = 0; index < 3; index++) running.push(await startNode(members, index, { limits }));
    const [us, flooder, honest] = running as [TestNode, TestNode, TestNode];
    await until("connected", () => running.every(isConnected));
    us.transport.hold(1, true);
    const piece = new Uint8Array(1 << 20).fill(7);
    for (let k = 0; k < 24; k++) flooder.transport.send(0, piece);
    honest.transport.send(0, Uint8Array.of(9));
    await until("the other peer is heard", () => us.received.some(({ from }) => from === 2));
    // What its stream may carry unread is yamux's window and what sockets hold: the rest waits with the sender.
    await until("its queue stands still", () => flooder.transport.peers().find(({ index }) => index === 0)!.queued > 4);
    expect(us.received.filter(({ from }) => from === 1).length).to.be.lessThan(2);
    us.transport.hold(1, false);
    await until("everything came", () => us.received.filter(({ from }) => from === 1).length === 24, 20_000);
  });

  it("is not read in memory either", async () => {
    const addresses = [`0x${"11".repeat(20)}`, `0x${"22".repeat(20)}`] as const;
    const deferred: (() => void)[] = [];
    const hub = createMemoryHub({ addresses, defer: (deliver) => deferred.push(deliver) });
    const run = () => {
      for (const deliver of deferred.splice(0)) deliver();
    };
    const heard: number[] = [];
    const [a, b] = [hub.endpoint(0), hub.endpoint(1)];
    await a.start({ onMessage: (_, bytes) => heard.push(bytes[0]!), onPeer: () => {} });
    await b.start({ onMessage: () => {}, onPeer: () => {} });
    a.hold(1, true);
    for (const byte of [1, 2, 3]) b.send(0, Uint8Array.of(byte));
    run();
    expect(heard).to.deep.equal([]);
    a.hold(1, false);
    run();
    expect(heard).to.deep.equal([1, 2, 3]);
  });
});
