import { expect } from "chai";
import { ADVERSARIES } from "../../src/testing/simulator/names.ts";
import { type Control, simulateReshare } from "../../src/testing/simulator/reshare.ts";
import type { SimulationReport } from "../../src/testing/simulator/types.ts";

/** `npm run test:long` runs more. */
const SEEDS = Number(process.env.CLOCKLESS_SEEDS ?? "20");

/** Whatever else goes wrong in a run. */
const BESIDE = ADVERSARIES.filter((name) => !["none", "reshare", "swarm"].includes(name));

interface Options {
  readonly beside?: string;
  readonly members?: number;
  readonly changes?: number;
  readonly owners?: number;
  readonly control?: Control;
}

function run(seed: bigint, options: Options = {}): SimulationReport {
  const { members = 4, changes = 1, owners = 6, control, beside } = options;
  const adversary = beside === undefined ? "reshare" : `reshare+${beside}`;
  const report = simulateReshare({
    members,
    adversary,
    seed,
    rounds: 0,
    delays: "uniform",
    owners,
    changes,
    control,
  });
  if (!report.agreement && control === undefined)
    console.log(
      `  replay: simulateReshare({ members: ${members}, adversary: "${adversary}", seed: ${seed}n, owners: ${owners}, changes: ${changes} })`,
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

  for (const beside of BESIDE)
    it(`changes its committee under "${beside}"`, function () {
      this.timeout(600_000 * SEEDS);
      for (let seed = 1n; seed <= BigInt(Math.ceil(SEEDS / 20)); seed++) {
        const report = run(seed, { beside });
        expect(report.violations, `seed ${seed}`).to.deep.equal([]);
        expect(report.epochs, `seed ${seed}`).to.equal(2);
        expect(report.instructions.unsettled, `seed ${seed}`).to.equal(0);
      }
    });

  it("bears malicious members and other trouble at once, and gives the same run for the same seed", function () {
    this.timeout(600_000);
    for (const [beside, members] of [
      ["equivocate+loss", 4],
      ["twins+restart", 4],
      ["garbage+mutate", 7],
    ] as const) {
      const [first, second] = [1, 2].map(() => run(5n, { beside, members, changes: 2 }));
      expect(first!.violations, beside).to.deep.equal([]);
      expect(second, beside).to.deep.equal(first);
      expect(first!.malice!.acts, beside).to.be.greaterThan(20);
    }
  });

  describe("controls: what the checkers must catch", () => {
    it("members that apply what the old order says after its closing batch contradict the others", function () {
      this.timeout(600_000);
      const { violations } = run(1n, { owners: 40, control: "keep-applying" });
      expect(violations.some((text) => text.startsWith("S1"))).to.equal(true);
    });

    it("one malicious member too many forks the committee while it changes", function () {
      this.timeout(600_000);
      const { violations } = run(2n, { beside: "twins", control: "f-plus-one" });
      expect(violations.some((text) => text.startsWith("agreement"))).to.equal(true);
    });

    it("a member whose operator keeps silent about a lost disk signs twice", function () {
      this.timeout(600_000);
      expect(run(4n, { beside: "rollback" }).violations).to.deep.equal([]);
      const { violations } = run(4n, { beside: "rollback", control: "sign-after-loss" });
      expect(violations.some((text) => text.startsWith("S6"))).to.equal(true);
    });

    it("members that begin an epoch without its certificates are seen, although nothing else goes wrong", function () {
      this.timeout(600_000);
      const { violations } = run(3n, { control: "early-switch" });
      expect(violations.some((text) => text.includes("before the closing batch was certified"))).to.equal(true);
    });
  });
});
