import { expect } from "chai";
import { Fingerprints } from "../../src/testing/dag/fingerprints.ts";
import type { RuleName } from "../../src/testing/dag/rule.ts";
import { search } from "../../src/testing/dag/search.ts";

describe("formal: exhaustive search over small DAGs, n = 4", () => {
  it("a slot of the equivocator: no two views disagree, and the shipping code says what the search says", () => {
    const result = search({ slotAuthor: 0, verifyEvery: 8 });
    expect(result.fork).equal(undefined);
    expect(result.isComplete).equal(true);
    expect(result.states).greaterThan(10_000);
    expect(result.verified).greaterThan(1000);
    expect(result.seen.commit).greaterThan(100);
    expect(result.seen.open).greaterThan(100);
  });

  it("the same with honest authors that leave out rounds", () => {
    const result = search({ slotAuthor: 2, malicious: [2], hasJumps: true, verifyEvery: 100 });
    expect(result.fork).equal(undefined);
    expect(result.isComplete).equal(true);
    expect(result.verified).greaterThan(300);
  });

  it("a slot of an honest author: the equivocator cannot make views disagree about it either", () => {
    for (const malicious of [0, 3]) {
      const result = search({ slotAuthor: 1, malicious: [malicious], hasJumps: true });
      expect(result.fork).equal(undefined);
      expect(result.verified).greaterThan(100);
      expect(result.seen.skip).greaterThan(0);
    }
  });

  it("gives up honestly at its limit", () => {
    expect(search({ slotAuthor: 0, maxStates: 100 }).isComplete).equal(false);
  });

  const controls: readonly RuleName[] = [
    "last-window-only",
    "ignore-last-window",
    "anchor-early",
    "early-skip",
    "first-skip",
    "twin-skip",
    "own-last",
  ];
  for (const rule of controls) {
    it(`control ${rule} forks`, () => {
      expect(search({ slotAuthor: 0, rule }).fork, "the control must fail").not.equal(undefined);
    });
  }

  it("control two-f-plus-one forks where n is not 3f + 1", () => {
    expect(search({ n: 5, slotAuthor: 0, rule: "two-f-plus-one" }).fork).not.equal(undefined);
    expect(search({ n: 5, slotAuthor: 1, hasJumps: true, verifyEvery: 100 }).fork).equal(undefined);
  });

  it("control f-plus-one forks", () => {
    expect(search({ slotAuthor: 0, malicious: [0, 3] }).fork).not.equal(undefined);
  });

  it("fingerprints: a set that grows, and knows what it has", () => {
    const set = new Fingerprints(4);
    for (let i = 0; i < 5000; i++) expect(set.add([i, -1, i * i])).equal(true);
    for (let i = 0; i < 5000; i++) expect(set.add([i, -1, i * i])).equal(false);
    expect(set.add([0, -1, 0, 0])).equal(true);
    expect(set.size).equal(5001);
  });
});
