import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { expect } from "chai";
import { bigintToBytes, concatBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
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

/** p of each curve's base field. */
export const MODULI: Record<Suite, bigint> = {
  "bls12-381": bls12_381.fields.Fp.ORDER,
  bn254: bn254.fields.Fp.ORDER,
};

/** A point of the curve outside the prime-order subgroup, encoded; BN254's G1 has none. */
export function offSubgroup(suite: Suite, group: "G1" | "G2"): Uint8Array | undefined {
  const known = strange.get(`${suite} ${group}`);
  const point = known ?? findOffSubgroup(suite, group);
  if (point !== undefined) strange.set(`${suite} ${group}`, point);
  return point;
}
const strange = new Map<string, Uint8Array>();

function findOffSubgroup(suite: Suite, group: "G1" | "G2"): Uint8Array | undefined {
  if (suite === "bn254" && group === "G1") return undefined;
  for (let i = 1n; ; i++) {
    if (suite === "bls12-381" && group === "G1") {
      const { Fp } = bls12_381.fields;
      const y = attempt(() => Fp.sqrt(Fp.add(Fp.pow(i, 3n), 4n)));
      if (y === undefined || bls12_381.G1.Point.fromAffine({ x: i, y }).isTorsionFree()) continue;
      const out = bigintToBytes(i, 48);
      out[0] = 0x80 | (y * 2n > Fp.ORDER ? 0x20 : 0);
      return out;
    }
    const { Fp2 } = suite === "bn254" ? bn254.fields : bls12_381.fields;
    const { Point } = suite === "bn254" ? bn254.G2 : bls12_381.G2;
    const x = Fp2.create({ c0: i, c1: 1n });
    const y = attempt(() => Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.sqr(x), x), Point.CURVE().b)));
    if (y === undefined || Point.fromAffine({ x, y }).isTorsionFree()) continue;
    if (suite === "bls12-381") {
      const isLarge = y.c1 === 0n ? y.c0 * 2n > MODULI[suite] : y.c1 * 2n > MODULI[suite];
      const out = Uint8Array.from([...bigintToBytes(x.c1, 48), ...bigintToBytes(x.c0, 48)]);
      out[0] = out[0]! | 0x80 | (isLarge ? 0x20 : 0);
      return out;
    }
    return Uint8Array.from([x.c1, x.c0, y.c1, y.c0].flatMap((limb) => [...bigintToBytes(limb, 32)]));
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
