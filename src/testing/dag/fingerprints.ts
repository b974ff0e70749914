/**
 * A set of 64-bit fingerprints in typed arrays: eight bytes a state instead of a hundred. Two states that share a fingerprint
 * would be taken for one; with a million states the odds are 10¹² / 2⁶⁵, one in 30 million.
 */
export class Fingerprints {
  #slots: Uint32Array;
  #mask: number;
  size = 0;

  constructor(capacityBits = 16) {
    this.#mask = 2 ** capacityBits - 1;
    this.#slots = new Uint32Array(2 ** (capacityBits + 1));
  }

  /** Adds the fingerprint of these small integers; false when it was there. */
  add(words: readonly number[]): boolean {
    let high = 0x9e3779b9;
    let low = 0x85ebca6b;
    for (const word of words) {
      high = Math.imul(high ^ word, 0xcc9e2d51);
      high = (high << 13) | (high >>> 19);
      low = Math.imul(low ^ (word + 0x27d4eb2f), 0x1b873593);
      low = ((low << 17) | (low >>> 15)) + high;
    }
    high = mix(high ^ words.length);
    low = mix(low ^ high);
    // Zero marks an empty slot.
    if (!this.#insert(high >>> 0 || 1, low >>> 0)) return false;
    if (++this.size * 2 > this.#mask) this.#grow();
    return true;
  }

  #insert(high: number, low: number): boolean {
    for (let i = low & this.#mask; ; i = (i + 1) & this.#mask) {
      const held = this.#slots[2 * i]!;
      if (held === high && this.#slots[2 * i + 1] === low) return false;
      if (held !== 0) continue;
      this.#slots[2 * i] = high;
      this.#slots[2 * i + 1] = low;
      return true;
    }
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let i = 0; i < old.length; i += 2) if (old[i] !== 0) this.#insert(old[i]!, old[i + 1]!);
  }
}

/** The finaliser of MurmurHash3. */
function mix(word: number): number {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
