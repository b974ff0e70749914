import { yamux } from "@chainsafe/libp2p-yamux";
import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import type { MessageStream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { expect } from "chai";
import { createLibp2p } from "libp2p";
import { Uint8ArrayList } from "uint8arraylist";
import { PROBE } from "../../src/transport/frame.ts";
import { protocolOf } from "../../src/transport/libp2p.ts";
import { hardenedStack } from "../../src/transport/stack.ts";
import { boundMuxer, WireBudget } from "../../src/transport/wire.ts";
import { FakeClock } from "./fake-clock.ts";
import { COMMITTEE_ID, freePorts, isConnected, membersAt, secretOf, startNode, until } from "./mesh.ts";

const DATA = 0;
const WINDOW_UPDATE = 1;
const PING = 2;
const SYN = 1;

/** A yamux frame's header: version, type, flags, stream, length. */
function header(type: number, flags: number, stream: number, length: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint8(1, type);
  view.setUint16(2, flags);
  view.setUint32(4, stream);
  view.setUint32(8, length);
  return bytes;
}

describe("transport/wire", function () {
  this.timeout(600_000);
  const running: { stop(): unknown }[] = [];

  afterEach(async () => {
    await Promise.all(running.splice(0).map((node) => node.stop()));
  });

  /** A member that says below its streams what it likes. Each `send` of a connection is a record of Noise. */
  async function world() {
    const members = membersAt(await freePorts(2));
    const victim = await startNode([members[0]!, { ...members[1]!, multiaddrs: [] }], 0);
    running.push(victim.transport);
    const raw: MessageStream[] = [];
    const stack = hardenedStack(protocolOf(COMMITTEE_ID), () => new WireBudget(() => {}));
    const [createMuxer] = stack.streamMuxers!;
    const node = await createLibp2p({
      privateKey: privateKeyFromRaw(secretOf(1)),
      addresses: { listen: [] },
      ...stack,
      streamMuxers: [
        (components) => {
          const factory = createMuxer!(components);
          const create = factory.createStreamMuxer.bind(factory);
          factory.createStreamMuxer = (connection) => {
            raw.push(connection);
            return create(connection);
          };
          return factory;
        },
      ],
    });
    running.push(node);
    // It answers probes like everybody.
    await node.handle(protocolOf(COMMITTEE_ID), (stream) => {
      stream.addEventListener("message", () => void stream.send(PROBE));
    });
    const dial = async (): Promise<MessageStream> => {
      await node.dial(victim.transport.listening().map((text) => multiaddr(text)));
      return raw.at(-1)!;
    };
    return { victim, dial };
  }

  /** Says it in small steps, so that the victim, in the same process, gets its turns; ends when the connection does. */
  async function flood(connection: MessageStream, times: number, bytes: Uint8Array): Promise<void> {
    for (let i = 0; i < times && connection.status === "open"; i++) {
      connection.send(bytes);
      if (i % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it("a frame of yamux longer than anybody sends is refused from its header, and its sender named", async () => {
    for (const length of [262_145, 2 ** 32 - 1]) {
      const { victim, dial } = await world();
      const connection = await dial();
      connection.send(header(DATA, SYN, 1, length));
      await until("it is thrown out", () => connection.status !== "open");
      expect(victim.faults).to.deep.equal([{ peer: 1, code: "oversizeFrame" }]);
    }
  });

  it("the longest that somebody sends is not", async () => {
    const { victim, dial } = await world();
    const connection = await dial();
    connection.send(header(DATA, SYN, 1, 262_144));
    connection.send(new Uint8Array(262_144));
    connection.send(header(WINDOW_UPDATE, 0, 1, 1));
    await until("it is read", () => victim.transport.peers()[0]!.bytesIn >= 262_144);
    expect(connection.status).to.equal("open");
    expect(victim.faults).to.be.empty;
  });

  // `few`: a full account has room for them, and one that was just emptied has not.
  for (const [name, times, few, bytes] of [
    ["pings", 200, 60, header(PING, SYN, 0, 1)],
    ["window updates of no stream", 20_000, 4_000, header(WINDOW_UPDATE, 0, 77, 1)],
    ["bytes of no stream", 20_000, 4_000, Uint8Array.of(...header(DATA, 0, 77, 1), 1)],
    ["empty pieces", 20_000, 4_000, header(DATA, 0, 77, 0)],
  ] as const) {
    it(`endless ${name} end the connection, and a new one starts with nothing`, async () => {
      const { victim, dial } = await world();
      for (const [faults, count] of [
        [1, times],
        [2, few],
      ] as const) {
        const connection = await dial();
        await flood(connection, count, bytes);
        await until("it is thrown out", () => connection.status !== "open");
        await until("it is named", () => victim.faults.length >= faults);
      }
      expect(new Set(victim.faults.map(({ peer, code }) => `${peer} ${code}`))).to.deep.equal(
        new Set(["1 rateExceeded"]),
      );
    });
  }

  it("a record for every byte ends the connection, too", async () => {
    const { victim, dial } = await world();
    const connection = await dial();
    // Its own answers would end up inside the frame that it never finishes.
    await until("they know each other", () => isConnected(victim));
    connection.send(header(DATA, SYN, 1, 262_144));
    await flood(connection, 200_000, Uint8Array.of(0));
    await until("it is thrown out", () => connection.status !== "open");
    expect(victim.faults[0]).to.deep.equal({ peer: 1, code: "rateExceeded" });
  });

  /** A muxer on a connection of which nothing is real. */
  function bounded() {
    const log = Object.assign(() => {}, { trace: () => {}, error: () => {}, newScope: () => log });
    const connection = Object.assign(new EventTarget(), {
      direction: "inbound",
      log,
      status: "open",
      send: () => true,
      abort: () => {
        connection.status = "aborted";
      },
      writeBufferLength: 0,
    });
    // CAST: what a muxer uses of a connection.
    const raw = connection as unknown as MessageStream;
    const muxer = yamux({ enableKeepAlive: false })().createStreamMuxer(raw);
    const faults: string[] = [];
    boundMuxer(muxer, raw, new WireBudget((code, details) => faults.push(`${code} ${details.what}`)));
    return { connection, raw, muxer, faults };
  }

  it("an unfinished frame is kept in a few pieces, however it comes", () => {
    const { connection, muxer, faults } = bounded();
    // CAST: what its types do not show.
    const { decoder } = muxer as unknown as { decoder: { buffer: { bufs: unknown[]; byteLength: number } } };
    const bytes = Uint8Array.of(...header(DATA, SYN, 1, 3_000), ...new Uint8Array(3_000).fill(7), 0);
    let most = 0;
    for (const byte of bytes) {
      connection.dispatchEvent(Object.assign(new Event("message"), { data: new Uint8ArrayList(Uint8Array.of(byte)) }));
      most = Math.max(most, decoder.buffer.bufs.length);
    }
    expect(most).to.be.within(10, 100);
    expect(decoder.buffer.byteLength).to.equal(1);
    expect(muxer.streams.map(({ readBufferLength }) => readBufferLength)).to.deep.equal([3_000]);
    expect(faults).to.be.empty;
  });

  it("who does not read what it is answered is thrown out", () => {
    const { connection, raw, muxer, faults } = bounded();
    const ping = (): void => {
      connection.dispatchEvent(Object.assign(new Event("message"), { data: header(PING, SYN, 0, 1) }));
    };
    for (const [unread, expected] of [
      [4 * 1024 * 1024, []],
      [4 * 1024 * 1024 + 1, ["rateExceeded answers"]],
    ] as const) {
      connection.writeBufferLength = unread;
      ping();
      expect(faults).to.deep.equal(expected);
    }
    expect(muxer.status).to.equal("closed");
    expect(raw.status).to.equal("aborted");
  });

  it("an account fills again with time, and each refusal is told", () => {
    const clock = new FakeClock();
    const faults: string[] = [];
    const budget = new WireBudget((code, details) => faults.push(`${code} ${details.what}`), clock);
    const until = (spend: () => void): number => {
      for (let i = 0; i < 1_000_000; i++) {
        try {
          spend();
        } catch {
          return i;
        }
      }
      throw new Error("it has no end");
    };
    const records = until(() => budget.record());
    expect(until(() => budget.control(64))).to.equal(80);
    expect(records).to.equal(81_920);
    expect(until(() => budget.record())).to.equal(0);
    clock.pass(1_000);
    const again = until(() => budget.record());
    expect(again).to.be.within(8_190, 8_192);
    expect(faults).to.deep.equal([
      "rateExceeded records",
      "rateExceeded frames",
      "rateExceeded records",
      "rateExceeded records",
    ]);
  });
});
