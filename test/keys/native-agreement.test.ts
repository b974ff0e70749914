import { expect } from "chai";
import fc from "fast-check";
import { createNativeKeyAgreement } from "../../src/keys/native-agreement.ts";
import { hexToBytes } from "../../src/lib/hex.ts";
import { createKeyAgreement } from "../../src/threshold/key-agreement.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Points of order 1, 2, 4 and 8, of the curve and its twist, in canonical and other encodings (RFC 7748, section 6.1; cr.yp.to/ecdh.html). */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => hexToBytes(`0x${hex}`));

describe("keys/native-agreement", () => {
  const native = createNativeKeyAgreement();
  const portable = createKeyAgreement();

  it("agrees with RFC 7748, section 5.2: scalar, u-coordinate, product", () => {
    const scalar = hexToBytes("0xa546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    const u = hexToBytes("0xe6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    const product = hexToBytes("0xc3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    expect(native.sharedWithForeign(scalar, u)).to.deep.equal(product);
  });

  it("gives the bytes of the portable one, for every secret and every key", () => {
    fc.assert(
      fc.property(bytes32, bytes32, bytes32, (secret, other, foreign) => {
        expect(native.publicKey(secret)).to.deep.equal(portable.publicKey(secret));
        const keys = [portable.publicKey(other), portable.publicKey(foreign)];
        expect(native.shared(secret, keys, true)).to.deep.equal(portable.shared(secret, keys, false));
        expect(native.sharedWithForeign(secret, foreign)).to.deep.equal(portable.sharedWithForeign(secret, foreign));
      }),
      { numRuns: 100 },
    );
  });

  it("knows a shared secret of zero, and never admits the keys that make one", () => {
    const secret = new Uint8Array(32).fill(7);
    for (const key of LOW_ORDER) {
      expect(native.sharedWithForeign(secret, key)).to.equal(undefined);
      expect(portable.sharedWithForeign(secret, key)).to.equal(undefined);
      expect(() => native.shared(secret, [key], false))
        .to.throw()
        .with.property("code", "invalidPoint");
    }
  });

  it("refuses secrets of another length", () => {
    expect(() => native.publicKey(new Uint8Array(31)))
      .to.throw()
      .with.property("code", "invalidSecret");
  });
});
