/** What the verifier tests share: real beacons, keys and proofs in the encodings the contracts take. */
import { readFileSync } from "node:fs";
import type { Context } from "mocha";
import { bigintToBytes } from "../../../src/lib/bytes.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../../src/lib/hex.ts";
import { createNobleEngine } from "../../../src/threshold/engine-noble.ts";
import { encodeProof, encodePublicKeyForVerifier } from "../../../src/threshold/evm.ts";
import type { Suite } from "../../../src/threshold/types.ts";

export const VERIFIER: Record<Suite, string> = { "bls12-381": "Bls12381Verifier", bn254: "Bn254Verifier" };
export const PROOF_BYTES: Record<Suite, number> = { "bls12-381": 96, bn254: 224 };

/** Reads a file of external vectors, which live next to the repository and are never copied into it; skips without it. */
export function readVectors<T>(test: Context, name: string): T {
  const url = new URL(`../../../../shared/vectors/${name}`, import.meta.url);
  try {
    return JSON.parse(readFileSync(url, "utf8"));
  } catch {
    console.log(`skipped: vectors ${name} are not here`);
    return test.skip();
  }
}

export interface Signed {
  readonly label: string;
  readonly digest: Uint8Array;
  readonly proof: Uint8Array;
  /** As the verifier's constructor takes it. */
  readonly key: Uint8Array;
}

interface Chain {
  readonly public_key: string;
  readonly rounds: readonly { readonly round: number; readonly message: string; readonly signature: string }[];
}

/** Every beacon of the live network that uses the suite. */
export function readBeacons(test: Context, suite: Suite): Signed[] {
  const drand = readVectors<{ quicknet: Chain; evmnet: Chain }>(test, "drand.json");
  const chain = suite === "bn254" ? drand.evmnet : drand.quicknet;
  const key = encodePublicKeyForVerifier(suite, hexToBytes(`0x${chain.public_key}`));
  return chain.rounds.map(({ round, message, signature }) => {
    const digest = hexToBytes(`0x${message}`);
    return { label: `round ${round}`, digest, key, proof: encodeProof(suite, hexToBytes(`0x${signature}`), digest) };
  });
}

/** A signature of our own, so that a test does not depend on foreign files. */
export function sign(suite: Suite, digest: Uint8Array, secret = 0x1234_5678_9abcn): Signed {
  const engine = createNobleEngine(suite);
  const secretBytes = bigintToBytes(secret, 32);
  return {
    label: `secret ${secret}`,
    digest,
    key: encodePublicKeyForVerifier(suite, engine.publicKey(secretBytes)),
    proof: encodeProof(suite, engine.sign(secretBytes, digest), digest),
  };
}

/** A copy with one bit of one byte turned over. */
export function flipBit(bytes: Uint8Array, index: number, bit = 0): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[index] = copy[index]! ^ (1 << bit);
  return copy;
}

/** A copy with a 32-byte word replaced. */
export function withWord(bytes: Uint8Array, index: number, word: bigint): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(bigintToBytes(word, 32), 32 * index);
  return copy;
}

export const hex = (bytes: Uint8Array): Hex => bytesToHex(bytes);
