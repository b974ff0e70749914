import { availableParallelism } from "node:os";
import { expect } from "chai";
import { runTwins } from "../../src/testing/campaign/twins.ts";
import { runTwinsCampaign } from "../../src/testing/campaign/twins-campaign.ts";
import { ruleOf } from "../../src/testing/rules/rules.ts";

/** `npm run test:long` runs 100,000. */
const SCENARIOS = Number(process.env.CLOCKLESS_TWINS ?? "200");

describe("Twins: partitions by round, and identities that run twice", () => {
  it(`${SCENARIOS} scenarios of four members: nobody disagrees, and every round is decided`, async function () {
    this.timeout(0);
    const options = { threads: SCENARIOS > 1000 ? availableParallelism() : 1, signal: new AbortController().signal };
    const plan = { n: 4, rounds: 8, seed: 1, rule: "ours" };
    const report = await runTwinsCampaign(plan, SCENARIOS, { ...options, progress: () => undefined });
    expect(report.failures).to.deep.equal([]);
    expect(report).to.include({ passed: true, isComplete: true, scenarios: SCENARIOS });
    expect(report.jumps).to.be.greaterThan(SCENARIOS / 100);
    expect(report.exposed).to.be.greaterThan(SCENARIOS / 2);
    expect(report.commits).to.be.greaterThan(5 * SCENARIOS);
  });

  it("seven members with two twins", function () {
    this.timeout(600_000);
    const { failure, commits } = runTwins({ n: 7, rounds: 7, seed: 1 }, 0, 10);
    expect(failure).to.equal(undefined);
    expect(commits).to.be.greaterThan(100);
  });

  it("is a function of its options and numbers", () => {
    const options = { n: 4, rounds: 6, seed: 5 };
    expect(runTwins(options, 20, 5)).to.deep.equal(runTwins(options, 20, 5));
    expect(runTwins({ ...options, seed: 6 }, 20, 5)).to.not.deep.equal(runTwins(options, 20, 5));
  });

  for (const rule of ["twin-skip", "early-skip", "first-skip"])
    it(`control ${rule} is found`, function () {
      this.timeout(600_000);
      const { failure } = runTwins({ n: 4, rounds: 8, seed: 1, createRule: ruleOf(rule) }, 0, 500);
      expect(failure?.what).to.match(/^agreement|Commit beside Skip|decided in two ways/);
    });

  it("control: one more twin than the protocol bears is found", function () {
    this.timeout(600_000);
    expect(runTwins({ n: 4, rounds: 8, twins: 2, seed: 1 }, 0, 300).failure).to.not.equal(undefined);
  });
});
