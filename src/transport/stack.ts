/**
 * The libp2p stack of one committee, with less to attack than the default one.
 *
 * libp2p agrees on everything by multistream-select. Its reader decodes a length prefix again from the start for every byte
 * that arrives, all in one turn of the event loop and without a limit: 100 kB of 0xff from any stranger stop the process for
 * a second, ten times as many for a hundred (seen with @libp2p/utils 7). We have nothing to agree on, so:
 *
 * - before encryption, multistream-select gets a length decoder that gives up after two bytes and a few messages;
 * - the muxer is yamux, unasked;
 * - every stream is of our one protocol, unasked (this also saves a round trip per stream);
 * - committees are told apart in the Noise prologue: with another one the handshake fails.
 *
 * After the handshake Noise's reader of records finds an end of what came by an exception, whose stack was a fiftieth of a member's CPU:
 * it gets a length decoder that throws the same one each time. That decoder counts the records, and yamux is bounded (wire.ts).
 */
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import type { MessageStream, MultiaddrConnection, PeerId, StreamMuxerFactory, Upgrader } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import type { Libp2pOptions } from "libp2p";
import { assert } from "../lib/assert.ts";
import { utf8ToBytes } from "../lib/bytes.ts";
import { noiseCrypto } from "./noise-crypto.ts";
import { boundMuxer, type WireBudget } from "./wire.ts";

/** yamux streams per connection: one each way, and room for those that are being replaced. */
export const MAX_STREAMS_PER_CONNECTION = 16;

/** At 100 ms round trip this window carries 40 MB/s; the read buffer must hold a whole window while reading is paused. */
export const MAX_STREAM_WINDOW_BYTES = 4 * 1024 * 1024;

/** multistream-select messages before encryption: its header and `/noise`, and one refusal each. */
const MAX_NEGOTIATION_MESSAGES = 4;

type Tcp = ReturnType<typeof tcp>;
type Yamux = ReturnType<typeof yamux>;
type StreamOptions = NonNullable<NonNullable<Parameters<typeof yamux>[0]>["streamOptions"]>;

/**
 * Transport, encryption and muxing for `createLibp2p`. All members of a committee must use the same `protocol`. `budgetOf` a peer is asked once
 * for each connection whose other end has proved who it is.
 */
export function hardenedStack(protocol: string, budgetOf: (peer: PeerId) => WireBudget): Partial<Libp2pOptions> {
  const streamOptions: StreamOptions & { protocol: string } = {
    // Handed to every stream's constructor: a stream that has a protocol is not negotiated.
    protocol,
    maxStreamWindowSize: MAX_STREAM_WINDOW_BYTES,
    maxReadBufferLength: 5 * 1024 * 1024,
  };
  const muxer: Yamux = yamux({
    maxInboundStreams: MAX_STREAMS_PER_CONNECTION,
    maxOutboundStreams: MAX_STREAMS_PER_CONNECTION,
    streamOptions,
  });
  const budgets = new WeakMap<MessageStream, WireBudget>();
  const transport: Tcp = (components) => {
    const inner = tcp({
      dialOpts: { noDelay: true, keepAlive: true },
      listenOpts: { noDelay: true, keepAlive: true },
    })(components);
    const dial = inner.dial.bind(inner);
    inner.dial = (address, options) => dial(address, { ...options, upgrader: guardUpgrader(options.upgrader) });
    const createListener = inner.createListener.bind(inner);
    inner.createListener = (options) => createListener({ ...options, upgrader: guardUpgrader(options.upgrader) });
    return inner;
  };
  return {
    transports: [transport],
    connectionEncrypters: [
      withBoundedRecords(noise({ prologueBytes: utf8ToBytes(protocol), crypto: noiseCrypto }), budgetOf, budgets),
    ],
    streamMuxers: [withBounds(muxer, budgets)],
    // It speaks its own protocol on streams; ours probe themselves.
    connectionMonitor: { enabled: false },
  } satisfies Libp2pOptions;
}

type Encrypter = ReturnType<typeof noise>;

