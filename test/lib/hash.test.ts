import { expect } from "chai";
import fc from "fast-check";
import { keccak256 as viemKeccak } from "viem";
import { createNativeKeccak } from "../../src/keys/native-keccak.ts";
import { InvariantError } from "../../src/lib/assert.ts";
import {
  createKeccakStream,
  type Keccak,
  keccak256,
  keccak256Hex,
  keccakOfHex,
  referenceKeccak,
  useKeccak,
} from "../../src/lib/hash.ts";
import { bytesToHex } from "../../src/lib/hex.ts";

const pieces = fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 12 });

/** Differs from the reference where `isWrong` says so. */
function wrongWhere(isWrong: (bytes: Uint8Array) => boolean): Keccak {
  return {
    ...referenceKeccak,
    hash(bytes) {
      const digest = referenceKeccak.hash(bytes);
      if (isWrong(bytes)) digest[31]! ^= 1;
      return digest;
    },
  };
}

describe("lib/hash", () => {
  afterEach(() => useKeccak(referenceKeccak));

  for (const name of ["reference", "native"] as const) {
    describe(`with the ${name} keccak`, () => {
      let installed: Keccak;
      before(async () => {
        installed = name === "reference" ? referenceKeccak : await createNativeKeccak();
      });
      beforeEach(() => useKeccak(installed));

      it("is Ethereum's keccak-256: whole, as hex, and in pieces", () => {
        fc.assert(
          fc.property(pieces, (parts) => {
            const whole = Uint8Array.from(parts.flatMap((part) => [...part]));
            const expected = viemKeccak(whole);
            expect(keccak256Hex(whole)).to.equal(expected);
            expect(bytesToHex(keccak256(whole))).to.equal(expected);
            expect(keccakOfHex(...parts.map(bytesToHex))).to.equal(expected);
            const stream = createKeccakStream();
            for (const part of parts) {
              stream.update(part);
              keccak256(part);
            }
            expect(bytesToHex(stream.digest())).to.equal(expected);
            expect(bytesToHex(stream.digest())).to.equal(expected);
          }),
          { numRuns: 200 },
        );
      });

      it("gives out memory of its own, and refuses halves of bytes even where two make a whole", () => {
        const first = keccak256(Uint8Array.of(1));
        const copy = first.slice();
        keccak256(Uint8Array.of(2));
        expect(first).to.deep.equal(copy);
        expect(() => keccakOfHex("0x0", "0x0")).to.throw(RangeError);
      });

      it("hashes long inputs in one piece and in any pieces alike", () => {
        const long = new Uint8Array(100_000).map((_, i) => i * 31);
        for (const size of [1000, 4095, 4096, 4097, 16_384, 99_999]) {
          const stream = createKeccakStream();
          for (let at = 0; at < long.length; at += size) stream.update(long.subarray(at, at + size));
          expect(bytesToHex(stream.digest()), String(size)).to.equal(viemKeccak(long));
        }
      });
    });
  }

  describe("installing", () => {
    const shared = new Uint8Array(32);
    const bad: Readonly<Record<string, Keccak>> = {
      "wrong everywhere": wrongWhere(() => true),
      "wrong at one length only": wrongWhere((bytes) => bytes.length === 135),
      "wrong beyond what fits at once": wrongWhere((bytes) => bytes.length > 16_384),
      "one memory for all digests": {
        ...referenceKeccak,
        hash(bytes) {
          shared.set(referenceKeccak.hash(bytes));
          return shared;
        },
      },
      "changes its input": {
        ...referenceKeccak,
        hash(bytes) {
          const digest = referenceKeccak.hash(bytes);
          bytes.fill(0);
          return digest;
        },
      },
      "one state for all streams": (() => {
        const only = referenceKeccak.createStream();
        return { ...referenceKeccak, createStream: () => only };
      })(),
      "streams that end with the first digest": {
        ...referenceKeccak,
        createStream() {
          let stream = referenceKeccak.createStream();
          return {
            update: (bytes) => stream.update(bytes),
            digest() {
              const digest = stream.digest();
              stream = referenceKeccak.createStream();
              return digest;
            },
          };
        },
      },
    };
    for (const [name, keccak] of Object.entries(bad)) {
      it(`refuses one that is not keccak-256 and keeps what there was: ${name}`, () => {
        expect(() => useKeccak(keccak)).to.throw(InvariantError);
        expect(keccak256Hex(new Uint8Array(135))).to.equal(viemKeccak(new Uint8Array(135)));
      });
    }
  });
});
