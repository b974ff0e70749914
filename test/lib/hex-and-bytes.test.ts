import { expect } from "chai";
import * as fc from "fast-check";
import { bigintToBytes, bytesToBigint } from "../../src/lib/bytes.ts";
import { bytesToHex, hexToBytes, isHex } from "../../src/lib/hex.ts";

const PLAIN = /^0x(?:[0-9a-fA-F]{2})*$/;

describe("lib: hex and bytes", () => {
  it("decodes what it encodes, in either case", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const hex = bytesToHex(bytes);
        expect(hex).to.equal(`0x${Buffer.from(bytes).toString("hex")}`);
        expect(hexToBytes(hex)).to.deep.equal(bytes);
        expect(hexToBytes(`0x${hex.slice(2).toUpperCase()}`)).to.deep.equal(bytes);
        expect(isHex(hex, bytes.length)).to.equal(true);
        expect(isHex(hex, bytes.length + 1)).to.equal(false);
      }),
    );
  });

  it("refuses everything that is not whole bytes of hexadecimal digits behind 0x", () => {
    const near = fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEFxXgG/:@`Āİ0 \n\u0130\uff11".split("")) });
    fc.assert(
      fc.property(
        fc.oneof(
          near,
          near.map((text) => `0x${text}`),
          fc.string(),
        ),
        (text) => {
          const expected = PLAIN.test(text);
          expect(isHex(text)).to.equal(expected);
          if (expected) expect(bytesToHex(hexToBytes(text))).to.equal(text.toLowerCase());
          else expect(() => hexToBytes(text)).to.throw(RangeError);
        },
      ),
      { numRuns: 2000 },
    );
    for (const text of ["", "0", "0x", "x0", "00", "0x0", "0xg0", "0x0g", "0x00\n", " 0x00"])
      expect(isHex(text), JSON.stringify(text)).to.equal(PLAIN.test(text));
    for (const value of [undefined, null, 12, 12n, {}, ["0x"]]) expect(isHex(value)).to.equal(false);
  });

  it("writes integers big-endian into exactly so many bytes, and refuses those that do not fit", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -4n, max: 1n << 260n }), fc.integer({ min: 0, max: 33 }), (value, size) => {
        if (value < 0n || value >> BigInt(8 * size) !== 0n) {
          expect(() => bigintToBytes(value, size)).to.throw(RangeError);
          return;
        }
        const bytes = bigintToBytes(value, size);
        expect(bytes).to.have.length(size);
        let sum = 0n;
        for (const byte of bytes) sum = (sum << 8n) | BigInt(byte);
        expect(sum).to.equal(value);
        expect(bytesToBigint(bytes)).to.equal(value);
      }),
      { numRuns: 500 },
    );
    expect(bigintToBytes(0n, 0)).to.deep.equal(new Uint8Array());
    expect(bytesToBigint(new Uint8Array())).to.equal(0n);
    for (const size of [1, 8, 32]) {
      const edge = 1n << BigInt(8 * size);
      expect(bytesToBigint(bigintToBytes(edge - 1n, size))).to.equal(edge - 1n);
      expect(() => bigintToBytes(edge, size)).to.throw(RangeError);
    }
  });
});
