import { expect } from "chai";
import fc from "fast-check";
import { hashTypedData, recoverAddress as viemRecover } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { bigintToBytes, bytesToBigint, compareBytes, concatBytes, equalBytes } from "../../src/lib/bytes.ts";
import { addressOf, isSignatureBy, recoverAddress, signDigest } from "../../src/lib/ecdsa.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash, word } from "../../src/lib/eip712.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../../src/lib/hex.ts";
import { divCeil, divFloor, maxFaulty, quorumOf } from "../../src/lib/math.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const secret = bytes32.filter((bytes) => bytesToBigint(bytes) > 0n && bytes[0]! < 0xff);
/** Order of secp256k1. */
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

describe("lib", () => {
  it("hex and bytes are inverse to each other, and refuse anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(equalBytes(hexToBytes(bytesToHex(bytes)), bytes)).to.equal(true);
      }),
    );
    for (const bad of ["", "0", "0x0", "0xzz", "00", "0x 0", "0x0g", "0X00"]) {
      expect(() => hexToBytes(bad), bad).to.throw(RangeError);
      expect(isHex(bad), bad).to.equal(false);
    }
    expect(isHex("0x00", 1)).to.equal(true);
    expect(isHex("0x00", 2)).to.equal(false);
  });

  it("big-endian integers round-trip and never wrap", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), (value) => {
        expect(bytesToBigint(bigintToBytes(value, 32))).to.equal(value);
      }),
    );
    expect(() => bigintToBytes(256n, 1)).to.throw(RangeError);
    expect(() => bigintToBytes(-1n, 8)).to.throw(RangeError);
    expect(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).to.equal(-1);
    expect([...concatBytes(Uint8Array.of(1), Uint8Array.of(2, 3))]).to.deep.equal([1, 2, 3]);
  });

  it("divides towards the side its name says, for all signs", () => {
    fc.assert(
      fc.property(
        fc.bigInt(),
        fc.bigInt().filter((b) => b !== 0n),
        (a, b) => {
          const [floor, ceil] = [divFloor(a, b), divCeil(a, b)];
          const isBetween = b > 0n ? floor * b <= a && a <= ceil * b : floor * b >= a && a >= ceil * b;
          expect(isBetween).to.equal(true);
          expect(ceil - floor).to.equal(a % b === 0n ? 0n : 1n);
        },
      ),
    );
  });

  it("tolerates f of n with a quorum of n − f: two quorums meet in an honest member", () => {
    for (let n = 1; n <= 100; n++) {
      const [f, q] = [maxFaulty(n), quorumOf(n)];
      expect(3 * f).to.be.below(n);
      expect(2 * q - n).to.be.greaterThan(f);
      expect(q).to.be.at.most(n - f);
    }
    expect(quorumOf(5)).to.equal(4);
  });

  it("signs as Ethereum wallets do and recovers what they sign", async () => {
    await fc.assert(
      fc.asyncProperty(secret, bytes32, async (key, message) => {
        const [account, digest] = [privateKeyToAccount(bytesToHex(key)), bytesToHex(message)];
        const signature = signDigest(key, digest);
        expect(signature).to.equal(await account.sign({ hash: digest }));
        expect(recoverAddress(digest, signature)).to.equal(account.address.toLowerCase());
        expect((await viemRecover({ hash: digest, signature })).toLowerCase()).to.equal(addressOf(key));
      }),
      { numRuns: 20 },
    );
  });

  it("accepts one encoding per signature: no high s, no other v, no other length", () => {
    const key = bigintToBytes(7n, 32);
    const digest: Hex = `0x${"ab".repeat(32)}`;
    const signature = hexToBytes(signDigest(key, digest));
    const s = bytesToBigint(signature.subarray(32, 64));
    const highS = concatBytes(signature.subarray(0, 32), bigintToBytes(N - s, 32), Uint8Array.of(55 - signature[64]!));
    const mutants = [
      highS,
      concatBytes(signature.subarray(0, 64), Uint8Array.of(signature[64]! - 27)),
      concatBytes(signature, Uint8Array.of(0)),
      signature.subarray(0, 64),
      concatBytes(new Uint8Array(32), signature.subarray(32)),
      concatBytes(signature.subarray(0, 32), new Uint8Array(32), signature.subarray(64)),
    ];
    for (const mutant of mutants) expect(isSignatureBy(addressOf(key), digest, bytesToHex(mutant))).to.equal(false);
    expect(isSignatureBy(addressOf(key), digest, bytesToHex(signature))).to.equal(true);
  });

  it("hashes typed data as viem does", () => {
    const committeeId: Hex = `0x${"cd".repeat(32)}`;
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.bigInt({ min: -(1n << 255n), max: (1n << 255n) - 1n }),
        bytes32,
        (a, b, c) => {
          const struct = hashStruct(
            typeHash("Thing(uint64 a,int256 b,bytes32 c)"),
            word(a),
            word(b),
            word(bytesToHex(c)),
          );
          const expected = hashTypedData({
            domain: { name: "Clockless", version: "1", salt: committeeId },
            types: {
              Thing: [
                { name: "a", type: "uint64" },
                { name: "b", type: "int256" },
                { name: "c", type: "bytes32" },
              ],
            },
            primaryType: "Thing",
            message: { a, b, c: bytesToHex(c) },
          });
          expect(typedDigest(domainSeparator(committeeId), struct)).to.equal(expected);
        },
      ),
      { numRuns: 30 },
    );
  });
});
