import { expect } from "chai";
import { CERTIFIED, CERTIFIED_BOUND } from "../../src/testing/dag/certificates.ts";
import { measureDistribution, promisedRounds } from "../../src/testing/dag/distribution.ts";
import { causalOrder, generateDag, generateView } from "../../src/testing/dag/generate.ts";
import { type LatencyResult, measureLatency } from "../../src/testing/dag/latency.ts";
import {
  type BaselineRule,
  MahiMahi,
  type VotedBlock,
  VotedBlocks,
  WaveTally,
} from "../../src/testing/dag/mahi-mahi.ts";
import { SCHEDULES } from "../../src/testing/dag/schedules.ts";
import type { SketchBlock } from "../../src/testing/dag/sketch.ts";
import { createRandom } from "../../src/testing/random.ts";
import { seed } from "../seed.ts";

const BASELINES: readonly BaselineRule[] = [
  { waveLength: 4, leaders: 1 },
  { waveLength: 4, leaders: 4 },
  { waveLength: 5, leaders: 4 },
];
const LONG = process.env.CLOCKLESS_LONG === "1";
/** p = 2/4, 2/7, 2/10, 2/31. */
const R = [84, 169, 249, 819];
const of = (result: LatencyResult, rule: string) => result.rules.find((entry) => entry.rule === rule)!;

describe(`formal: latency in message delays, ours and Mahi-Mahi's (seed ${seed})`, () => {
  it("unit delays: exactly 3 for everybody; Mahi-Mahi with all leaders exactly 4 and 5", () => {
    const result = measureLatency({
      n: 4,
      schedule: "unit",
      seed,
      delays: 30,
      baselines: BASELINES,
      isCertified: true,
    });
    expect(of(result, "ours")).deep.include({ mean: 3, p50: 3, p99: 3, missing: 0 });
    expect(of(result, CERTIFIED)).deep.include({ mean: 4, p99: 4, missing: 0 });
    expect(of(result, CERTIFIED_BOUND)).deep.include({ mean: 4, p99: 4, missing: 0 });
    expect(of(result, "mahi-mahi w=4 l=4")).deep.include({ mean: 4, p99: 4 });
    expect(of(result, "mahi-mahi w=5 l=4")).deep.include({ mean: 5, p99: 5 });
    // One leader a round: three of four blocks wait for the next round's.
    expect(of(result, "mahi-mahi w=4 l=1").mean).within(4.6, 4.9);
    expect(result.coins).equal(0);
  });

  for (const schedule of SCHEDULES) {
    it(`${schedule}: no member's order differs from another's, under any of the rules`, () => {
      const result = measureLatency({ n: 4, schedule, seed, delays: 40, baselines: BASELINES });
      expect(result.forks).deep.equal([]);
      for (const { rule, samples, missing } of result.rules) {
        expect(samples, rule).greaterThan(30);
        expect(missing, rule).most(samples / 20);
      }
    });
  }

  it("late-gift: a withholder is out but for ever rarer relapses", () => {
    // A = 8: seven relapses' worth of time after the first exclusion, of which at most three happen.
    const run = { n: 4, schedule: "late-gift", seed, activityWindow: 8, warmUpDelays: 14, delays: 250 } as const;
    const ours = of(measureLatency(run), "ours");
    expect(ours.mean).most(3.3);
    expect(ours.missing).equal(0);
  });

  for (const schedule of ["starve-leaders", "early-coin"] as const) {
    it(`${schedule}: all rounds are output within R, the mean is below Mahi-Mahi's w = 5, l = 3 under the scheduler for its coins`, () => {
      const n = 4;
      const { samples, late, forks, coins } = measureDistribution({
        n,
        schedule,
        samples: LONG ? 100_000 : 700,
        seed,
      });
      expect(forks).equal(0);
      if (LONG) expect(coins).greaterThan(1000);
      expect(late * 10_000).most(samples);
      const baselines: BaselineRule[] = [{ waveLength: 5, leaders: 3 }];
      const ours = of(measureLatency({ n, schedule, seed, delays: 100 }), "ours").mean;
      const theirs = measureLatency({ n, schedule, seed, delays: 100, baselines, aim: 5 });
      expect(ours).lessThan(of(theirs, "mahi-mahi w=5 l=3").mean);
    }).timeout(LONG ? 3_600_000 : 600_000);
  }

  it("R follows from what an anchor commits with, by committee size", () => {
    expect([4, 7, 10, 31].map(promisedRounds)).deep.equal(R);
  });

  it("the same seed gives the same run", () => {
    const run = () => measureLatency({ n: 4, schedule: "chaos", seed, delays: 20, baselines: BASELINES });
    expect(run()).deep.equal(run());
  });

  it("uniform delays and f crashed, n = 10: below the promise, and below Mahi-Mahi", () => {
    for (const [schedule, most] of [
      ["uniform", 4.2],
      ["crashed", 4.6],
    ] as const) {
      const baselines: BaselineRule[] = [{ waveLength: 4, leaders: 10 }];
      const result = measureLatency({ n: 10, schedule, seed, delays: 20, baselines });
      expect(of(result, "ours").mean).most(most);
      expect(of(result, "ours").mean).lessThan(of(result, "mahi-mahi w=4 l=10").mean);
    }
  });

  it("Mahi-Mahi's rule as the baseline: no two views of a DAG output different orders", () => {
    let output = 0;
    for (let dag = 0; dag < 150; dag++) {
      const random = createRandom(seed, `baseline/${dag}`);
      const n = random.pick([4, 5, 7]);
      const { sketch, leader } = generateDag(random, { n, rounds: 14 });
      const blocks = new VotedBlocks<number>(n);
      const orderOf = (view: readonly SketchBlock[], rule: BaselineRule): string[] => {
        const tally = new WaveTally<VotedBlock>(n, rule.waveLength);
        const mahiMahi = new MahiMahi(tally, rule.leaders, leader);
        const order: string[] = [];
        for (const { id, round, author, parents } of view) {
          tally.accept(
            blocks.add(
              id,
              round,
              author,
              parents.map((parent) => parent.id),
            ),
          );
          for (const block of mahiMahi.advance()) order.push(`${block.round}/${block.author}/${block.order}`);
        }
        return order;
      };
      const all = sketch.blocks.slice(n);
      for (const block of all)
        blocks.add(
          block.id,
          block.round,
          block.author,
          block.parents.map((parent) => parent.id),
        );
      for (const rule of BASELINES) {
        const whole = orderOf(all, rule);
        output += whole.length;
        for (const view of [causalOrder(random, all), generateView(random, sketch), generateView(random, sketch)]) {
          const part = orderOf(view, rule);
          const common = Math.min(part.length, whole.length);
          expect(part.slice(0, common)).deep.equal(whole.slice(0, common));
        }
      }
    }
    expect(output).greaterThan(1000);
  });
});
