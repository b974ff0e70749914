/** X25519 of the platform (OpenSSL, through node:crypto) behind the interface that deals use. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import type { KeyAgreement } from "../../src/threshold/key-agreement.ts";

// DER headers of RFC 8410 in front of 32 raw bytes: PKCS #8 and SubjectPublicKeyInfo for X25519.
const PRIVATE_HEADER = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_HEADER = Buffer.from("302a300506032b656e032100", "hex");

export function createNativeKeyAgreement(): KeyAgreement {
  const known = new Map<Hex, KeyObject>();
  const importPrivate = (secret: Uint8Array): KeyObject =>
    createPrivateKey({ key: Buffer.concat([PRIVATE_HEADER, secret]), format: "der", type: "pkcs8" });
  const importPublic = (bytes: Uint8Array): KeyObject =>
    createPublicKey({ key: Buffer.concat([PUBLIC_HEADER, bytes]), format: "der", type: "spki" });
  const recipient = (bytes: Uint8Array): KeyObject => {
    const id = bytesToHex(bytes);
    const key = known.get(id) ?? importPublic(bytes);
    known.set(id, key);
    return key;
  };

  return {
    publicKey: (secret) =>
      new Uint8Array(createPublicKey(importPrivate(secret)).export({ format: "der", type: "spki" }).subarray(-32)),
    shared(secret, publicKeys) {
      const privateKey = importPrivate(secret);
      return publicKeys.map((key) => new Uint8Array(diffieHellman({ privateKey, publicKey: recipient(key) })));
    },
    sharedWithForeign(secret, publicKey) {
      try {
        return new Uint8Array(diffieHellman({ privateKey: importPrivate(secret), publicKey: importPublic(publicKey) }));
      } catch {
        // OpenSSL refuses a zero result, as RFC 7748 advises.
        return undefined;
      }
    },
  };
}
