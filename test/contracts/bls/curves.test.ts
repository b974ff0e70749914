import { hash_to_field } from "@noble/curves/abstract/hash-to-curve.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect } from "chai";
import { network } from "hardhat";
import { bigintToBytes, bytesToBigint, concatBytes, utf8ToBytes } from "../../../src/lib/bytes.ts";
import { hexToBytes } from "../../../src/lib/hex.ts";
import { hashToField as bn254HashToField, svdwCandidates, svdwDenominator } from "../../../src/threshold/bn254-hash.ts";
import { computeBn254Hints } from "../../../src/threshold/bn254-hints.ts";
import { flipBit, hex, readVectors, sign } from "../verifiers/fixtures.ts";

const { ethers } = await network.create();
const bn = await ethers.deployContract("Bn254Harness");
const bls = await ethers.deployContract("Bls12381Harness");
const ask = (contract: typeof bn, name: string, ...args: unknown[]) => contract.getFunction(name).staticCall(...args);

const P = bn254.fields.Fp.ORDER;
const Q = bls12_381.fields.Fp.ORDER;
const LOW = (1n << 256n) - 1n;
const words = (value: bigint) => [value >> 256n, value & LOW] as const;
const unhex = (text: string) => hexToBytes(text.startsWith("0x") ? text : `0x${text}`);

/** y and w for one map, searched without the library under test: plain square roots. */
function witness(u: bigint): { inverse: bigint; hints: string } {
  const { Fp } = bn254.fields;
  const root = (value: bigint) => {
    try {
      return Fp.sqrt(value);
    } catch {
      return undefined;
    }
  };
  const g = (x: bigint) => Fp.add(Fp.mul(Fp.sqr(x), x), 3n);
  const inverse = Fp.inv(svdwDenominator(u));
  const candidates = svdwCandidates(u, inverse);
  const y = candidates.map((x) => root(g(x))).find((value) => value !== undefined)!;
  const w = root(g(candidates[0])) === undefined ? root(Fp.neg(g(candidates[0])))! : 0n;
  return { inverse, hints: hex(concatBytes(bigintToBytes(y, 32), bigintToBytes(w, 32))) };
}

async function mapBn254(u: bigint): Promise<{ x: bigint; y: bigint }> {
  const { inverse, hints } = witness(u);
  const [valid, x, y] = await ask(bn, "svdw", u, inverse, hints);
  expect(valid, `u = ${u}`).to.equal(true);
  return { x, y };
}

