/**
 * Length-prefixed frames: 4 bytes big-endian payload length (1 … maxFrameBytes), then the payload.
 * Length 0 is a probe; its receiver sends the same four bytes back on the same stream, where nothing else travels that way.
 */
import type { FaultCode } from "./port.ts";

export const FRAME_PREFIX_BYTES = 4;

export const PROBE = new Uint8Array(FRAME_PREFIX_BYTES);

export function framePrefix(payloadLength: number): Uint8Array {
  const prefix = new Uint8Array(FRAME_PREFIX_BYTES);
  new DataView(prefix.buffer).setUint32(0, payloadLength);
  return prefix;
}

/** Memory for a frame is taken in steps that double, so that it never exceeds twice what has really arrived (from this many bytes on). */
const FIRST_STEP_BYTES = 4_096;

/**
 * Cuts a byte stream of any chunking into frames. Holds at most one unfinished frame: announcing 8 MiB and sending nothing
 * costs us 4 KiB, and sending it byte by byte costs no more than sending it at once.
 */
export class FrameDecoder {
  readonly #maxFrameBytes: number;
  readonly #prefix = new Uint8Array(FRAME_PREFIX_BYTES);
  #prefixLength = 0;
  #announced = 0;
  #frame = new Uint8Array(0);
  #received = 0;
  #fault: FaultCode | undefined;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Length that the current frame announces; 0 between frames. For fault reports. */
  get announced(): number {
    return this.#announced;
  }

  /** Bytes that came of an unfinished frame, its prefix included; 0 between frames. */
  get pending(): number {
    return this.#prefixLength + this.#received;
  }

  /** Feeds a chunk; calls `emit` with each finished frame (fresh memory; empty for a probe). After a fault the stream is lost: nothing more is emitted. */
  push(chunk: Uint8Array, emit: (frame: Uint8Array) => void): FaultCode | undefined {
    let offset = 0;
    while (offset < chunk.length && this.#fault === undefined) {
      if (this.#prefixLength < FRAME_PREFIX_BYTES) {
        this.#prefix[this.#prefixLength++] = chunk[offset++]!;
        if (this.#prefixLength < FRAME_PREFIX_BYTES) continue;
        this.#begin();
        if (this.#announced === 0) emit(this.#finish());
        continue;
      }
      const take = Math.min(chunk.length - offset, this.#announced - this.#received);
      this.#reserve(this.#received + take);
      this.#frame.set(chunk.subarray(offset, offset + take), this.#received);
      this.#received += take;
      offset += take;
      if (this.#received === this.#announced) emit(this.#finish());
    }
    return this.#fault;
  }

  #begin(): void {
    this.#announced = new DataView(this.#prefix.buffer).getUint32(0);
    if (this.#announced > this.#maxFrameBytes) this.#fault = "oversizeFrame";
  }

  #reserve(length: number): void {
    if (length <= this.#frame.length) return;
    const grown = new Uint8Array(Math.min(this.#announced, Math.max(FIRST_STEP_BYTES, length, 2 * this.#frame.length)));
    grown.set(this.#frame.subarray(0, this.#received));
    this.#frame = grown;
  }

  #finish(): Uint8Array {
    const frame = this.#frame;
    this.#frame = new Uint8Array(0);
    this.#received = 0;
    this.#prefixLength = 0;
    this.#announced = 0;
    return frame;
  }
}
