/**
 * libsecp256k1 (https://github.com/bitcoin-core/secp256k1) as this machine has it: compiled for it in the optional package `secp256k1`, or
 * else in WebAssembly, four times slower. Of that package only the bindings are loaded: what it falls back to by itself, `elliptic`, is
 * not made for keys that matter.
 */
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import * as wasm from "tiny-secp256k1";
import { bigintToBytes, bytesToBigint, compareBytes } from "../lib/bytes.ts";
import { hexToBytes } from "../lib/hex.ts";

/** n (SEC 2, section 2.4.1). */
export const ORDER = hexToBytes("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

export interface Secp256k1 {
  readonly name: "addon" | "wasm";
  /** r ‖ s of 32 bytes by RFC 6979, s in the lower half. Throws on a secret outside [1, n), and on a digest that is not 32 bytes. */
  sign(digest: Uint8Array, secret: Uint8Array): { readonly signature: Uint8Array; readonly recoveryId: number };
  /**
   * The uncompressed key (65 bytes) that made r ‖ s, both in [1, n); undefined: there is none, because r is no x-coordinate or the key would
   * be the point at infinity. Throws whatever else goes wrong: who took that for a bad signature would disagree with everybody else.
   */
  recover(digest: Uint8Array, signature: Uint8Array, recoveryId: 0 | 1): Uint8Array | undefined;
}

/** Undefined where there is no build for this machine, or the package was left out. */
export function loadAddon(): Secp256k1 | undefined {
  let addon: Bindings;
  try {
    // CAST: the package has no types of its own; `Bindings` is what its API.md says.
    addon = createRequire(import.meta.url)("secp256k1/bindings.js") as Bindings;
  } catch {
    return undefined;
  }
  // Blinds what signing computes with, against whoever measures it.
  addon.contextRandomize(randomBytes(32));
  return {
    name: "addon",
    sign(digest, secret) {
      const { signature, recid } = addon.ecdsaSign(reduced(digest), secret);
      return { signature, recoveryId: recid };
    },
    recover: (digest, signature, recoveryId) =>
      unlessThrown("Public key could not be recover", () => addon.ecdsaRecover(signature, recoveryId, digest, false)),
  };
}

export const WASM: Secp256k1 = {
  name: "wasm",
  sign: (digest, secret) => wasm.signRecoverable(digest, secret),
  recover: (digest, signature, recoveryId) =>
    unlessThrown("Expected Signature", () => wasm.recover(digest, signature, recoveryId)) ?? undefined,
};

/** The addon's libsecp256k1 is older than the one in WebAssembly, and draws its nonce from the digest itself where RFC 6979 says modulo n. */
function reduced(digest: Uint8Array): Uint8Array {
  if (digest.length !== 32 || compareBytes(digest, ORDER) < 0) return digest;
  return bigintToBytes(bytesToBigint(digest) - bytesToBigint(ORDER), 32);
}

interface Bindings {
  contextRandomize(seed: Uint8Array): void;
  ecdsaSign(digest: Uint8Array, secret: Uint8Array): { readonly signature: Uint8Array; readonly recid: number };
  ecdsaRecover(signature: Uint8Array, recid: number, digest: Uint8Array, isCompressed: boolean): Uint8Array;
}

function unlessThrown<T>(message: string, get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if (error instanceof Error && error.message === message) return undefined;
    throw error;
  }
}
