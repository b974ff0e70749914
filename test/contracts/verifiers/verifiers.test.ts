import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { expect } from "chai";
import { id } from "ethers";
import { network } from "hardhat";
import { bigintToBytes, bytesToBigint, concatBytes } from "../../../src/lib/bytes.ts";
import { keccak256 } from "../../../src/lib/hash.ts";
import { hexToBytes } from "../../../src/lib/hex.ts";
import { SUITES, type Suite } from "../../../src/threshold/types.ts";
import {
  flipBit,
  hex,
  PROOF_BYTES,
  readBeacons,
  readVectors,
  type Signed,
  sign,
  VERIFIER,
  withWord,
} from "./fixtures.ts";

const { ethers } = await network.create();

async function deploy(suite: Suite, key: Uint8Array) {
  return ethers.deployContract(VERIFIER[suite], [hex(key)]);
}

const DIGEST = keccak256(Uint8Array.of(1));

for (const suite of SUITES) {
  describe(`${VERIFIER[suite]}`, () => {
    type Verifier = Awaited<ReturnType<typeof deploy>>;
    let verifier: Verifier;
    let signed: Signed;

    before(async () => {
      signed = sign(suite, DIGEST);
      verifier = await deploy(suite, signed.key);
    });

    const accepts = (on: Verifier, digest: Uint8Array, proof: Uint8Array): Promise<boolean> =>
      on.getFunction("verify").staticCall(hex(digest), hex(proof));

    it("tells its suite and its key", async () => {
      expect(await verifier.getFunction("suite").staticCall()).to.equal(suite);
      expect(await verifier.getFunction("groupKey").staticCall()).to.equal(hex(signed.key));
    });

    it("accepts every beacon of the live network", async function () {
      const beacons = readBeacons(this, suite);
      expect(beacons).not.to.have.length(0);
      const live = await deploy(suite, beacons[0]!.key);
      for (const { label, digest, proof } of beacons) expect(await accepts(live, digest, proof), label).to.equal(true);
    });

    it("refuses a beacon under another round's digest, another key, or another round's signature", async function () {
      const beacons = readBeacons(this, suite);
      const live = await deploy(suite, beacons[0]!.key);
      for (const [i, { digest, proof, label }] of beacons.entries()) {
        const other = beacons[(i + 1) % beacons.length]!;
        expect(await accepts(live, other.digest, proof), label).to.equal(false);
        expect(await accepts(live, digest, other.proof), label).to.equal(false);
        expect(await accepts(verifier, digest, proof), label).to.equal(false);
      }
    });

    it("refuses a beacon with any one bit of its digest turned over", async function () {
      const beacons = readBeacons(this, suite);
      const live = await deploy(suite, beacons[0]!.key);
      const { digest, proof } = beacons[0]!;
      for (let i = 0; i < 32; i++) {
        expect(await accepts(live, flipBit(digest, i, i % 8), proof), `byte ${i}`).to.equal(false);
      }
    });

    it("refuses a beacon with any one byte of its proof changed", async function () {
      const beacons = readBeacons(this, suite);
      const live = await deploy(suite, beacons[0]!.key);
      for (const { digest, proof, label } of beacons.slice(0, 2)) {
        for (let i = 0; i < proof.length; i++) {
          expect(await accepts(live, digest, flipBit(proof, i, i % 8)), `${label}, byte ${i}`).to.equal(false);
        }
      }
    });

    it("refuses a signature by another secret", async () => {
      expect(await accepts(verifier, DIGEST, sign(suite, DIGEST, 2n).proof)).to.equal(false);
    });

    it("refuses every wrong length, padded or cut", async () => {
      const { proof } = signed;
      expect(proof).to.have.length(PROOF_BYTES[suite]);
      for (const wrong of [
        new Uint8Array(0),
        proof.subarray(0, -1),
        proof.subarray(0, -32),
        concatBytes(proof, Uint8Array.of(0)),
        concatBytes(proof, new Uint8Array(32)),
        concatBytes(Uint8Array.of(0), proof),
        concatBytes(proof, proof),
      ]) {
        expect(await accepts(verifier, DIGEST, wrong), `${wrong.length} bytes`).to.equal(false);
      }
    });

    it("reads the proof only where calldata really holds it", async () => {
      const to = await verifier.getAddress();
      const call = (data: string) => ethers.provider.call({ to, data }).catch(() => "reverted");
      const data = verifier.interface.encodeFunctionData("verify", [hex(DIGEST), hex(signed.proof)]);
      expect(BigInt(await call(data))).to.equal(1n);
      // Selector, digest, then the offset of the proof, then its length.
      const word = (value: bigint) => value.toString(16).padStart(64, "0");
      const withOffset = (offset: bigint) => data.slice(0, 2 + 8 + 64) + word(offset) + data.slice(2 + 8 + 128);
      const withLength = (length: bigint) => data.slice(0, 2 + 8 + 128) + word(length) + data.slice(2 + 8 + 192);
      expect(withOffset(64n)).to.equal(data);
      // Calldata that ends before the proof does, and offsets or lengths that lead out of it or wrap around.
      for (const wrong of [
        data.slice(0, -2),
        data.slice(0, -64),
        data.slice(0, 2 + 8 + 128),
        data.slice(0, 10),
        withOffset(65n + BigInt(data.length)),
        withOffset((1n << 64n) - 1n),
        withOffset((1n << 256n) - 4n),
        withLength(BigInt(signed.proof.length) + 1n),
        withLength((1n << 64n) - 1n),
        withLength((1n << 256n) - 1n),
      ]) {
        expect(await call(wrong), wrong).to.equal("reverted");
      }
      // An offset to other bytes of the same calldata is a proof like any other, and a wrong one.
      for (const offset of [0n, 32n]) expect(await call(withOffset(offset))).to.be.oneOf(["reverted", `0x${word(0n)}`]);
    });

    it("refuses the identity, all-ones and the negated signature", async () => {
      const { proof } = signed;
      const size = suite === "bn254" ? 64 : 96;
      const p = suite === "bn254" ? bn254.fields.Fp.ORDER : bls12_381.fields.Fp.ORDER;
      const half = size / 2;
      const rest = proof.subarray(size);
      const negated = concatBytes(
        proof.subarray(0, half),
        bigintToBytes(p - bytesToBigint(proof.subarray(half, size)), half),
        rest,
      );
      for (const wrong of [concatBytes(new Uint8Array(size), rest), new Uint8Array(proof.length).fill(0xff), negated]) {
        expect(await accepts(verifier, DIGEST, wrong), hex(wrong)).to.equal(false);
      }
    });

    it("refuses coordinates that are not reduced", async () => {
      const { proof } = signed;
      const size = suite === "bn254" ? 32 : 48;
      const p = suite === "bn254" ? bn254.fields.Fp.ORDER : bls12_381.fields.Fp.ORDER;
      for (const at of [0, size]) {
        const wrong = Uint8Array.from(proof);
        wrong.set(bigintToBytes(bytesToBigint(proof.subarray(at, at + size)) + p, size), at);
        expect(await accepts(verifier, DIGEST, wrong), `coordinate at ${at}`).to.equal(false);
      }
    });

    it("refuses what can be seen without the pairing before paying for it", async () => {
      const { proof } = signed;
      const p = suite === "bn254" ? bn254.fields.Fp.ORDER : bls12_381.fields.Fp.ORDER;
      const half = suite === "bn254" ? 32 : 48;
      const plusP = (at: number) => {
        const wrong = Uint8Array.from(proof);
        wrong.set(bigintToBytes(bytesToBigint(proof.subarray(at, at + half)) + p, half), at);
        return wrong;
      };
      const identity = Uint8Array.from(proof).fill(0, 0, 2 * half);
      const to = await verifier.getAddress();
      for (const wrong of [
        proof.subarray(1),
        identity,
        plusP(0),
        plusP(half),
        new Uint8Array(proof.length).fill(255),
      ]) {
        const data = verifier.interface.encodeFunctionData("verify", [hex(DIGEST), hex(wrong)]);
        // A pairing would not fit into this; a plain false says that none was tried.
        expect(BigInt(await ethers.provider.call({ to, data, gasLimit: 60_000 }))).to.equal(0n);
      }
    });

    it("never reads a lack of gas as an invalid signature", async () => {
      let refusals = 0;
      let acceptances = 0;
      // From what the transaction itself costs to far more than verification takes; finest where the pairing starts.
      const limits = [
        ...range(26_000, 150_000, 500),
        ...range(139_000, 147_000, 20),
        ...range(150_000, 400_000, 10_000),
      ];
      const data = verifier.interface.encodeFunctionData("verify", [hex(DIGEST), hex(signed.proof)]);
      const to = await verifier.getAddress();
      for (const gasLimit of limits) {
        const answer = await ethers.provider.call({ to, data, gasLimit }).catch(() => undefined);
        if (answer === undefined) refusals++;
        else {
          expect(BigInt(answer), `gas ${gasLimit}`).to.equal(1n);
          acceptances++;
        }
      }
      // The sweep must have seen both sides.
      expect(refusals).to.be.greaterThan(50);
      expect(acceptances).to.be.greaterThan(20);
    });

    it("never accepts a wrong signature, whatever the gas", async () => {
      const wrong = sign(suite, DIGEST, 2n).proof;
      const data = verifier.interface.encodeFunctionData("verify", [hex(DIGEST), hex(wrong)]);
      const to = await verifier.getAddress();
      for (const gasLimit of range(26_000, 420_000, 4_000)) {
        const answer = await ethers.provider.call({ to, data, gasLimit }).catch(() => "0x0");
        expect(BigInt(answer), `gas ${gasLimit}`).to.equal(0n);
      }
    });

    it("never reads a lack of gas as a bad key or a bad chain", async () => {
      const factory = await ethers.getContractFactory(VERIFIER[suite]);
      const { data } = await factory.getDeployTransaction(hex(signed.key));
      const wrong = ["KeyIsInvalid", "SelfTestFailed"].map((name) => factory.interface.getError(name)!.selector);
      const reasons = new Set<string>();
      let deployed = 0;
      for (const gasLimit of range(200_000, 1_500_000, 10_000)) {
        try {
          await ethers.provider.call({ data, gasLimit });
          deployed++;
        } catch (error) {
          // Revert data as a string; running out of gas altogether comes without.
          const { data: reason } = error as { data?: unknown };
          reasons.add(typeof reason === "string" ? reason.slice(0, 10) : "none");
        }
      }
      expect(deployed).to.be.greaterThan(10);
      // The sweep must have met the case in which the pairing was starved and the constructor could tell.
      expect(reasons).to.include(id("PrecompileOutOfGas(address)").slice(0, 10));
      for (const selector of wrong) expect(reasons.has(selector), selector).to.equal(false);
    });

    it("cannot be deployed with a key of the wrong length", async () => {
      const factory = await ethers.getContractFactory(VERIFIER[suite]);
      for (const key of [new Uint8Array(0), signed.key.subarray(1), concatBytes(signed.key, Uint8Array.of(0))]) {
        await expect(factory.deploy(hex(key)))
          .to.be.revertedWithCustomError(factory, "KeyLength")
          .withArgs(signed.key.length, key.length);
      }
    });

    it("cannot be deployed with the identity", async () => {
      const factory = await ethers.getContractFactory(VERIFIER[suite]);
      const identity = hex(new Uint8Array(signed.key.length));
      await expect(factory.deploy(identity)).to.be.revertedWithCustomError(factory, "KeyIsIdentity");
    });

    it("cannot be deployed with a key off the curve, off the subgroup or not reduced", async () => {
      const factory = await ethers.getContractFactory(VERIFIER[suite]);
      const p = suite === "bn254" ? bn254.fields.Fp.ORDER : bls12_381.fields.Fp.ORDER;
      const limb = signed.key.length / 4;
      const notReduced = Uint8Array.from(signed.key);
      notReduced.set(bigintToBytes(bytesToBigint(signed.key.subarray(0, limb)) + p, limb));
      const offCurve = flipBit(signed.key, signed.key.length - 1);
      for (const key of [notReduced, offCurve, offSubgroupKey(suite)]) {
        await expect(factory.deploy(hex(key)), hex(key)).to.be.revertedWithCustomError(factory, "KeyIsInvalid");
      }
    });
  });
}

