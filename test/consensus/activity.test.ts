import { expect } from "chai";
import fc from "fast-check";
import { Activity, MAX_EXCLUSION, RELAPSE_FACTOR } from "../../src/consensus/activity.ts";
import type { BlockRef } from "../../src/consensus/types.ts";

const A = 8;
const refOf = (round: number, author: number): BlockRef => ({ round, author, digest: `0x${"00".repeat(32)}` });

/** A round in which everybody's block is output and the slots of `skipped` are skipped. */
function output(activity: Activity, round: number, skipped: readonly number[], absent: readonly number[] = []): void {
  const leaders = activity.slots(round).filter((author) => !skipped.includes(author));
  const blocks = [...Array(activity.vectorClock.length).keys()]
    .filter((author) => !absent.includes(author))
    .map((author) => refOf(round, author));
  activity.record(
    round,
    leaders.map((author, i) => ({ leader: refOf(round, author), blocks: i === 0 ? blocks : [] })),
  );
}

/** Outputs rounds; author 3 of n = 4 withholds whenever `isBad` and it has a slot. Returns the rounds in which it had one. */
function play(activity: Activity, from: number, to: number, isBad: (round: number) => boolean): number[] {
  const active: number[] = [];
  for (let round = from; round <= to; round++) {
    if (activity.isActive(round)[3] === true) active.push(round);
    output(activity, round, isBad(round) ? [3] : []);
  }
  return active;
}

const fresh = () => new Activity(4, 3, A);
/** Lengths of the stretches in which it had no slot. */
const gaps = (active: readonly number[]): number[] =>
  active.flatMap((round, i) => (i > 0 && round > active[i - 1]! + 1 ? [round - active[i - 1]! - 1] : []));

describe("consensus: who has a slot", () => {
  it("a withholder that relapses is left out four times as long, up to 16 A rounds: it opens one slot each time", () => {
    const active = play(fresh(), 1, 1000, () => true);
    const found = gaps(active);
    expect(found.slice(0, 4)).deep.equal([A, A * RELAPSE_FACTOR, A * MAX_EXCLUSION, A * MAX_EXCLUSION]);
    expect(active.length).equal(found.length + 1);
  });

  it("one skipped slot costs A rounds, and so does the next after four times as many without", () => {
    const back = 50 + A + 1;
    const again = back + RELAPSE_FACTOR * A;
    expect(gaps(play(fresh(), 1, 300, (round) => round === 50 || round === again))).deep.equal([A, A]);
    const early = play(fresh(), 1, 300, (round) => round === 50 || round === again - 1);
    expect(gaps(early)).deep.equal([A, A * RELAPSE_FACTOR]);
  });

  it("who has no block in the output of A rounds has no slot, and one as soon as a block of it is output again", () => {
    const activity = fresh();
    for (let round = 1; round <= 10; round++) output(activity, round, []);
    const had: number[] = [];
    for (let round = 11; round <= 40; round++) {
      if (activity.isActive(round)[2] === true) had.push(round);
      output(activity, round, [], round < 30 ? [2] : []);
    }
    // Last seen in the output of round 10; its skipped slots are another matter.
    expect(had).deep.equal([11, 12, 13, 14, 15, 16, 17, 18, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40]);
  });

  it("starving honest members brings no withholder back: whose time ends first is called, and Q are enough", () => {
    const activity = new Activity(7, 5, A);
    // Two withholders relapse to the longest exclusion.
    let round = 1;
    for (; round <= 250; round++) output(activity, round, [5, 6]);
    expect(activity.slots(round)).have.members([0, 1, 2, 3, 4]);
    // Then the scheduler starves honest slots, one after the other: three are out where at most two may be.
    let withheld = 0;
    let starved = 0;
    const until = Math.min(...[5, 6].map((author) => activity.past.standings[author]!.until));
    for (; round < until; round++) {
      const slots = activity.slots(round);
      expect(slots.length).equal(5);
      if (slots.some((author) => author >= 5)) withheld++;
      output(activity, round, round % (2 * A) === 0 ? [(round / (2 * A)) % 5] : []);
      if (activity.past.standings.filter((standing) => standing.until > round + 1).length > 2) starved++;
    }
    expect(withheld).equal(0);
    expect(starved).greaterThan(20);
  });

  it("whatever is output and skipped: at least Q have a slot, and no exclusion is longer than 16 A", () => {
    const rounds = fc.array(fc.tuple(fc.subarray([0, 1, 2, 3, 4]), fc.subarray([0, 1, 2, 3, 4])), { maxLength: 120 });
    const property = fc.property(rounds, (played) => {
      const activity = new Activity(5, 4, 2);
      for (const [i, [skipped, absent]] of played.entries()) {
        expect(activity.slots(i + 1).length).least(4);
        output(activity, i + 1, skipped, absent);
        for (const { until } of activity.past.standings) expect(until).most(i + 2 + 2 * MAX_EXCLUSION);
      }
    });
    fc.assert(property, { numRuns: 200 });
  });

  it("who starts from any round's past agrees with who has seen everything", () => {
    const isBad = (round: number) => round % 7 === 0;
    const active = play(fresh(), 1, 400, isBad);
    for (const cut of [1, 5, 13, 20, 60, 133, 250]) {
      const old = fresh();
      const before = play(old, 1, cut, isBad);
      const young = new Activity(4, 3, A, old.past);
      expect(young.digest).equal(old.digest);
      expect([...before, ...play(young, cut + 1, 400, isBad)]).deep.equal(active);
    }
  });

  it("the digest changes with every number of it", () => {
    const { past, digest } = (() => {
      const activity = fresh();
      play(activity, 1, 60, () => true);
      return activity;
    })();
    const digests = [digest];
    for (const [author, standing] of past.standings.entries()) {
      for (const name of ["seen", "until", "rounds"] as const) {
        const changed = past.standings.with(author, { ...standing, [name]: standing[name] + 1 });
        digests.push(new Activity(4, 3, A, { ...past, standings: changed }).digest);
      }
      digests.push(new Activity(4, 3, A, { ...past, vectorClock: past.vectorClock.with(author, 99) }).digest);
    }
    expect(new Set(digests).size).equal(1 + 4 * 4);
  });
});
