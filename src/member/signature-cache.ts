/**
 * Remembers which (digest, signature, address) were valid, so that an instruction is verified once: when it arrives, not again
 * when it is ordered. Only positive verdicts are kept (an attacker can make endless false ones), oldest dropped first.
 */
import type { Address, Hex } from "../lib/hex.ts";
import type { IdentityScheme } from "./types.ts";

/** About 100 bytes an entry: a few megabytes, and more than a full mempool. */
const MAX_ENTRIES = 65_536;

export class SignatureCache {
  readonly #identities: IdentityScheme;
  readonly #valid = new Set<string>();

  constructor(identities: IdentityScheme) {
    this.#identities = identities;
  }

  readonly verify = (digest: Hex, signature: Hex, address: Address): boolean => {
    const key = `${digest}${signature}${address}`;
    if (this.#valid.has(key)) return true;
    if (!this.#identities.verify(digest, signature, address)) return false;
    if (this.#valid.size >= MAX_ENTRIES) {
      for (const oldest of this.#valid) {
        this.#valid.delete(oldest);
        break;
      }
    }
    this.#valid.add(key);
    return true;
  };
}
