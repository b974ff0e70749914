import { expect } from "chai";
import { concatBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
import { keccak256 } from "../../src/lib/hash.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { createMclEngine } from "../../src/threshold/engine-mcl.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import { ThresholdError, type ThresholdErrorCode } from "../../src/threshold/errors.ts";
import { type Engine, SUITES, type Suite } from "../../src/threshold/types.ts";

export interface EnginePair {
  readonly noble: Engine;
  readonly mcl: Engine;
}

let started: Promise<Record<Suite, EnginePair>> | undefined;

/** Both engines of both suites, started once per process: all four live side by side in every test file. */
export function engines(): Promise<Record<Suite, EnginePair>> {
  started ??= (async () => {
    const [a, b] = await Promise.all(SUITES.map(createMclEngine));
    return {
      "bls12-381": { noble: createNobleEngine("bls12-381"), mcl: a! },
      bn254: { noble: createNobleEngine("bn254"), mcl: b! },
    };
  })();
  return started;
}

export const unhex = (text: string): Uint8Array => hexToBytes(text.startsWith("0x") ? text : `0x${text}`);
export const hex = bytesToHex;

/** Deterministic bytes by label. */
export function seeded(label: string, length = 32): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(keccak256(utf8ToBytes(`${label}/${i}`)));
  return concatBytes(...blocks).subarray(0, length);
}

/** A copy with one bit changed; bit 0 is the highest of the first byte. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[bit >> 3] = out[bit >> 3]! ^ (0x80 >> (bit & 7));
  return out;
}

export function expectCode(action: () => unknown, code: ThresholdErrorCode): void {
  try {
    action();
  } catch (error) {
    expect(error).to.be.instanceOf(ThresholdError);
    // CAST: asserted above
    expect((error as ThresholdError).code).to.equal(code);
    return;
  }
  expect.fail(`expected ${code}, nothing was thrown`);
}
