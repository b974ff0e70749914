import { expect } from "chai";
import { ACTIVITY_LAG, Activity, MAX_EXCLUSION, RELAPSE_FACTOR } from "../../src/consensus/activity.ts";

const N = 4;
const A = 8;
const all = new Array<boolean>(N).fill(true);

/** Outputs rounds up to `to`; author 3 withholds whenever `isBad` and it has a slot. Returns the rounds in which it had one. */
function play(activity: Activity, from: number, to: number, isBad: (round: number) => boolean): number[] {
  const active: number[] = [];
  for (let round = from; round <= to; round++) {
    const isActive = activity.isActive(round)[3] === true;
    if (isActive) active.push(round);
    activity.record({ round, present: all, skipped: [false, false, false, isActive && isBad(round)] });
  }
  return active;
}

/** Lengths of the stretches in which it had no slot. */
const gaps = (active: readonly number[]): number[] =>
  active.flatMap((round, i) => (i > 0 && round > active[i - 1]! + 1 ? [round - active[i - 1]! - 1] : []));

describe("consensus: who has a slot", () => {
  it("a withholder that relapses is left out four times as long, up to 16 A rounds", () => {
    const active = play(new Activity(N, 3, A), 1, 1000, () => true);
    const found = gaps(active);
    expect(found.slice(0, 4)).deep.equal(
      [A, A * RELAPSE_FACTOR, A * MAX_EXCLUSION, A * MAX_EXCLUSION].map((x) => x + ACTIVITY_LAG - 1),
    );
    expect(active.length).most((found.length + 1) * (ACTIVITY_LAG + 1));
  });

  it("one skipped slot costs A rounds, and so does the next after four times as many good ones", () => {
    const activity = new Activity(N, 3, A);
    const back = 50 + A + ACTIVITY_LAG;
    const again = back + RELAPSE_FACTOR * A;
    const active = play(activity, 1, 300, (round) => round === 50 || round === again);
    expect(gaps(active)).deep.equal([A, A]);
    const early = play(new Activity(N, 3, A), 1, 300, (round) => round === 50 || round === again - 1);
    expect(gaps(early)).deep.equal([A, A * RELAPSE_FACTOR]);
  });

  it("who starts from any round's checkpoint agrees with who has seen everything", () => {
    const isBad = (round: number) => round % 7 === 0;
    const active = play(new Activity(N, 3, A), 1, 400, isBad);
    for (const cut of [1, 5, 13, 20, 60, 133, 250]) {
      const old = new Activity(N, 3, A);
      const before = play(old, 1, cut, isBad);
      const young = new Activity(N, 3, A, old.records, old.exclusions);
      expect([...before, ...play(young, cut + 1, 400, isBad)]).deep.equal(active);
    }
  });
});
