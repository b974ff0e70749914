/**
 * keccak-256 in hand-tuned WebAssembly (hash-wasm), about ten times faster on long inputs: for processes that hash all day.
 * Browsers keep the implementation in lib/hash.ts, which this one is checked against whenever it is installed.
 */
import { createKeccak } from "hash-wasm";
import { type Keccak, type KeccakStream, useKeccak } from "../lib/hash.ts";

/** Pieces of a stream are collected up to here: taking the state in and out costs as much as hashing 100 bytes. */
const COLLECTED_BYTES = 4096;

let installing: Promise<void> | undefined;

/** Once per thread; later calls do nothing. Throws InvariantError where WebAssembly computes wrongly, and leaves all as it was. */
export function installNativeKeccak(): Promise<void> {
  installing ??= createNativeKeccak().then(useKeccak);
  return installing;
}

export async function createNativeKeccak(): Promise<Keccak> {
  const hasher = await createKeccak(256);

  /** The module has one state; each stream brings its own and takes it away again. */
  function createStream(): KeccakStream {
    let state = hasher.init().save();
    const collected = new Uint8Array(COLLECTED_BYTES);
    let length = 0;
    const absorb = (bytes: Uint8Array): void => {
      state = hasher.load(state).update(bytes).save();
    };
    return {
      update(bytes) {
        if (length + bytes.length > collected.length) {
          absorb(collected.subarray(0, length));
          length = 0;
        }
        if (bytes.length > collected.length) {
          absorb(bytes);
          return;
        }
        collected.set(bytes, length);
        length += bytes.length;
      },
      digest: () => hasher.load(state).update(collected.subarray(0, length)).digest("binary"),
    };
  }

  return { hash: (bytes) => hasher.init().update(bytes).digest("binary"), createStream };
}
