import { expect } from "chai";
import { BROKEN_RULES, isRule, parseMahiMahi } from "../../src/testing/rules/names.ts";
import { ruleOf } from "../../src/testing/rules/rules.ts";
import { SCHEDULES } from "../../src/testing/simulator/schedules.ts";
import { type SimulationConfig, simulate } from "../../src/testing/simulator/simulate.ts";

const base: SimulationConfig = { members: 4, adversary: "none", seed: 3n, rounds: 40, delays: "unit", owners: 3 };

describe("decision rules in the network simulator", () => {
  it("the rule written a second time, plainly, gives the trace of the shipping one, attacked or not", () => {
    for (const adversary of ["none", "chaos+crash", "equivocate"]) {
      const config = { ...base, adversary, delays: "uniform" } as const;
      const shipping = simulate(config);
      expect(shipping.violations, adversary).to.deep.equal([]);
      expect(simulate({ ...config, rule: "plain" }), adversary).to.deep.equal(shipping);
    }
  });

  it("Mahi-Mahi agrees and converges as well, later than ours", () => {
    for (const adversary of ["none", "chaos+crash"]) {
      const ours = simulate({ ...base, adversary });
      for (const [rule, least] of [
        ["mahi-mahi-w4-l1", 4],
        ["mahi-mahi-w4-l3", 4],
        ["mahi-mahi-w5-ln", 5],
      ] as const) {
        const { violations, latency, commits } = simulate({ ...base, adversary, rule });
        expect(violations, `${rule}, ${adversary}`).to.deep.equal([]);
        expect(commits).to.be.greaterThan(20);
        if (adversary !== "none") continue;
        expect(ours.latency.mean).to.be.lessThan(3.2);
        expect(latency.mean, rule).to.be.within(least, least + 2);
      }
    }
  });

  it("the shipping rule stands every directed schedule, and so does Mahi-Mahi", () => {
    for (const schedule of SCHEDULES) {
      for (let seed = 1n; seed <= 2n; seed++) {
        const config = { ...base, seed, schedule, rounds: schedule === "known-anchors" ? 90 : 35 };
        expect(simulate(config).violations, `${schedule}, seed ${seed}`).to.deep.equal([]);
      }
      const rule = "mahi-mahi-w5-l3";
      expect(simulate({ ...base, schedule, rounds: 30, rule }).violations, schedule).to.deep.equal([]);
    }
    expect(() => simulate({ ...base, members: 7, schedule: "known-anchors" })).to.throw(RangeError);
  });

  it("names say what they are", () => {
    expect(parseMahiMahi("mahi-mahi-w4-l3")).to.deep.equal({ waveLength: 4, leaders: 3 });
    expect(parseMahiMahi("w5-ln")).to.deep.equal({ waveLength: 5 });
    for (const name of ["w3-l1", "w5-l0", "w5", "mahi-mahi", "", "rule"]) {
      expect(isRule(name), name).to.equal(false);
      if (name !== "rule") expect(() => ruleOf(name), name).to.throw(RangeError);
    }
    for (const name of ["plain", "w4-l1", ...BROKEN_RULES]) {
      expect(isRule(name), name).to.equal(true);
      expect(ruleOf(name), name).to.be.a("function");
    }
    expect(ruleOf("ours")).to.equal(undefined);
  });
});
