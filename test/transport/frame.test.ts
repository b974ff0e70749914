import { expect } from "chai";
import fc from "fast-check";
import { concatBytes } from "../../src/lib/bytes.ts";
import { FrameDecoder, framePrefix, PROBE } from "../../src/transport/frame.ts";
import { OutgoingQueue, PieceCutter } from "../../src/transport/queue.ts";
import { RateMeter, TokenBucket } from "../../src/transport/rate.ts";
import { cpuMs } from "../lib/cpu-time.ts";

const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 20 });
/** Empty ones are probes. */
const framesAndProbes = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });

describe("transport/frame", () => {
  it("decodes the same frames however the bytes are cut", () => {
    fc.assert(
      fc.property(framesAndProbes, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (payloads, cuts) => {
        const wire = concatBytes(...payloads.flatMap((payload) => [framePrefix(payload.length), payload]));
        const decoder = new FrameDecoder(300);
        const out: Uint8Array[] = [];
        for (let offset = 0, i = 0; offset < wire.length; i++) {
          const size = cuts[i % cuts.length]!;
          expect(decoder.push(wire.subarray(offset, offset + size), (frame) => void out.push(frame))).to.equal(
            undefined,
          );
          offset += size;
        }
        expect(out).to.deep.equal(payloads);
      }),
    );
  });

  it("never keeps or changes the bytes it was given", () => {
    const chunk = concatBytes(framePrefix(2), Uint8Array.of(7, 8));
    const out: Uint8Array[] = [];
    new FrameDecoder(10).push(chunk, (frame) => void out.push(frame));
    chunk.fill(0);
    expect([...out[0]!]).to.deep.equal([7, 8]);
  });

  it("allocates for what arrived, not for what was announced", () => {
    const limit = 1 << 30;
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 200 }, () => new FrameDecoder(limit));
    for (const decoder of decoders) decoder.push(concatBytes(framePrefix(limit), Uint8Array.of(1)), () => {});
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(10_000_000);
    expect(decoders.every((decoder) => decoder.announced === limit)).to.equal(true);
  });

  it("stays silent after a fault, whatever follows", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => {
        for (const [length, code] of [
          [101, "oversizeFrame"],
          [2 ** 32 - 1, "oversizeFrame"],
        ] as const) {
          const decoder = new FrameDecoder(100);
          let emitted = 0;
          expect(decoder.push(concatBytes(framePrefix(length), rest), () => void emitted++)).to.equal(code);
          expect(decoder.push(concatBytes(framePrefix(1), Uint8Array.of(1)), () => void emitted++)).to.equal(code);
          expect(emitted).to.equal(0);
        }
      }),
    );
  });
});

describe("transport/queue", () => {
  it("hands out whole frames in order, in bounded pieces, even when restarted in the middle of one", () => {
    fc.assert(
      fc.property(
        frames,
        fc.integer({ min: 8, max: 200 }),
        fc.array(fc.boolean()),
        (payloads, pieceBytes, restarts) => {
          const queue = new OutgoingQueue({ maxQueuedBytes: 1e9, maxQueuedMessages: 1e9 });
          const cutter = new PieceCutter(queue, pieceBytes);
          for (const payload of payloads) queue.push(payload);
          let decoder = new FrameDecoder(300);
          const out: Uint8Array[] = [];
          for (let i = 0; ; i++) {
            const piece = cutter.next();
            if (piece === undefined) break;
            // The prefix and one byte may exceed a piece that is nearly full; nothing else may.
            expect(piece.length).to.be.at.most(pieceBytes + 5);
            decoder.push(piece, (frame) => void out.push(frame));
            if (restarts[i]) {
              cutter.restart();
              decoder = new FrameDecoder(300);
            }
          }
          expect(out).to.deep.equal(payloads);
          expect(cutter.framesCut).to.equal(payloads.length);
          expect(queue.bytes).to.equal(0);
        },
      ),
    );
  });

  it("puts a probe between frames, never into one", () => {
    const queue = new OutgoingQueue({ maxQueuedBytes: 1e9, maxQueuedMessages: 1e9 });
    const cutter = new PieceCutter(queue, 100);
    queue.push(new Uint8Array(250).fill(1));
    queue.push(Uint8Array.of(2));
    const decoder = new FrameDecoder(300);
    const out: number[] = [];
    for (let i = 0; ; i++) {
      const piece = cutter.next();
      if (piece === undefined) break;
      if (i === 0) cutter.probe();
      decoder.push(piece, (frame) => void out.push(frame.length));
    }
    expect(out).to.deep.equal([250, 0, 1]);
    cutter.probe();
    expect(cutter.next()).to.deep.equal(PROBE);
    expect(cutter.next()).to.equal(undefined);
  });

  it("keeps the newest within both bounds and counts the rest", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 })), (sizes) => {
        const queue = new OutgoingQueue({ maxQueuedBytes: 200, maxQueuedMessages: 10 });
        sizes.forEach((size, i) => {
          queue.push(new Uint8Array(size).fill(i));
        });
        expect(queue.bytes).to.be.at.most(200);
        expect(queue.length).to.be.at.most(10);
        expect(queue.length + queue.dropped).to.equal(sizes.length);
        for (let i = queue.dropped; i < sizes.length; i++)
          expect(queue.shift()).to.deep.equal(new Uint8Array(sizes[i]!).fill(i));
      }),
    );
  });

  it("stays fast with a long backlog", () => {
    const queue = new OutgoingQueue({ maxQueuedBytes: 1e9, maxQueuedMessages: 100_000 });
    const started = cpuMs();
    for (let i = 0; i < 300_000; i++) queue.push(Uint8Array.of(1));
    while (queue.shift() !== undefined);
    expect(cpuMs() - started).to.be.lessThan(2_000);
    expect(queue.dropped).to.equal(200_000);
  });
});

describe("transport/rate", () => {
  it("lets a burst pass and then asks to wait as long as the excess takes", () => {
    const bucket = new TokenBucket(1_000, 5_000, 0);
    expect(bucket.take(5_000, 0)).to.equal(0);
    expect(bucket.take(500, 0)).to.equal(500);
    expect(bucket.take(500, 1_000)).to.equal(0);
    expect(bucket.take(1, 1_000)).to.equal(1);
  });

  it("measures a steady rate and forgets a silent peer", () => {
    const meter = new RateMeter(0);
    for (let ms = 10; ms <= 60_000; ms += 10) meter.add(100, ms);
    expect(meter.perSecond(60_000)).to.be.within(9_900, 10_100);
    expect(meter.perSecond(160_000)).to.be.lessThan(1);
  });
});
