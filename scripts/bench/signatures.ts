/**
 * secp256k1 and keccak-256, the two things that members compute most, both implementations of each in one run on the same
 * inputs: node scripts/bench/signatures.ts [--json]
 *
 * Times are medians of CPU microseconds per operation. `verify` recovers the signer of 65 bytes (instructions, and blocks
 * in libsecp256k1); `verify known` is noble with a table for a member's key, which is how it does blocks.
 */
import { createBlockSigner } from "../../src/consensus/signer.ts";
import { createNativeKeccak } from "../../src/keys/native-keccak.ts";
import { createNativeSigner } from "../../src/keys/native-signer.ts";
import { assert } from "../../src/lib/assert.ts";
import { bigintToBytes } from "../../src/lib/bytes.ts";
import { addressOf, isSignatureBy, signDigest } from "../../src/lib/ecdsa.ts";
import { keccak256, keccak256Hex, referenceKeccak } from "../../src/lib/hash.ts";

interface Row {
  readonly operation: string;
  readonly nobleUs: number;
  readonly wasmUs: number;
  /** How many times faster WebAssembly is. */
  readonly ratio: number;
}

const ROUNDS = 15;

/** CPU time of this process so far, in microseconds: unlike wall time it does not depend on what else the machine does. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Median CPU time per call. The two take turns, so that a slow spell of the machine hits both. */
function compare(operation: string, calls: number, noble: (i: number) => void, wasm: (i: number) => void): Row {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    [noble, wasm].forEach((run, which) => {
      const from = cpuUs();
      for (let i = 0; i < calls; i++) run(i);
      // The first round is for warming up.
      if (round > 0) times[which]!.push((cpuUs() - from) / calls);
    });
  }
  const [nobleUs, wasmUs] = times.map((list) => list.sort((a, b) => a - b)[list.length >> 1]!);
  return { operation, nobleUs: nobleUs!, wasmUs: wasmUs!, ratio: nobleUs! / wasmUs! };
}

const native = createNativeSigner();
const known = createBlockSigner();
const nativeKeccak = await createNativeKeccak();

const SIGNATURES = 64;
const secret = keccak256(bigintToBytes(1n, 32));
const author = addressOf(secret);
const digests = Array.from({ length: SIGNATURES }, (_, i) => keccak256Hex(bigintToBytes(BigInt(i), 32)));
const signatures = digests.map((digest) => native.sign(secret, digest));

function verifyWith(verify: (digest: `0x${string}`, signature: `0x${string}`) => boolean): (i: number) => void {
  return (i) => assert(verify(digests[i % SIGNATURES]!, signatures[i % SIGNATURES]!), "a good signature is refused");
}

const verifyNative = verifyWith((digest, signature) => native.verify(digest, signature, author));
const rows: Row[] = [
  compare(
    "verify",
    20,
    verifyWith((digest, signature) => isSignatureBy(author, digest, signature)),
    verifyNative,
  ),
  compare(
    "verify known",
    20,
    verifyWith((digest, signature) => known.verify(digest, signature, author)),
    verifyNative,
  ),
  compare(
    "sign",
    20,
    (i) => signDigest(secret, digests[i % SIGNATURES]!),
    (i) => native.sign(secret, digests[i % SIGNATURES]!),
  ),
];
for (const [bytes, calls] of [
  [64, 2000],
  [200, 2000],
  [4096, 200],
  [65_536, 20],
] as const) {
  const input = new Uint8Array(bytes).fill(7);
  rows.push(
    compare(
      `keccak-256 of ${bytes} bytes`,
      calls,
      () => referenceKeccak.hash(input),
      () => nativeKeccak.hash(input),
    ),
  );
}
if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ rows }, null, 2));
} else {
  console.log(`${"operation".padEnd(26)}${"noble µs".padStart(10)}${"wasm µs".padStart(10)}${"ratio".padStart(8)}`);
  for (const { operation, nobleUs, wasmUs, ratio } of rows) {
    console.log(
      operation.padEnd(26) +
        nobleUs.toFixed(1).padStart(10) +
        wasmUs.toFixed(1).padStart(10) +
        `${ratio.toFixed(1)}×`.padStart(8),
    );
  }
}
