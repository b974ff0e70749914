/**
 * keccak-256 as Ethereum uses it. The implementation is noble's, in plain JavaScript, unless the process installed a faster
 * one when it started (`useKeccak`). There is one function with one value for each input: which of them computes it
 * changes no result, so that everything above stays a function of its arguments.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { assert } from "./assert.ts";
import { concatBytes, equalBytes, utf8ToBytes } from "./bytes.ts";
import { bytesToHex, type Hex, hexToBytes } from "./hex.ts";

/** A hash of what comes in pieces. */
export interface KeccakStream {
  update(bytes: Uint8Array): void;
  /** Of everything so far; more may follow. */
  digest(): Uint8Array;
}

export interface Keccak {
  /** 32 bytes that belong to the caller. */
  hash(bytes: Uint8Array): Uint8Array;
  createStream(): KeccakStream;
}

/** Noble's: what every other one is checked against. */
export const referenceKeccak: Keccak = {
  hash: (bytes) => keccak_256(bytes),
  createStream() {
    const state = keccak_256.create();
    return { update: (bytes) => void state.update(bytes), digest: () => state.clone().digest() };
  },
};

let keccak = referenceKeccak;

/**
 * Installs an implementation for the whole thread, to be done once, before anything is hashed that matters. Throws
 * InvariantError, and changes nothing, unless it gives known answers and the reference's for every length up to two
 * blocks and around the sizes at which implementations cut their input.
 */
export function useKeccak(candidate: Keccak): void {
  check(candidate);
  keccak = candidate;
}

export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccak.hash(bytes);
}

export function keccak256Hex(bytes: Uint8Array): Hex {
  return bytesToHex(keccak.hash(bytes));
}

/** keccak-256 of the concatenation of hex strings. */
export function keccakOfHex(...parts: readonly Hex[]): Hex {
  return bytesToHex(keccak.hash(concatBytes(...parts.map(hexToBytes))));
}

export function createKeccakStream(): KeccakStream {
  return keccak.createStream();
}

/** Bytes that keccak-256 absorbs at a time. */
export const KECCAK_BLOCK_BYTES = 136;

/** keccak256("") and keccak256("abc"), in Ethereum's tests and the Keccak team's. */
const KNOWN: readonly (readonly [string, Hex])[] = [
  ["", "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"],
  ["abc", "0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"],
];
const LONG = [1000, 4096, 16_384, 65_536].flatMap((length) => [length - 1, length, length + 1]);

function check({ hash, createStream }: Keccak): void {
  for (const [text, known] of KNOWN) {
    assert(bytesToHex(hash(utf8ToBytes(text))) === known, `keccak-256 of "${text}" is wrong`);
  }
  const lengths = [...Array.from({ length: 2 * KECCAK_BLOCK_BYTES + 2 }, (_, i) => i), ...LONG];
  const source = new Uint8Array(Math.max(...lengths) + 7);
  for (let i = 0; i < source.length; i++) source[i] = (i * 167 + (i >> 8) * 59 + 13) & 255;
  const kept = source.slice();
  const digests = lengths.map((length) => hash(source.subarray(7, 7 + length)));
  // All at the end: an implementation that gave out its own memory would have overwritten the earlier ones.
  lengths.forEach((length, i) => {
    const expected = referenceKeccak.hash(kept.subarray(7, 7 + length));
    assert(equalBytes(digests[i]!, expected), `keccak-256 of ${length} bytes is wrong`);
  });
  assert(equalBytes(source, kept), "keccak-256 changes what it hashes");
  checkStreams(createStream, source);
}

/** Two at a time, in pieces, with digests on the way. */
function checkStreams(createStream: Keccak["createStream"], source: Uint8Array): void {
  const [a, b] = [createStream(), createStream()];
  let at = 0;
  for (const length of [0, 1, KECCAK_BLOCK_BYTES - 1, KECCAK_BLOCK_BYTES, 3000, 4097, 16_385, 40]) {
    a.update(source.subarray(at, at + length));
    b.update(source.subarray(at, at + length).toReversed());
    at += length;
    assert(equalBytes(a.digest(), referenceKeccak.hash(source.subarray(0, at))), "keccak-256 in pieces is wrong");
  }
  assert(!equalBytes(a.digest(), b.digest()), "one keccak-256 in pieces disturbs another");
}
