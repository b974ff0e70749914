/**
 * Mean, median and 99th percentile of the output latency in message delays, ours and Mahi-Mahi's on the same DAGs
 * (src/testing/dag/latency.ts says what is measured, schedules.ts what the network does); ours also up to the certificate, beside the
 * bound of all ways to pass partial signatures on (certificates.ts), and with members that never wait for stragglers or always do.
 * "rounds a/b/c/d": within so many rounds half, 99 %, 99.99 % and all came.
 *
 * Where the scheduler reads coins each rule gets a run with a scheduler that knows that rule's coins as soon as they are revealed.
 *
 *   npm run bench:latency -- [--json] [--n 4,10,31] [--schedule unit,uniform] [--seeds 6] [--seed 1] [--delays 60]
 *   npm run bench:latency -- --distribution 100000 [--json] [--n 4] [--schedule starve-leaders,early-coin] [--seed 1]
 *
 * Exit code 1: a fork, a promise of n = 10 missed, certificates more than 1.1 delays after the output where the bound allows less, a row in which adapting the wait is worse than both never and always waiting, or
 * a round later than the promised R (in more than one of 10,000).
 */
import { parseArgs } from "node:util";
import { installNativeKeccak } from "../../src/keys/native-keccak.ts";
import { nameOf } from "../../src/testing/dag/baselines.ts";
import { CERTIFIED, CERTIFIED_BOUND } from "../../src/testing/dag/certificates.ts";
import { measureDistribution } from "../../src/testing/dag/distribution.ts";
import { type LatencyResult, measureLatency } from "../../src/testing/dag/latency.ts";
import type { BaselineRule } from "../../src/testing/dag/mahi-mahi.ts";
import type { RuleLatency } from "../../src/testing/dag/samples.ts";
import { MALICE, SCHEDULES, type ScheduleName } from "../../src/testing/dag/schedules.ts";
import type { Waiting } from "../../src/testing/dag/waiting.ts";

/** Means that were promised for n = 10; where a scheduler reads coins: no worse than this rule. */
const TARGETS: Readonly<Partial<Record<ScheduleName, number | "mahi-mahi w=5 l=3">>> = {
  unit: 3.05,
  uniform: 4.0,
  crashed: 4.6,
  chaos: 5.5,
  equivocators: 5.7,
  "late-gift": 3.3,
  "starve-leaders": "mahi-mahi w=5 l=3",
  "early-coin": "mahi-mahi w=5 l=3",
};
const READS_COINS: readonly ScheduleName[] = ["starve-leaders", "early-coin"];
const baselinesOf = (n: number): BaselineRule[] =>
  ([4, 5] as const).flatMap((waveLength) => [1, 3, n].map((leaders) => ({ waveLength, leaders })));
/** By how much adapting may be worse than both fixed choices: it has to try them. */
const TRIAL_COST = 0.05;
/** Certificates: at most so many delays after the output, in every row; where the bound is above that, at most so much above the bound. */
const CERTIFICATE_DELAYS = 1.1;
const ABOVE_BOUND = 0.05;

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    n: { type: "string" },
    schedule: { type: "string" },
    seeds: { type: "string", default: "6" },
    seed: { type: "string", default: "1" },
    delays: { type: "string" },
    distribution: { type: "string" },
  },
});

interface Row {
  readonly n: number;
  readonly schedule: ScheduleName;
  readonly rule: string;
  readonly mean: number;
  /** Of the worst seed. */
  readonly p50: number;
  readonly p99: number;
  readonly samples: number;
  readonly missing: number;
  /** Rounds within which half, 99 %, 99.99 % and all of the outputs came; not known for certificates. */
  readonly rounds: readonly number[];
}

const failures: string[] = [];
const seed = Number(values.seed);
const listed = (text: string | undefined, all: readonly ScheduleName[]): ScheduleName[] =>
  (text?.split(",") ?? all).map((name) => {
    const known = SCHEDULES.find((schedule) => schedule === name);
    if (known === undefined) throw new RangeError(`unknown schedule ${name}; one of ${SCHEDULES.join(", ")}`);
    return known;
  });
const say = (line: string): void => {
  if (values.json !== true) process.stdout.write(`${line}\n`);
};

// The same hashes; half of the time would go into them.
await installNativeKeccak();
if (values.distribution === undefined) latencies();
else distributions(Number(values.distribution));
for (const failure of failures) process.stderr.write(`${failure}\n`);
process.exit(failures.length === 0 ? 0 : 1);

function latencies(): void {
  const rows: Row[] = [];
  for (const n of (values.n ?? "4,10,31").split(",").map(Number)) {
    for (const schedule of listed(values.schedule, SCHEDULES)) {
      say(`\nn = ${n}, ${schedule}, ${values.seeds} seeds`);
      const of = measureRows(n, schedule);
      for (const row of of) say(line(row));
      judge(n, schedule, of);
      rows.push(...of);
    }
  }
  if (values.json === true)
    process.stdout.write(`${JSON.stringify({ unit: "message delays", failures, rows }, undefined, 2)}\n`);
}

/** Relapses of withholders are A, then 4 A rounds apart; with ten handers at n = 31 a round takes four delays, and an output twenty at first. */
function delaysOf(n: number, schedule: ScheduleName): number {
  if (n > 10 && schedule === "hand-around") return 240;
  if (n <= 4 || (n <= 10 && MALICE[schedule] === "withholder")) return 240;
  return n <= 10 ? 60 : 20;
}