describe("Bn254Verifier's witnesses", () => {
  const P = bn254.fields.Fp.ORDER;
  const [INVERSE, Y0, W0, Y1, W1] = [2, 3, 4, 5, 6];

  /** A digest whose maps need a second candidate (w ≠ 0) or not. */
  function digestWhere(w0: boolean, w1: boolean): Signed {
    for (let i = 0; i < 256; i++) {
      const signed = sign("bn254", keccak256(Uint8Array.of(7, i)));
      if ((word(signed.proof, W0) !== 0n) === w0 && (word(signed.proof, W1) !== 0n) === w1) return signed;
    }
    throw new Error("no such digest among 256");
  }
  const word = (proof: Uint8Array, index: number) => bytesToBigint(proof.subarray(32 * index, 32 * index + 32));

  for (const [w0, w1] of [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const) {
    it(`are checked one by one when the first candidate ${w0 ? "fails" : "counts"} for u0 and ${w1 ? "fails" : "counts"} for u1`, async () => {
      const { digest, proof, key } = digestWhere(w0, w1);
      const verifier = await deploy("bn254", key);
      const accepts = (candidate: Uint8Array): Promise<boolean> =>
        verifier.getFunction("verify").staticCall(hex(digest), hex(candidate));
      expect(await accepts(proof)).to.equal(true);

      // Either root of y and w will do: the sign of the point comes from u.
      for (const index of [Y0, Y1])
        expect(await accepts(withWord(proof, index, P - word(proof, index)))).to.equal(true);
      // Another encoding of the same residue will not.
      for (const index of [INVERSE, Y0, W0, Y1, W1]) {
        expect(await accepts(withWord(proof, index, word(proof, index) + P)), `word ${index} + p`).to.equal(false);
        expect(await accepts(withWord(proof, index, 0n)), `word ${index} = 0`).to.equal(
          (index === W0 && !w0) || (index === W1 && !w1),
        );
        expect(await accepts(withWord(proof, index, 1n)), `word ${index} = 1`).to.equal(false);
      }
      // The maps' witnesses cannot stand in for each other.
      const swapped = concatBytes(proof.subarray(0, 96), proof.subarray(160, 224), proof.subarray(96, 160));
      expect(await accepts(swapped)).to.equal(false);
    });
  }
});

describe("Bls12381Verifier and the EIP-2537 vectors", () => {
  interface Vector {
    readonly Input: string;
    readonly Name: string;
  }

  it("refuses as a signature every G1 point, and as a key every G2 point, that the pairing refuses", async function () {
    const vectors = readVectors<Vector[]>(this, "eip-2537/fail-pairing_check_bls.json");
    const { digest, key } = sign("bls12-381", DIGEST);
    const verifier = await deploy("bls12-381", key);
    const factory = await ethers.getContractFactory("Bls12381Verifier");
    let signatures = 0;
    let keys = 0;
    for (const { Input, Name } of vectors) {
      const input = hexToBytes(`0x${Input}`);
      if (input.length === 0 || input.length % 384 !== 0) continue;
      for (let at = 0; at < input.length; at += 384) {
        const g1 = input.subarray(at, at + 128);
        const g2 = input.subarray(at + 128, at + 384);
        // Our encoding has no room for EIP-2537's padding, so a vector that dirties it has no counterpart here.
        if (isZero(g1.subarray(0, 16)) && isZero(g1.subarray(64, 80))) {
          const proof = concatBytes(g1.subarray(16, 64), g1.subarray(80, 128));
          expect(await verifier.getFunction("verify").staticCall(hex(digest), hex(proof)), Name).to.equal(false);
          signatures++;
        }
        if (!isG2(g2)) {
          await expect(factory.deploy(hex(g2)), Name).to.be.revert(ethers);
          keys++;
        }
      }
    }
    expect(signatures).to.be.greaterThan(15);
    expect(keys).to.be.greaterThan(5);
  });

  const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

  /** Whether an EIP-2537 encoding is a point of G2 other than the identity, by noble. */
  function isG2(bytes: Uint8Array): boolean {
    const limbs = [0, 64, 128, 192].map((at) => bytesToBigint(bytes.subarray(at, at + 64)));
    if (limbs.some((limb) => limb >= bls12_381.fields.Fp.ORDER)) return false;
    try {
      const [c0, c1, d0, d1] = limbs as [bigint, bigint, bigint, bigint];
      const point = bls12_381.G2.Point.fromAffine({ x: { c0, c1 }, y: { c0: d0, c1: d1 } });
      point.assertValidity();
      return !point.is0();
    } catch {
      return false;
    }
  }
});

function* range(from: number, to: number, step: number): Generator<number> {
  for (let value = from; value <= to; value += step) yield value;
}

/** A point on the twist whose order is not r: the cofactor is large, so almost any point will do. */
function offSubgroupKey(suite: Suite): Uint8Array {
  const { Point } = suite === "bn254" ? bn254.G2 : bls12_381.G2;
  const { Fp2 } = suite === "bn254" ? bn254.fields : bls12_381.fields;
  const b = Point.CURVE().b;
  for (let i = 1n; ; i++) {
    const x = Fp2.create({ c0: i, c1: 1n });
    const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), b);
    let y: typeof x;
    try {
      y = Fp2.sqrt(right);
    } catch {
      continue;
    }
    if (Point.fromAffine({ x, y }).isTorsionFree()) continue;
    return suite === "bn254"
      ? concatBytes(...[x.c1, x.c0, y.c1, y.c0].map((limb) => bigintToBytes(limb, 32)))
      : concatBytes(...[x.c0, x.c1, y.c0, y.c1].map((limb) => bigintToBytes(limb, 64)));
  }
}
