/** Everything about one peer: what waits for it, the one outgoing stream, the newest incoming stream, and its accounts. */
import type { Stream } from "@libp2p/interface";
import type { Address } from "../lib/hex.ts";
import { FrameDecoder } from "./frame.ts";
import type { TransportLimits } from "./limits.ts";
import type { FaultCode, PeerStatus } from "./port.ts";
import { OutgoingQueue, PieceCutter } from "./queue.ts";
import { RateMeter, TokenBucket } from "./rate.ts";

/** Small enough for the queue to keep control, large enough for full speed: yamux cuts at 64 KiB anyway. */
const PIECE_BYTES = 64 * 1024;
/** Each frame is charged this on top of its bytes: a flood of one-byte messages costs us calls, not bandwidth. */
const FRAME_OVERHEAD_BYTES = 64;
/** An honest peer opens one stream per connection; a burst covers restarts and flapping links. */
const STREAM_OPENS_PER_SECOND = 1;
const STREAM_OPENS_BURST = 10;

export interface PeerLinkOptions {
  readonly index: number;
  readonly address: Address;
  readonly limits: TransportLimits;
  readonly onMessage: (bytes: Uint8Array) => void;
  readonly onFault: (code: FaultCode, details: Readonly<Record<string, unknown>>) => void;
}

export class PeerLink {
  readonly index: number;
  failedDials = 0;
  lastError: string | undefined;

  readonly #options: PeerLinkOptions;
  readonly #queue: OutgoingQueue;
  readonly #rate = new RateMeter(performance.now());
  readonly #bytesBucket: TokenBucket;
  readonly #opensBucket = new TokenBucket(STREAM_OPENS_PER_SECOND, STREAM_OPENS_BURST, performance.now());
  readonly #cutter: PieceCutter;
  #outgoing: Stream | undefined;
  #incoming: Stream | undefined;
  #pumpScheduled = false;
  #resumeTimer: NodeJS.Timeout | undefined;
  #mutedUntilMs = 0;
  #isSlowed = false;
  #bytesIn = 0;
  #bytesOut = 0;
  #messagesIn = 0;
  #messagesOut = 0;
  #faults = 0;

