import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { cutPower, readTrace, storeFiles } from "../../scripts/campaign/disk.ts";
import { EXPECTED_ENDS, endOf } from "../../scripts/campaign/end.ts";
import { type DiskFault, whyNoStrace } from "../../scripts/campaign/life.ts";
import { type CampaignReport, isAsExpected } from "../../scripts/campaign/report.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/campaign/kill.ts", import.meta.url));

describe("campaign: power cuts", () => {
  const [database, log] = storeFiles("/data") as [string, string]; // CAST: two files
  const line = (time: string, call: string): string => `41 ${time} ${call}`;

  it("lose what no sync followed, of each file by itself; a sync that strace answered did not happen", () => {
    const { unsynced, failedAt } = readTrace(
      [
        line("10.000001", `pwrite64(24<${log}>, ""..., 24, 32) = 24`),
        line("10.000002", `fsync(24<${log}>) = 0 (DELAYED)`),
        line("10.000003", `pwrite64(24<${log}>, ""..., 4096, 56) = 4096`),
        line("10.000004", `pwrite64(23<${database}>, ""..., 4096, 0) = 4096`),
        line("10.000005", `fsync(23<${database}>) = 0`),
        line("10.000006", `fsync(24<${log}>) = 0 (INJECTED)`),
        line("10.500000", `fsync(24<${log}>) = -1 EIO (Input/output error) (INJECTED)`),
        line("10.600000", `pwrite64(24<${log}>, ""..., 24, 4152 <unfinished ...>`),
        line("10.650000", `fsync(24<${log}> <unfinished ...>`),
        "41 10.7 +++ killed by SIGKILL +++",
      ].join("\n"),
    );
    expect([...unsynced]).to.deep.equal([
      [
        log,
        [
          { offset: 56, length: 4096 },
          { offset: 4152, length: 24 },
        ],
      ],
    ]);
    expect(failedAt).to.equal(10.5);
  });

  it("write zeros over what was lost and nothing else", () => {
    const directory = mkdtempSync(join(tmpdir(), "clockless-cut-"));
    try {
      const [, file] = storeFiles(directory) as [string, string]; // CAST: two files
      writeFileSync(file, new Uint8Array(100).fill(7));
      writeFileSync(`${storeFiles(directory)[0]}-shm`, "");
      const unsynced = new Map([
        [
          file,
          [
            { offset: 10, length: 5 },
            { offset: 90, length: 50 },
          ],
        ],
      ]);
      expect(cutPower(directory, { unsynced, failedAt: undefined })).to.equal(15);
      const expected = Uint8Array.from({ length: 100 }, (_, i) => ((i >= 10 && i < 15) || i >= 90 ? 0 : 7));
      expect(new Uint8Array(readFileSync(file))).to.deep.equal(expected);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("campaign: how a life ended", () => {
  const cut: DiskFault = { kind: "cut", at: 6 };
  const killed = { code: undefined, signal: "SIGKILL", isKilled: false, trace: undefined, at: 0 };

  it("is a cut while it ran or while it shut down, unless it was killed from here", () => {
    for (const by of [undefined, "SIGTERM"] as const) expect(endOf({ fault: cut }, killed, by)).to.equal("cut");
    const end = endOf({ fault: cut }, { ...killed, isKilled: true }, "SIGTERM");
    expect(end).to.equal("did not terminate");
    expect(EXPECTED_ENDS.has(end)).to.equal(false);
  });

  it("is a violation on a sound disk that nobody touched, or when it goes on long after its disk failed", () => {
    expect(EXPECTED_ENDS.has(endOf({ fault: { kind: "sound" } }, killed, undefined))).to.equal(false);
    const trace = { unsynced: new Map(), failedAt: 10 };
    const failed = { ...killed, code: 3, signal: undefined, trace };
    const fault: DiskFault = { kind: "syncError", at: 1 };
    expect(endOf({ fault }, { ...failed, at: 12_000 }, undefined)).to.equal("stopped by itself");
    expect(EXPECTED_ENDS.has(endOf({ fault }, { ...failed, at: 30_000 }, undefined))).to.equal(false);
  });
});

describe("campaign: its verdict", () => {
  const violation = (what: string) => ({ what, details: {} });

  it("is right without violations; of lying disks only when what was durable is gone", () => {
    expect(isAsExpected({ disks: "faulty", violations: [] })).to.equal(true);
    expect(isAsExpected({ disks: "faulty", violations: [violation("notSettled")] })).to.equal(false);
    expect(isAsExpected({ disks: "lying", violations: [] })).to.equal(false);
    expect(isAsExpected({ disks: "lying", violations: [violation("notSettled")] })).to.equal(false);
    expect(isAsExpected({ disks: "lying", violations: [violation("registerForgot")] })).to.equal(true);
  });
});

describe("campaign: kill −9 of real members", function () {
  this.timeout(1_200_000);

  const run = (...args: readonly string[]): { status: number | null; report: CampaignReport } => {
    const flags = ["--disable-warning=ExperimentalWarning", SCRIPT, "--minutes", "0.34", "--json"];
    const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, ...args], { encoding: "utf8" });
    if (stdout === "") throw new Error(stderr);
    return { status, report: JSON.parse(stdout) as CampaignReport }; // CAST: the script's own answer
  };

  before(function () {
    if (process.env.CLOCKLESS_LONG === undefined) this.skip();
  });

  it("nobody signs twice, nothing leaves before it is durable, everything is settled or refused once", () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    console.log(`    seed ${seed}`);
    const { status, report } = run("--seed", String(seed));
    expect(report.violations).to.deep.equal([]);
    expect(report.lives).to.be.greaterThan(4);
    expect(report.submitted).to.be.greaterThan(0);
    expect(status).to.equal(0);
  });

  it("finds out disks that only say they synced", function () {
    if (whyNoStrace() !== undefined) this.skip();
    const { status, report } = run("--seed", "3", "--control", "lying-disk");
    expect(report.violations.map(({ what }) => what)).to.include("leftBeforeDurable");
    expect(status).to.equal(0);
  });
});
