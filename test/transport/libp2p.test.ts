import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import type { Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { assert, expect } from "chai";
import { createLibp2p, type Libp2p } from "libp2p";
import { framePrefix, PROBE } from "../../src/transport/frame.ts";
import { peerIdOf, publicKeyOf } from "../../src/transport/identity.ts";
import { createLibp2pTransport, protocolOf } from "../../src/transport/libp2p.ts";
import { TransportError } from "../../src/transport/port.ts";
import { hardenedStack } from "../../src/transport/stack.ts";
import { WireBudget } from "../../src/transport/wire.ts";
import { COMMITTEE_ID, freePorts, isConnected, membersAt, secretOf, startNode, type TestNode, until } from "./mesh.ts";

describe("transport/libp2p", function () {
  this.timeout(600_000);
  const running: { stop(): unknown }[] = [];

  async function start(...args: Parameters<typeof startNode>): Promise<TestNode> {
    const node = await startNode(...args);
    running.push(node.transport);
    return node;
  }

  /** A raw libp2p node with any key: what an attacker runs. */
  async function attacker(secret: Uint8Array, listen: readonly string[] = []): Promise<Libp2p> {
    const node = await createLibp2p({
      privateKey: privateKeyFromRaw(secret),
      addresses: { listen: [...listen] },
      ...hardenedStack(protocolOf(COMMITTEE_ID), () => new WireBudget(() => {})),
    });
    running.push(node);
    // It answers probes like everybody.
    await node.handle(protocolOf(COMMITTEE_ID), (stream) => {
      stream.addEventListener("message", () => void stream.send(PROBE));
    });
    return node;
  }

  afterEach(async () => {
    await Promise.all(running.splice(0).map((node) => node.stop()));
  });

  it("connects four members into a full mesh and delivers every message, whole, in order and under its sender's index", async () => {
    const members = membersAt(await freePorts(4));
    const nodes = await Promise.all(members.map((_, index) => start(members, index)));
    await until("the mesh is complete", () => nodes.every(isConnected));
    const sizes = [1, 3, 65_535, 65_536, 70_000, 300_000, 2, 1_000_000];
    nodes.forEach(({ transport }, from) => {
      for (let to = 0; to < 4; to++) {
        if (to !== from) {
          sizes.forEach((size, n) => {
            transport.send(to, new Uint8Array(size).fill(from * 16 + n));
          });
        }
      }
    });
    await until("everything arrived", () => nodes.every((node) => node.received.length === 3 * sizes.length));
    nodes.forEach((node, to) => {
      for (let from = 0; from < 4; from++) {
        const got = node.received.filter((message) => message.from === from).map((message) => message.bytes);
        if (from === to) expect(got).to.be.empty;
        else {
          expect(got.map((bytes) => bytes.length)).to.deep.equal(sizes);
          got.forEach((bytes, n) => void assert(bytes.every((byte) => byte === from * 16 + n)));
        }
      }
      const statuses = node.transport.peers();
      expect(statuses.map((status) => status.messagesOut)).to.deep.equal([8, 8, 8]);
      expect(statuses.map((status) => status.messagesIn)).to.deep.equal([8, 8, 8]);
      expect(statuses.map((status) => status.dropped + status.faults + status.queued)).to.deep.equal([0, 0, 0]);
    });
  });

  it("queues for a peer that is not there yet, and never throws", async () => {
    const members = membersAt(await freePorts(2));
    const early = await start(members, 0);
    early.transport.send(1, Uint8Array.of(1));
    early.transport.send(1, Uint8Array.of(2));
    expect(early.transport.peers()[0]).to.include({ connected: false, queued: 2, queuedBytes: 2 });
    const late = await start(members, 1);
    await until("the early messages arrived", () => late.received.length === 2);
    expect(late.received.map(({ bytes }) => [...bytes])).to.deep.equal([[1], [2]]);
  });

  it("refuses to start with a key that is not the member's, or a table whose keys are not the committee's", async () => {
    const members = membersAt(await freePorts(2));
    const base = { committeeId: COMMITTEE_ID, self: 0, identity: secretOf(0), listen: [], members };
    const codeOf = (config: Parameters<typeof createLibp2pTransport>[0]) => {
      try {
        createLibp2pTransport(config);
      } catch (error) {
        return error instanceof TransportError ? error.code : error;
      }
      return "accepted";
    };
    expect(codeOf(base)).to.equal("accepted");
    expect(codeOf({ ...base, identity: secretOf(1) })).to.equal("identityMismatch");
    expect(codeOf({ ...base, identity: new Uint8Array(32) })).to.equal("identityMismatch");
    expect(
      codeOf({ ...base, members: [members[0]!, { ...members[1]!, publicKey: publicKeyOf(secretOf(2)) }] }),
    ).to.equal("identityMismatch");
    expect(codeOf({ ...base, members: [members[0]!, members[0]!] })).to.equal("identityMismatch");
    expect(codeOf({ ...base, members: [members[0]!, { ...members[1]!, publicKey: "0x02" }] })).to.equal(
      "identityMismatch",
    );
    expect(codeOf({ ...base, members: [members[0]!, { ...members[1]!, multiaddrs: ["nonsense"] }] })).to.equal(
      "badAddress",
    );
    const foreign = `/ip4/127.0.0.1/tcp/1/p2p/${peerIdOf(publicKeyOf(secretOf(5)))}`;
    expect(codeOf({ ...base, members: [members[0]!, { ...members[1]!, multiaddrs: [foreign] }] })).to.equal(
      "badAddress",
    );
  });

  it("reports a port that is taken", async () => {
    const members = membersAt(await freePorts(2));
    await start(members, 0);
    const second = createLibp2pTransport({
      committeeId: COMMITTEE_ID,
      self: 0,
      identity: secretOf(0),
      listen: members[0]!.multiaddrs,
      members,
    });
    const code = await second.start({ onMessage() {}, onPeer() {} }).then(
      () => "started",
      (error: unknown) => (error instanceof TransportError ? error.code : error),
    );
    expect(code).to.equal("listenFailed");
  });

  it("turns away a stranger: its connection is closed and no stream of it is ever read", async () => {
    const members = membersAt(await freePorts(2));
    const node = await start(members, 0);
    const stranger = await attacker(secretOf(99));
    // Its side of the handshake may finish first; what it then sends meets a closed connection.
    const stream = await openStream(stranger, node).catch(() => undefined);
    try {
      stream?.send(frame(Uint8Array.of(1)));
    } catch {
      // Closed already.
    }
    await until("it is disconnected", () => node.strangers.length > 0 && stranger.getConnections().length === 0);
    expect(node.strangers).to.deep.equal([stranger.peerId.toString()]);
    expect(node.received).to.be.empty;
    expect(node.transport.peers().every((peer) => !peer.connected)).to.equal(true);
  });

  it("does not take an impostor at a member's address for the member", async () => {
    const members = membersAt(await freePorts(2));
    // Somebody else's key listens where member 1 should be.
    const impostor = await createLibp2p({
      privateKey: privateKeyFromRaw(secretOf(66)),
      addresses: { listen: [...members[1]!.multiaddrs] },
      ...hardenedStack(protocolOf(COMMITTEE_ID), () => new WireBudget(() => {})),
    });
    running.push(impostor);
    let streams = 0;
    await impostor.handle(protocolOf(COMMITTEE_ID), () => void streams++);
    const node = await start(members, 0);
    node.transport.send(1, Uint8Array.of(7));
    await until("dials failed", () => node.transport.peers()[0]!.failedDials >= 2);
    expect(node.transport.peers()[0]).to.include({ connected: false, queued: 1 });
    expect(streams).to.equal(0);
    expect(node.events).to.be.empty;
  });

  it("keeps committees apart: a member's stream for another committee is refused", async () => {
    const members = membersAt(await freePorts(2));
    const node = await start(members, 0);
    const other = await start(members, 1, { committeeId: `0x${"c2".repeat(32)}` });
    await until(
      "both have tried",
      () => node.transport.peers()[0]!.failedDials > 0 && other.transport.peers()[0]!.failedDials > 0,
    );
    expect([...node.events, ...other.events]).to.be.empty;
  });

  it("reconnects after a peer restarts on the same port", async () => {
    const members = membersAt(await freePorts(2));
    const node = await start(members, 0);
    const first = await startNode(members, 1);
    await until("connected", () => isConnected(node) && isConnected(first));
    await first.transport.stop();
    await until("the loss is noticed", () => !isConnected(node));
    node.transport.send(1, Uint8Array.of(1, 2, 3));
    const second = await start(members, 1);
    await until("connected again", () => isConnected(node) && isConnected(second));
    await until("the queued message arrived", () => second.received.length === 1);
    second.transport.send(0, Uint8Array.of(9));
    await until("the answer arrived", () => node.received.length === 1);
    expect(node.events).to.deep.equal(["1 up", "1 down", "1 up"]);
  });

  describe("a member that breaks the framing", () => {
    async function member1(limits: { maxFrameBytes?: number; maxInboundBytesPerSecond?: number } = {}) {
      const members = membersAt(await freePorts(3));
      const node = await start(members, 0, { limits: { maxFrameBytes: 100_000, maxQueuedBytes: 200_000, ...limits } });
      const evil = await attacker(secretOf(1));
      return { members, node, evil, stream: await openStream(evil, node) };
    }

    it("is reported and its stream reset when a frame announces more than the limit, before the payload arrives", async () => {
      const { node, stream } = await member1();
      stream.send(frame(Uint8Array.of(1)));
      stream.send(framePrefix(100_001));
      await until("it is reported", () => node.faults.length > 0);
      expect(node.faults).to.deep.equal([{ peer: 1, code: "oversizeFrame" }]);
      await until("the stream is reset", () => stream.status !== "open");
      expect(node.received.map(({ from }) => from)).to.deep.equal([1]);
    });

    it("is reported for length 2^32 − 1, and others are not disturbed", async () => {
      const { members, node, stream } = await member1();
      const honest = await start(members, 2, { limits: { maxFrameBytes: 100_000, maxQueuedBytes: 200_000 } });
      stream.send(framePrefix(2 ** 32 - 1));
      await until("it is reported", () => node.faults.length === 1);
      expect(node.faults).to.deep.equal([{ peer: 1, code: "oversizeFrame" }]);
      honest.transport.send(0, Uint8Array.of(5));
      await until("the honest message arrived", () => node.received.some(({ from }) => from === 2));
    });

    it("gets one answer at a time to its probes, and none of them is a message", async () => {
      const { node, stream } = await member1();
      let answered = 0;
      stream.addEventListener("message", (event) => {
        answered += event.data.byteLength;
      });
      for (let i = 0; i < 50; i++) stream.send(PROBE);
      stream.send(frame(Uint8Array.of(1)));
      await until("the message behind them arrived", () => node.received.length === 1);
      await until("an answer came", () => answered > 0);
      expect(answered % PROBE.length).to.equal(0);
      expect(answered).to.be.at.most(50 * PROBE.length);
      expect(node.transport.peers()[0]!.messagesIn).to.equal(1);
    });

    it("is reported and cut off when it answers what nobody asked", async () => {
      const members = membersAt(await freePorts(2));
      const evil = await attacker(secretOf(1), members[1]!.multiaddrs);
      await evil.handle(protocolOf(COMMITTEE_ID), (stream) => void stream.send(new Uint8Array(100)), { force: true });
      const node = await start(members, 0);
      await until("it is reported", () => node.faults.length > 0);
      expect(node.faults[0]).to.deep.equal({ peer: 1, code: "badProbe" });
      expect(node.events).to.be.empty;
    });

    it("cannot open streams without end", async () => {
      const { node, evil } = await member1();
      for (let i = 0; i < 12; i++) await openStream(evil, node).catch(() => undefined);
      await until("it is reported", () => node.faults.some(({ code }) => code === "rateExceeded"));
    });

    for (const isHeld of [false, true])
      it(`is cut off when it floods with single bytes ${isHeld ? "while it is not read" : "as fast as it is read"}, and others are heard`, async () => {
        const { members, node, stream } = await member1({ maxInboundBytesPerSecond: 400_000 });
        const honest = await start(members, 2, { limits: { maxFrameBytes: 100_000, maxQueuedBytes: 200_000 } });
        stream.send(frame(Uint8Array.of(1)));
        await until("it is heard", () => node.received.length === 1);
        node.transport.hold(1, isHeld);
        let pieces = 0;
        for (; pieces < 50_000 && stream.status === "open"; pieces++) {
          stream.send(Uint8Array.of(0));
          if (pieces % 50 === 49) await new Promise(setImmediate);
          if (pieces === 500) honest.transport.send(0, Uint8Array.of(5));
        }
        expect(stream.status).to.not.equal("open");
        expect(node.faults.at(-1)).to.deep.equal({ peer: 1, code: "rateExceeded" });
        await until("the honest message arrived", () => node.received.some(({ from }) => from === 2));
        // What it sent unread is a few bytes, and the time it has to wait is not the others'.
        expect(node.transport.peers()[0]!.bytesIn).to.be.at.most(pieces + 5);
      });

    it("is read slowly above its rate, loses nothing, and is reported once", async () => {
      const { node, stream } = await member1({ maxInboundBytesPerSecond: 400_000 });
      const started = performance.now();
      for (let i = 0; i < 9; i++) stream.send(frame(new Uint8Array(90_000).fill(i)));
      await until("the burst arrived", () => node.received.length === 9);
      stream.send(frame(new Uint8Array(90_000).fill(9)));
      await until("the rest arrived", () => node.received.length === 10);
      // 900 kB with 400 kB of burst at 400 kB/s, less what one chunk may overdraw.
      expect(performance.now() - started).to.be.greaterThan(800);
      expect(node.received.map(({ bytes }) => bytes[0])).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(node.faults).to.deep.equal([{ peer: 1, code: "rateExceeded" }]);
    });

    it("is not heard while muted, and heard again after", async () => {
      const { node, stream } = await member1();
      node.transport.mute(1, 60_000);
      stream.send(frame(Uint8Array.of(1)));
      await until("it was counted", () => node.transport.peers()[0]!.messagesIn === 1);
      expect(node.received).to.be.empty;
      expect(node.transport.peers()[0]!.mutedForMs).to.be.greaterThan(50_000);
      node.transport.mute(1, 0);
      stream.send(frame(Uint8Array.of(2)));
      await until("it is heard", () => node.received.length === 1);
      expect([...node.received[0]!.bytes]).to.deep.equal([2]);
    });
  });

  it("bounds the backlog for a peer that never comes: the newest survive, the rest is counted", async () => {
    const members = membersAt(await freePorts(2));
    const limits = { maxFrameBytes: 10_000, maxQueuedBytes: 100_000, maxQueuedMessages: 1_000 };
    const node = await start(members, 0, { limits });
    for (let i = 0; i < 5_000; i++) node.transport.send(1, new Uint8Array(1_000).fill(i % 251));
    expect(node.transport.peers()[0]).to.include({ queued: 100, queuedBytes: 100_000, dropped: 4_900 });
    const late = await start(members, 1, { limits });
    await until("the survivors arrived", () => late.received.length === 100);
    expect(late.received[99]!.bytes[0]).to.equal(4_999 % 251);
  });

  it("bounds the backlog for a connected peer that does not read", async () => {
    const members = membersAt(await freePorts(2));
    const limits = { maxFrameBytes: 100_000, maxQueuedBytes: 400_000 };
    const node = await start(members, 0, { limits });
    const sleeper = await createLibp2p({
      privateKey: privateKeyFromRaw(secretOf(1)),
      addresses: { listen: [...members[1]!.multiaddrs] },
      ...hardenedStack(protocolOf(COMMITTEE_ID), () => new WireBudget(() => {})),
    });
    running.push(sleeper);
    await sleeper.handle(protocolOf(COMMITTEE_ID), (stream) => {
      // It greets like everybody, and then goes to sleep.
      stream.addEventListener("message", () => stream.pause(), { once: true });
      stream.send(PROBE);
    });
    await until("connected", () => isConnected(node));
    for (let i = 0; i < 200; i++) {
      node.transport.send(1, new Uint8Array(50_000));
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const status = node.transport.peers()[0]!;
    expect(status.queuedBytes).to.be.at.most(400_000);
    expect(status.dropped).to.be.greaterThan(100);
    // What left the queue is bounded by the peer's window (256 KiB) and one piece.
    expect(status.bytesOut).to.be.lessThan(2_000_000);
  });

  async function openStream(from: Libp2p, to: TestNode): Promise<Stream> {
    return from.dialProtocol(
      to.transport.listening().map((text) => multiaddr(text)),
      protocolOf(COMMITTEE_ID),
      {
        signal: AbortSignal.timeout(3_000),
      },
    );
  }

  function frame(payload: Uint8Array): Uint8Array {
    const out = new Uint8Array(4 + payload.length);
    out.set(framePrefix(payload.length));
    out.set(payload, 4);
    return out;
  }
});
