import { bn254 } from "@noble/curves/bn254.js";
import { expect } from "chai";
import fc from "fast-check";
import {
  curveRightSide,
  hashToField,
  hashToG1,
  mapToCurve,
  sgn0,
  svdwCandidates,
  svdwDenominator,
} from "../../src/threshold/bn254-hash.ts";
import { type Bn254Hints, computeBn254Hints } from "../../src/threshold/bn254-hints.ts";
import { encodeBn254Signature } from "../../src/threshold/bn254-points.ts";
import { hex, seeded } from "./support.ts";

const Fp = bn254.fields.Fp;
const FIELDS = ["inverse", "y0", "w0", "y1", "w1"] as const;

/** What the contract does with one map's witnesses: multiplications and comparisons only; undefined stands for a revert. */
function checkedMap(u: bigint, inverse: bigint, y: bigint, w: bigint): { x: bigint; y: bigint } | undefined {
  if (y >= Fp.ORDER) return undefined;
  const [x1, x2, x3] = svdwCandidates(u, inverse);
  const square = Fp.sqr(y);
  let x = x1;
  if (square !== curveRightSide(x1)) {
    if (Fp.sqr(Fp.create(w)) !== Fp.neg(curveRightSide(x1))) return undefined;
    if (square === curveRightSide(x2)) x = x2;
    else if (square === curveRightSide(x3)) x = x3;
    else return undefined;
  }
  return { x, y: sgn0(y) === sgn0(u) ? y : Fp.neg(y) };
}

function checkedHash(digest: Uint8Array, hints: Bn254Hints): string | undefined {
  const [u0, u1] = hashToField(digest);
  const d0 = svdwDenominator(u0);
  const d1 = svdwDenominator(u1);
  if (Fp.mul(Fp.mul(d0, d1), hints.inverse) !== 1n) return undefined;
  const a = checkedMap(u0, Fp.mul(hints.inverse, d1), hints.y0, hints.w0);
  const b = checkedMap(u1, Fp.mul(hints.inverse, d0), hints.y1, hints.w1);
  if (a === undefined || b === undefined) return undefined;
  return hex(encodeBn254Signature(bn254.G1.Point.fromAffine(a).add(bn254.G1.Point.fromAffine(b))));
}

describe("threshold/bn254-hints", () => {
  it("lead a checker that only multiplies to exactly the RFC's point", () => {
    let withWitness = 0;
    for (let i = 0; i < 60; i++) {
      const digest = seeded(`hint ${i}`);
      const hints = computeBn254Hints(digest);
      const [u0, u1] = hashToField(digest);
      const a = checkedMap(u0, Fp.inv(svdwDenominator(u0)), hints.y0, hints.w0);
      const b = checkedMap(u1, Fp.inv(svdwDenominator(u1)), hints.y1, hints.w1);
      expect(a).to.deep.equal(mapToCurve(u0));
      expect(b).to.deep.equal(mapToCurve(u1));
      expect(checkedHash(digest, hints)).to.equal(hex(encodeBn254Signature(hashToG1(digest))));
      for (const field of FIELDS) expect(hints[field] >= 0n && hints[field] < Fp.ORDER).to.equal(true);
      if (hints.w0 !== 0n) withWitness++;
    }
    expect(withWitness).to.be.greaterThan(10);
    expect(withWitness).to.be.lessThan(50);
  });

  it("w is 0 exactly when the first candidate is on the curve", () => {
    for (let i = 0; i < 40; i++) {
      const digest = seeded(`w ${i}`);
      const [u0] = hashToField(digest);
      const [x1] = svdwCandidates(u0, Fp.inv(svdwDenominator(u0)));
      expect(computeBn254Hints(digest).w0 === 0n).to.equal(mapToCurve(u0).x === x1);
    }
  });

  it("no other hints lead the checker to another point", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.constantFrom(...FIELDS),
        fc.oneof(fc.bigInt(0n, Fp.ORDER - 1n), fc.constantFrom(0n, 1n, Fp.ORDER - 1n, Fp.ORDER)),
        (digest, field, value) => {
          const hints = { ...computeBn254Hints(digest), [field]: value };
          const got = checkedHash(digest, hints);
          if (got !== undefined) expect(got).to.equal(hex(encodeBn254Signature(hashToG1(digest))));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("either root serves: the sign comes from u", () => {
    const digest = seeded("either root");
    const hints = computeBn254Hints(digest);
    const negated = { ...hints, y0: Fp.neg(hints.y0), y1: Fp.neg(hints.y1), w0: Fp.neg(hints.w0) };
    expect(checkedHash(digest, negated)).to.equal(hex(encodeBn254Signature(hashToG1(digest))));
  });
});