  constructor(options: PeerLinkOptions) {
    const { limits } = options;
    this.#options = options;
    this.index = options.index;
    this.#queue = new OutgoingQueue(limits);
    this.#cutter = new PieceCutter(this.#queue, PIECE_BYTES);
    this.#bytesBucket = new TokenBucket(
      limits.maxInboundBytesPerSecond,
      // A burst of a few largest frames is what catching up looks like.
      Math.max(limits.maxInboundBytesPerSecond, 4 * limits.maxFrameBytes),
      performance.now(),
    );
  }

  send(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    if (this.#outgoing === undefined || this.#pumpScheduled) return;
    // At the end of this turn, not now: messages sent together leave in one system call, and `send` never re-enters the caller.
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  /** Takes over a freshly opened outgoing stream; resolves when it is closed for whatever reason. */
  attach(stream: Stream): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      stream.addEventListener("close", () => resolve(), { once: true });
      // We never read here; a peer that ends its side has given the stream up.
      stream.addEventListener("remoteCloseWrite", () => resolve(), { once: true });
      if (stream.status !== "open") resolve();
    });
    this.#cutter.restart();
    this.#outgoing = stream;
    stream.addEventListener("message", () => stream.abort(new Error("no data is expected on this side")));
    stream.addEventListener("drain", () => this.#pump());
    this.#pump();
    return closed.then(() => {
      if (this.#outgoing === stream) this.#outgoing = undefined;
      if (stream.status === "open") stream.abort(new Error("closed by the peer"));
    });
  }

  #pump(): void {
    const stream = this.#outgoing;
    if (stream === undefined) return;
    try {
      while (stream.status === "open" && !stream.writableNeedsDrain) {
        const before = this.#cutter.framesCut;
        const piece = this.#cutter.next();
        if (piece === undefined) return;
        stream.send(piece);
        this.#bytesOut += piece.length;
        this.#messagesOut += this.#cutter.framesCut - before;
      }
    } catch (error) {
      // A stream that broke between our check and the write; the close event brings the reconnect.
      stream.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Reads an incoming stream of this peer. The newest wins: after a crash the peer's old stream may look alive for minutes. */
  accept(stream: Stream): void {
    if (this.#opensBucket.take(1, performance.now()) > 0) {
      stream.abort(new Error("too many streams"));
      this.#fault("rateExceeded", { what: "streams" });
      return;
    }
    this.#incoming?.abort(new Error("replaced by a newer stream"));
    this.#incoming = stream;
    clearTimeout(this.#resumeTimer);
    const decoder = new FrameDecoder(this.#options.limits.maxFrameBytes);
    stream.addEventListener("close", () => {
      if (this.#incoming === stream) this.#incoming = undefined;
    });
    stream.addEventListener("message", (event) => {
      if (this.#incoming !== stream) return;
      const chunks = event.data instanceof Uint8Array ? [event.data] : event.data;
      for (const chunk of chunks) this.#read(stream, decoder, chunk);
    });
  }

  #read(stream: Stream, decoder: FrameDecoder, chunk: Uint8Array): void {
    if (this.#incoming !== stream) return;
    const now = performance.now();
    let frames = 0;
    const fault = decoder.push(chunk, (frame) => {
      frames++;
      if (this.#mutedUntilMs <= now) this.#options.onMessage(frame);
    });
    this.#bytesIn += chunk.length;
    this.#messagesIn += frames;
    this.#rate.add(chunk.length, now);
    if (fault !== undefined) {
      const details = { announcedBytes: decoder.announced, maxFrameBytes: this.#options.limits.maxFrameBytes };
      this.#incoming = undefined;
      stream.abort(new Error(fault));
      this.#fault(fault, details);
      return;
    }
    const waitMs = this.#bytesBucket.take(chunk.length + frames * FRAME_OVERHEAD_BYTES, now);
    if (waitMs > 0) this.#slow(stream, waitMs);
    else this.#isSlowed = false;
  }

  /** Stops reading for a while; yamux's window then stops the sender, so nothing is lost and nothing piles up here. */
  #slow(stream: Stream, waitMs: number): void {
    // Reported once per episode, not once per chunk: logs are a resource, too.
    if (!this.#isSlowed)
      this.#fault("rateExceeded", {
        what: "bytes",
        bytesPerSecond: Math.round(this.#rate.perSecond(performance.now())),
      });
    this.#isSlowed = true;
    if (stream.readStatus === "readable") stream.pause();
    // The rest of a chunk that is being read still adds to the debt: the newest figure counts.
    clearTimeout(this.#resumeTimer);
    this.#resumeTimer = setTimeout(() => {
      if (this.#incoming === stream && stream.readStatus === "paused") stream.resume();
    }, waitMs);
  }

  #fault(code: FaultCode, details: Readonly<Record<string, unknown>>): void {
    this.#faults++;
    this.#options.onFault(code, details);
  }

  mute(forMs: number): void {
    this.#mutedUntilMs = performance.now() + Math.min(Math.max(0, forMs), this.#options.limits.maxMuteMs);
  }

  stop(): void {
    clearTimeout(this.#resumeTimer);
    this.#incoming?.abort(new Error("stopping"));
    this.#outgoing?.abort(new Error("stopping"));
    this.#incoming = undefined;
    this.#outgoing = undefined;
  }

  status(): PeerStatus {
    const now = performance.now();
    return {
      index: this.index,
      address: this.#options.address,
      connected: this.#outgoing !== undefined,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      messagesIn: this.#messagesIn,
      messagesOut: this.#messagesOut,
      queued: this.#queue.length,
      queuedBytes: this.#queue.bytes,
      dropped: this.#queue.dropped,
      faults: this.#faults,
      failedDials: this.failedDials,
      lastError: this.#outgoing === undefined ? this.lastError : undefined,
      mutedForMs: Math.max(0, this.#mutedUntilMs - now),
      bytesInPerSecond: this.#rate.perSecond(now),
    };
  }
}
