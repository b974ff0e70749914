/**
 * 32-byte words, fast: what EIP-712 structs and the state's own hashes are made of. Everything the fold commits to passes through
 * here, so the writer is one growing buffer instead of one array per word (`lib/eip712.ts` has the plain form).
 */
import { assert } from "../lib/assert.ts";
import { keccak256, keccak256Hex } from "../lib/hash.ts";
import type { Hex } from "../lib/hex.ts";

const MASK = (1n << 64n) - 1n;

/** Value of an ASCII hex digit; 255 for any other character. */
const NIBBLES = new Uint8Array(128).fill(255);
for (let i = 0; i < 10; i++) NIBBLES[48 + i] = i;
for (let i = 0; i < 6; i++) {
  NIBBLES[97 + i] = 10 + i;
  NIBBLES[65 + i] = 10 + i;
}

/** Appends words to a buffer that is reused between messages; never shared between calls that interleave. */
export class WordWriter {
  private bytes: Uint8Array;
  private view: DataView;
  private length = 0;

  constructor(capacity = 4096) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  reset(): this {
    this.length = 0;
    return this;
  }

  /** Integer in [−2^255, 2^256), two's complement. */
  int(value: bigint | number): this {
    let rest = BigInt(value);
    assert(rest < 1n << 256n, "word: integer too large");
    assert(rest >= -(1n << 255n), "word: integer too small");
    if (rest < 0n) rest += 1n << 256n;
    const at = this.grow(32);
    for (let i = 24; i >= 0; i -= 8) {
      this.view.setBigUint64(at + i, rest & MASK);
      rest >>= 64n;
    }
    return this;
  }

  /** Hex of at most 32 bytes, padded on the left (addresses; bytes32 as is). */
  hex(value: Hex): this {
    const size = (value.length - 2) >> 1;
    assert(size <= 32, "word: more than 32 bytes");
    const at = this.grow(32);
    this.bytes.fill(0, at, at + 32 - size);
    this.digits(value, at + 32 - size, size);
    return this;
  }

  /** Byte string of any length: its length as a word, then its bytes as they are. */
  blob(value: Hex): this {
    const size = (value.length - 2) >> 1;
    this.int(size);
    this.digits(value, this.grow(size), size);
    return this;
  }

  raw(value: Uint8Array): this {
    const at = this.grow(value.length);
    this.bytes.set(value, at);
    return this;
  }

  keccak(): Uint8Array {
    return keccak256(this.bytes.subarray(0, this.length));
  }

  keccakHex(): Hex {
    return keccak256Hex(this.bytes.subarray(0, this.length));
  }

  private digits(value: Hex, at: number, size: number): void {
    assert(value.length === 2 + 2 * size, "word: odd number of digits");
    for (let i = 0; i < size; i++) {
      const high = NIBBLES[value.charCodeAt(2 + 2 * i)] ?? 255;
      const low = NIBBLES[value.charCodeAt(3 + 2 * i)] ?? 255;
      assert(high < 16 && low < 16, "word: not hexadecimal");
      this.bytes[at + i] = (high << 4) | low;
    }
  }

  private grow(size: number): number {
    const at = this.length;
    this.length += size;
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, 2 * this.bytes.length));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }
}
