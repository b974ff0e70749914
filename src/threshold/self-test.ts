/**
 * A known answer per suite, made with the reference engine. A fast engine that a broken WebAssembly runtime computes wrongly
 * must not start: it would sign what nobody can verify, or accept what nobody signed.
 */
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { ThresholdError } from "./errors.ts";
import type { Engine, Suite } from "./types.ts";

const SECRET = new Uint8Array(32).fill(0x17);
const MESSAGE = new Uint8Array(32).fill(0x42);
const OTHER_MESSAGE = new Uint8Array(32).fill(0x43);

const KNOWN_SIGNATURES: Readonly<Record<Suite, Hex>> = {
  "bls12-381": "0x846513c25627ef20dcefa27d05d53792b4e4068f9e326602badbde522a3496e392a75f6888b8335a9d870a27ce25deab",
  bn254:
    "0x20db83f825b9b71203cf2956bdeb914cb9f027b132ab851cd602da1144d9864a06be55a9e048e361d48b230fd46e71a1383a8f0f4109e3b6e4116b1d2451a696",
};

/** Throws engineUnavailable unless the engine signs, verifies and refuses as the reference does. */
export function selfTest(engine: Engine): void {
  const known = KNOWN_SIGNATURES[engine.suite];
  const key = engine.publicKey(SECRET);
  const isRight =
    bytesToHex(engine.sign(SECRET, MESSAGE)) === known &&
    engine.verify(key, MESSAGE, hexToBytes(known)) &&
    !engine.verify(key, OTHER_MESSAGE, hexToBytes(known));
  if (!isRight) {
    throw new ThresholdError("engineUnavailable", `the ${engine.name} engine computes ${engine.suite} wrongly here`);
  }
}
