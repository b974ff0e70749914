/**
 * What a peer makes us do below its streams, bounded. yamux (@chainsafe/libp2p-yamux 8) gathers a frame until it is whole, whatever its
 * header announces: four gigabytes, in as many pieces as somebody sends. Frames of no stream, and records of a byte each, cost decryption
 * and parsing, and no stream hears of them, so nobody pays. Strangers do not get this far: they are turned away after the handshake.
 *
 * What breaks a bound ends the connection. The account is the peer's, not the connection's, so a new one does not make it rich again.
 */
import type { MessageStream, StreamMuxer } from "@libp2p/interface";
import { Uint8ArrayList } from "uint8arraylist";
import { assert } from "../lib/assert.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import type { FaultCode } from "./port.ts";
import { TokenBucket } from "./rate.ts";

/**
 * Noise records a second, ten microseconds each. Honest peers send one or two for a piece (`PIECE_BYTES` of peer-link.ts, and a header), and a
 * piece for what a turn has to say. The burst is what a window and a socket hold of small ones while we are busy.
 */
const RECORDS_PER_SECOND = 8_192;
const RECORDS_BURST = 10 * RECORDS_PER_SECOND;
/**
 * Frames a second that carry nothing for a stream. Honest: a window update for 128 KiB or more of what we sent (`window.ts`), what was on its
 * way to a stream that we closed, and a ping in 30 s.
 */
const CONTROLS_PER_SECOND = 512;
const CONTROLS_BURST = 10 * CONTROLS_PER_SECOND;
/** A ping is answered: encryption and a system call. */
const PING_CONTROLS = 64;
/** Members send a piece (`PIECE_BYTES` of peer-link.ts) and the rest of one that found the window closed. */
const MAX_MUXER_FRAME_BYTES = 256 * 1024;
/** So many records of an unfinished frame are copied together: what yamux's list costs grows with the square of its length. */
const MAX_GATHERED_RECORDS = 64;
/** Answers to pings, and resets, that a peer lets us keep. Streams stop at far less. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

/** yamux's header: version, type, flags (2), stream (4), length (4), big-endian (hashicorp/yamux, spec.md). */
const HEADER_BYTES = 12;
const TYPE_AT = 1;
const LENGTH_AT = 8;
const DATA = 0;
const PING = 2;

export type WireFault = (code: FaultCode, details: Readonly<Record<string, unknown>>) => void;

/** The account of one peer. Its methods throw, which ends the connection, when there is nothing left on it. */
export class WireBudget {
  readonly #onFault: WireFault;
  readonly #clock: Clock;
  readonly #records: TokenBucket;
  readonly #controls: TokenBucket;

  constructor(onFault: WireFault, clock: Clock = SYSTEM_CLOCK) {
    const now = clock.nowMs();
    this.#onFault = onFault;
    this.#clock = clock;
    this.#records = new TokenBucket(RECORDS_PER_SECOND, RECORDS_BURST, now);
    this.#controls = new TokenBucket(CONTROLS_PER_SECOND, CONTROLS_BURST, now);
  }

  record(): void {
    if (this.#records.take(1, this.#clock.nowMs()) > 0) this.refuse("rateExceeded", { what: "records" });
  }

  control(units: number): void {
    if (this.#controls.take(units, this.#clock.nowMs()) > 0) this.refuse("rateExceeded", { what: "frames" });
  }

  refuse(code: FaultCode, details: Readonly<Record<string, unknown>>): never {
    this.#onFault(code, details);
    throw new Error(`${code} below the streams`);
  }
}

/** What of a yamux muxer this reads; not its public interface. */
interface YamuxMuxer {
  readonly streams: readonly { readonly streamId: number }[];
  readonly decoder: {
    readonly buffer: Uint8ArrayList;
    readFrame(): unknown;
  };
  handleFrame(frame: YamuxFrame): void;
}

interface YamuxFrame {
  readonly header: { readonly type: number; readonly streamID: number; readonly length: number };
}

/** Bounds a muxer that has just been made of this connection. InvariantError: it is another kind, whose bounds nobody knows. */
export function boundMuxer(muxer: StreamMuxer, connection: MessageStream, budget: WireBudget): void {
  const made: object = muxer;
  assert(isYamux(made), "the muxer is not the yamux that its bounds were written for");
  const { decoder, streams } = made;
  const { buffer } = decoder;
  const read = decoder.readFrame.bind(decoder);
  let gathered = 0;
  decoder.readFrame = () => {
    if (buffer.byteLength >= HEADER_BYTES && buffer.get(TYPE_AT) === DATA) {
      const announcedBytes = buffer.getUint32(LENGTH_AT);
      if (announcedBytes > MAX_MUXER_FRAME_BYTES) budget.refuse("oversizeFrame", { what: "yamux", announcedBytes });
    }
    const frame = read();
    if (frame !== undefined) gathered = 0;
    else if (++gathered > MAX_GATHERED_RECORDS) {
      const bytes = buffer.slice();
      buffer.consume(bytes.length);
      buffer.append(bytes);
      gathered = 0;
    }
    return frame;
  };
  const handle = made.handleFrame.bind(made);
  made.handleFrame = (frame) => {
    const { type, streamID, length } = frame.header;
    const isPiece = type === DATA && length > 0 && streams.some((stream) => stream.streamId === streamID);
    if (!isPiece) {
      budget.control(type === PING ? PING_CONTROLS : 1);
      if (connection.writeBufferLength > MAX_UNREAD_BYTES) budget.refuse("rateExceeded", { what: "answers" });
    }
    handle(frame);
  };
}

function isYamux(muxer: object): muxer is YamuxMuxer {
  // CAST: only asked for what is checked here.
  const { decoder, handleFrame } = muxer as Partial<YamuxMuxer>;
  return (
    typeof handleFrame === "function" &&
    typeof decoder?.readFrame === "function" &&
    decoder.buffer instanceof Uint8ArrayList
  );
}
