/**
 * What clients and members of the benchmark say to each other: frames of uint32 length (of what follows) and one byte kind.
 *
 *   submit     uint32 count ‖ instructions of one size
 *   refused    uint32 count
 *   certified  uint8 suite ‖ uint32 length ‖ certificate ‖ state before (32) ‖ uint32 blocks ‖ per block: uint16 author ‖ uint32 count ‖
 *              uint8 own ‖ own: the ids, else keccak256 of them; no blocks with a batch's second certificate
 */
import type { Socket } from "node:net";

export const FRAME = { submit: 1, refused: 2, certified: 3 } as const;

const HEAD_BYTES = 5;
const MAX_FRAME_BYTES = 64 << 20;

export function encodeFrame(kind: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 1;
  for (const part of parts) length += part.length;
  const frame = Buffer.allocUnsafe(4 + length);
  frame.writeUInt32LE(length, 0);
  frame[4] = kind;
  let at = HEAD_BYTES;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** Calls `onFrame` for every whole frame; what it gets is memory of its own. */
export function readFrames(socket: Socket, onFrame: (kind: number, body: Buffer) => void): void {
  let frame: Buffer | undefined;
  let filled = 0;
  const head = Buffer.alloc(4);
  let headFilled = 0;
  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      if (frame === undefined) {
        const take = Math.min(4 - headFilled, chunk.length - at);
        chunk.copy(head, headFilled, at, at + take);
        headFilled += take;
        at += take;
        if (headFilled < 4) continue;
        headFilled = 0;
        const length = head.readUInt32LE(0);
        if (length < 1 || length > MAX_FRAME_BYTES) {
          socket.destroy(new Error("a frame of the benchmark has an impossible length"));
          return;
        }
        // Not from the pool: instructions are kept as views of it.
        frame = Buffer.allocUnsafeSlow(length);
        filled = 0;
      }
      const take = Math.min(frame.length - filled, chunk.length - at);
      chunk.copy(frame, filled, at, at + take);
      filled += take;
      at += take;
      if (filled < frame.length) continue;
      const whole = frame;
      frame = undefined;
      onFrame(whole[0]!, whole.subarray(1));
    }
  });
}
