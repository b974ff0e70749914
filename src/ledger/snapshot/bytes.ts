/**
 * Reading and writing what a snapshot is made of. Integers are big-endian; every length and count is checked against what is left of
 * the bytes before anything is allocated for it, because a snapshot comes from a stranger and is judged only when it has been read.
 */
import { assert } from "../../lib/assert.ts";
import { bigintToBytes, bytesToBigint } from "../../lib/bytes.ts";
import { bytesToHex, digitAt, type Hex } from "../../lib/hex.ts";
import { LedgerError } from "../codes.ts";

export function badSnapshot(message: string, details: Readonly<Record<string, unknown>> = {}): LedgerError {
  return new LedgerError("badSnapshot", `bad snapshot: ${message}`, { details });
}

export class ByteWriter {
  private bytes: Uint8Array;
  private length = 0;

  constructor(capacity = 65_536) {
    this.bytes = new Uint8Array(capacity);
  }

  u8(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xff, "not a byte");
    const at = this.grow(1);
    this.bytes[at] = value;
    return this;
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u32(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, "not a uint32");
    const at = this.grow(4);
    for (let i = 3, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) this.bytes[at + i] = rest % 256;
    return this;
  }

  u64(value: bigint): this {
    return this.raw(bigintToBytes(value, 8));
  }

  /** Any integer below 2^1008: one byte with the length of its magnitude and its sign, then the magnitude. */
  int(value: bigint): this {
    const sign = value < 0n ? 1 : 0;
    const text = value === 0n ? "" : (sign === 1 ? -value : value).toString(16);
    const size = (text.length + 1) >> 1;
    assert(size < 127, "integer too large");
    this.u8(2 * size + sign);
    // Digits go where they belong: a ledger has millions of them, and it stands still while they are written.
    let at = this.grow(size) + size;
    for (let digit = text.length - 1; digit >= 0; digit -= 2)
      this.bytes[--at] = ((digit > 0 ? digitAt(text, digit - 1) : 0) << 4) | digitAt(text, digit);
    return this;
  }

  /** Hex whose size the reader knows. */
  hex(value: Hex): this {
    const size = (value.length - 2) >> 1;
    const start = this.grow(size);
    for (let i = 0, at = 2; i < size; i++, at += 2)
      this.bytes[start + i] = (digitAt(value, at) << 4) | digitAt(value, at + 1);
    return this;
  }

  /** Length, then bytes. */
  blob(value: Uint8Array): this {
    return this.u32(value.length).raw(value);
  }

  raw(value: Uint8Array): this {
    const at = this.grow(value.length);
    this.bytes.set(value, at);
    return this;
  }

  /** How many follow, then each. */
  list<T>(values: readonly T[], write: (value: T) => void): this {
    this.u32(values.length);
    for (const value of values) write(value);
    return this;
  }

  /** A copy of what was written. */
  done(): Uint8Array {
    return this.bytes.slice(0, this.length);
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

/** Every method throws LedgerError `badSnapshot` where the bytes do not say what they should. */
export class ByteReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  u8(): number {
    return this.raw(1)[0]!;
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw badSnapshot("a flag is 0 or 1", { at: this.at });
    return value === 1;
  }

  u32(): number {
    return this.raw(4).reduce((value, byte) => value * 256 + byte, 0);
  }

  u64(): bigint {
    return bytesToBigint(this.raw(8));
  }

  int(): bigint {
    const head = this.u8();
    const magnitude = bytesToBigint(this.raw(head >> 1));
    return head % 2 === 1 ? -magnitude : magnitude;
  }

  hex(size: number): Hex {
    return bytesToHex(this.raw(size));
  }

  /** A view into the snapshot. */
  blob(): Uint8Array {
    return this.raw(this.u32());
  }

  /** A view into the snapshot. */
  raw(size: number): Uint8Array {
    if (size > this.bytes.length - this.at) throw badSnapshot("it ends too early", { at: this.at });
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  /** `least`: fewest bytes one element has. */
  list<T>(least: number, read: (index: number) => T): T[] {
    const count = this.u32();
    if (count * least > this.bytes.length - this.at) throw badSnapshot("it ends too early", { at: this.at, count });
    const values: T[] = [];
    for (let i = 0; i < count; i++) values.push(read(i));
    return values;
  }

  /** One of `values`, by its place. */
  pick<T>(values: readonly T[]): T {
    const value = values[this.u8()];
    if (value === undefined) throw badSnapshot("an unknown kind", { at: this.at });
    return value;
  }

  end(): void {
    if (this.at !== this.bytes.length) throw badSnapshot("it does not end where it should", { at: this.at });
  }
}
