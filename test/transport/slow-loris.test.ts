import type { Connection, Stream } from "@libp2p/interface";
import { expect } from "chai";
import { FrameWatch } from "../../src/transport/frame-watch.ts";
import { DEFAULT_LIMITS } from "../../src/transport/limits.ts";
import { PeerLink } from "../../src/transport/peer-link.ts";
import { gatherWhilePaused } from "../../src/transport/window.ts";
import { FakeClock } from "./fake-clock.ts";

/** What a peer link uses of a stream. */
class FakeStream extends EventTarget {
  status = "open";
  readStatus = "readable";
  writableNeedsDrain = false;
  readonly sent: Uint8Array[] = [];
  readonly unread: Uint8Array[] = [];

  /** As AbstractMessageStream does. */
  onData(data: Uint8Array): void {
    if (this.readStatus === "closed") return;
    if (this.readStatus === "paused") this.unread.push(data);
    else this.#dispatch(data);
  }

  #dispatch(data: Uint8Array): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  send(bytes: Uint8Array): boolean {
    this.sent.push(bytes);
    return !this.writableNeedsDrain;
  }

  pause(): void {
    this.readStatus = "paused";
  }

  resume(): void {
    this.readStatus = "readable";
    for (const data of this.unread.splice(0)) this.#dispatch(data);
  }

  abort(): void {
    this.status = "aborted";
    this.readStatus = "closed";
    this.unread.length = 0;
    this.dispatchEvent(new Event("close"));
  }

  asStream(): Stream {
    return this as unknown as Stream; // CAST: stands in for what a link uses of it
  }
}

const limits = { ...DEFAULT_LIMITS, frameGraceMs: 30_000, minFrameBytesPerSecond: 1_000, maxOfflineMs: 5_000 };
const frameOf = (length: number): Uint8Array => {
  const bytes = new Uint8Array(4 + length).fill(7);
  new DataView(bytes.buffer).setUint32(0, length);
  return bytes;
};

function world() {
  const clock = new FakeClock();
  const messages: number[] = [];
  const faults: string[] = [];
  const link = new PeerLink({
    index: 1,
    address: `0x${"11".repeat(20)}`,
    limits,
    clock,
    onMessage: (bytes) => messages.push(bytes.length),
    onFault: (code, details) => faults.push(typeof details.what === "string" ? `${code} ${details.what}` : code),
  });
  const accept = (): FakeStream => {
    const stream = new FakeStream();
    link.accept(stream.asStream());
    return stream;
  };
  return { clock, messages, faults, link, accept };
}

