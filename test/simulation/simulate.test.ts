import { expect } from "chai";
import { createNativeKeccak } from "../../src/keys/native-keccak.ts";
import { referenceKeccak, useKeccak } from "../../src/lib/hash.ts";
import { simulate } from "../../src/testing/simulator/simulate.ts";
import { createEngines } from "../../src/threshold/engines.ts";

/** A failing seed is printed with the call that replays it. */
function run(options: Partial<Parameters<typeof simulate>[0]> & { readonly seed: bigint }) {
  const config = { members: 4, adversary: "none", rounds: 60, delays: "unit", owners: 6, ...options } as const;
  const report = simulate(config);
  if (!report.agreement)
    console.log(
      `  replay: clockless simulate --members ${config.members} --adversary ${config.adversary} --seed ${config.seed} --rounds ${config.rounds}`,
    );
  return report;
}

describe("simulator: shipping members in virtual time", () => {
  it("gives the same trace for the same seed, and another one for another seed", () => {
    const [first, second, other] = [run({ seed: 1n }), run({ seed: 1n }), run({ seed: 2n })];
    expect(second).to.deep.equal(first);
    expect(other.traceHash).to.not.equal(first.traceHash);
  });

  it("gives the trace that is written down here: machines do not differ, and neither do implementations of keccak", async () => {
    expect(run({ seed: 7n, rounds: 30 }).traceHash).to.equal(PINNED_TRACE);
    useKeccak(await createNativeKeccak());
    try {
      expect(run({ seed: 7n, rounds: 30 }).traceHash).to.equal(PINNED_TRACE);
    } finally {
      useKeccak(referenceKeccak);
    }
  });

  it("outputs in three message delays on a perfect network, at n = 4 and 10", () => {
    for (const members of [4, 10]) {
      const { latency, violations } = run({ seed: 3n, members, rounds: 40 });
      expect(violations).to.deep.equal([]);
      expect(latency.p50).to.equal(3);
      // The first rounds (everybody starts at once) are the only ones that take longer.
      expect(latency.mean).to.be.lessThan(3.05);
    }
  });

  it("under chaos half of all blocks are output within six delays at n = 10, not sixteen", function () {
    this.timeout(600_000);
    const { latency, violations } = run({ seed: 3n, members: 10, adversary: "chaos", rounds: 50 });
    expect(violations).to.deep.equal([]);
    expect(latency.p50).to.be.lessThan(6);
    expect(latency.mean).to.be.lessThan(6.5);
  });

  it("converges after the crash schedule in which a member never asked for what it had missed", () => {
    const { violations } = run({ seed: 104n, adversary: "crash", members: 7, rounds: 120, delays: "uniform" });
    expect(violations).to.deep.equal([]);
  });

  it("runs with the real keys of both suites as well", async function () {
    this.timeout(600_000);
    const report = run({ seed: 5n, rounds: 12, owners: 2, engines: await createEngines("fast") });
    expect(report.violations).to.deep.equal([]);
    expect(report.certificates).to.equal(2 * report.batches);
  });
});

/** Of `members 4, none, seed 7, rounds 30, unit delays, 6 owners`. Changes with any change of format or rule: then pin the new one. */
const PINNED_TRACE = "0x91ebc3d5abe95f3d1f0a39a28ab0f610d3d30760be09a51674095c7ec35a22d5";
