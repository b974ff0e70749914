/**
 * Mean, median and 99th percentile of the output latency in message delays, ours and Mahi-Mahi's on the same DAGs
 * (src/testing/dag/latency.ts says what is measured, schedules.ts what the network does).
 *
 * "rounds a/b/c/d": within so many rounds half, 99 %, 99.99 % and all of the outputs came.
 *
 *   npm run bench:latency -- [--json] [--n 4,10,31] [--schedule unit,uniform] [--seeds 3] [--waiting adaptive,never,always]
 */
import { parseArgs } from "node:util";
import {
  type LatencyResult,
  measureLatency,
  nameOf,
  type RuleLatency,
  type Waiting,
} from "../../src/testing/dag/latency.ts";
import type { BaselineRule } from "../../src/testing/dag/mahi-mahi.ts";
import { SCHEDULES, type ScheduleName } from "../../src/testing/dag/schedules.ts";

/** Means that were promised for n = 10. */
const TARGETS: Readonly<Partial<Record<ScheduleName, number>>> = {
  unit: 3.05,
  uniform: 4.0,
  crashed: 4.6,
  chaos: 5.5,
  equivocators: 5.7,
  "late-gift": 3.3,
};

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    n: { type: "string", default: "4,10,31" },
    schedule: { type: "string", default: SCHEDULES.join(",") },
    seeds: { type: "string" },
    seed: { type: "string", default: "1" },
    delays: { type: "string" },
    waiting: { type: "string", default: "adaptive" },
  },
});

/** Rounds within which this share of all outputs came. */
interface Within {
  readonly p50: number;
  readonly p99: number;
  readonly p9999: number;
  readonly most: number;
}

interface Row extends Omit<RuleLatency, "rounds"> {
  readonly rounds: Within;
  readonly n: number;
  readonly schedule: ScheduleName;
  readonly waiting: Waiting;
  readonly seeds: number;
  readonly target?: number;
}

const sizes = values.n.split(",").map(Number);
// CAST: an unknown name measures nothing and is refused below
const schedules = values.schedule.split(",") as ScheduleName[];
const waitings = values.waiting.split(",") as Waiting[];
for (const name of schedules)
  if (!SCHEDULES.includes(name)) throw new RangeError(`unknown schedule ${name}; one of ${SCHEDULES.join(", ")}`);

const rows: Row[] = [];
let forks = 0;
for (const n of sizes) {
  const seeds = Number(values.seeds ?? (n <= 4 ? 5 : n <= 10 ? 3 : 1));
  const delays = Number(values.delays ?? (n <= 10 ? 60 : 20));
  const baselines = ([4, 5] as const).flatMap((waveLength) =>
    [1, 3, n].map((leaders): BaselineRule => ({ waveLength, leaders })),
  );
  for (const schedule of schedules) {
    for (const waiting of waitings) {
      const runs: LatencyResult[] = [];
      for (let i = 0; i < seeds; i++) {
        runs.push(measureLatency({ n, schedule, seed: Number(values.seed) + i, delays, waiting, baselines }));
      }
      forks += runs.reduce((sum, run) => sum + run.forks.length, 0);
      report(n, schedule, waiting, runs, ["ours", ...baselines.map(nameOf)]);
    }
  }
}

function report(
  n: number,
  schedule: ScheduleName,
  waiting: Waiting,
  runs: readonly LatencyResult[],
  rules: readonly string[],
): void {
  if (values.json !== true)
    process.stdout.write(`\nn = ${n}, ${schedule}, ${runs.length} seeds, stragglers: ${waiting}\n`);
  for (const rule of rules) {
    const of = runs.map((run) => run.rules.find((entry) => entry.rule === rule)!);
    const samples = of.reduce((sum, entry) => sum + entry.samples, 0);
    // Runs are of one length: the mean of means is the mean; of the quantiles the worst run's is given.
    const mean = of.reduce((sum, entry) => sum + entry.mean * entry.samples, 0) / Math.max(1, samples);
    const row: Row = {
      n,
      schedule,
      waiting,
      rule,
      seeds: runs.length,
      mean: Math.round(mean * 1000) / 1000,
      p50: Math.max(...of.map((entry) => entry.p50)),
      p99: Math.max(...of.map((entry) => entry.p99)),
      samples,
      missing: of.reduce((sum, entry) => sum + entry.missing, 0),
      rounds: withinOf(of.map((entry) => entry.rounds)),
      ...(rule === "ours" && n === 10 && TARGETS[schedule] !== undefined ? { target: TARGETS[schedule] } : {}),
    };
    rows.push(row);
    const target =
      row.target === undefined ? "" : `  target ${row.target}: ${row.mean <= row.target ? "met" : "MISSED"}`;
    const missing = row.missing === 0 ? "" : `  ${row.missing} not output`;
    const { p50, p99, p9999, most } = row.rounds;
    if (values.json !== true) {
      process.stdout.write(
        `  ${rule.padEnd(20)} mean ${row.mean.toFixed(2).padStart(6)}  p50 ${row.p50.toFixed(2).padStart(6)}  p99 ${row.p99.toFixed(2).padStart(6)}  rounds ${p50}/${p99}/${p9999}/${most}${target}${missing}\n`,
      );
    }
  }
}

function withinOf(histograms: readonly (readonly number[])[]): Within {
  const most = Math.max(0, ...histograms.map((histogram) => histogram.length - 1));
  const counts = Array.from({ length: most + 1 }, (_, rounds) =>
    histograms.reduce((sum, histogram) => sum + (histogram[rounds] ?? 0), 0),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  const at = (share: number): number => {
    let seen = 0;
    return counts.findIndex((count) => {
      seen += count;
      return seen >= share * total;
    });
  };
  return { p50: at(0.5), p99: at(0.99), p9999: at(0.9999), most };
}

if (values.json === true)
  process.stdout.write(`${JSON.stringify({ unit: "message delays", forks, rows }, undefined, 2)}\n`);
if (forks > 0) process.stderr.write(`${forks} runs forked\n`);
process.exit(forks === 0 ? 0 : 1);
