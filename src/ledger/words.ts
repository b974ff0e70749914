/**
 * 32-byte words, fast: what EIP-712 structs and the state's own hashes are made of. Everything the fold commits to passes through
 * here, so the writer is one growing buffer instead of one array per word (`lib/eip712.ts` has the plain form).
 */
import { assert } from "../lib/assert.ts";
import { keccak256, keccak256Hex } from "../lib/hash.ts";
import { digitAt, type Hex } from "../lib/hex.ts";

const WORD = 1n << 256n;
const LEAST = -(1n << 255n);

/** Appends words to a buffer that is reused between messages; never shared between calls that interleave. */
export class WordWriter {
  private bytes: Uint8Array;
  private length = 0;

  constructor(capacity = 4096) {
    this.bytes = new Uint8Array(capacity);
  }

  reset(): this {
    this.length = 0;
    return this;
  }

  /** Integer in [−2^255, 2^256), two's complement. */
  int(value: bigint | number): this {
    assert(value >= LEAST, "word: integer too small");
    const text = (value < 0 ? BigInt(value) + WORD : BigInt(value)).toString(16);
    assert(text.length <= 64, "word: integer too large");
    const start = this.grow(32);
    const { bytes } = this;
    let at = start + 31;
    for (let digit = text.length - 1; digit >= 0; digit -= 2) {
      bytes[at--] = ((digit > 0 ? digitAt(text, digit - 1) : 0) << 4) | digitAt(text, digit);
    }
    bytes.fill(0, start, at + 1);
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
      const high = digitAt(value, 2 + 2 * i);
      const low = digitAt(value, 3 + 2 * i);
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
    }
    return at;
  }
}
