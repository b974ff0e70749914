import { expect } from "chai";
import type { Address } from "../../src/lib/hex.ts";
import { usableAddresses } from "../../src/transport/addresses.ts";
import { peerIdOf, publicKeyOf } from "../../src/transport/identity.ts";
import { createMemoryNetwork } from "../../src/transport/memory.ts";
import { type PeerConfig, TransportError, type TransportHandlers } from "../../src/transport/port.ts";
import { freePorts, isConnected, membersAt, secretOf, startNode, type TestNode, until } from "./mesh.ts";

describe("transport: another list of members", function () {
  this.timeout(600_000);
  let nodes: TestNode[] = [];
  let members: PeerConfig[];

  beforeEach(async () => {
    members = membersAt(await freePorts(4));
  });
  afterEach(async () => {
    await Promise.all(nodes.map(({ transport }) => transport.stop()));
    nodes = [];
  });

  /** Handlers that write into the node's own lists, marked with the epoch. */
  const handlersOf = (node: TestNode, epoch: string): TransportHandlers => ({
    onMessage: (from, bytes) => void node.received.push({ from, bytes }),
    onPeer: (peer, connected) => void node.events.push(`${epoch} ${peer} ${connected ? "up" : "down"}`),
    onStranger: (peerId) => void node.strangers.push(peerId),
  });
  const texts = ({ received }: TestNode) =>
    received.map(({ from, bytes }) => `${from}: ${String.fromCharCode(...bytes)}`);
  const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text));

  it("keeps the connections of those who stay, under their new indices, and takes in who is new", async () => {
    for (let self = 0; self < 3; self++) nodes.push(await startNode(members.slice(0, 3), self));
    await until("all are connected", () => nodes.every(isConnected));
    // 0 leaves, 3 comes, and the others change places.
    const next = [members[2]!, members[3]!, members[1]!];
    const joiner = await startNode(next, 1, { identity: secretOf(3), listen: members[3]!.multiaddrs });
    nodes.push(joiner);
    const [left, one, two] = nodes as [TestNode, TestNode, TestNode];
    two.transport.send(1, bytesOf("in flight"));
    two.transport.send(0, bytesOf("the last words"));
    two.transport.change(next, 0, handlersOf(two, "new"));
    two.transport.send(2, bytesOf("after"));
    // One is still in the old list when these arrive; it knows the sender by its key alone.
    await until("one heard both", () => one.received.length === 2);
    expect(texts(one)).to.deep.equal(["2: in flight", "2: after"]);
    one.transport.change(next, 2, handlersOf(one, "new"));
    expect(one.events.filter((event) => event.startsWith("new"))).to.deep.equal(["new 0 up"]);
    one.transport.send(0, bytesOf("under a new index"));
    await until("who left heard the last of it", () => texts(left).includes("2: the last words"));
    await until("who is new is there", () => isConnected(one) && isConnected(two) && isConnected(joiner));
    joiner.transport.send(2, bytesOf("hello"));
    await until("all is delivered", () => texts(one).includes("1: hello") && two.received.length > 0);
    expect(texts(two)).to.deep.equal(["2: under a new index"]);
    // Between those who stayed nothing was dialled again.
    expect([...one.events, ...two.events].filter((event) => event.endsWith("down"))).to.deep.equal([]);

    left.transport.send(2, bytesOf("from outside"));
    left.transport.send(1, bytesOf("from outside"));
    two.transport.send(2, bytesOf("a mark"));
    await until("the mark came", () => texts(one).includes("0: a mark"));
    expect(texts(one)).to.not.include("0: from outside");
    expect(two.received).to.have.length(1);
  });

  it("lets go of who left after a while, and turns it away then", async () => {
    const limits = { lingerMs: 300 };
    for (let self = 0; self < 3; self++) nodes.push(await startNode(members.slice(0, 3), self, { limits }));
    await until("all are connected", () => nodes.every(isConnected));
    const [left, one] = nodes as [TestNode, TestNode];
    one.transport.change([members[1]!, members[2]!], 0, handlersOf(one, "new"));
    await until("it is alone with one", () =>
      left.transport.peers().some(({ index, connected }) => index === 1 && !connected),
    );
    await until("it is a stranger", () => one.strangers.length > 0, 20_000);
    expect(one.strangers[0]).to.equal(peerIdOf(publicKeyOf(secretOf(0))));
  });

  it("takes back who left a moment ago, with its connection", async () => {
    for (let self = 0; self < 2; self++) nodes.push(await startNode(members.slice(0, 2), self));
    await until("connected", () => nodes.every(isConnected));
    const [zero, one] = nodes as [TestNode, TestNode];
    zero.transport.change([members[0]!, members[2]!], 0, handlersOf(zero, "without"));
    zero.transport.change([members[2]!, members[1]!, members[0]!], 2, handlersOf(zero, "with"));
    expect(zero.events.at(-1)).to.equal("with 1 up");
    zero.transport.send(1, bytesOf("again"));
    await until("heard", () => one.received.length === 1);
  });

  it("refuses a list with a foreign key or an address that names another peer, and goes on as before", async () => {
    for (let self = 0; self < 2; self++) nodes.push(await startNode(members.slice(0, 2), self));
    await until("connected", () => nodes.every(isConnected));
    const { transport } = nodes[0]!;
    const wrongKey = { ...members[1]!, publicKey: members[2]!.publicKey };
    const wrongName = { ...members[1]!, multiaddrs: [`/ip4/127.0.0.1/tcp/1/p2p/${peerIdOf(members[2]!.publicKey)}`] };
    for (const [peer, code] of [
      [wrongKey, "identityMismatch"],
      [wrongName, "badAddress"],
      [{ ...members[1]!, multiaddrs: ["nonsense"] }, "badAddress"],
    ] as const) {
      expect(codeOf(() => transport.change([peer, members[0]!], 1, handlersOf(nodes[0]!, "bad")))).to.equal(code);
    }
    expect(codeOf(() => transport.change(members, 3, handlersOf(nodes[0]!, "bad")))).to.equal("identityMismatch");
    transport.send(1, bytesOf("still here"));
    await until("heard", () => texts(nodes[1]!).length === 1);
    expect(texts(nodes[1]!)).to.deep.equal(["0: still here"]);
  });

  it("uses of announced addresses those that parse and name nobody else", () => {
    const { publicKey } = members[0]!;
    const own = `/dns4/a.example/tcp/1/p2p/${peerIdOf(publicKey)}`;
    const foreign = `/ip4/10.0.0.1/tcp/1/p2p/${peerIdOf(members[1]!.publicKey)}`;
    expect(
      usableAddresses(["/ip4/10.0.0.1/tcp/9", "nonsense", foreign, own, "/ip4/300.0.0.1/tcp/1"], publicKey),
    ).to.deep.equal(["/ip4/10.0.0.1/tcp/9", own]);
  });

  it("does the same in memory", async () => {
    const network = createMemoryNetwork();
    const addresses = members.map(({ address }): Address => address);
    const received: string[] = [];
    const events: string[] = [];
    const handlers = (name: string): TransportHandlers => ({
      onMessage: (from, bytes) => void received.push(`${from}>${name} ${String.fromCharCode(...bytes)}`),
      onPeer: (peer, up) => void events.push(`${name}:${peer} ${up ? "up" : "down"}`),
    });
    const [zero, one, two] = [0, 1, 2].map((self) => network.endpoint(addresses.slice(0, 3), self));
    for (const [k, end] of [zero!, one!, two!].entries()) await end.start(handlers(`${k}`));
    two!.send(0, bytesOf("last"));
    two!.change([members[2]!, members[3]!, members[1]!], 0, handlers("2'"));
    two!.send(2, bytesOf("next"));
    one!.send(2, bytesOf("old"));
    await until("delivered", () => received.length === 3);
    expect(received.sort()).to.deep.equal(["2>0 last", "2>1 next", "2>2' old"]);
    expect(events.slice(-2)).to.deep.equal(["2':2 up", "0:2 down"]);
    const joiner = network.endpoint([addresses[2]!, addresses[3]!, addresses[1]!], 1);
    await joiner.start(handlers("3"));
    expect(events.slice(-2)).to.deep.equal(["3:0 up", "2':1 up"]);
  });
});

function codeOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    if (error instanceof TransportError) return error.code;
    throw error;
  }
  return "no error";
}
