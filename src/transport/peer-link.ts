/** Everything about one peer: what waits for it, the one outgoing stream, the newest incoming stream, and its accounts. */
import type { Connection, Stream } from "@libp2p/interface";
import type { Address } from "../lib/hex.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import { FrameDecoder, PROBE } from "./frame.ts";
import { FrameWatch } from "./frame-watch.ts";
import type { TransportLimits } from "./limits.ts";
import type { FaultCode, PeerStatus } from "./port.ts";
import { Prober } from "./prober.ts";
import { OutgoingQueue, PieceCutter } from "./queue.ts";
import { RateMeter, TokenBucket } from "./rate.ts";
import { MAX_STREAM_WINDOW_BYTES } from "./stack.ts";
import { gatherWhilePaused, updateWindowByHalves } from "./window.ts";
import { WireBudget } from "./wire.ts";

/**
 * Small enough for the queue to keep control, large enough for full speed. With yamux's 12 bytes it fits one record of Noise (65,519
 * bytes): a piece of 64 KiB would become a large one and a tiny one, each with its own encryption.
 */
const PIECE_BYTES = 65_000;
/** Each frame is charged this on top of its bytes: a flood of one-byte messages costs us calls, not bandwidth. */
const FRAME_OVERHEAD_BYTES = 64;
/**
 * And so is each piece of yamux, whatever it holds: a byte of its own costs decryption, parsing and a turn, some ten microseconds, so that
 * 8,000 pieces a second are what a peer gets. Honest ones send a piece for what a turn has to say.
 */
const PIECE_OVERHEAD_BYTES = 4_096;
/**
 * A peer so far in debt, and what a window carries on top, sends pieces faster than anybody has to say something: its stream is closed,
 * and none is taken while the debt is that high.
 */
const MAX_DEBT_MS = 10_000;
/** An honest peer opens one stream per connection; a burst covers restarts and flapping links. */
const STREAM_OPENS_PER_SECOND = 1;
const STREAM_OPENS_BURST = 10;
const RATE_REPORT_INTERVAL_MS = 10_000;

export interface PeerLinkOptions {
  readonly index: number;
  readonly address: Address;
  readonly limits: TransportLimits;
  readonly onMessage: (bytes: Uint8Array) => void;
  readonly onFault: (code: FaultCode, details: Readonly<Record<string, unknown>>) => void;
  /** Replaces the system's (tests). */
  readonly clock?: Clock | undefined;
}

export class PeerLink {
  /** In the current list of members. */
  index: number;
  failedDials = 0;
  lastError: string | undefined;
  /** Of all its connections. */
  readonly wire: WireBudget;

  readonly #options: PeerLinkOptions;
  readonly #clock: Clock;
  readonly #queue: OutgoingQueue;
  readonly #rate: RateMeter;
  readonly #bytesBucket: TokenBucket;
  readonly #opensBucket: TokenBucket;
  readonly #maxDebtMs: number;
  readonly #cutter: PieceCutter;
  #outgoing: Stream | undefined;
  #prober: Prober | undefined;
  #incoming: Stream | undefined;
  #watch: FrameWatch | undefined;
  /** Hands over what came while it was not read. */
  #release: () => void = () => {};
  #pumpScheduled = false;
  #cancelResume: (() => void) | undefined;
  #mutedUntilMs = 0;
  /** Whoever handles the messages has enough of this peer's for now. */
  #isHeld = false;
  #slowReportedMs = Number.NEGATIVE_INFINITY;
  #owesAnswer = false;
  #bytesIn = 0;
  #bytesOut = 0;
  #messagesIn = 0;
  #messagesOut = 0;
  #faults = 0;

  constructor(options: PeerLinkOptions) {
    const { limits, clock = SYSTEM_CLOCK } = options;
    const now = clock.nowMs();
    this.#options = options;
    this.#clock = clock;
    this.wire = new WireBudget((code, details) => this.#fault(code, details), clock);
    this.#rate = new RateMeter(now);
    this.#maxDebtMs = MAX_DEBT_MS + (MAX_STREAM_WINDOW_BYTES * 1_000) / limits.maxInboundBytesPerSecond;
    this.#opensBucket = new TokenBucket(STREAM_OPENS_PER_SECOND, STREAM_OPENS_BURST, now);
    this.index = options.index;
    this.#queue = new OutgoingQueue(limits);
    this.#cutter = new PieceCutter(this.#queue, PIECE_BYTES);
    this.#bytesBucket = new TokenBucket(
      limits.maxInboundBytesPerSecond,
      // A burst of a few largest frames is what catching up looks like.
      Math.max(limits.maxInboundBytesPerSecond, 4 * limits.maxFrameBytes),
      now,
    );
  }

