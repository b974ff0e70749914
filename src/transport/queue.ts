/** Messages waiting for one peer: first in, first out, bounded in bytes, count and (while it is not connected) age; the oldest go. */
import { concatBytes } from "../lib/bytes.ts";
import { FRAME_PREFIX_BYTES, framePrefix, PROBE } from "./frame.ts";

export class OutgoingQueue {
  readonly #maxBytes: number;
  readonly #maxMessages: number;
  #messages: ({ readonly bytes: Uint8Array; readonly atMs: number } | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(limits: { readonly maxQueuedBytes: number; readonly maxQueuedMessages: number }) {
    this.#maxBytes = limits.maxQueuedBytes;
    this.#maxMessages = limits.maxQueuedMessages;
  }

  get length(): number {
    return this.#messages.length - this.#head;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get dropped(): number {
    return this.#dropped;
  }

  push(message: Uint8Array, nowMs = 0): void {
    this.#messages.push({ bytes: message, atMs: nowMs });
    this.#bytes += message.length;
    while (this.#bytes > this.#maxBytes || this.length > this.#maxMessages) {
      this.shift();
      this.#dropped++;
    }
  }

  /** Drops what came before `sinceMs`. */
  expire(sinceMs: number): void {
    for (let oldest = this.#messages[this.#head]; oldest !== undefined && oldest.atMs < sinceMs; ) {
      this.shift();
      this.#dropped++;
      oldest = this.#messages[this.#head];
    }
  }

  peek(): Uint8Array | undefined {
    return this.#messages[this.#head]?.bytes;
  }

  shift(): Uint8Array | undefined {
    const message = this.#messages[this.#head]?.bytes;
    if (message === undefined) return undefined;
    this.#messages[this.#head++] = undefined;
    this.#bytes -= message.length;
    // Compacting when half is gone keeps shift at amortised constant time.
    if (this.#head > 1_024 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }
}

/**
 * Turns queued messages into pieces of at most about `pieceBytes`: small frames share a piece (one system call), large ones
 * are cut, so that what the network layer holds stays small and the queue keeps its right to drop.
 */
export class PieceCutter {
  readonly #queue: OutgoingQueue;
  readonly #pieceBytes: number;
  #current: Uint8Array | undefined;
  #offset = 0;
  #framesCut = 0;
  #probeWanted = false;

  constructor(queue: OutgoingQueue, pieceBytes: number) {
    this.#queue = queue;
    this.#pieceBytes = pieceBytes;
  }

  /** Frames handed out completely so far. */
  get framesCut(): number {
    return this.#framesCut;
  }

  /** Puts a probe before the next frame. */
  probe(): void {
    this.#probeWanted = true;
  }

  /** Begins the unfinished frame again: its first part died with the stream that carried it. */
  restart(): void {
    this.#probeWanted = false;
    this.#offset = 0;
  }

  /** The next bytes for the wire, or undefined when nothing waits. */
  next(): Uint8Array | undefined {
    const parts: Uint8Array[] = [];
    let length = 0;
    while (length < this.#pieceBytes) {
      if (this.#current === undefined) {
        if (this.#probeWanted) {
          this.#probeWanted = false;
          parts.push(PROBE);
          length += PROBE.length;
        }
        // A frame is not begun in the tail of a piece unless it fits: a drop must never cut a frame in half.
        const waiting = this.#queue.peek();
        if (waiting === undefined) break;
        if (length > 0 && length + FRAME_PREFIX_BYTES + waiting.length > this.#pieceBytes) break;
        this.#queue.shift();
        this.#current = waiting;
        this.#offset = 0;
      }
      if (this.#offset === 0) {
        parts.push(framePrefix(this.#current.length));
        length += FRAME_PREFIX_BYTES;
      }
      const part = this.#current.subarray(this.#offset, this.#offset + Math.max(1, this.#pieceBytes - length));
      parts.push(part);
      length += part.length;
      this.#offset += part.length;
      if (this.#offset === this.#current.length) {
        this.#current = undefined;
        this.#framesCut++;
      }
    }
    // Most of a large frame goes as it is; nobody on the way writes into what it sends.
    return length === 0 ? undefined : parts.length === 1 ? parts[0] : concatBytes(...parts);
  }
}
