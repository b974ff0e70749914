import { expect } from "chai";
import { planChanges } from "../../scripts/demo/changes.ts";
import { quorumOf } from "../../src/lib/math.ts";

/** Carries a plan out on paper: newcomers get the next free numbers, and the committee's order is anything. */
function carryOut(largest: number): number[][] {
  let next = 4;
  const committees = [[2, 0, 3, 1]];
  for (const { stay, size } of planChanges(largest)) {
    const kept = [...stay(committees.at(-1)!)];
    while (kept.length < size) kept.push(next++);
    committees.push(kept.reverse());
  }
  return committees;
}

describe("the demo's changes of members", () => {
  it("are 4 → 7 → 5 → 5 for seven, with two and then one of the first four", () => {
    const committees = carryOut(7);
    expect(committees.map(({ length }) => length)).to.deep.equal([4, 7, 5, 5]);
    expect(committees[2]!.filter((person) => person < 4)).to.have.members([0, 1]);
    expect(committees[3]!.filter((person) => person < 4)).to.deep.equal([0]);
  });

  it("keep the key twice and lose it the third time, whatever the size, and always keep whom the demo follows", () => {
    for (let largest = 4; largest <= 31; largest++) {
      const committees = carryOut(largest);
      for (const [k, { kind }] of planChanges(largest).entries()) {
        const next = committees[k + 1]!;
        expect(new Set(next).size, `${largest}`).to.equal(next.length);
        expect(next).to.include(0);
        // The rule that the ledger has: t or more members of a past committee of the key outside.
        const isLost = committees.slice(0, k + 1).some((past) => {
          return past.filter((person) => !next.includes(person)).length >= quorumOf(past.length);
        });
        expect(isLost ? "generation" : "reshare", `${largest}, change ${k + 1}`).to.equal(kind);
      }
    }
  });
});
