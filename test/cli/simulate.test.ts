import type { ChildProcess } from "node:child_process";
import { expect } from "chai";
import type { CampaignReport } from "../../src/testing/campaign/campaign.ts";
import type { SimulationReport } from "../../src/testing/simulator/types.ts";
import { clockless, json } from "./support/command.ts";

const SMALL = ["--members", "4", "--rounds", "30", "--adversary", "crash", "--seed", "7"];

/** Ctrl-C as soon as stderr says so: however slow the machine is, the command is at work by then. */
const interruptAt =
  (sign: RegExp) =>
  (child: ChildProcess): void => {
    let said = "";
    child.stderr?.on("data", (text: string) => {
      const before = said;
      said += text;
      if (sign.test(said) && !sign.test(before)) child.kill("SIGINT");
    });
  };

describe("clockless simulate", () => {
  it("prints one JSON value with the same trace hash every time, and --json works before and after", async () => {
    const first = await clockless(["simulate", ...SMALL, "--json"]);
    const second = await clockless(["--json", "simulate", ...SMALL]);
    expect(first.status, first.stderr).to.equal(0);
    const report = json(first);
    expect(report).to.include({ members: 4, faulty: 1, adversary: "crash", seed: "7", agreement: true });
    expect(report.traceHash).to.match(/^0x[0-9a-f]{64}$/);
    expect(report.latency).to.have.all.keys("mean", "p50", "p99", "samples");
    expect(json(second)).to.deep.equal(report);
    const other = await clockless(["simulate", ...SMALL.slice(0, -1), "8", "--json"]);
    expect(json(other).traceHash).not.to.equal(report.traceHash);
  });

  it("says the same for people", async () => {
    const { stdout, status } = await clockless(["simulate", "--members", "4", "--rounds", "10"]);
    expect(status).to.equal(0);
    expect(stdout)
      .to.match(/^agreement +yes$/m)
      .and.to.match(/^latency +mean .* message delays/m);
    expect(stdout).to.match(/^trace hash +0x[0-9a-f]{64}$/m);
  });

  it("refuses options it cannot use", async function () {
    this.timeout(600_000);
    const reshare = ["--adversary", "reshare"];
    for (const bad of [
      [...reshare, "--crypto", "real"],
      [...reshare, "--members", "3"],
      [...reshare, "--owners", "0"],
    ])
      expect(await clockless(["simulate", ...bad]), bad.join(" ")).to.include({ status: 2, stdout: "" });
    const campaign = ["--campaign", "2"];
    for (const bad of [
      ["--rule", "mahi-mahi-w6-l1"],
      ["--adversary", "none,chaos"],
      ["--adversary", "swarm+crash"],
      ["--seeds", "4"],
      ["--schedule", "known-anchors", "--members", "7"],
      [...campaign, "--rounds", "20"],
      [...campaign, "--twins", "9"],
      ["--twins", "9", "--adversary", "chaos"],
    ])
      expect(await clockless(["simulate", ...bad]), bad.join(" ")).to.include({ status: 2, stdout: "" });
    for (const bad of [["--members", "0"], ["--members", "ten"], ["--adversary", "evil"], ["--sede", "1"], ["extra"]]) {
      const outcome = await clockless(["simulate", ...bad]);
      expect(outcome, bad.join(" ")).to.include({ status: 2, stdout: "" });
    }
  });

  it("runs a campaign: every seed twice, one table, one JSON value", async function () {
    this.timeout(600_000);
    const args = ["--campaign", "3", "--seeds", "40", "--members", "4", "--adversary", "none,chaos", "--no-controls"];
    const outcome = await clockless(["simulate", ...args, "--json"]);
    expect(outcome.status, outcome.stderr).to.equal(0);
    const report = json<CampaignReport>(outcome);
    expect(report).to.include({ passed: true, isComplete: true, runs: 3, violations: 0, mismatches: 0 });
    expect(report.rows).to.have.length(2);
    expect(report.rows[0]).to.include({ adversary: "none", members: 4, runs: 2, violations: 0 });
    expect(report.controls).to.deep.equal([]);
    const { stdout } = await clockless(["simulate", ...args]);
    expect(stdout).to.match(/^adversary +n +rule +runs/m);
    expect(stdout).to.match(/^no violation: 3 of 3 runs, each twice/m);
  });

  it("says which runs of a campaign failed, how to run them again, and ends with 6", async function () {
    this.timeout(600_000);
    const args = ["--campaign", "8", "--members", "4", "--adversary", "chaos", "--rule", "first-skip", "--no-controls"];
    const outcome = await clockless(["simulate", ...args, "--json"]);
    expect(outcome.status, outcome.stderr).to.equal(6);
    const { passed, failures } = json<CampaignReport>(outcome);
    expect(passed).to.equal(false);
    // As they happened, and not only at the end.
    for (const { command } of failures) expect(outcome.stderr).to.include(`FAILED: ${command}\n`);
    const again = failures[0]!.smallest!.command.replace(/^clockless /, "").split(" ");
    const { status, stdout } = await clockless([...again, "--json"]);
    expect(status).to.equal(6);
    expect(JSON.parse(stdout).violations).to.include(failures[0]!.smallest!.violation);
  });

  it("a campaign stopped by Ctrl-C ends with 130 and still says what it has seen", async function () {
    this.timeout(600_000);
    const outcome = await clockless(["simulate", "--campaign", "100000", "--members", "4", "--json"], {
      onStart: interruptAt(/^\d+ of 100000 runs/m),
    });
    expect(outcome.status, outcome.stderr).to.equal(130);
    const report = json<CampaignReport>(outcome);
    expect(report).to.include({ isComplete: false, planned: 100_000, violations: 0 });
    expect(report.runs).to.be.within(1, 99_999);
  });

  it("runs Twins scenarios, and the baseline's and broken rules", async function () {
    this.timeout(600_000);
    const twins = await clockless(["simulate", "--twins", "40", "--threads", "1", "--json"]);
    expect(twins.status, twins.stderr).to.equal(0);
    expect(json(twins)).to.include({ passed: true, scenarios: 40, members: 4 });
    const small = ["simulate", "--members", "4", "--rounds", "30", "--json"];
    const baseline = await clockless([...small, "--rule", "mahi-mahi-w5-l3"]);
    expect(baseline.status, baseline.stderr).to.equal(0);
    expect(json<SimulationReport>(baseline).latency.mean).to.be.greaterThan(5);
    const broken = await clockless([...small, "--rule", "early-skip", "--schedule", "lone-skipper"]);
    expect(broken.status, broken.stderr).to.equal(6);
  });

  it("stops at the first Ctrl-C with 130, although it computes without pause", async () => {
    const args = ["simulate", "--members", "10", "--rounds", "100000"];
    const outcome = await clockless(args, {
      onStart: interruptAt(/^simulating 10 members/m),
    });
    expect(outcome).to.include({ status: 130, stdout: "" });
  });
});
