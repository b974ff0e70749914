/**
 * The Quint specifications: consensus.qnt (block acceptance and commit rule; its random traces are replayed into the shipping
 * code) and epochs.qnt (epoch change, replayed into the ledger, with controls that must break). Needs the development dependency
 * @informalsystems/quint; says SKIPPED without it.
 *
 *   node scripts/verify/quint.ts [--json] [--seed 1] [--traces 4] [--steps 80]
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type EpochReplay, replayEpochTrace } from "./epoch-traces.ts";
import { type Line, runLines } from "./lines.ts";
import { findProgram, here, runProgram, withDirectory } from "./tools.ts";
import { type Replay, replayTrace } from "./traces.ts";

const EPOCHS_CHECK = "quint: epoch change, traces replayed into the ledger";

export interface QuintOptions {
  readonly seed: number;
  readonly traces: number;
  readonly steps: number;
}

const EPOCHS: readonly (readonly [module: string, broken: string | undefined])[] = [
  ["rule", undefined],
  ["few_readies", "canSign"],
  ["no_discard", "inOrder"],
  ["early_erasure", "canClose"],
];

export function* quintLines(options: QuintOptions): IterableIterator<Line> {
  const quint = findProgram("quint");
  if (quint === undefined) {
    const figures = "quint is not installed here (npm package @informalsystems/quint)";
    yield { check: "quint: block acceptance, commit rule, epoch change", isRight: false, isSkipped: true, figures };
    return;
  }
  yield* withDirectory(function* (directory) {
    yield consensusLine(quint, directory, options);
    for (const [module, broken] of EPOCHS) yield epochsLine(quint, directory, module, broken, options);
  });
}

function consensusLine(quint: string, directory: string, { seed, traces, steps }: QuintOptions): Line {
  const started = performance.now();
  const args = ["run", join(here, "consensus.qnt"), "--backend", "typescript", "--seed", String(seed)];
  args.push("--max-samples", String(traces), "--n-traces", String(traces), "--max-steps", String(steps));
  args.push("--invariants", "agreement", "closed", "onlyValid", "sticky", "oneCertificate");
  args.push("--out-itf", join(directory, "trace_{seq}.itf.json"), "--verbosity", "1");
  const { code, output } = runProgram(quint, args, directory);
  const check = "quint: block acceptance and commit rule, traces replayed into the shipping code";
  const replays: Replay[] = tracesIn(directory, "trace_").map(replayTrace);
  if (code !== 0 || replays.length === 0) return { check, isRight: false, figures: output.slice(-600) };
  const sum = (key: "states" | "valid" | "invalid" | "commits" | "skips" | "byAnchor"): number =>
    replays.reduce((total, replay) => total + replay[key], 0);
  const differences = replays.flatMap((replay) => replay.differences);
  const figures =
    `seed ${seed}, ${replays.length} traces, ${sum("states")} states; ${sum("valid")} valid and ${sum("invalid")} invalid blocks, ` +
    `${sum("commits")} commits, ${sum("skips")} skips, ${sum("byAnchor")} by anchors; ` +
    `${differences.length === 0 ? "no difference" : differences.slice(0, 3).join("; ")}; ${Math.round(performance.now() - started)} ms`;
  const hasLooked = sum("valid") > 0 && sum("invalid") > 0 && sum("commits") > 0 && sum("skips") > 0;
  return { check, isRight: differences.length === 0 && hasLooked, figures };
}

function tracesIn(directory: string, prefix: string): unknown[] {
  const files = readdirSync(directory).filter((name) => name.startsWith(prefix) && name.endsWith(".itf.json"));
  return files.map((name) => JSON.parse(readFileSync(join(directory, name), "utf8")));
}

function epochsLine(
  quint: string,
  directory: string,
  module: string,
  broken: string | undefined,
  { seed, traces }: QuintOptions,
): Line {
  const started = performance.now();
  const args = ["run", join(here, "epochs.qnt"), "--main", module, "--backend", "typescript", "--seed", String(seed)];
  args.push("--max-samples", String(10 * traces), "--max-steps", "100");
  args.push("--invariants", "oneContent", "inOrder", "canSign", "canClose");
  args.push("--witnesses", "hasChanged", "hasClosed", "--verbosity", "1");
  if (broken === undefined) {
    args.push("--n-traces", String(10 * traces), "--out-itf", join(directory, "epoch_{seq}.itf.json"));
  }
  const { code, output } = runProgram(quint, args, directory);
  const witnessed = (name: string): number =>
    Number(new RegExp(`${name} was witnessed in (\\d+)`).exec(output)?.[1] ?? 0);
  const took = `${Math.round(performance.now() - started)} ms`;
  if (broken === undefined) {
    if (code !== 0) return { check: EPOCHS_CHECK, isRight: false, figures: output.slice(-600) };
    const replays: EpochReplay[] = tracesIn(directory, "epoch_").map(replayEpochTrace);
    const sum = (key: Exclude<keyof EpochReplay, "differences">): number =>
      replays.reduce((total, replay) => total + replay[key], 0);
    const differences = replays.flatMap((replay) => replay.differences);
    const figures =
      `seed ${seed}, ${replays.length} runs, the epoch changed in ${witnessed("hasChanged")}, its last batch was certified in ` +
      `${witnessed("hasClosed")}; ${sum("events")} events: ${sum("approvals")} approvals, ${sum("deals")} deals, ` +
      `${sum("badDeals")} bad ones, ${sum("readies")} READYs, ${sum("late")} too late, ${sum("changes")} changes; ` +
      `${differences.length === 0 ? "no difference" : differences.slice(0, 3).join("; ")}; ${took}`;
    const hasLooked = witnessed("hasChanged") > 0 && sum("changes") > 0 && sum("badDeals") > 0 && sum("late") > 0;
    return { check: EPOCHS_CHECK, isRight: differences.length === 0 && hasLooked, figures };
  }
  const isBroken = code !== 0 && output.includes("violation") && output.includes(broken);
  const figures = `${isBroken ? `breaks ${broken}` : "was not caught"}; ${took}`;
  return { check: `quint: epoch change, control ${module}`, isRight: isBroken, figures };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean" },
      seed: { type: "string", default: "1" },
      traces: { type: "string", default: "4" },
      steps: { type: "string", default: "80" },
    },
  });
  runLines(quintLines({ seed: Number(values.seed), traces: Number(values.traces), steps: Number(values.steps) }));
}
