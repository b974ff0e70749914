/** Mutations of bytes that know what encodings are made of: offsets, lengths, counts, repeated elements, cut tails. */

/** sfc32 without ceremony: a stream per batch, so that a batch can be made again. */
export class Dice {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream: number) {
    this.#a = seed | 0;
    this.#b = stream | 0;
    this.#c = 0x9e37_79b9 | 0;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** Uniform in [0, 2^32). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** In [0, below). */
  below(below: number): number {
    return this.next() % below;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

const BYTES = [0, 1, 2, 3, 4, 0x20, 0x22, 0x30, 0x5b, 0x7f, 0x80, 0xfe, 0xff] as const;
const WORDS = [0, 1, 2, 3, 4, 8, 16, 31, 32, 33, 64, 255, 256, 1023, 1024, 1025, 65_535, 65_536] as const;
const LARGE = [0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_fffe, 0xffff_ffff] as const;

type Mutation = (bytes: Uint8Array, dice: Dice, other: Uint8Array) => Uint8Array;

const cut = (bytes: Uint8Array, from: number, to: number, insert: Uint8Array): Uint8Array => {
  const out = new Uint8Array(from + insert.length + bytes.length - to);
  out.set(bytes.subarray(0, from));
  out.set(insert, from);
  out.set(bytes.subarray(to), from + insert.length);
  return out;
};

function range(bytes: Uint8Array, dice: Dice): [number, number] {
  const from = dice.below(bytes.length + 1);
  const longest = dice.below(4) === 0 ? bytes.length : 40;
  return [from, Math.min(bytes.length, from + dice.below(longest + 1))];
}

/** A 32-bit word somewhere: at any place, or where one stands that could be an offset or a length. */
function wordAt(bytes: Uint8Array, dice: Dice): number | undefined {
  if (bytes.length < 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = dice.below(bytes.length - 3);
  if (dice.below(2) === 0) return start;
  for (let at = start; at < Math.min(start + 64, bytes.length - 3); at++)
    if (view.getUint32(at, true) <= bytes.length && view.getUint32(at, true) > 0) return at;
  return start;
}

const bytesOf = {
  flip(bytes, dice) {
    if (bytes.length > 0) bytes[dice.below(bytes.length)]! ^= 1 << dice.below(8);
    return bytes;
  },
  set(bytes, dice) {
    if (bytes.length > 0) bytes[dice.below(bytes.length)] = dice.below(2) === 0 ? dice.pick(BYTES) : dice.below(256);
    return bytes;
  },
  nudge(bytes, dice) {
    if (bytes.length > 0) bytes[dice.below(bytes.length)]! += dice.pick([1, 255, 4, 252]);
    return bytes;
  },
  /** Lengths and offsets: off by one or by an element, swapped with the bytes' own length, or far too large. */
  word(bytes, dice) {
    const at = wordAt(bytes, dice);
    if (at === undefined) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isLittle = dice.below(4) > 0;
    const now = view.getUint32(at, isLittle);
    const values = [now + 1, now - 1, now + 4, now - 4, now * 2, bytes.length, bytes.length - at, dice.pick(WORDS)];
    view.setUint32(at, dice.below(6) === 0 ? dice.pick(LARGE) : dice.pick(values), isLittle);
    return bytes;
  },
  /** One offset takes another's value: elements overlap, shrink to nothing or come in another order. */
  copyWord(bytes, dice) {
    const from = wordAt(bytes, dice);
    const to = wordAt(bytes, dice);
    if (from !== undefined && to !== undefined) bytes.copyWithin(to, from, from + 4);
    return bytes;
  },
  truncate: (bytes, dice) => bytes.slice(0, dice.below(bytes.length + 1)),
  remove: (bytes, dice) => cut(bytes, ...range(bytes, dice), new Uint8Array(0)),
  insert(bytes, dice) {
    const at = dice.below(bytes.length + 1);
    return cut(bytes, at, at, new Uint8Array(1 + dice.below(40)).fill(dice.below(3) === 0 ? dice.below(256) : 0));
  },
  repeat(bytes, dice) {
    const [from, to] = range(bytes, dice);
    return cut(bytes, to, to, bytes.slice(from, to));
  },
  fill(bytes, dice) {
    const [from, to] = range(bytes, dice);
    return bytes.fill(dice.pick([0, 0xff, 1]), from, to);
  },
  splice(bytes, dice, other) {
    const [from, to] = range(bytes, dice);
    const [start, end] = range(other, dice);
    return cut(bytes, from, to, other.slice(start, end));
  },
  /** Head of one, tail of another. */
  cross(bytes, dice, other) {
    const at = dice.below(Math.min(bytes.length, other.length) + 1);
    return cut(bytes, at, bytes.length, other.slice(at));
  },
} satisfies Record<string, Mutation>;

const MUTATIONS: readonly Mutation[] = Object.values(bytesOf);

/** A new input from two of the corpus; few steps mostly, because each is likely to break what makes the next one matter. */
export function mutateBytes(bytes: Uint8Array, other: Uint8Array, dice: Dice, maxBytes: number): Uint8Array {
  let out: Uint8Array = bytes.slice();
  const times = 1 + (dice.below(3) === 0 ? dice.below(8) : dice.below(2));
  for (let k = 0; k < times; k++) out = dice.pick(MUTATIONS)(out, dice, other);
  return out.length <= maxBytes ? out : out.slice(0, maxBytes);
}
