import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { expect } from "chai";
import { bytesToBigint } from "../../src/lib/bytes.ts";
import { computeBn254Hints } from "../../src/threshold/bn254-hints.ts";
import { encodeBn254PublicKey } from "../../src/threshold/bn254-points.ts";
import {
  encodeBls12381Proof,
  encodeBn254Proof,
  encodeProof,
  encodePublicKeyForVerifier,
} from "../../src/threshold/evm.ts";
import { SUITES } from "../../src/threshold/types.ts";
import { readVectors } from "../vectors/shared.ts";
import { engines, expectCode, hex, seeded, unhex } from "./support.ts";

type G2 = ReturnType<typeof bls12_381.G2.Point.fromAffine>;
// CAST: noble's declaration says affine point in and array out; the functions take a bigint (G1) and give a point.
const mapToG1 = bls12_381.G1.mapToCurve as unknown as (u: bigint) => typeof bls12_381.G1.Point.BASE;
// CAST: as above
const mapToG2 = bls12_381.G2.mapToCurve as unknown as (u: bigint[]) => G2;

interface PrecompileVector {
  readonly Input: string;
  readonly Expected: string;
  readonly Name: string;
}

interface NobleVectors {
  readonly vectors: { readonly G1: readonly PrecompileVector[]; readonly G2: readonly PrecompileVector[] };
}

/** EIP-2537 pads each 48-byte coordinate to 64. */
const unpadded = (text: string): string =>
  (text.match(/.{128}/g) ?? [])
    .map((padded) => {
      expect(padded.slice(0, 32)).to.equal("0".repeat(32));
      return padded.slice(32);
    })
    .join("");

describe("threshold/evm", () => {
  it("encodes G1 points as EIP-2537 prints them, without the padding", function () {
    const vectors = [
      ...readVectors<PrecompileVector[]>(this, "eip-2537/map_fp_to_G1_bls.json"),
      ...readVectors<NobleVectors>(this, "eip2537-map.json").vectors.G1,
    ];
    expect(vectors.length).to.be.greaterThan(6);
    for (const { Input, Expected, Name } of vectors) {
      const point = mapToG1(BigInt(`0x${Input}`));
      expect(hex(encodeBls12381Proof(point.toBytes(true))), Name).to.equal(`0x${unpadded(Expected)}`);
    }
  });

  it("encodes G2 keys as EIP-2537 prints them", function () {
    const maps = [
      ...readVectors<PrecompileVector[]>(this, "eip-2537/map_fp2_to_G2_bls.json"),
      ...readVectors<NobleVectors>(this, "eip2537-map.json").vectors.G2,
    ];
    for (const { Input, Expected, Name } of maps) {
      const limbs = [Input.slice(0, 128), Input.slice(128)].map((limb) => BigInt(`0x${limb}`));
      const point = mapToG2(limbs);
      expect(hex(encodePublicKeyForVerifier("bls12-381", point.toBytes(true))), Name).to.equal(`0x${Expected}`);
    }
    for (const { Input, Expected, Name } of readVectors<PrecompileVector[]>(this, "eip-2537/mul_G2_bls.json")) {
      const scalar = BigInt(`0x${Input.slice(512)}`) % bls12_381.fields.Fr.ORDER;
      const point = pointOf(Input.slice(0, 512));
      if (point.is0() || scalar === 0n) continue;
      const product = point.multiply(scalar).toBytes(true);
      expect(hex(encodePublicKeyForVerifier("bls12-381", product)), Name).to.equal(`0x${Expected}`);
    }
  });

  it("lays a bn254 proof out as signature, inverse, y0, w0, y1, w1 in words", async () => {
    const { mcl } = (await engines()).bn254;
    const digest = seeded("digest");
    const signature = mcl.sign(seeded("secret").fill(0, 0, 1), digest);
    const proof = encodeBn254Proof(signature, digest);
    const words = Array.from({ length: 7 }, (_, i) => bytesToBigint(proof.subarray(32 * i, 32 * i + 32)));
    const { inverse, y0, w0, y1, w1 } = computeBn254Hints(digest);
    expect(proof.length).to.equal(224);
    expect(hex(proof.subarray(0, 64))).to.equal(hex(signature));
    expect(words.slice(2)).to.deep.equal([inverse, y0, w0, y1, w1]);
    expect(encodeProof("bn254", signature, digest)).to.deep.equal(proof);
  });

  it("gives bn254 keys in EIP-197 order: the generator as the EIP prints it", () => {
    const key = encodeBn254PublicKey(bn254.G2.Point.BASE);
    const limbs = Array.from({ length: 4 }, (_, i) => bytesToBigint(key.subarray(32 * i, 32 * i + 32)));
    expect(limbs).to.deep.equal([
      11559732032986387107991004021392285783925812861821192530917403151452391805634n,
      10857046999023057135944570762232829481370756359578518086990519993285655852781n,
      4082367875863433681332203403145435568316851327593401208105741076214120093531n,
      8495653923123431417604973247489272438418190587263600148770280649306958101930n,
    ]);
    expect(encodePublicKeyForVerifier("bn254", key)).to.deep.equal(key);
  });

  it("refuses what is no point, and digests of another length, by code", async () => {
    const all = await engines();
    for (const suite of SUITES) {
      const { mcl } = all[suite];
      const digest = seeded("digest");
      const signature = mcl.sign(seeded("secret").fill(0, 0, 1), digest);
      const length = encodeProof(suite, signature, digest).length;
      expect(length).to.equal(suite === "bn254" ? 224 : 96);
      expectCode(() => encodeProof(suite, signature.subarray(1), digest), "invalidPoint");
      expectCode(() => encodeProof(suite, new Uint8Array(signature.length), digest), "invalidPoint");
      expectCode(() => encodePublicKeyForVerifier(suite, new Uint8Array(mcl.publicKeyLength)), "invalidPoint");
      expectCode(() => encodePublicKeyForVerifier(suite, new Uint8Array(7)), "invalidPoint");
    }
    const { mcl } = all.bn254;
    const signature = mcl.sign(seeded("secret").fill(0, 0, 1), seeded("digest"));
    expectCode(() => encodeBn254Proof(signature, seeded("digest").subarray(1)), "invalidMessage");
    expectCode(() => encodeBls12381Proof(unhex(`c0${"00".repeat(47)}`)), "invalidPoint");
  });
});

function pointOf(text: string): G2 {
  const [xc0, xc1, yc0, yc1] = (text.match(/.{128}/g) ?? []).map((limb) => BigInt(`0x${limb}`));
  const { Fp2 } = bls12_381.fields;
  return bls12_381.G2.Point.fromAffine({
    x: Fp2.create({ c0: xc0!, c1: xc1! }),
    y: Fp2.create({ c0: yc0!, c1: yc1! }),
  });
}
