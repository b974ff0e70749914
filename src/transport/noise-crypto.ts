/**
 * Noise's cipher, ChaCha20-Poly1305, as members use it: megabytes a second under two keys per connection.
 *
 * The library's own choice hands Node the raw key for every record, and Node then spends more on looking at the key than on encrypting:
 * 15 to 19 µs a record, of 20 to 70. Here a key is made an object once. Short records stay with the library's WebAssembly, which is faster
 * for them. Everything else (handshake, hashes) is the library's.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import type { ICryptoInterface } from "@chainsafe/libp2p-noise";
import { defaultCrypto } from "@chainsafe/libp2p-noise/crypto";
import { Uint8ArrayList } from "uint8arraylist";

const ALGORITHM = "chacha20-poly1305";
const TAG_BYTES = 16;
/** Up to here WebAssembly is faster, measured with key objects. */
const SHORT_BYTES = 512;

/** By the very array that a cipher state holds: it lives as long as the connection and never changes. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

function keyObjectOf(key: Uint8Array): KeyObject {
  let object = keyObjects.get(key);
  if (object === undefined) {
    object = createSecretKey(key);
    keyObjects.set(key, object);
  }
  return object;
}

export const noiseCrypto: ICryptoInterface = {
  ...defaultCrypto,

  chaCha20Poly1305Encrypt(plaintext, nonce, additional, key) {
    if (plaintext.byteLength <= SHORT_BYTES)
      return defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, additional, key);
    const cipher = createCipheriv(ALGORITHM, keyObjectOf(key), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(additional, { plaintextLength: plaintext.byteLength });
    const output = new Uint8ArrayList();
    for (const part of plaintext instanceof Uint8Array ? [plaintext] : plaintext) output.append(cipher.update(part));
    // A stream cipher has nothing left to say here.
    cipher.final();
    output.append(cipher.getAuthTag());
    return output;
  },

  chaCha20Poly1305Decrypt(ciphertext, nonce, additional, key, into) {
    if (ciphertext.byteLength <= SHORT_BYTES + TAG_BYTES)
      return defaultCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, additional, key, into);
    const length = ciphertext.byteLength - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, keyObjectOf(key), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(additional, { plaintextLength: length });
    decipher.setAuthTag(ciphertext.subarray(length));
    let output: Uint8Array | Uint8ArrayList;
    if (ciphertext instanceof Uint8Array) output = decipher.update(ciphertext.subarray(0, length));
    else {
      output = new Uint8ArrayList();
      for (const part of ciphertext.sublist(0, length)) output.append(decipher.update(part));
    }
    // Throws unless the tag is right; nothing that was deciphered is used then.
    decipher.final();
    return output;
  },
};
