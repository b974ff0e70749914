import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import fc from "fast-check";
import { createNativeSigner } from "../../src/keys/native-signer.ts";
import { loadAddon, WASM } from "../../src/keys/secp256k1.ts";
import { bigintToBytes, bytesToBigint, concatBytes } from "../../src/lib/bytes.ts";
import { addressOf, isSignatureBy, recoverAddress, signDigest } from "../../src/lib/ecdsa.ts";
import { bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../../src/lib/hex.ts";

const { Point } = secp256k1;
const N = Point.Fn.ORDER;
const P = Point.Fp.ORDER;
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const secrets = fc.bigInt({ min: 1n, max: N - 1n }).map((secret) => bigintToBytes(secret, 32));
const digests = bytes32.map(bytesToHex);
const MAX = (1n << 256n) - 1n;
/** Around everything that a range check could get wrong. */
const edges = fc
  .constantFrom(0n, 1n, ...[N / 2n, N, P - N, P].flatMap((edge) => [edge - 1n, edge, edge + 1n]), MAX)
  .map((value) => bigintToBytes(value, 32));

const signatureOf = (r: bigint, s: bigint, v: number): Hex =>
  bytesToHex(concatBytes(bigintToBytes(r, 32), bigintToBytes(s, 32), Uint8Array.of(v)));

const addon = loadAddon();

for (const build of addon === undefined ? [WASM] : [addon, WASM]) describeSigner(build);

/** Every claim holds of both builds: members that have another one must not disagree. */
function describeSigner(build: typeof WASM): void {
  describe(`keys/native-signer, ${build.name}`, () => {
    const native = createNativeSigner(build);

    /** What the reference says, which the native one must say, too. */
    function verdict(digest: Hex, signature: Hex): Hex | undefined {
      const signer = recoverAddress(digest, signature);
      expect(native.recover(digest, signature), `${digest} ${signature}`).to.equal(signer);
      return signer;
    }

    it("signs the bytes that the reference signs (RFC 6979), for digests above the order, too", () => {
      fc.assert(
        fc.property(secrets, fc.oneof(digests, edges.map(bytesToHex)), (secret, digest) => {
          const signature = signDigest(secret, digest);
          expect(native.sign(secret, digest)).to.equal(signature);
          expect(verdict(digest, signature)).to.equal(addressOf(secret));
        }),
        { numRuns: 100 },
      );
    });

    it("refuses the secrets that the reference refuses, and digests of another length", () => {
      for (const secret of [
        new Uint8Array(32),
        bigintToBytes(N, 32),
        new Uint8Array(32).fill(255),
        new Uint8Array(31),
      ]) {
        expect(() => signDigest(secret, ZERO_BYTES32)).to.throw();
        expect(() => native.sign(secret, ZERO_BYTES32)).to.throw();
      }
      expect(() => native.sign(new Uint8Array(32).fill(1), "0x00")).to.throw();
    });

    it("verifies what the reference verifies, for the signer and for anybody else", () => {
      fc.assert(
        fc.property(secrets, secrets, digests, digests, (secret, other, digest, otherDigest) => {
          const signature = native.sign(secret, digest);
          for (const [signed, address] of [
            [digest, addressOf(secret)],
            [digest, addressOf(other)],
            [otherDigest, addressOf(secret)],
          ] as const) {
            const expected = isSignatureBy(address, signed, signature);
            expect(native.verify(signed, signature, address)).to.equal(expected);
          }
        }),
        { numRuns: 25 },
      );
    });

    it("same verdict on signatures with a changed bit, byte, half or length", () => {
      const counts = { signer: 0, other: 0, none: 0 };
      fc.assert(
        fc.property(secrets, digests, fc.nat(519), fc.nat(64), fc.nat(255), (secret, digest, bit, at, value) => {
          const bytes = hexToBytes(native.sign(secret, digest));
          const flipped = bytes.slice();
          flipped[bit >> 3]! ^= 1 << (bit & 7);
          const replaced = bytes.slice();
          replaced[at] = value;
          const highS = signatureOf(
            bytesToBigint(bytes.subarray(0, 32)),
            N - bytesToBigint(bytes.subarray(32, 64)),
            55 - bytes[64]!,
          );
          const swapped = concatBytes(bytes.subarray(32, 64), bytes.subarray(0, 32), bytes.subarray(64));
          const candidates = [flipped, replaced, swapped, bytes.subarray(0, 64), concatBytes(bytes, Uint8Array.of(0))];
          for (const signature of [...candidates.map(bytesToHex), highS]) {
            const signer = verdict(digest, signature);
            counts[signer === undefined ? "none" : signer === addressOf(secret) ? "signer" : "other"]++;
          }
        }),
        { numRuns: 60 },
      );
      expect(counts.none).to.be.greaterThan(100);
      expect(counts.other).to.be.greaterThan(10);
    });

    it("same verdict on random bytes, at every edge of r and s, and with every v", () => {
      const counts = { some: 0, none: 0 };
      const scalar = fc.oneof(bytes32, edges);
      const v = fc.oneof(fc.constantFrom(27, 28), fc.nat(255));
      fc.assert(
        fc.property(scalar, scalar, v, fc.oneof(digests, edges.map(bytesToHex)), (r, s, v, digest) => {
          const signer = verdict(digest, bytesToHex(concatBytes(r, s, Uint8Array.of(v))));
          counts[signer === undefined ? "none" : "some"]++;
        }),
        { numRuns: 600 },
      );
      expect(counts.some).to.be.greaterThan(20);
      expect(counts.none).to.be.greaterThan(100);
      for (let v = 0; v < 256; v++) {
        const signer = verdict(ZERO_BYTES32, signatureOf(Point.BASE.x, 1n, v));
        expect(signer !== undefined, String(v)).to.equal(v === 27 || v === 28);
      }
    });

    it("text that is no signature has no signer", () => {
      const good = native.sign(new Uint8Array(32).fill(1), ZERO_BYTES32);
      // CAST: what the type forbids is what attackers send.
      for (const text of ["", "0x", good.slice(2), `${good.slice(0, 131)}g`, `0X${good.slice(2)}`, `${good}00`]) {
        expect(verdict(ZERO_BYTES32, text as Hex), text).to.equal(undefined);
      }
      expect(verdict(ZERO_BYTES32, `0x${good.slice(2).toUpperCase()}`)).to.equal(verdict(ZERO_BYTES32, good));
    });

    // Whoever knows k can make s·R = digest·G, so that the key (s·R − digest·G)/r is the point at infinity.
    it("a signature made for the point at infinity has no signer, however often it is sent", () => {
      const digest: Hex = `0x${"ab".repeat(32)}`;
      let made = 0;
      for (let k = 2n; made < 5; k++) {
        const { x, y } = Point.BASE.multiply(k).toAffine();
        const s = Point.Fn.mul(Point.Fn.create(BigInt(digest)), Point.Fn.inv(k));
        if (s > N / 2n) continue;
        made++;
        const v = 27 + Number(y & 1n);
        expect(verdict(digest, signatureOf(x, s, v))).to.equal(undefined);
        expect(verdict(digest, signatureOf(x, s, 55 - v))).to.match(/^0x/);
      }
      // Neither that nor an r that is no x-coordinate wears the module out.
      const noPoint = signatureOf(5n, 1n, 27);
      for (let i = 0; i < 3000; i++) expect(native.recover(digest, noPoint)).to.equal(undefined);
      const secret = new Uint8Array(32).fill(3);
      expect(native.recover(digest, native.sign(secret, digest))).to.equal(addressOf(secret));
    });
  });
}
