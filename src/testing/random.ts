/**
 * Seeded randomness for tests and the simulator: sfc32 (Chris Doty-Humphrey's PractRand), 32-bit integer arithmetic only, so a
 * seed gives the same run on every machine. Separate named streams keep one fault's draws from shifting another's.
 */
import { bigintToBytes, concatBytes, utf8ToBytes } from "../lib/bytes.ts";
import { keccak256 } from "../lib/hash.ts";

export interface Random {
  /** Uniform in [0, 2^32). */
  uint32(): number;
  /** Uniform in [0, below), below ≤ 2^32. */
  below(below: number): number;
  /** True with probability `perMille` / 1000. */
  chance(perMille: number): boolean;
  bytes(length: number): Uint8Array;
  pick<T>(items: readonly T[]): T;
  /** A fresh stream that depends on this one's seed and the name only, not on draws made so far. */
  stream(name: string): Random;
}

export function createRandom(seed: bigint | number, name = ""): Random {
  const key = keccak256(concatBytes(bigintToBytes(BigInt(seed), 32), utf8ToBytes(name)));
  const view = new DataView(key.buffer, key.byteOffset);
  let a = view.getUint32(0) | 0;
  let b = view.getUint32(4) | 0;
  let c = view.getUint32(8) | 0;
  let counter = 1;
  const uint32 = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  const below = (limit: number): number => {
    // Rejection keeps the draw uniform; at most one in two draws is thrown away.
    const bound = 2 ** 32 - (2 ** 32 % limit);
    for (;;) {
      const draw = uint32();
      if (draw < bound) return draw % limit;
    }
  };
  for (let i = 0; i < 12; i++) uint32();
  return {
    uint32,
    below,
    chance: (perMille) => below(1000) < perMille,
    bytes: (length) => Uint8Array.from({ length }, () => uint32() & 0xff),
    pick: (items) => {
      if (items.length === 0) throw new RangeError("nothing to pick from");
      // CAST: the index is in range
      return items[below(items.length)] as (typeof items)[number];
    },
    stream: (child) => createRandom(seed, `${name}/${child}`),
  };
}
