/** Nothing but typed errors, one encoding per value, work and memory in proportion: every decoder of foreign bytes, guided by coverage. */
import { expect } from "chai";
import { fuzz } from "../../scripts/fuzz/pool.ts";

const isLong = process.env.CLOCKLESS_LONG !== undefined;
const executions = isLong ? 10_000_000 : 4_000;
/** Fixed where it is short: a seed gives the same campaign everywhere. */
const seed = isLong ? Date.now() % 2 ** 31 : 1;

describe("decoders under coverage-guided fuzzing", function () {
  this.timeout(isLong ? 4 * 3_600_000 : 600_000);

  it(`finds nothing wrong in about ${executions} runs (seed ${seed})`, async () => {
    const reports = await fuzz({ executions, seed, threads: isLong ? 2 : 1 });
    expect(reports.flatMap(({ findings }) => findings)).to.deep.equal([]);
    expect(reports.reduce((sum, report) => sum + report.executions, 0)).to.be.at.least(executions);
    // A decoder that refuses everything would pass for a good one.
    for (const { decoder, accepted } of reports) expect(accepted, decoder).to.be.greaterThan(0);
  });

  it("finds every mistake that was put in for it, and at least one by guidance alone", async () => {
    const expected = {
      "control-untyped": "untyped",
      "control-second-encoding": "violation",
      "control-allocation": "allocation",
      "control-steps": "steps",
      "control-hidden": "untyped",
    };
    const run = (runs: number, decoders: readonly string[]) =>
      fuzz({ executions: runs * decoders.length, seed: 1, threads: 1, decoders });
    const [easy, hidden] = [Object.keys(expected).slice(0, -1), ["control-hidden"]];
    const reports = [...(await run(3_000, easy)), ...(await run(40_000, hidden))];
    const found = reports.map(({ decoder, findings }) => [decoder, findings[0]?.kind]);
    expect(Object.fromEntries(found)).to.deep.equal(expected);
  });
});
