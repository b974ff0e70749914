import { expect } from "chai";
import type { Hex } from "../../src/lib/hex.ts";
import { dealInsecure, insecureDealRandomnessLength } from "../../src/threshold/dealer.ts";
import { isShareOf, validateThresholdKey } from "../../src/threshold/key.ts";
import { type Engine, SUITES, type ThresholdKey } from "../../src/threshold/types.ts";
import { engines, expectCode, seeded } from "./support.ts";

const deal = (engine: Engine, n: number, t: number, label = "key") =>
  dealInsecure(engine, n, t, seeded(label, insecureDealRandomnessLength(t)));

function withShare(key: ThresholdKey, index: number, share: Hex): ThresholdKey {
  return { ...key, publicShares: key.publicShares.map((old, i) => (i === index ? share : old)) };
}

describe("threshold/key", () => {
  for (const suite of SUITES) {
    it(`accepts dealt keys of every shape (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      for (const [n, t] of [
        [1, 1],
        [3, 1],
        [3, 3],
        [4, 3],
        [7, 5],
      ] as const) {
        validateThresholdKey(deal(mcl, n, t).key);
      }
    });

    it(`refuses a share, a group key or a threshold that does not belong (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      for (const [n, t] of [
        [1, 1],
        [3, 3],
        [4, 3],
      ] as const) {
        const { key } = deal(mcl, n, t);
        const other = deal(mcl, n, t, "other").key;
        for (let i = 0; i < n; i++) {
          expectCode(() => validateThresholdKey(withShare(key, i, other.publicShares[i]!)), "keyMismatch");
        }
        expectCode(() => validateThresholdKey({ ...key, groupKey: other.groupKey }), "keyMismatch");
        if (t > 1) expectCode(() => validateThresholdKey({ ...key, threshold: t - 1 }), "keyMismatch");
        // Fewer shares than it claims would sign.
        if (t < n) expectCode(() => validateThresholdKey({ ...key, threshold: t + 1 }), "keyMismatch");
      }
      // Two members swapped: every share is a real one, in the wrong place.
      const { key } = deal(mcl, 4, 3);
      const [a, b, ...rest] = key.publicShares;
      expectCode(() => validateThresholdKey({ ...key, publicShares: [b!, a!, ...rest] }), "keyMismatch");
    });

    it(`refuses malformed points and says whose (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      const { key } = deal(mcl, 4, 3);
      const zeros: Hex = `0x${"00".repeat(mcl.publicKeyLength)}`;
      for (const wrong of [zeros, "0x", "0x0", "garbage", `${key.groupKey}00`]) {
        const forged = wrong as Hex; // CAST: deliberately not what the type promises
        expectCode(() => validateThresholdKey(withShare(key, 2, forged)), "invalidPoint");
        expectCode(() => validateThresholdKey({ ...key, groupKey: forged }), "invalidPoint");
      }
      expect(() => validateThresholdKey(withShare(key, 2, zeros)))
        .to.throw()
        .with.deep.property("details", { member: 2 });
    });

    it(`knows whose a secret share is (${suite})`, async () => {
      const { mcl, noble } = (await engines())[suite];
      const { key, shares } = deal(mcl, 4, 3);
      for (const engine of [mcl, noble]) {
        expect(isShareOf(engine, key, 1, shares[1]!)).to.equal(true);
        expect(isShareOf(engine, key, 2, shares[1]!)).to.equal(false);
        expect(isShareOf(engine, key, 4, shares[1]!)).to.equal(false);
        expectCode(() => isShareOf(engine, key, 0, new Uint8Array(32)), "invalidSecret");
      }
      const other = (await engines())[suite === "bn254" ? "bls12-381" : "bn254"].mcl;
      expect(isShareOf(other, key, 1, seeded("any").fill(0, 0, 1))).to.equal(false);
    });
  }

  it("refuses thresholds that make no sharing", async () => {
    const { mcl } = (await engines()).bn254;
    const { key } = deal(mcl, 4, 3);
    for (const threshold of [0, 5, -1, 1.5]) {
      expectCode(() => validateThresholdKey({ ...key, threshold }), "invalidThreshold");
    }
    expectCode(() => validateThresholdKey({ ...key, publicShares: [] }), "invalidThreshold");
  });
});
