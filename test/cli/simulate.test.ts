import { expect } from "chai";
import { clockless, json } from "./support/command.ts";

const SMALL = ["--members", "4", "--rounds", "30", "--adversary", "crash", "--seed", "7"];

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

  it("refuses options it cannot use", async () => {
    const reshare = ["--adversary", "reshare"];
    for (const bad of [
      [...reshare, "--crypto", "real"],
      [...reshare, "--members", "3"],
      [...reshare, "--owners", "0"],
    ])
      expect(await clockless(["simulate", ...bad]), bad.join(" ")).to.include({ status: 2, stdout: "" });
    for (const bad of [["--members", "0"], ["--members", "ten"], ["--adversary", "evil"], ["--sede", "1"], ["extra"]]) {
      const outcome = await clockless(["simulate", ...bad]);
      expect(outcome, bad.join(" ")).to.include({ status: 2, stdout: "" });
    }
  });

  it("stops at the first Ctrl-C with 130, although it computes without pause", async () => {
    const args = ["simulate", "--members", "10", "--rounds", "100000"];
    const outcome = await clockless(args, {
      onStart: (child) => void setTimeout(() => child.kill("SIGINT"), 2_500),
    });
    expect(outcome).to.include({ status: 130, stdout: "" });
  });
});
