import { connect, createServer, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { cpuMs } from "../lib/cpu-time.ts";
import { freePorts, isConnected, membersAt, startNode, type TestNode, until } from "./mesh.ts";

/** A TCP proxy whose cable can be pulled: bytes vanish, nothing is closed, as after a power cut or a dropped NAT entry. */
async function startProxy(port: number, target: number) {
  const sockets = new Set<Socket>();
  let passed = 0;
  const server: Server = createServer((from) => {
    const to = connect(target, "127.0.0.1");
    for (const socket of [from, to]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    from.on("data", (data) => void to.write(data));
    to.on("data", (data) => {
      passed += data.length;
      from.write(data);
    });
    from.on("close", () => to.destroy());
    to.on("close", () => from.destroy());
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    get passed() {
      return passed;
    },
    /** Silences the connections that exist now; later ones work. */
    pullCable() {
      for (const socket of sockets) {
        socket.removeAllListeners("data");
        socket.resume();
      }
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("transport/libp2p on a hostile network", function () {
  this.timeout(600_000);
  const running: { stop(): unknown }[] = [];

  async function start(...args: Parameters<typeof startNode>): Promise<TestNode> {
    const node = await startNode(...args);
    running.push(node.transport);
    return node;
  }

  afterEach(async () => {
    await Promise.all(running.splice(0).map((item) => item.stop()));
  });

  it("notices a connection that died in silence, and replaces it", async () => {
    const [port0, port1, proxyPort] = await freePorts(3);
    const members = membersAt([port0!, port1!]);
    const limits = { probeIntervalMs: 200, probeTimeoutMs: 500 };
    const proxy = await startProxy(proxyPort!, port1!);
    running.push(proxy);
    // Only member 0 dials, and only through the proxy.
    const seenBy0 = [members[0]!, { ...members[1]!, multiaddrs: [`/ip4/127.0.0.1/tcp/${proxyPort}`] }];
    const seenBy1 = [{ ...members[0]!, multiaddrs: [] }, members[1]!];
    const node0 = await start(seenBy0, 0, { limits });
    const node1 = await start(seenBy1, 1, { limits });
    await until("connected", () => isConnected(node0) && isConnected(node1));
    proxy.pullCable();
    await until("both noticed and came back", () => {
      return [node0, node1].every(({ events }) => events.length >= 3 && events.at(-1)!.endsWith("up"));
    });
    node0.transport.send(1, Uint8Array.of(1));
    node1.transport.send(0, Uint8Array.of(2));
    await until("messages pass again", () => node0.received.length === 1 && node1.received.length === 1);
  });

  it("keeps a healthy idle connection through many probes", async () => {
    const members = membersAt(await freePorts(2));
    const limits = { probeIntervalMs: 50, probeTimeoutMs: 2_000 };
    const nodes = [await start(members, 0, { limits }), await start(members, 1, { limits })];
    await until("connected", () => nodes.every(isConnected));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(nodes.map(({ events }) => events)).to.deep.equal([["1 up"], ["0 up"]]);
    expect(nodes.flatMap(({ faults }) => faults)).to.be.empty;
  });

  it("reaches a member that nobody can dial, over the connection it opened", async () => {
    const members = membersAt(await freePorts(2));
    const hidden = [{ ...members[0]!, multiaddrs: [] }, members[1]!];
    const behindNat = await start(members, 0, { listen: [] });
    const open = await start(hidden, 1);
    await until("both directions are open", () => isConnected(behindNat) && isConnected(open));
    open.transport.send(0, Uint8Array.of(1));
    await until("it is reached", () => behindNat.received.length === 1);
  });

  it("dials the next address when the first leads nowhere", async () => {
    const [port0, port1, dead] = await freePorts(3);
    const members = membersAt([port0!, port1!]);
    const listed = [
      { ...members[0]!, multiaddrs: [] },
      { ...members[1]!, multiaddrs: [`/ip4/127.0.0.1/tcp/${dead}`, ...members[1]!.multiaddrs] },
    ];
    const node = await start(listed, 0, { listen: members[0]!.multiaddrs });
    const peer = await start([{ ...members[0]!, multiaddrs: [] }, members[1]!], 1);
    await until("connected", () => isConnected(node) && isConnected(peer));
  });

  it("serves members while strangers hold sockets open, and throws the strangers out", async () => {
    const members = membersAt(await freePorts(2));
    const node = await start(members, 0);
    const sockets = dialRaw(members[0]!.multiaddrs[0]!, 12);
    const peer = await start(members, 1);
    await until("the member connected", () => isConnected(node) && isConnected(peer));
    await until("the strangers were thrown out", () => sockets.every((socket) => socket.destroyed), 15_000);
    expect(node.faults).to.be.empty;
  });

  // Plain multistream-select needs minutes of one turn of the event loop for a megabyte of length prefix (see stack.ts).
  for (const [name, bytes] of [
    ["an endless length prefix", new Uint8Array(1_000_000).fill(0xff)],
    ["endless requests for unknown protocols", new Uint8Array(1_000_000).fill(0x01)],
    ["endless empty requests", new Uint8Array(1_000_000)],
    [
      "endless lists of protocols",
      new TextEncoder().encode(`\u0013/multistream/1.0.0\n${"\u0003ls\n".repeat(200_000)}`),
    ],
  ] as const) {
    it(`does not let a stranger stop the event loop with ${name}`, async () => {
      const members = membersAt(await freePorts(2));
      const node = await start(members, 0);
      const startedMs = cpuMs();
      const sockets = dialRaw(members[0]!.multiaddrs[0]!, 4, bytes);
      await until("they are thrown out", () => sockets.every((socket) => socket.destroyed), 15_000);
      expect(cpuMs() - startedMs).to.be.lessThan(3_000);
      expect(node.transport.peers()[0]!.bytesIn).to.equal(0);
    });
  }

  function dialRaw(address: string, count: number, bytes?: Uint8Array): Socket[] {
    const port = Number(address.split("/").at(-1));
    return Array.from({ length: count }, () => {
      const socket = connect(port, "127.0.0.1");
      running.push({ stop: () => socket.destroy() });
      socket.on("error", () => {});
      socket.resume();
      if (bytes !== undefined) socket.write(bytes);
      return socket;
    });
  }
});