function measureRows(n: number, schedule: ScheduleName): Row[] {
  const delays = Number(values.delays ?? delaysOf(n, schedule));
  const measure = (changes: Partial<Parameters<typeof measureLatency>[0]>): LatencyResult[] =>
    Array.from({ length: Number(values.seeds) }, (_, i) => {
      const run = measureLatency({ n, schedule, seed: seed + i, delays, ...changes });
      if (run.forks.length > 0) failures.push(`n = ${n}, ${schedule}, seed ${seed + i}: ${run.forks.join()} forked`);
      return run;
    });
  const row = (runs: readonly LatencyResult[], rule: string, name = rule) =>
    summary(
      n,
      schedule,
      name,
      runs.map((run) => run.rules.find((entry) => entry.rule === rule)!),
    );
  const isAimed = READS_COINS.includes(schedule);
  const ours = measure({ baselines: isAimed ? [] : baselinesOf(n), isCertified: true });
  const rows = [row(ours, "ours"), row(ours, CERTIFIED), row(ours, CERTIFIED_BOUND)];
  for (const waiting of ["never", "always"] as const satisfies readonly Waiting[])
    rows.push(row(measure({ waiting }), "ours", `ours, ${waiting} waiting`));
  for (const waveLength of [4, 5] as const) {
    const baselines = baselinesOf(n).filter((rule) => rule.waveLength === waveLength);
    const runs = isAimed ? measure({ baselines, aim: waveLength }) : ours;
    for (const rule of baselines) rows.push(row(runs, nameOf(rule)));
  }
  return rows;
}

function summary(n: number, schedule: ScheduleName, rule: string, of: readonly RuleLatency[]): Row {
  const samples = of.reduce((sum, entry) => sum + entry.samples, 0);
  const mean = of.reduce((sum, entry) => sum + entry.mean * entry.samples, 0) / Math.max(1, samples);
  return {
    n,
    schedule,
    rule,
    mean: Math.round(mean * 1000) / 1000,
    p50: Math.max(...of.map((entry) => entry.p50)),
    p99: Math.max(...of.map((entry) => entry.p99)),
    samples,
    missing: of.reduce((sum, entry) => sum + entry.missing, 0),
    rounds: quantiles(sumOf(of.map((entry) => entry.rounds))),
  };
}

function judge(n: number, schedule: ScheduleName, rows: readonly Row[]): void {
  const meanOf = (rule: string): number => rows.find((row) => row.rule === rule)!.mean;
  const mean = meanOf("ours");
  const fail = (what: string): void => {
    failures.push(`n = ${n}, ${schedule}: ${what}`);
    say(`  MISSED: ${what}`);
  };
  const worst = Math.max(meanOf("ours, never waiting"), meanOf("ours, always waiting"));
  if (mean > worst + TRIAL_COST) fail(`adapting the wait is worse than both others (${mean} against ${worst})`);
  const certified = meanOf(CERTIFIED) - mean;
  const bound = meanOf(CERTIFIED_BOUND) - mean;
  const latest = Math.max(CERTIFICATE_DELAYS, bound + ABOVE_BOUND);
  const figures = `certificates ${certified.toFixed(3)} after the output, bound ${bound.toFixed(3)}`;
  if (certified > latest) fail(`${figures}, at most ${latest.toFixed(3)} allowed`);
  else say(`  ${figures}`);
  const target = TARGETS[schedule];
  if (n !== 10 || target === undefined) return;
  const most = typeof target === "number" ? target : meanOf(target);
  if (mean > most) fail(`${mean} against the promised ${most}`);
  else say(`  promised: at most ${most.toFixed(2)}, met`);
}

function line({ rule, mean, p50, p99, rounds, missing }: Row): string {
  const [m, median, most] = [mean, p50, p99].map((value) => value.toFixed(2).padStart(6));
  const within = rounds.length === 0 ? "" : `  rounds ${rounds.join("/")}`;
  return `  ${rule.padEnd(22)} mean ${m}  p50 ${median}  p99 ${most}${within}${missing === 0 ? "" : `  ${missing} not output`}`;
}

function distributions(samples: number): void {
  const found: object[] = [];
  for (const n of (values.n ?? "4").split(",").map(Number)) {
    for (const schedule of listed(values.schedule, READS_COINS)) {
      const measured = measureDistribution({ n, schedule, samples, seed });
      const { counts, open, promised, late, coins, forks } = measured;
      say(`\nn = ${n}, ${schedule}: ${measured.samples} rounds, ${coins} coins combined; promised R = ${promised}`);
      say("  rounds until the last honest member has it: how many rounds took so long");
      for (const [took, count] of counts.entries()) if (count > 0) say(`  ${String(took).padStart(4)}  ${count}`);
      say(`  half/99 %/99.99 %/all: ${quantiles(counts).join("/")}; later than R: ${late}, not output: ${open}`);
      if (late * 10_000 > measured.samples)
        failures.push(`n = ${n}, ${schedule}: ${late} rounds took more than ${promised}`);
      if (forks > 0) failures.push(`n = ${n}, ${schedule}: ${forks} runs forked`);
      found.push({ n, schedule, ...measured });
    }
  }
  if (values.json === true)
    process.stdout.write(`${JSON.stringify({ unit: "rounds", failures, found }, undefined, 2)}\n`);
}

function sumOf(histograms: readonly (readonly number[])[]): number[] {
  const length = Math.max(0, ...histograms.map((histogram) => histogram.length));
  return Array.from({ length }, (_, i) => histograms.reduce((sum, histogram) => sum + (histogram[i] ?? 0), 0));
}

/** Within how many rounds half, 99 %, 99.99 % and all came. */
function quantiles(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return [];
  return [0.5, 0.99, 0.9999, 1].map((share) => {
    let seen = 0;
    return counts.findIndex((count) => {
      seen += count;
      return seen >= share * total;
    });
  });
}
