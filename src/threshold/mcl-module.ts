/**
 * One instance of mcl's WebAssembly per curve.
 *
 * mcl keeps its curve in module-global state, and the package's own front end keeps one module per process, so it can
 * serve one curve at a time. Its module factory, however, instantiates afresh on each call, with a memory of its own:
 * each engine here owns one instance, and the two curves cannot disturb each other. We call mcl's C interface directly
 * (https://github.com/herumi/mcl/blob/master/include/mcl/bn.h); the front end is never loaded.
 */
import createModule from "mcl-wasm/dist/mcl_c.js";
import { ThresholdError } from "./errors.ts";

/** mcl's curve numbers. BN_SNARK1 is EIP-196's curve; mcl's "BN254" is another one. */
export const MCL_BLS12_381 = 5;
export const MCL_BN_SNARK1 = 4;

// The build has room for 6 words of 64 bits per element of Fp and 4 per scalar; smaller fields use the same layout.
const FP_WORDS = 6;
const FR_WORDS = 4;
/** What mcl compares to refuse a caller compiled against another layout (MCLBN_COMPILED_TIME_VAR). */
const COMPILED_TIME_VAR = FR_WORDS * 10 + FP_WORDS;

export const FP_SIZE = 8 * FP_WORDS;
export const FR_SIZE = 8 * FR_WORDS;
/** Fp² is c0 ‖ c1. */
export const FP2_SIZE = 2 * FP_SIZE;
/** Points are Jacobian X ‖ Y ‖ Z. */
export const G1_SIZE = 3 * FP_SIZE;
export const G2_SIZE = 3 * FP2_SIZE;
export const GT_SIZE = 12 * FP_SIZE;

/** An address in the module's memory. */
export type Pointer = number;

/** The C functions in use. Flags are 0 or 1; `int` results are 0 for success, except where said otherwise. */
interface MclExports {
  readonly wasmMemory: WebAssembly.Memory;
  _malloc(size: number): Pointer;
  _free(pointer: Pointer): void;
  _mclBn_init(curve: number, compiledTimeVar: number): number;
  _mclBn_setETHserialization(enabled: number): void;
  _mclBn_setMapToMode(mode: number): number;
  _mclBn_verifyOrderG1(enabled: number): void;
  _mclBn_verifyOrderG2(enabled: number): void;
  _mclBn_getUint64NumToPrecompute(): number;
  _mclBn_precomputeG2(lines: Pointer, q: Pointer): void;
  _mclBn_precomputedMillerLoop2(f: Pointer, p1: Pointer, lines1: Pointer, p2: Pointer, lines2: Pointer): void;
  _mclBn_finalExp(out: Pointer, f: Pointer): void;
  _mclBnGT_isOne(f: Pointer): number;
  _mclBnFr_setBigEndianMod(out: Pointer, bytes: Pointer, length: number): number;
  _mclBnFp_setInt32(out: Pointer, value: number): void;
  _mclBnFp_setBigEndianMod(out: Pointer, bytes: Pointer, length: number): number;
  /** Little-endian in BN mode; returns the number of bytes written. */
  _mclBnFp_serialize(out: Pointer, size: number, x: Pointer): number;
  _mclBnFp_add(out: Pointer, x: Pointer, y: Pointer): void;
  _mclBnFp_sub(out: Pointer, x: Pointer, y: Pointer): void;
  _mclBnFp_mul(out: Pointer, x: Pointer, y: Pointer): void;
  _mclBnFp_sqr(out: Pointer, x: Pointer): void;
  _mclBnFp_neg(out: Pointer, x: Pointer): void;
  _mclBnFp_inv(out: Pointer, x: Pointer): void;
  _mclBnFp_squareRoot(out: Pointer, x: Pointer): number;
  _mclBnFp_isZero(x: Pointer): number;
  _mclBnFp_isOdd(x: Pointer): number;
  _mclBnG1_hashAndMapToWithDst(out: Pointer, message: Pointer, size: number, dst: Pointer, dstSize: number): number;
  /** Returns the number of bytes read, 0 when refused. */
  _mclBnG1_deserialize(out: Pointer, bytes: Pointer, length: number): number;
  _mclBnG1_serialize(out: Pointer, size: number, point: Pointer): number;
  _mclBnG1_isValid(point: Pointer): number;
  _mclBnG1_isValidOrder(point: Pointer): number;
  _mclBnG1_isZero(point: Pointer): number;
  _mclBnG1_normalize(out: Pointer, point: Pointer): void;
  _mclBnG1_add(out: Pointer, a: Pointer, b: Pointer): void;
  _mclBnG1_sub(out: Pointer, a: Pointer, b: Pointer): void;
  _mclBnG1_clear(point: Pointer): void;
  _mclBnG1_mulCT(out: Pointer, point: Pointer, scalar: Pointer): void;
  _mclBnG1_mulVec(out: Pointer, points: Pointer, scalars: Pointer, count: number): void;
  _mclBnG2_deserialize(out: Pointer, bytes: Pointer, length: number): number;
  _mclBnG2_serialize(out: Pointer, size: number, point: Pointer): number;
  _mclBnG2_isValid(point: Pointer): number;
  _mclBnG2_isValidOrder(point: Pointer): number;
  _mclBnG2_isZero(point: Pointer): number;
  _mclBnG2_normalize(out: Pointer, point: Pointer): void;
  _mclBnG2_neg(out: Pointer, point: Pointer): void;
  _mclBnG2_isEqual(a: Pointer, b: Pointer): number;
  _mclBnG2_add(out: Pointer, a: Pointer, b: Pointer): void;
  _mclBnG2_sub(out: Pointer, a: Pointer, b: Pointer): void;
  _mclBnG2_dbl(out: Pointer, a: Pointer): void;
  _mclBnG2_mul(out: Pointer, point: Pointer, scalar: Pointer): void;
  _mclBnG2_mulCT(out: Pointer, point: Pointer, scalar: Pointer): void;
  _mclBnG2_mulVec(out: Pointer, points: Pointer, scalars: Pointer, count: number): void;
}