/** The same encrypter; what it reads after the handshake is cut into records by `recordLength`, and they are counted. */
function withBoundedRecords(
  create: Encrypter,
  budgetOf: (peer: PeerId) => WireBudget,
  budgets: WeakMap<MessageStream, WireBudget>,
): Encrypter {
  return (components) => {
    const encrypter = create(components);
    type Secure = typeof encrypter.secureInbound;
    const bounded =
      (secure: Secure): Secure =>
      async (connection, options) => {
        const secured = await secure(connection, options);
        // CAST: the reader is a property of the library's class that its types do not show.
        const { decoder } = secured.connection as { decoder?: { lengthDecoder?: unknown } };
        assert(
          typeof decoder?.lengthDecoder === "function",
          "Noise reads records in a way that nobody knows how to count",
        );
        const budget = budgetOf(secured.remotePeer);
        budgets.set(secured.connection, budget);
        decoder.lengthDecoder = (bytes: Uint8Array | ByteList) => {
          const length = recordLength(bytes);
          // Asked for again when the rest of the record has come.
          if (bytes.byteLength >= RECORD_PREFIX_BYTES + length) budget.record();
          return length;
        };
        return secured;
      };
    encrypter.secureInbound = bounded(encrypter.secureInbound.bind(encrypter));
    encrypter.secureOutbound = bounded(encrypter.secureOutbound.bind(encrypter));
    return encrypter;
  };
}

/** The same muxer, bounded by the account of whoever is at the other end. */
function withBounds(create: Yamux, budgets: WeakMap<MessageStream, WireBudget>): Yamux {
  return () => {
    const factory = create();
    const createStreamMuxer = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection) => {
      const budget = budgets.get(connection);
      assert(budget !== undefined, "a connection that Noise did not make");
      const made = createStreamMuxer(connection);
      boundMuxer(made, connection, budget);
      return made;
    };
    return factory;
  };
}

const RECORD_PREFIX_BYTES = 2;
/** One for all: what makes an exception expensive is the stack that it remembers. */
const MORE_BYTES = new RangeError("two more bytes, please");

/** Of a Noise record: two bytes, big-endian (Noise Protocol Framework, 3). A RangeError asks for more. */
export function recordLength(bytes: Uint8Array | ByteList): number {
  if (bytes.byteLength < RECORD_PREFIX_BYTES) throw MORE_BYTES;
  const at = (index: number) => (bytes instanceof Uint8Array ? bytes[index]! : bytes.get(index));
  return (at(0) << 8) | at(1);
}

/** The same upgrader, asked not to negotiate the muxer and to read lengths with care. */
function guardUpgrader(upgrader: Upgrader): Upgrader {
  const guard = <T extends object>(
    options: T,
  ): T & { muxerFactory?: StreamMuxerFactory; lengthDecoder: LengthDecoder } => {
    const [muxerFactory] = upgrader.getStreamMuxers().values();
    // Options reach multistream-select as they are; `lengthDecoder` is an option of its length-prefixed reader.
    return {
      ...options,
      ...(muxerFactory === undefined ? {} : { muxerFactory }),
      lengthDecoder: createLengthDecoder(),
    };
  };
  return {
    upgradeInbound: (connection: MultiaddrConnection, options: Parameters<Upgrader["upgradeInbound"]>[1]) =>
      upgrader.upgradeInbound(connection, guard(options)),
    upgradeOutbound: (connection: MultiaddrConnection, options: Parameters<Upgrader["upgradeOutbound"]>[1]) =>
      upgrader.upgradeOutbound(connection, guard(options)),
    createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
    getStreamMuxers: () => upgrader.getStreamMuxers(),
    getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
  };
}

interface ByteList {
  readonly byteLength: number;
  get(index: number): number;
}

type LengthDecoder = (bytes: Uint8Array | ByteList) => number;

/** A varint of at most two bytes. RangeError asks the reader for another byte; any other error ends the negotiation. */
export function createLengthDecoder(): LengthDecoder {
  let messages = 0;
  return (bytes) => {
    const at = (index: number) => (bytes instanceof Uint8Array ? bytes[index]! : bytes.get(index));
    const first = at(0);
    if (first < 0x80) return counted(first);
    if (bytes.byteLength < 2) throw new RangeError("one more byte, please");
    const second = at(1);
    if (second >= 0x80) throw new Error("length prefix too long");
    return counted((first & 0x7f) | (second << 7));
  };

  function counted(length: number): number {
    messages++;
    if (messages > MAX_NEGOTIATION_MESSAGES) throw new Error("too many negotiation messages");
    return length;
  }
}
