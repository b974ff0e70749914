/** Decoders with the mistakes that the fuzzer is for. It must find each; a campaign leaves them out unless they are named. */
import { ClocklessError } from "../../../src/lib/errors.ts";
import type { Target } from "../target.ts";
import { bytesTarget } from "../target.ts";

const refuse = (): never => {
  throw new ClocklessError("malformed", "refused");
};

const control = (name: string, decode: (bytes: Uint8Array) => Uint8Array): Target =>
  bytesTarget({
    name: `control-${name}`,
    seeds: [Uint8Array.of(4, 0, 0, 0, 1, 2, 3, 4)],
    maxBytes: 64,
    weight: 0,
    decode,
    encode: (value) => value,
  });

export const CONTROLS: readonly Target[] = [
  /** Reads past the end without looking. */
  control("untyped", (bytes) => {
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
    return length === bytes.length - 4 ? bytes : refuse();
  }),
  /** Ignores what stands behind the value: the same value has many encodings. */
  control("second-encoding", (bytes) => (bytes.length < 8 ? refuse() : bytes.slice(0, 8))),
  /** Believes a length before it looks whether so much is there. */
  control("allocation", (bytes) => {
    if (bytes.length < 4) return refuse();
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true) & 0xff_ffff;
    const value = new Uint8Array(length);
    if (length !== bytes.length - 4) return refuse();
    value.set(bytes.subarray(4));
    return bytes.slice();
  }),
  /** Works through a count that nothing stands behind. */
  control("steps", (bytes) => {
    let sum = 0;
    if (bytes[1] !== 0xff) return bytes;
    for (let i = 0; i < (bytes[0] ?? 0) * 512; i++) sum = sum > 7 ? sum - 7 : sum + 3;
    return sum < 0 ? refuse() : bytes;
  }),
  /** Four half-bytes, each of which shows only when those before it are right: by chance one input in 65,536. */
  control("hidden", (bytes) => {
    const half = (at: number): number => (bytes[at] ?? 0) >> 4;
    if (half(0) !== 0xc) return bytes;
    if (half(1) !== 0x1) return bytes;
    if (half(2) !== 0x0) return bytes;
    if (half(3) !== 0xc) return bytes;
    throw new TypeError("the hidden mistake");
  }),
];
