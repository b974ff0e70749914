/** Where peers say that they are found. What a new member announced is its own word: an address nobody can use costs it its calls. */
import { multiaddr } from "@multiformats/multiaddr";
import type { Hex } from "../lib/hex.ts";
import { peerIdOf } from "./identity.ts";

/** The addresses that parse and name no other peer than the one with this key. Throws TransportError `identityMismatch` on a malformed key. */
export function usableAddresses(addresses: readonly string[], publicKey: Hex): string[] {
  const id = peerIdOf(publicKey);
  return addresses.filter((text) => {
    try {
      const named = multiaddr(text)
        .getComponents()
        .findLast((component) => component.name === "p2p")?.value;
      return named === undefined || named === id;
    } catch {
      return false;
    }
  });
}
