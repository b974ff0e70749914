/**
 * The deals' group on mcl's WebAssembly, in an instance of its own. An element is a copy of mcl's 288 bytes (Jacobian
 * coordinates) on the JavaScript side, so that nothing has to be freed.
 */
import { assert } from "../lib/assert.ts";
import { equalBytes } from "../lib/bytes.ts";
import type { DealEngine, GroupElement } from "./deal-engine.ts";
import { createNobleDealEngine } from "./deal-engine-noble.ts";
import { ThresholdError } from "./errors.ts";
import { createMclBls12381 } from "./mcl-bls12381.ts";
import { createMclBn254 } from "./mcl-bn254.ts";
import { FR_SIZE, G2_SIZE, type Pointer } from "./mcl-module.ts";
import { checkScalar, ORDERS, SCALAR_BYTES } from "./scalar.ts";
import { writeScalar } from "./scalar-bytes.ts";
import type { Suite } from "./types.ts";

// CAST: elements are made by this engine only, and are byte arrays (GroupElement is opaque to everybody else).
const reveal = (element: GroupElement): Uint8Array => element as unknown as Uint8Array;
// CAST: the way back.
const conceal = (bytes: Uint8Array): GroupElement => bytes as unknown as GroupElement;

/** Starts the engine and checks it against the reference. Throws engineUnavailable. */
export async function createMclDealEngine(suite: Suite): Promise<DealEngine> {
  const curve = await (suite === "bn254" ? createMclBn254() : createMclBls12381());
  const { mcl } = curve;
  const order = ORDERS[suite];
  const identity = createNobleDealEngine(suite);
  const identityBytes = identity.encode(identity.commitPublic(0n));

  const scalarBytes = mcl.allocate(SCALAR_BYTES);
  const scalar = mcl.allocate(FR_SIZE);
  const generator = mcl.allocate(G2_SIZE);
  const a = mcl.allocate(G2_SIZE);
  const b = mcl.allocate(G2_SIZE);
  const staging = new Uint8Array(SCALAR_BYTES);
  if (!curve.decodePublicKey(generator, curve.generator)) {
    throw new ThresholdError("engineUnavailable", "the curve engine refuses its own generator");
  }

  const loadScalar = (to: Pointer, value: bigint): void => {
    checkScalar(value, order);
    writeScalar(staging, 0, value);
    mcl.write(scalarBytes, staging);
    mcl._mclBnFr_setBigEndianMod(to, scalarBytes, SCALAR_BYTES);
  };
  const load = (to: Pointer, element: GroupElement): void => mcl.write(to, reveal(element));
  const result = (from: Pointer): GroupElement => conceal(mcl.read(from, G2_SIZE));

  const engine: DealEngine = {
    name: "mcl",
    suite,
    order,
    pointLength: curve.publicKeyLength,

    commit(value) {
      try {
        loadScalar(scalar, value);
        mcl._mclBnG2_mulCT(a, generator, scalar);
        return result(a);
      } finally {
        staging.fill(0);
        mcl.wipe(scalarBytes, SCALAR_BYTES);
        mcl.wipe(scalar, FR_SIZE);
      }
    },
    commitPublic(value) {
      loadScalar(scalar, value);
      mcl._mclBnG2_mul(a, generator, scalar);
      return result(a);
    },
    add(x, y) {
      load(a, x);
      load(b, y);
      mcl._mclBnG2_add(a, a, b);
      return result(a);
    },
    subtract(x, y) {
      load(a, x);
      load(b, y);
      mcl._mclBnG2_sub(a, a, b);
      return result(a);
    },
    combine(elements, scalars) {
      assert(elements.length === scalars.length && elements.length > 0, "one scalar per element");
      const points = mcl.allocate(elements.length * G2_SIZE);
      const factors = mcl.allocate(elements.length * FR_SIZE);
      try {
        elements.forEach((element, j) => {
          load(points + j * G2_SIZE, element);
          loadScalar(factors + j * FR_SIZE, scalars[j]!);
        });
        mcl._mclBnG2_mulVec(a, points, factors, elements.length);
        return result(a);
      } finally {
        mcl._free(factors);
        mcl._free(points);
      }
    },
    evaluate(elements, x) {
      assert(x > 0 && elements.length > 0, "a polynomial at a member's coordinate");
      // Horner; times x by doubling and adding, because x has few bits and mcl's multiplication always works on all 255.
      const bits = [...x.toString(2)].slice(1);
      load(a, elements.at(-1)!);
      for (let j = elements.length - 2; j >= 0; j--) {
        mcl.write(b, mcl.read(a, G2_SIZE));
        for (const bit of bits) {
          mcl._mclBnG2_dbl(a, a);
          if (bit === "1") mcl._mclBnG2_add(a, a, b);
        }
        load(b, elements[j]!);
        mcl._mclBnG2_add(a, a, b);
      }
      return result(a);
    },
    equals(x, y) {
      load(a, x);
      load(b, y);
      return mcl._mclBnG2_isEqual(a, b) === 1;
    },
    decode: (bytes) => (curve.decodePublicKey(a, bytes) ? result(a) : undefined),
    encode(element) {
      load(a, element);
      return mcl._mclBnG2_isZero(a) === 1 ? Uint8Array.from(identityBytes) : curve.encodePublicKey(a);
    },
  };
  selfTest(engine, identity);
  return engine;
}

/** A broken WebAssembly runtime must not decide who dealt wrongly. */
function selfTest(engine: DealEngine, reference: DealEngine): void {
  const encodings = [engine, reference].map((group) => {
    const element = group.commit(group.order - 17n);
    const sum = group.combine([element, group.commitPublic(5n)], [group.order - 2n, 1n << 200n]);
    return group.encode(group.evaluate([group.subtract(sum, element), group.add(sum, element)], 101));
  });
  if (!equalBytes(encodings[0]!, encodings[1]!)) {
    throw new ThresholdError("engineUnavailable", `the ${engine.name} engine computes ${engine.suite} wrongly here`);
  }
}