  get isConnected(): boolean {
    return this.#outgoing !== undefined;
  }

  send(bytes: Uint8Array): void {
    this.#queue.push(bytes, this.#clock.nowMs());
    if (this.#outgoing === undefined) this.#forgetOld();
    if (this.#outgoing === undefined || this.#pumpScheduled) return;
    // At the end of this turn, not now: messages sent together leave in one system call, and `send` never re-enters the caller.
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  /** Of what a peer missed that was away for long nothing is news: it asks for what it needs when it is back. */
  #forgetOld(): void {
    this.#queue.expire(this.#clock.nowMs() - this.#options.limits.maxOfflineMs);
  }

  /** Sends the first probe on a fresh outgoing stream; resolves when the peer answers, rejects when the stream or `signal` ends. */
  greet(stream: Stream, connection: Connection, signal: AbortSignal): Promise<void> {
    this.#prober?.stop();
    const prober = new Prober({
      clock: this.#clock,
      limits: this.#options.limits,
      request: () => {
        this.#cutter.probe();
        this.#pump();
      },
      onDead: () => connection.abort(new Error("no answer to a probe")),
      onBad: () => {
        connection.abort(new Error("an answer that nobody asked for"));
        this.#fault("badProbe", {});
      },
    });
    this.#prober = prober;
    stream.addEventListener("message", (event) => prober.answer(event.data.byteLength));
    stream.send(PROBE);
    return new Promise((resolve, reject) => {
      const fail = () => {
        prober.stop();
        reject(new Error("the peer did not answer"));
      };
      stream.addEventListener("close", fail, { once: true });
      signal.addEventListener("abort", fail, { once: true });
      if (signal.aborted || stream.status !== "open") return fail();
      prober.start(() => {
        stream.removeEventListener("close", fail);
        signal.removeEventListener("abort", fail);
        resolve();
      });
    });
  }

  /** Sends over this stream from now on; resolves when it is closed for whatever reason. */
  attach(stream: Stream): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      stream.addEventListener("close", () => resolve(), { once: true });
      // A peer that ends its side has given the stream up.
      stream.addEventListener("remoteCloseWrite", () => resolve(), { once: true });
      if (stream.status !== "open") resolve();
    });
    this.#forgetOld();
    this.#cutter.restart();
    this.#outgoing = stream;
    stream.addEventListener("drain", () => this.#pump());
    this.#pump();
    return closed.then(() => {
      this.#prober?.stop();
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
    const now = this.#clock.nowMs();
    if (this.#opensBucket.take(1, now) > 0 || this.#bytesBucket.take(0, now) > this.#maxDebtMs) {
      stream.abort(new Error("too many streams"));
      this.#fault("rateExceeded", { what: "streams" });
      return;
    }
    this.#incoming?.abort(new Error("replaced by a newer stream"));
    this.#incoming = stream;
    updateWindowByHalves(stream);
    this.#release = gatherWhilePaused(stream, () => this.#charge(stream, PIECE_OVERHEAD_BYTES));
    this.#cancelResume?.();
    this.#cancelResume = undefined;
    this.#owesAnswer = false;
    const decoder = new FrameDecoder(this.#options.limits.maxFrameBytes);
    const watch = new FrameWatch(this.#clock, this.#options.limits, (bytes, forMs) => {
      if (this.#incoming !== stream) return;
      this.#end(stream, "slowFrame", { bytes, forMs: Math.round(forMs), announcedBytes: decoder.announced });
    });
    this.#watch?.stop();
    this.#watch = watch;
    if (this.#isHeld) this.#pause(stream);
    stream.addEventListener("drain", () => this.#answerProbe(stream));
    stream.addEventListener("close", () => {
      watch.stop();
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
    const now = this.#clock.nowMs();
    let frames = 0;
    let messages = 0;
    const fault = decoder.push(chunk, (frame) => {
      frames++;
      if (frame.length === 0) this.#owesAnswer = true;
      else {
        messages++;
        if (this.#mutedUntilMs <= now) this.#options.onMessage(frame);
      }
    });
    this.#answerProbe(stream);
    this.#bytesIn += chunk.length;
    this.#messagesIn += messages;
    this.#rate.add(chunk.length, now);
    if (fault !== undefined) {
      const details = { announcedBytes: decoder.announced, maxFrameBytes: this.#options.limits.maxFrameBytes };
      this.#end(stream, fault, details);
      return;
    }
    this.#watch?.received(decoder.pending, frames > 0);
    this.#charge(stream, chunk.length + frames * FRAME_OVERHEAD_BYTES);
  }

  /** What a peer sends is paid for, also while it is not read. */
  #charge(stream: Stream, bytes: number): void {
    if (this.#incoming !== stream) return;
    const waitMs = this.#bytesBucket.take(bytes, this.#clock.nowMs());
    if (waitMs > this.#maxDebtMs) this.#end(stream, "rateExceeded", { what: "debt", waitMs });
    else if (waitMs > 0) this.#slow(stream, waitMs);
  }

  /** The stream is lost; the peer opens another one. */
  #end(stream: Stream, code: FaultCode, details: Readonly<Record<string, unknown>>): void {
    this.#incoming = undefined;
    stream.abort(new Error(code));
    this.#fault(code, details);
  }

  /** At most one answer waits: a peer that probes without reading the answers fills no buffer of ours. */
  #answerProbe(stream: Stream): void {
    if (!this.#owesAnswer || this.#incoming !== stream || stream.status !== "open" || stream.writableNeedsDrain) return;
    this.#owesAnswer = false;
    try {
      stream.send(PROBE);
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Stops reading for a while; yamux's window then stops the sender, so nothing is lost and nothing piles up here. */
  #slow(stream: Stream, waitMs: number): void {
    const now = this.#clock.nowMs();
    // Reported now and then, not once per chunk: logs are a resource, too.
    if (now - this.#slowReportedMs > RATE_REPORT_INTERVAL_MS) {
      this.#slowReportedMs = now;
      this.#fault("rateExceeded", { what: "bytes", bytesPerSecond: Math.round(this.#rate.perSecond(now)) });
    }
    this.#pause(stream);
    // The rest of a chunk that is being read still adds to the debt: the newest figure counts.
    this.#cancelResume?.();
    this.#cancelResume = this.#clock.after(waitMs, () => {
      this.#cancelResume = undefined;
      this.#resume(stream);
    });
  }

  #pause(stream: Stream): void {
    if (stream.readStatus !== "readable") return;
    stream.pause();
    this.#watch?.reading(false);
  }

  #fault(code: FaultCode, details: Readonly<Record<string, unknown>>): void {
    this.#faults++;
    this.#options.onFault(code, details);
  }

  /** Nobody else's wish to wait is left. */
  #resume(stream: Stream): void {
    if (this.#isHeld || this.#cancelResume !== undefined || this.#incoming !== stream) return;
    if (stream.readStatus !== "paused") return;
    this.#watch?.reading(true);
    this.#release();
    stream.resume();
  }

  hold(isHeld: boolean): void {
    if (this.#isHeld === isHeld) return;
    this.#isHeld = isHeld;
    const stream = this.#incoming;
    if (stream === undefined) return;
    if (isHeld) this.#pause(stream);
    else this.#resume(stream);
  }

  mute(forMs: number): void {
    this.#mutedUntilMs = this.#clock.nowMs() + Math.min(Math.max(0, forMs), this.#options.limits.maxMuteMs);
  }

  stop(): void {
    this.#prober?.stop();
    this.#cancelResume?.();
    this.#watch?.stop();
    this.#incoming?.abort(new Error("stopping"));
    this.#outgoing?.abort(new Error("stopping"));
    this.#incoming = undefined;
    this.#outgoing = undefined;
  }

  status(): PeerStatus {
    const now = this.#clock.nowMs();
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
      roundTripMs: this.#prober?.roundTripMs,
      bytesInPerSecond: this.#rate.perSecond(now),
    };
  }
}
