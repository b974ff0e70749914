import { expect } from "chai";
import { type Control, simulateReshare } from "../../src/testing/simulator/reshare.ts";
import type { SimulationReport } from "../../src/testing/simulator/types.ts";

/** `npm run test:long` runs more. */
const SEEDS = Number(process.env.CLOCKLESS_SEEDS ?? "20");

interface Options {
  readonly members?: number;
  readonly changes?: number;
  readonly owners?: number;
  readonly control?: Control;
}

function run(seed: bigint, options: Options = {}): SimulationReport {
  const { members = 4, changes = 1, owners = 6, control } = options;
  const report = simulateReshare({
    members,
    adversary: "reshare",
    seed,
    rounds: 0,
    delays: "uniform",
    owners,
    changes,
    control,
  });
  if (!report.agreement && control === undefined)
    console.log(
      `  replay: simulateReshare({ members: ${members}, seed: ${seed}n, owners: ${owners}, changes: ${changes} })`,
    );
  return report;
}

describe("simulator: a committee that changes while it works", () => {
  it("gives the same trace for the same seed, and another one for another seed", () => {
    const [first, second, other] = [run(11n), run(11n), run(12n)];
    expect(second).to.deep.equal(first);
    expect(other.traceHash).to.not.equal(first.traceHash);
  });

  it(`keeps every promise on ${SEEDS} seeds: cheating dealers, sleepers, crashes, chaos, loss, partitions`, function () {
    this.timeout(600_000 * SEEDS);
    for (let seed = 1n; seed <= BigInt(SEEDS); seed++) {
      const report = run(seed);
      expect(report.violations, `seed ${seed}`).to.deep.equal([]);
      expect(report.epochs, `seed ${seed}`).to.equal(2);
      expect(report.instructions.unsettled, `seed ${seed}`).to.equal(0);
      expect(report.instructions.applied, `seed ${seed}`).to.be.greaterThan(3);
    }
  });

  it("goes through several changes in a row, of larger committees too", function () {
    this.timeout(600_000);
    for (const [seed, members] of [
      [3n, 4],
      [2n, 7],
    ] as const) {
      const report = run(seed, { members, changes: 3 });
      expect(report.violations, `seed ${seed}`).to.deep.equal([]);
      expect(report.epochs, `seed ${seed}`).to.equal(4);
    }
  });

  describe("controls: what the checkers must catch", () => {
    it("members that apply what the old order says after its closing batch contradict the others", function () {
      this.timeout(600_000);
      const { violations } = run(1n, { owners: 40, control: "keep-applying" });
      expect(violations.some((text) => text.startsWith("S1"))).to.equal(true);
    });

    it("members that begin an epoch without its certificates are seen, although nothing else goes wrong", function () {
      this.timeout(600_000);
      const { violations } = run(3n, { control: "early-switch" });
      expect(violations.some((text) => text.includes("before the closing batch was certified"))).to.equal(true);
    });
  });
});