/** An instance with its memory. Not re-entrant, which synchronous JavaScript never asks for. */
export interface MclModule extends MclExports {
  /** Copies bytes into memory at `to`. */
  write(to: Pointer, bytes: Uint8Array): void;
  /** A copy of `length` bytes at `from`. */
  read(from: Pointer, length: number): Uint8Array;
  /** Overwrites with zeros: for what held a secret. */
  wipe(at: Pointer, length: number): void;
  /** Allocates for the lifetime of the module or until `_free`; throws engineUnavailable when memory is exhausted. */
  allocate(size: number): Pointer;
}

/** Starts a fresh instance for one curve. Throws engineUnavailable where WebAssembly is missing or mcl refuses. */
export async function loadMcl(curve: number): Promise<MclModule> {
  // CAST: the package types its factory as any; MclExports states the part of the C interface that is used here.
  const factory = createModule as unknown as (options: object) => Promise<MclExports>;
  let exported: MclExports;
  try {
    // Everything here is deterministic: a call for randomness would be a bug, not something to serve.
    exported = await factory({ cryptoGetRandomValues: refuseRandomness });
  } catch (cause) {
    throw new ThresholdError("engineUnavailable", "the WebAssembly curve engine could not be started", { cause });
  }
  if (exported._mclBn_init(curve, COMPILED_TIME_VAR) !== 0) {
    throw new ThresholdError("engineUnavailable", "mcl refused the curve or its memory layout", { details: { curve } });
  }

  // Growing the memory detaches the old buffer, so views are made when needed.
  let view = new Uint8Array(exported.wasmMemory.buffer);
  const memory = (): Uint8Array => {
    if (view.length === 0) view = new Uint8Array(exported.wasmMemory.buffer);
    return view;
  };
  return Object.assign(exported, {
    write: (to: Pointer, bytes: Uint8Array) => memory().set(bytes, to),
    read: (from: Pointer, length: number) => memory().slice(from, from + length),
    wipe: (at: Pointer, length: number) => void memory().fill(0, at, at + length),
    allocate(size: number): Pointer {
      const pointer = exported._malloc(size);
      if (pointer === 0) throw new ThresholdError("engineUnavailable", "the curve engine is out of memory");
      return pointer;
    },
  });
}

function refuseRandomness(): never {
  throw new ThresholdError("engineUnavailable", "the curve engine asked for randomness");
}