describe("Bn254.sol", () => {
  it("maps every field element of kyber's vectors to kyber's point", async function () {
    const { map_to_point_svdw: vectors } = readVectors<{ map_to_point_svdw: { u: string; x: string; y: string }[] }>(
      this,
      "kyber-bn254-hash-to-curve.json",
    );
    expect(vectors.length).to.be.greaterThan(400);
    const counted = [0, 0, 0];
    for (const { u, x, y } of vectors) {
      expect(await mapBn254(BigInt(u))).to.deep.equal({ x: BigInt(x), y: BigInt(y) });
      counted[svdwCandidates(BigInt(u), bn254.fields.Fp.inv(svdwDenominator(BigInt(u)))).indexOf(BigInt(x))]!++;
    }
    // All three candidates must have been exercised.
    for (const count of counted) expect(count).to.be.greaterThan(50);
  });

  it("maps what kyber hashes under other tags to kyber's points", async function () {
    type Vector = { dst: string; msg_utf8?: string; msg_hex?: string; point: string };
    const { hash_to_g1: vectors } = readVectors<{ hash_to_g1: Vector[] }>(this, "kyber-bn254-hash-to-curve.json");
    for (const { dst, msg_utf8, msg_hex, point } of vectors) {
      const message = msg_hex === undefined ? utf8ToBytes(msg_utf8!) : unhex(msg_hex);
      const [u0, u1] = bn254HashToField(message, { dst });
      const { Point } = bn254.G1;
      const sum = Point.fromAffine(await mapBn254(u0))
        .add(Point.fromAffine(await mapBn254(u1)))
        .toAffine();
      expect(hex(concatBytes(bigintToBytes(sum.x, 32), bigintToBytes(sum.y, 32)))).to.equal(`0x${point}`);
    }
  });

  it("hashes evmnet's digests to evmnet's points", async function () {
    type Round = { message: string; message_point: string };
    const { evmnet } = readVectors<{ evmnet: { rounds: Round[] } }>(this, "drand.json");
    for (const { message, message_point } of evmnet.rounds) {
      const { inverse, y0, w0, y1, w1 } = computeBn254Hints(unhex(message));
      const hints = concatBytes(...[inverse, y0, w0, y1, w1].map((value) => bigintToBytes(value, 32)));
      const [valid, x, y] = await ask(bn, "hashToG1", `0x${message}`, hex(hints));
      expect(valid).to.equal(true);
      expect(hex(concatBytes(bigintToBytes(x, 32), bigintToBytes(y, 32)))).to.equal(`0x${message_point}`);
    }
  });

  it("maps the smallest and largest field elements", async () => {
    for (const u of [0n, 1n, 2n, P - 1n, P - 2n, (P - 1n) / 4n]) {
      const { x, y } = await mapBn254(u);
      expect((y * y - x * x * x - 3n) % P).to.equal(0n);
      expect(y & 1n).to.equal(u & 1n);
    }
  });

  it("refuses at u = ±1/2, where no inverse exists, whatever the hints", async () => {
    const half = (P + 1n) / 2n;
    // The denominator is zero: hashToG1 asks for product · inverse = 1, which nothing satisfies.
    expect(svdwDenominator(half)).to.equal(0n);
    expect(svdwDenominator(P - half)).to.equal(0n);
    // Even if that were forgotten, the map itself would be right: x = −1/2, and g(−1/2) = 23/8 is a square.
    const { Fp } = bn254.fields;
    const y = Fp.sqrt(Fp.div(23n, 8n));
    const hints = hex(concatBytes(bigintToBytes(y, 32), new Uint8Array(32)));
    const [valid, x] = await ask(bn, "svdw", half, 0, hints);
    expect(valid).to.equal(true);
    expect(x).to.equal(Fp.neg(Fp.inv(2n)));
  });

  it("knows the curve's points from others", async () => {
    const { x, y } = bn254.G1.Point.BASE.multiply(12345n).toAffine();
    expect(await ask(bn, "isOnCurve", x, y)).to.equal(true);
    expect(await ask(bn, "isOnCurve", x, P - y)).to.equal(true);
    for (const [a, b] of [
      [0n, 0n],
      [x + P, y],
      [x, y + P],
      [x, y + 1n],
      [P, P],
      [LOW, LOW],
    ]) {
      expect(await ask(bn, "isOnCurve", a, b)).to.equal(false);
    }
  });
});

