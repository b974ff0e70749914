/** TypeScript against Solidity: hashing to G1 and its parts, on random digests. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { expect } from "chai";
import fc from "fast-check";
import { network } from "hardhat";
import { bigintToBytes, concatBytes } from "../../src/lib/bytes.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { BN254_P, hashToField, hashToG1 } from "../../src/threshold/bn254-hash.ts";
import { computeBn254Hints } from "../../src/threshold/bn254-hints.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import { encodeProof, encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import { SUITES } from "../../src/threshold/types.ts";
import { seed } from "../seed.ts";

const { ethers } = await network.create();
const bn = await ethers.deployContract("Bn254Harness");
const bls = await ethers.deployContract("Bls12381Harness");
const ask = (contract: typeof bn, name: string, ...args: unknown[]) => contract.getFunction(name).staticCall(...args);

const runs = { numRuns: 150, seed };
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
const BLS_DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

const encodeHints = ({ inverse, y0, w0, y1, w1 }: ReturnType<typeof computeBn254Hints>) =>
  concatBytes(...[inverse, y0, w0, y1, w1].map((value) => bigintToBytes(value, 32)));

describe(`TypeScript and Solidity hash alike (CLOCKLESS_SEED=${seed})`, () => {
  it("to BN254's G1, with the hints that TypeScript computes", async () => {
    await fc.assert(
      fc.asyncProperty(digests, async (digest) => {
        expect(await ask(bn, "hashToField", digest)).to.deep.equal([...hashToField(digest)]);
        const { x, y } = hashToG1(digest).toAffine();
        const answer = await ask(bn, "hashToG1", digest, encodeHints(computeBn254Hints(digest)));
        expect([...answer]).to.deep.equal([true, x, y]);
      }),
      runs,
    );
  });

  it("to BN254's G1 or not at all, with hints that somebody tampered with", async () => {
    // Replacements an adversary would try: zero, one, the negative, the next multiple of p, another hint, noise.
    const tamper = fc.record({
      index: fc.nat(4),
      how: fc.constantFrom("zero", "one", "negate", "plus p", "copy", "noise"),
      other: fc.nat(4),
      noise: fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
    });
    let same = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(digests, fc.array(tamper, { minLength: 1, maxLength: 3 }), async (digest, changes) => {
        const { inverse, y0, w0, y1, w1 } = computeBn254Hints(digest);
        const hints = [inverse, y0, w0, y1, w1];
        for (const { index, how, other, noise } of changes) {
          const value = hints[index]!;
          hints[index] = {
            zero: 0n,
            one: 1n,
            negate: (BN254_P - (value % BN254_P)) % BN254_P,
            "plus p": (value + BN254_P) & ((1n << 256n) - 1n),
            copy: hints[other]!,
            noise,
          }[how];
        }
        const { x, y } = hashToG1(digest).toAffine();
        const encoded = concatBytes(...hints.map((value) => bigintToBytes(value, 32)));
        const [valid, gotX, gotY] = await ask(bn, "hashToG1", digest, encoded);
        if (valid) {
          expect([gotX, gotY]).to.deep.equal([x, y]);
          same++;
        } else refused++;
      }),
      { ...runs, numRuns: 400 },
    );
    // Negating a root or copying a hint onto itself changes nothing; everything else is refused.
    expect(same).to.be.greaterThan(0);
    expect(refused).to.be.greaterThan(same);
  });

  it("to BLS12-381's G1", async () => {
    await fc.assert(
      fc.asyncProperty(digests, async (digest) => {
        const point = bls12_381.G1.hashToCurve(digest, { DST: BLS_DST });
        const { x, y } = bls12_381.G1.Point.fromBytes(point.toBytes()).toAffine();
        const expected = bytesToHex(concatBytes(bigintToBytes(x, 64), bigintToBytes(y, 64)));
        expect(await ask(bls, "hashToG1", digest)).to.equal(expected);
      }),
      runs,
    );
  });

  it("and reduce 512 bits modulo BLS12-381's p alike", async () => {
    const p = bls12_381.fields.Fp.ORDER;
    const wide = fc.bigInt({ min: 0n, max: (1n << 512n) - 1n });
    const near = fc.tuple(fc.bigInt({ min: 0n, max: ((1n << 512n) - 3n) / p }), fc.integer({ min: -2, max: 2 }));
    const values = fc.oneof(
      wide,
      near.map(([k, d]) => k * p + BigInt(d)).filter((v) => v >= 0n && v >> 512n === 0n),
    );
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        const [hi, lo] = await ask(bls, "reduce", value >> 256n, value & ((1n << 256n) - 1n));
        expect((hi << 256n) | lo).to.equal(value % p);
      }),
      { ...runs, numRuns: 400 },
    );
  });

  for (const suite of SUITES) {
    it(`and what TypeScript signs with ${suite}, the contract accepts, for random keys and digests`, async () => {
      const engine = createNobleEngine(suite);
      const secrets = fc.bigInt({ min: 1n, max: engine.order - 1n });
      const contract = suite === "bn254" ? "Bn254Verifier" : "Bls12381Verifier";
      await fc.assert(
        fc.asyncProperty(secrets, digests, digests, async (secret, digest, other) => {
          const secretBytes = bigintToBytes(secret, 32);
          const key = encodePublicKeyForVerifier(suite, engine.publicKey(secretBytes));
          const verifier = await ethers.deployContract(contract, [key]);
          const signature = engine.sign(secretBytes, digest);
          expect(await ask(verifier, "verify", digest, encodeProof(suite, signature, digest))).to.equal(true);
          // The same signature, with the right hints for another digest.
          const verdict = engine.verify(engine.publicKey(secretBytes), other, signature);
          expect(await ask(verifier, "verify", other, encodeProof(suite, signature, other))).to.equal(verdict);
        }),
        { ...runs, numRuns: 25 },
      );
    });
  }
});
