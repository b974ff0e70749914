/**
 * secp256k1 and keccak-256, the two things that members compute most, every implementation in one run on the same inputs:
 * node scripts/bench/signatures.ts [--json]
 *
 * Times are medians of CPU microseconds per operation. `verify` recovers the signer of 65 bytes (instructions, and blocks
 * in libsecp256k1); `verify known` is noble with a table for a member's key, which is how it does blocks.
 */
import { createBlockSigner } from "../../src/consensus/signer.ts";
import { createNativeKeccak } from "../../src/keys/native-keccak.ts";
import { createNativeSigner, type NativeSigner } from "../../src/keys/native-signer.ts";
import { loadAddon, WASM } from "../../src/keys/secp256k1.ts";
import { assert } from "../../src/lib/assert.ts";
import { bigintToBytes } from "../../src/lib/bytes.ts";
import { addressOf, isSignatureBy, signDigest } from "../../src/lib/ecdsa.ts";
import { keccak256, keccak256Hex, referenceKeccak } from "../../src/lib/hash.ts";

type Name = "noble" | "wasm" | "addon";
type Runs = Partial<Record<Name, (i: number) => void>>;

interface Row {
  readonly operation: string;
  /** CPU microseconds; absent where there is no such implementation here. */
  readonly us: Readonly<Partial<Record<Name, number>>>;
  /** How many times faster than noble. */
  readonly ratio: Readonly<Partial<Record<Name, number>>>;
}

const ROUNDS = 15;
const NAMES: readonly Name[] = ["noble", "wasm", "addon"];

/** CPU time of this process so far, in microseconds: unlike wall time it does not depend on what else the machine does. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Median CPU time per call. They take turns, so that a slow spell of the machine hits all. */
function compare(operation: string, calls: number, runs: Runs): Row {
  const times = new Map<Name, number[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const name of NAMES) {
      const run = runs[name];
      if (run === undefined) continue;
      const from = cpuUs();
      for (let i = 0; i < calls; i++) run(i);
      // The first round is for warming up.
      times.set(name, round === 0 ? [] : [...times.get(name)!, (cpuUs() - from) / calls]);
    }
  }
  const us: Partial<Record<Name, number>> = {};
  for (const [name, list] of times) us[name] = list.sort((a, b) => a - b)[list.length >> 1]!;
  const ratio: Partial<Record<Name, number>> = {};
  for (const name of NAMES) if (name !== "noble" && us[name] !== undefined) ratio[name] = us.noble! / us[name];
  return { operation, us, ratio };
}

const addon = loadAddon();
const wasm = createNativeSigner(WASM);
const known = createBlockSigner();
const nativeKeccak = await createNativeKeccak();

const SIGNATURES = 64;
const secret = keccak256(bigintToBytes(1n, 32));
const author = addressOf(secret);
const digests = Array.from({ length: SIGNATURES }, (_, i) => keccak256Hex(bigintToBytes(BigInt(i), 32)));
const signatures = digests.map((digest) => wasm.sign(secret, digest));

/** What libsecp256k1 is asked, of both builds. */
function builds(ask: (signer: NativeSigner) => (i: number) => void): Runs {
  return { wasm: ask(wasm), ...(addon === undefined ? {} : { addon: ask(createNativeSigner(addon)) }) };
}

function verifyWith(verify: (digest: `0x${string}`, signature: `0x${string}`) => boolean): (i: number) => void {
  return (i) => assert(verify(digests[i % SIGNATURES]!, signatures[i % SIGNATURES]!), "a good signature is refused");
}

const verify = builds((signer) => verifyWith((digest, signature) => signer.verify(digest, signature, author)));
const rows: Row[] = [
  compare("verify", 20, {
    noble: verifyWith((digest, signature) => isSignatureBy(author, digest, signature)),
    ...verify,
  }),
  compare("verify known", 20, {
    noble: verifyWith((digest, signature) => known.verify(digest, signature, author)),
    ...verify,
  }),
  compare("sign", 20, {
    noble: (i) => signDigest(secret, digests[i % SIGNATURES]!),
    ...builds((signer) => (i) => signer.sign(secret, digests[i % SIGNATURES]!)),
  }),
];
for (const [bytes, calls] of [
  [64, 2000],
  [200, 2000],
  [4096, 200],
  [65_536, 20],
] as const) {
  const input = new Uint8Array(bytes).fill(7);
  const runs = { noble: () => referenceKeccak.hash(input), wasm: () => nativeKeccak.hash(input) };
  rows.push(compare(`keccak-256 of ${bytes} bytes`, calls, runs));
}
if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ rows }, null, 2));
} else {
  console.log("operation".padEnd(26) + NAMES.map((name) => `${name} µs`.padStart(18)).join(""));
  for (const { operation, us, ratio } of rows) {
    const cells = NAMES.map((name) => {
      if (us[name] === undefined) return "";
      return us[name].toFixed(1) + (ratio[name] === undefined ? "" : ` (${ratio[name].toFixed(1)}×)`);
    });
    console.log(operation.padEnd(26) + cells.map((cell) => cell.padStart(18)).join(""));
  }
}
