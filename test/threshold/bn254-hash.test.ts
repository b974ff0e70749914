import { bn254 } from "@noble/curves/bn254.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect } from "chai";
import { bigintToBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
import {
  BN254_P,
  curveRightSide,
  expandForField,
  hashToField,
  hashToG1,
  mapToCurve,
  rootOfEither,
  SVDW,
  sgn0,
  svdwCandidates,
  svdwDenominator,
} from "../../src/threshold/bn254-hash.ts";
import { encodeBn254Signature } from "../../src/threshold/bn254-points.ts";
import { createMclBn254, createSvdwMap } from "../../src/threshold/mcl-bn254.ts";
import { G1_SIZE, loadMcl, MCL_BN_SNARK1 } from "../../src/threshold/mcl-module.ts";
import { readVectors } from "../vectors/shared.ts";
import { hex, seeded, unhex } from "./support.ts";

const Fp = bn254.fields.Fp;

interface KyberVectors {
  readonly hash_to_field_dst: string;
  readonly hash_to_field: readonly { readonly msg: string; readonly x: string; readonly y: string }[];
  readonly map_to_point_svdw: readonly { readonly u: string; readonly x: string; readonly y: string }[];
  readonly expand_message_xmd_keccak: { readonly dst: string; readonly msg_hex: string; readonly out: string };
  readonly hash_to_g1: readonly {
    readonly dst: string;
    readonly msg_utf8?: string;
    readonly msg_hex?: string;
    readonly point: string;
  }[];
}

const KYBER = "kyber-bn254-hash-to-curve.json";

/** A map into the affine encoding, from the fast engine's field. */
async function mclMap(): Promise<(u: bigint) => string> {
  const mcl = await loadMcl(MCL_BN_SNARK1);
  const map = createSvdwMap(mcl);
  const curve = await createMclBn254();
  const out = mcl.allocate(G1_SIZE);
  const copy = curve.mcl.allocate(G1_SIZE);
  return (u) => {
    expect(map(out, bigintToBytes(u, 48))).to.equal(true);
    curve.mcl.write(copy, mcl.read(out, G1_SIZE));
    return hex(curve.encodeSignature(copy));
  };
}

describe("threshold/bn254-hash", () => {
  it("the map's constants satisfy their definitions", () => {
    const { z, c1, c2, c3, c4 } = SVDW;
    expect(curveRightSide(z)).to.equal(c1);
    expect(Fp.mul(c2, 2n)).to.equal(Fp.neg(z));
    expect(Fp.sqr(c3)).to.equal(Fp.neg(Fp.mul(c1, 3n)));
    expect(sgn0(c3)).to.equal(0n);
    expect(Fp.mul(c4, 3n)).to.equal(Fp.neg(Fp.mul(4n, c1)));
    expect(BN254_P & 3n).to.equal(3n);
    // The conditions on Z of RFC 9380, section 6.6.1.
    expect(c1).to.not.equal(0n);
    const h = Fp.neg(Fp.mul(3n, Fp.inv(Fp.mul(4n, c1))));
    expect(h).to.not.equal(0n);
    expect(rootOfEither(h).isSquare).to.equal(true);
    expect(rootOfEither(c1).isSquare || rootOfEither(curveRightSide(c2)).isSquare).to.equal(true);
  });

  it("expand_message_xmd with keccak-256 equals kyber's", function () {
    const { dst, msg_hex, out } = readVectors<KyberVectors>(this, KYBER).expand_message_xmd_keccak;
    const [first, second] = expandForField(unhex(msg_hex), { dst });
    expect(hex(first) + hex(second).slice(2)).to.equal(`0x${out}`);
  });

  it("hash_to_field equals kyber's", function () {
    const vectors = readVectors<KyberVectors>(this, KYBER);
    expect(vectors.hash_to_field.length).to.be.greaterThan(10);
    for (const { msg, x, y } of vectors.hash_to_field) {
      const got = hashToField(unhex(msg), { dst: vectors.hash_to_field_dst });
      expect(got).to.deep.equal([BigInt(`0x${x}`), BigInt(`0x${y}`)]);
    }
  });

  it("the SvdW map equals kyber's, in both engines", async function () {
    const vectors = readVectors<KyberVectors>(this, KYBER).map_to_point_svdw;
    const fast = await mclMap();
    expect(vectors.length).to.be.greaterThan(100);
    for (const { u, x, y } of vectors) {
      const expected = { x: BigInt(x), y: BigInt(y) };
      expect(mapToCurve(BigInt(u))).to.deep.equal(expected);
      expect(fast(BigInt(u))).to.equal(hex(encodeBn254Signature(bn254.G1.Point.fromAffine(expected))));
    }
  });

  it("exceptional and small u map to the curve with the sign of u, in both engines", async () => {
    const fast = await mclMap();
    const half = Fp.inv(2n);
    for (const u of [0n, 1n, 2n, half, Fp.neg(half), BN254_P - 1n, BN254_P - 2n]) {
      const { x, y } = mapToCurve(u);
      expect(Fp.sqr(y)).to.equal(curveRightSide(x));
      expect(sgn0(y)).to.equal(sgn0(u));
      expect(fast(u)).to.equal(hex(encodeBn254Signature(bn254.G1.Point.fromAffine({ x, y }))));
    }
  });

  it("u = ±1/2, where the denominator vanishes, gives x = −1/2", () => {
    const half = Fp.inv(2n);
    for (const u of [half, Fp.neg(half)]) {
      expect(svdwDenominator(u)).to.equal(0n);
      expect(mapToCurve(u).x).to.equal(Fp.neg(half));
      expect(Fp.mul(curveRightSide(Fp.neg(half)), 8n)).to.equal(23n);
    }
  });

  it("takes the first candidate on the curve, never a later one", () => {
    const chosen = [0, 0, 0];
    for (let i = 0; i < 60; i++) {
      const [u] = hashToField(seeded(`candidate ${i}`));
      const candidates = svdwCandidates(u, Fp.inv(svdwDenominator(u)));
      const first = candidates.findIndex((x) => rootOfEither(curveRightSide(x)).isSquare);
      expect(mapToCurve(u).x).to.equal(candidates[first]);
      chosen[first]!++;
    }
    // Half, a quarter, a quarter: all three branches are taken.
    expect(Math.min(...chosen)).to.be.greaterThan(0);
  });

  it("hash to G1 equals kyber's, in both engines", async function () {
    for (const { dst, msg_utf8, msg_hex, point } of readVectors<KyberVectors>(this, KYBER).hash_to_g1) {
      const message = msg_utf8 === undefined ? unhex(msg_hex!) : utf8ToBytes(msg_utf8);
      expect(hex(encodeBn254Signature(hashToG1(message, { dst })))).to.equal(`0x${point}`);
      const curve = await createMclBn254(dst);
      const out = curve.mcl.allocate(G1_SIZE);
      expect(curve.hash(out, message)).to.equal(true);
      expect(hex(curve.encodeSignature(out))).to.equal(`0x${point}`);
    }
  });

  it("hash to G1 with sha256 equals gnark's", function () {
    const { dst, cases } = readVectors<{ dst: string; cases: { msg: string; x: string; y: string }[] }>(
      this,
      "gnark-bn254-sha256.json",
    );
    for (const { msg, x, y } of cases) {
      const point = hashToG1(utf8ToBytes(msg), { dst, hash: sha256 }).toAffine();
      expect(point).to.deep.equal({ x: BigInt(`0x${x}`), y: BigInt(`0x${y}`) });
    }
  });
});