describe("transport: a peer that dawdles", () => {
  it("is cut off when it begins a frame and never ends it", () => {
    const { clock, faults, messages, accept } = world();
    const stream = accept();
    stream.onData(frameOf(5_000).subarray(0, 1_000));
    clock.pass(30_000);
    expect(stream.status, "as long as a frame may pause, and its bytes take").to.equal("open");
    clock.pass(1_001);
    expect(stream.status).to.equal("aborted");
    expect([faults, messages]).to.deep.equal([["slowFrame"], []]);
  });

  it("is cut off for a length prefix that it does not finish", () => {
    const { clock, faults, accept } = world();
    const stream = accept();
    stream.onData(Uint8Array.of(0));
    clock.pass(30_100);
    expect([stream.status, faults]).to.deep.equal(["aborted", ["slowFrame"]]);
  });

  it("is cut off when it sends a frame byte by byte, however long it keeps that up", () => {
    const { clock, faults, accept } = world();
    const stream = accept();
    const frame = frameOf(100_000);
    let sent = 0;
    for (; sent < frame.length && stream.status === "open"; sent++) {
      stream.onData(frame.subarray(sent, sent + 1));
      clock.pass(100);
    }
    // Ten bytes a second: the deadline moves by 10 ms a byte.
    expect(faults).to.deep.equal(["slowFrame"]);
    expect(sent).to.be.within(300, 304);
  });

  it("may be as slow as the least rate, and pause between frames for as long as it likes", () => {
    const { clock, faults, messages, accept } = world();
    const stream = accept();
    const frame = frameOf(120_000);
    for (let sent = 0; sent < frame.length; sent += 1_000) {
      stream.onData(frame.subarray(sent, sent + 1_000));
      clock.pass(1_000);
    }
    clock.pass(3_600_000);
    stream.onData(frameOf(1));
    stream.onData(frameOf(9).subarray(0, 5));
    clock.pass(29_000);
    stream.onData(frameOf(9).subarray(5));
    clock.pass(3_600_000);
    expect([faults, messages, clock.timers]).to.deep.equal([[], [120_000, 1, 9], 0]);
  });

  it("is not blamed for what it cannot send while it is not read", () => {
    const { clock, faults, messages, link, accept } = world();
    const stream = accept();
    stream.onData(frameOf(100).subarray(0, 50));
    link.hold(true);
    clock.pass(3_600_000);
    expect(stream.status).to.equal("open");
    link.hold(false);
    clock.pass(29_000);
    stream.onData(frameOf(100).subarray(50));
    expect([faults, messages]).to.deep.equal([[], [100]]);
    stream.onData(frameOf(100).subarray(0, 50));
    clock.pass(31_000);
    expect(faults).to.deep.equal(["slowFrame"]);
  });

  it("costs one timer, and none when it is gone", () => {
    const clock = new FakeClock();
    const watch = new FrameWatch(clock, limits, () => expect.fail("nothing is slow"));
    for (let k = 0; k < 1_000; k++) {
      watch.received(5, true);
      clock.pass(1);
    }
    expect(clock.timers).to.equal(1);
    watch.stop();
    expect(clock.timers).to.equal(0);
  });

  it("pays for every piece: single bytes are read 8,000 a second, and not without end", () => {
    const { clock, faults, accept } = world();
    const stream = accept();
    const byte = Uint8Array.of(0);
    const perSecond = DEFAULT_LIMITS.maxInboundBytesPerSecond / 4_097;
    let pieces = 0;
    // As fast as a yamux window lets it, and then on and on, although it is not read any more.
    while (stream.readStatus === "readable") {
      stream.onData(byte);
      pieces++;
    }
    expect(pieces).to.be.at.most(Math.ceil(perSecond) + 1);
    while (stream.status === "open") {
      stream.onData(byte);
      pieces++;
    }
    expect(pieces).to.be.below(12 * perSecond);
    expect(faults).to.deep.equal(["rateExceeded bytes", "rateExceeded debt"]);
    // A stream is paid for by the peer, not by the stream.
    const next = accept();
    next.onData(byte);
    expect(next.readStatus).to.not.equal("readable");
    clock.pass(60_000);
    const later = accept();
    later.onData(frameOf(3));
    expect(later.readStatus).to.equal("readable");
  });

  it("holds the bytes that it sent unread, not a thing for each of them, and loses none", () => {
    const stream = new FakeStream();
    let pieces = 0;
    const release = gatherWhilePaused(stream.asStream(), () => pieces++);
    const got: number[] = [];
    stream.addEventListener("message", (event) => {
      got.push(...(event as Event & { data: Uint8Array }).data); // CAST: what this stream dispatches
    });
    stream.onData(Uint8Array.of(1, 2));
    stream.pause();
    const total = 200_000;
    for (let k = 0; k < total; k++) stream.onData(Uint8Array.of(k & 0xff));
    stream.onData(new Uint8Array(100_000).fill(9));
    stream.onData(Uint8Array.of(3));
    expect(stream.unread.length).to.be.at.most(6);
    release();
    stream.resume();
    expect(pieces).to.equal(total + 3);
    expect(got).to.deep.equal([
      1,
      2,
      ...Array.from({ length: total }, (_, k) => k & 0xff),
      ...new Array<number>(100_000).fill(9),
      3,
    ]);
  });

  it("holds no more than the queue when it does not read, and loses its connection when it answers no probe", async () => {
    const { clock, link } = world();
    const stream = new FakeStream();
    let isAborted = false;
    const connection = { abort: () => (isAborted = true) } as unknown as Connection; // CAST: all that a link asks of it
    const greeted = link.greet(stream.asStream(), connection, new AbortController().signal);
    stream.onData(new Uint8Array(4));
    await greeted;
    void link.attach(stream.asStream());
    stream.writableNeedsDrain = true;
    for (let k = 0; k < 100; k++) link.send(new Uint8Array(1 << 20));
    await Promise.resolve();
    expect(link.status().queuedBytes).to.be.at.most(limits.maxQueuedBytes);
    clock.pass(limits.probeIntervalMs + limits.probeTimeoutMs);
    expect(isAborted).to.equal(false);
    clock.pass(limits.probeIntervalMs + 1);
    expect(isAborted).to.equal(true);
  });

  it("is sent nothing of what it missed for long, and what was said since a moment ago", () => {
    const { clock, link } = world();
    for (let k = 0; k < 50; k++) link.send(new Uint8Array(100));
    clock.pass(4_000);
    link.send(new Uint8Array(200));
    clock.pass(2_000);
    link.send(new Uint8Array(300));
    expect(link.status()).to.include({ queued: 2, queuedBytes: 500, dropped: 50 });
    clock.pass(4_000);
    const stream = new FakeStream();
    void link.attach(stream.asStream());
    expect(stream.sent.map((piece) => piece.length)).to.deep.equal([304]);
    clock.pass(60_000);
    stream.writableNeedsDrain = true;
    link.send(new Uint8Array(400));
    clock.pass(60_000);
    expect(link.status().queued, "a peer that is connected is only slow").to.equal(1);
  });
});
