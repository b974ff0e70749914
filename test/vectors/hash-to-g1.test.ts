/** RFC 9380's own points, and cases that arkworks made for both curves. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { expect } from "chai";
import { utf8ToBytes } from "../../src/lib/bytes.ts";
import { hashToG1 } from "../../src/threshold/bn254-hash.ts";
import { encodeBn254Signature } from "../../src/threshold/bn254-points.ts";
import { encodeBls12381Proof, encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import { createMclBls12381 } from "../../src/threshold/mcl-bls12381.ts";
import { createMclBn254 } from "../../src/threshold/mcl-bn254.ts";
import type { MclCurve } from "../../src/threshold/mcl-curve.ts";
import { G1_SIZE } from "../../src/threshold/mcl-module.ts";
import { engines, flipBit, hex, unhex } from "../threshold/support.ts";
import { readVectors } from "./shared.ts";

function mclHash(curve: MclCurve, message: Uint8Array): string {
  const out = curve.mcl.allocate(G1_SIZE);
  expect(curve.hash(out, message)).to.equal(true);
  return hex(curve.encodeSignature(out));
}

interface SolidityCase {
  readonly dst: string;
  readonly message: string;
  readonly pk: string;
  readonly m_expected: string;
  readonly scheme: "BLS12381" | "BN254";
  readonly sig: string;
  readonly sig_compressed: string;
  readonly drand_round_number: number;
}

/** The secret of the cases that are no drand rounds, as their source states it. */
const CASE_SECRET = (0xdeadbeefn << 192n).toString(16).padStart(64, "0");

describe("hashing to G1", () => {
  it("BLS12-381 equals RFC 9380 appendix J.9.1 in both engines", async function () {
    const { G1 } = readVectors<{ G1: { dst: string; cases: { msg: string; point_compressed: string }[] } }>(
      this,
      "rfc9380-bls12381.json",
    );
    const curve = await createMclBls12381(G1.dst);
    expect(G1.cases.length).to.equal(5);
    for (const { msg, point_compressed } of G1.cases) {
      const message = utf8ToBytes(msg);
      const point = bls12_381.G1.hashToCurve(message, { DST: G1.dst });
      expect(hex(point.toBytes(true))).to.equal(`0x${point_compressed}`);
      expect(mclHash(curve, message)).to.equal(`0x${point_compressed}`);
    }
  });

  it("bls-solidity's cases: same points and signatures, in both engines", async function () {
    const { cases } = readVectors<{ cases: SolidityCase[] }>(this, "bls-solidity-cases.json");
    const all = await engines();
    expect(cases.length).to.be.greaterThan(3);
    for (const { dst, message, pk, m_expected, scheme, sig, sig_compressed, drand_round_number } of cases) {
      const bytes = unhex(message);
      if (scheme === "BN254") {
        const point = hashToG1(bytes, { dst });
        expect(hex(encodeBn254Signature(point))).to.equal(`0x${m_expected}`);
        expect(mclHash(await createMclBn254(dst), bytes)).to.equal(`0x${m_expected}`);
        expect(hex(encodeBn254Signature(point.multiply(BigInt(`0x${CASE_SECRET}`))))).to.equal(`0x${sig}`);
        for (const engine of [all.bn254.noble, all.bn254.mcl]) {
          expect(hex(engine.publicKey(unhex(CASE_SECRET)))).to.equal(`0x${pk}`);
          expect(engine.isSignature(unhex(sig))).to.equal(true);
        }
        continue;
      }
      const point = bls12_381.G1.hashToCurve(bytes, { DST: dst });
      expect(hex(point.toBytes(false))).to.equal(`0x${m_expected}`);
      const compressed = mclHash(await createMclBls12381(dst), bytes);
      expect(hex(encodeBls12381Proof(unhex(compressed)))).to.equal(`0x${m_expected}`);
      expect(hex(encodeBls12381Proof(unhex(sig_compressed)))).to.equal(`0x${sig}`);
      // These keys are uncompressed with the imaginary limb first.
      const key = bls12_381.G2.Point.fromBytes(unhex(pk)).toBytes(true);
      expect(hex(encodePublicKeyForVerifier("bls12-381", key)).length).to.equal(2 + 512);
      for (const engine of [all["bls12-381"].noble, all["bls12-381"].mcl]) {
        if (drand_round_number === 0) {
          expect(hex(engine.publicKey(unhex(CASE_SECRET)))).to.equal(hex(key));
          expect(hex(point.multiply(BigInt(`0x${CASE_SECRET}`)).toBytes(true))).to.equal(`0x${sig_compressed}`);
        } else {
          expect(engine.verify(key, bytes, unhex(sig_compressed))).to.equal(true);
          expect(engine.verify(key, flipBit(bytes, 255), unhex(sig_compressed))).to.equal(false);
        }
      }
    }
  });
});
