import { expect } from "chai";
import { createNativeKeccak } from "../../src/keys/native-keccak.ts";
import { referenceKeccak, useKeccak } from "../../src/lib/hash.ts";
import {
  ADVERSARIES,
  CONTROLS,
  type Control,
  parseAdversary,
  type SimulationConfig,
  type SimulationReport,
  simulate,
} from "../../src/testing/simulator/simulate.ts";

/** `npm run test:long` runs more. */
const SEEDS = Number(process.env.CLOCKLESS_SEEDS ?? "1");

/** What makes or breaks together. */
const COMBINATIONS = [
  "equivocate+lag",
  "twins+torn-disk",
  "garbage+lag",
  "jump-and-expose+asymmetric",
  "withhold+starve-leaders",
  "rollback+loss",
  "mutate+restart",
  "late-gift+early-coin",
];

type Options = Partial<SimulationConfig> & Pick<SimulationConfig, "adversary" | "seed">;

/** A failing seed is printed with the call that replays it. */
function run(options: Options): SimulationReport {
  const config: SimulationConfig = { members: 4, rounds: 40, delays: "uniform", owners: 4, ...options };
  const report = simulate(config);
  if (!report.agreement && config.control === undefined)
    console.log(
      `  replay: clockless simulate --members ${config.members} --adversary ${config.adversary} --seed ${config.seed} --rounds ${config.rounds} --owners ${config.owners} --delays uniform`,
    );
  return report;
}

function expectSound(options: Options): SimulationReport {
  const report = run(options);
  const label = `${options.adversary}, ${options.members ?? 4} members, seed ${options.seed}`;
  expect(report.violations, label).to.deep.equal([]);
  expect(report.instructions.unsettled, label).to.equal(0);
  return report;
}

describe("simulator: adversaries", () => {
  before(async () => useKeccak(await createNativeKeccak()));
  after(() => useKeccak(referenceKeccak));

  for (const adversary of [...ADVERSARIES.filter((name) => name !== "reshare"), ...COMBINATIONS]) {
    it(`"${adversary}" neither forks nor stalls n = 4 (${2 * SEEDS} seeds) and n = 7 (${SEEDS})`, function () {
      this.timeout(600_000 * SEEDS);
      for (let seed = 1; seed <= 2 * SEEDS; seed++) expectSound({ adversary, seed: BigInt(seed), rounds: 30 });
      for (let seed = 1; seed <= SEEDS; seed++) expectSound({ adversary, seed: BigInt(seed), members: 7, rounds: 12 });
    });
  }

  it("gives the same run for the same seed, whatever goes wrong in it", () => {
    for (const adversary of ["swarm", "twins+torn-disk", "mutate+loss", "equivocate+lag", "garbage+rollback"]) {
      const [first, second, other] = [5n, 5n, 6n].map((seed) => run({ adversary, seed, rounds: 20 }));
      expect(second, adversary).to.deep.equal(first);
      expect(other!.traceHash, adversary).to.not.equal(first!.traceHash);
    }
  });

  it("converges although nothing was certified for longer than K rounds while a member was away", function () {
    this.timeout(600_000);
    // The malicious member makes blocks, but no valid partials: what the absent one lacked was dropped, and no checkpoint came after it.
    expectSound({ adversary: "garbage+lag", seed: 1n, rounds: 90 });
  });

  it("brings members back that were away for several K, past a liar each time", function () {
    this.timeout(600_000);
    for (const [seed, members] of [
      [200n, 4],
      [201n, 5],
      [202n, 7],
    ] as const) {
      const { catchUps } = expectSound({ adversary: "lag", seed, members, rounds: 110 });
      expect(catchUps!.taken, `seed ${seed}`).to.be.greaterThan(0);
      expect(catchUps!.refused, `seed ${seed}`).to.equal(catchUps!.taken);
    }
  });

  describe("does what its name says", () => {
    const seed = 3n;
    it("processes and disks", () => {
      expect(run({ adversary: "crash", seed, rounds: 60 }).crashes).to.be.greaterThan(0);
      expect(run({ adversary: "restart", seed }).crashes).to.be.greaterThan(4);
      expect(run({ adversary: "torn-disk", seed }).crashes).to.be.greaterThan(4);
      expect(run({ adversary: "rollback", seed: 4n }).learners).to.have.length(1);
    });

    it("malicious members: their acts, and evidence against who signs twice", () => {
      for (const adversary of ["equivocate", "jump-and-expose", "twins"]) {
        const { malice } = run({ adversary, seed });
        expect(Object.keys(malice!.members), adversary).to.deep.equal([adversary]);
        expect(malice!.exposed, adversary).to.deep.equal(malice!.members[adversary]);
      }
      for (const adversary of ["late-gift", "withhold"])
        expect(run({ adversary, seed }).malice!.acts, adversary).to.be.greaterThan(20);
      for (const adversary of ["garbage", "mutate"])
        expect(run({ adversary, seed }).malice!.probes, adversary).to.be.greaterThan(5);
    });

    it("refuses names that there are not, and those that stand alone beside others", () => {
      expect(() => parseAdversary("equivocate+tornado")).to.throw(RangeError, "tornado");
      expect(() => parseAdversary("swarm+lag")).to.throw(RangeError);
      expect(parseAdversary("crash-chaos")).to.deep.equal(parseAdversary("chaos+crash"));
    });
  });

  describe("controls: what must be found", () => {
    /** Not every seed shows what is wrong: `once` is enough, and then each of them was tried. */
    interface Expected {
      readonly runs: readonly Options[];
      readonly what: RegExp;
      readonly once?: true;
    }
    const seeds = (count: number, options: Omit<Options, "seed">): Options[] =>
      Array.from({ length: count }, (_, i) => ({ ...options, seed: BigInt(i + 1) }));
    const found: Readonly<Record<Control, Expected>> = {
      "f-plus-one": {
        runs: [
          { adversary: "twins", seed: 1n },
          { adversary: "twins", seed: 2n, members: 7 },
        ],
        what: /^agreement/,
      },
      "no-register": { runs: [{ adversary: "restart", seed: 1n }], what: /^S6/ },
      "lost-sync": { runs: seeds(40, { adversary: "torn-disk", rounds: 60 }), what: /^S6/, once: true },
      "resume-after-loss": { runs: seeds(40, { adversary: "rollback" }), what: /^S6/, once: true },
      "one-coin-share": { runs: seeds(60, { adversary: "lag", rounds: 60 }), what: /^liveness/, once: true },
      "trusted-equivocator": { runs: [{ adversary: "equivocate", seed: 1n }], what: /^honest member/ },
      "no-catch-up": { runs: [{ adversary: "lag", seed: 1n, rounds: 100, owners: 6 }], what: /^liveness/ },
      "no-checkpoint-check": { runs: [{ adversary: "lag", seed: 1n, rounds: 100, owners: 6 }], what: /^agreement/ },
    };
    for (const control of CONTROLS) {
      it(control, function () {
        this.timeout(600_000);
        const { runs, what, once } = found[control];
        const shows = (options: Options) => what.test(run({ ...options, control }).violations[0] ?? "");
        const shown = once === true ? [runs.find(shows)] : runs.filter(shows);
        expect(shown)
          .to.have.lengthOf(once === true ? 1 : runs.length)
          .and.not.include(undefined);
        for (const options of shown.filter((each) => each !== undefined)) {
          // It is the control that does it.
          if (control !== "f-plus-one" && control !== "trusted-equivocator") expectSound(options);
        }
      });
    }
  });
});
