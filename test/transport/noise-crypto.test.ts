import { pureJsCrypto } from "@chainsafe/libp2p-noise";
import { expect } from "chai";
import fc from "fast-check";
import { Uint8ArrayList } from "uint8arraylist";
import { noiseCrypto } from "../../src/transport/noise-crypto.ts";

const flat = (bytes: Uint8Array | Uint8ArrayList): Uint8Array => Uint8Array.from(bytes.subarray());

/** The same bytes in one piece, or cut in two. */
function cut(bytes: Uint8Array, at: number): Uint8Array | Uint8ArrayList {
  const place = at % (bytes.length + 1);
  return at % 3 === 0 ? bytes : new Uint8ArrayList(bytes.slice(0, place), bytes.slice(place));
}

describe("transport/noise-crypto", () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
  const additional = fc.uint8Array({ maxLength: 32 });
  // Both sides of the length from which on Node's cipher takes over, and the longest record.
  const plaintext = fc
    .oneof(fc.nat(40), fc.integer({ min: 480, max: 560 }), fc.constantFrom(5_000, 65_519))
    .map((length) => Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255));

  it("is the reference's cipher, whatever pieces the bytes come in", () => {
    const property = fc.property(key, nonce, additional, plaintext, fc.nat(), (k, n, ad, text, at) => {
      const expected = flat(pureJsCrypto.chaCha20Poly1305Encrypt(text, n, ad, k));
      expect(flat(noiseCrypto.chaCha20Poly1305Encrypt(cut(text, at), n, ad, k))).to.deep.equal(expected);
      const into = new Uint8Array(text.length);
      expect(flat(noiseCrypto.chaCha20Poly1305Decrypt(cut(expected, at), n, ad, k, into))).to.deep.equal(text);
    });
    fc.assert(property, { numRuns: 60 });
  });

  it("refuses what was changed, has another nonce or another key", () => {
    const property = fc.property(key, nonce, additional, plaintext, fc.nat(), (k, n, ad, text, at) => {
      const good = flat(noiseCrypto.chaCha20Poly1305Encrypt(text, n, ad, k));
      const flip = (bytes: Uint8Array): Uint8Array => {
        const other = bytes.slice();
        other[at % other.length]! ^= 1;
        return other;
      };
      expect(() => noiseCrypto.chaCha20Poly1305Decrypt(flip(good), n, ad, k)).to.throw();
      expect(() => noiseCrypto.chaCha20Poly1305Decrypt(good.slice(), flip(n), ad, k)).to.throw();
      expect(() => noiseCrypto.chaCha20Poly1305Decrypt(good.slice(), n, ad, flip(k))).to.throw();
    });
    fc.assert(property, { numRuns: 60 });
  });
});