describe("Bls12381.sol", () => {
  const encode = (point: { x: bigint; y: bigint }) =>
    hex(concatBytes(bigintToBytes(point.x, 64), bigintToBytes(point.y, 64)));
  const mapTwo = (u0: bigint, u1: bigint) => ask(bls, "mapToG1", ...words(u0), ...words(u1));

  it("hashes to the points of RFC 9380, appendix J.9.1", async function () {
    type Suite = { dst: string; cases: { msg: string; point_compressed: string }[] };
    const { G1 } = readVectors<{ G1: Suite }>(this, "rfc9380-bls12381.json");
    expect(G1.cases).to.have.length(5);
    for (const { msg, point_compressed } of G1.cases) {
      const options = { DST: G1.dst, p: Q, m: 1, k: 128, expand: "xmd", hash: sha256 } as const;
      const [u0, u1] = hash_to_field(utf8ToBytes(msg), 2, options).map((element) => element[0]!);
      const expected = bls12_381.G1.Point.fromHex(point_compressed).toAffine();
      expect(await mapTwo(u0!, u1!)).to.equal(encode(expected));
    }
  });

  it("hashes to the points that arkworks computed (bls-solidity)", async function () {
    type Case = { scheme: string; dst: string; message: string; m_expected: string };
    const { cases } = readVectors<{ cases: Case[] }>(this, "bls-solidity-cases.json");
    let hashed = 0;
    for (const { scheme, dst, message, m_expected } of cases) {
      const bytes = unhex(message);
      if (scheme === "BN254") {
        const [u0, u1] = bn254HashToField(bytes, { dst });
        const { Point } = bn254.G1;
        const sum = Point.fromAffine(await mapBn254(u0)).add(Point.fromAffine(await mapBn254(u1)));
        const { x, y } = sum.toAffine();
        expect(hex(concatBytes(bigintToBytes(x, 32), bigintToBytes(y, 32)))).to.equal(`0x${m_expected}`);
        continue;
      }
      const expected = unhex(m_expected);
      const point = encode({ x: bytesToBigint(expected.subarray(0, 48)), y: bytesToBigint(expected.subarray(48)) });
      const [u0, u1] = hash_to_field(bytes, 2, { DST: dst, p: Q, m: 1, k: 128, expand: "xmd", hash: sha256 });
      expect(await mapTwo(u0![0]!, u1![0]!)).to.equal(point);
      if (dst.startsWith("BLS_SIG_") && bytes.length === 32) {
        expect(await ask(bls, "hashToG1", hex(bytes))).to.equal(point);
        hashed++;
      }
    }
    expect(hashed).to.equal(2);
  });

  it("maps EIP-2537's field elements to its points, and refuses those it refuses", async function () {
    type Vector = { Input: string; Expected?: string; Name: string };
    const good = readVectors<Vector[]>(this, "eip-2537/map_fp_to_G1_bls.json");
    const point = (encoded: string) => {
      const bytes = unhex(encoded);
      return bls12_381.G1.Point.fromAffine({
        x: bytesToBigint(bytes.subarray(0, 64)),
        y: bytesToBigint(bytes.subarray(64)),
      });
    };
    for (const [i, vector] of good.entries()) {
      const next = good[(i + 1) % good.length]!;
      const sum = point(vector.Expected!).add(point(next.Expected!));
      expect(await mapTwo(bytesToBigint(unhex(vector.Input)), bytesToBigint(unhex(next.Input)))).to.equal(
        encode(sum.toAffine()),
      );
    }
    const bad = readVectors<Vector[]>(this, "eip-2537/fail-map_fp_to_G1_bls.json");
    const elements = bad.map(({ Input }) => Input).filter((input) => input.length === 128);
    expect(elements).not.to.have.length(0);
    for (const input of elements) {
      const u = bytesToBigint(unhex(input));
      expect(await ask(bls, "isReduced", ...words(u))).to.equal(false);
      expect(await mapTwo(u, 1n).catch(() => "reverted")).to.equal("reverted");
    }
  });

  it("reduces exactly at the edges", async () => {
    const top = (1n << 512n) - 1n;
    const multiples = [1n, 2n, 3n, 1n << 64n, 1n << 130n, top / Q - 1n, top / Q].map((k) => k * Q);
    const edges = [0n, 1n, LOW, LOW + 1n, 1n << 380n, 1n << 384n, top, top - 1n, (1n << 511n) + 1n];
    for (const value of [...edges, ...multiples.flatMap((m) => [m - 1n, m, m + 1n])].filter((v) => v <= top)) {
      const [hi, lo] = await ask(bls, "reduce", ...words(value));
      expect((hi << 256n) | lo, `${value}`).to.equal(value % Q);
    }
  });

  it("knows reduced elements from others", async () => {
    for (const value of [0n, 1n, Q - 1n, LOW, 1n << 380n]) {
      expect(await ask(bls, "isReduced", ...words(value)), `${value}`).to.equal(true);
    }
    for (const value of [Q, Q + 1n, Q + (1n << 256n), 1n << 381n, (1n << 512n) - 1n]) {
      expect(await ask(bls, "isReduced", ...words(value)), `${value}`).to.equal(false);
    }
  });
});

describe("isKey of both curves", () => {
  it("takes keys, and not the identity, though the pairing takes it", async () => {
    for (const [contract, suite] of [
      [bn, "bn254"],
      [bls, "bls12-381"],
    ] as const) {
      const { key } = sign(suite, new Uint8Array(32));
      expect(await ask(contract, "isKey", hex(key))).to.equal(true);
      expect(await ask(contract, "isKey", hex(new Uint8Array(key.length)))).to.equal(false);
      expect(await ask(contract, "isKey", hex(flipBit(key, key.length - 1)))).to.equal(false);
    }
  });
});
