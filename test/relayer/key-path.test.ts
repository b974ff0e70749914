import { expect } from "chai";
import fc from "fast-check";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { type Anchor, anchorOf, extendPath, pathFrom } from "../../src/relayer/key-path.ts";
import { encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import { seed } from "../seed.ts";
import { COMMITTEE_ID, engines, handoverOf, keysAfter } from "./support/committee.ts";

const LENGTH = 4;
const GOOD = Array.from({ length: LENGTH }, (_, k) => handoverOf(k + 1));
const BAD = GOOD.map((_, k) => handoverOf(k + 1, { to: 40 + k, by: 40 }));

function anchorAt(suite: Suite, handovers: number): Anchor {
  const key = hexToBytes(keysAfter(handovers)[suite]);
  const verifierKey = bytesToHex(encodePublicKeyForVerifier(suite, key));
  return anchorOf({ committeeId: COMMITTEE_ID, suite, verifierKey, handovers: BigInt(handovers) });
}

describe("the path from a hub's key", () => {
  it("begins with the key in canonical encoding, read from the verifier's", () => {
    for (const suite of SUITES) expect(anchorAt(suite, 2).groupKey).to.equal(keysAfter(2)[suite]);
  });

  it("takes up what is signed up to the first gap or lie, whatever stands around it, in any order (property)", () => {
    console.log(`    seed ${seed}`);
    const shown = fc.array(fc.constantFrom("good", "bad", "missing"), { minLength: LENGTH, maxLength: LENGTH });
    fc.assert(
      fc.property(fc.constantFrom(...SUITES), fc.nat(LENGTH), shown, fc.boolean(), (suite, start, kinds, reversed) => {
        const anchor = anchorAt(suite, start);
        const list = kinds.flatMap((kind, k) => (kind === "missing" ? [] : [(kind === "good" ? GOOD : BAD)[k]!]));
        const { path, isForged } = extendPath(
          engines[suite],
          anchor,
          pathFrom(anchor),
          reversed ? [...list].reverse() : list,
        );
        let end = start;
        while (kinds[end] === "good") end++;
        expect(path.keys).to.deep.equal(Array.from({ length: end - start + 1 }, (_, k) => keysAfter(start + k)[suite]));
        expect(path.handovers).to.deep.equal(GOOD.slice(start, end));
        expect(isForged).to.equal(kinds[end] === "bad");
      }),
      { seed, numRuns: 30 },
    );
  });

  it("goes on from where it was, and is not shortened by those who know less", () => {
    const anchor = anchorAt("bn254", 0);
    let path = pathFrom(anchor);
    for (const length of [1, 3, 0, 2, 4]) path = extendPath(engines.bn254, anchor, path, GOOD.slice(0, length)).path;
    expect(path.keys).to.deep.equal([0, 1, 2, 3, 4].map((k) => keysAfter(k).bn254));
  });

  it("refuses a hub whose verifier holds no key", () => {
    const verifierKey = `0x${"00".repeat(128)}` as const;
    expect(() => anchorOf({ committeeId: COMMITTEE_ID, suite: "bn254", verifierKey, handovers: 0n }))
      .to.throw()
      .with.property("code", "foreignHub");
  });
});
