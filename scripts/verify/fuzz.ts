/**
 * Fuzzes the decision rule with arbitrary valid DAGs (src/testing/dag/fuzz.ts): the rule must hold, every control must break.
 *
 *   node scripts/verify/fuzz.ts [--json] [--seed 1] [--dags 3000]
 *   node scripts/verify/fuzz.ts --seed 1 --rule early-skip --first 10 --dags 1      one DAG again
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type FuzzedRule, fuzzDags } from "../../src/testing/dag/fuzz.ts";
import { RULES } from "../../src/testing/dag/rule.ts";
import { type Line, runLines } from "./lines.ts";

const CONTROL_BOUND = 20_000;

export function* fuzzLines(seed: number, dags: number): IterableIterator<Line> {
  yield fuzzLine("rule", { seed, first: 0, dags });
  const controls = [...Object.keys(RULES).filter((name) => name !== "rule"), "f-plus-one"] as const;
  // CAST: keys of RULES and f-plus-one are the fuzzed rules
  for (const rule of controls as readonly FuzzedRule[]) yield fuzzLine(rule, { seed, first: 0, dags: CONTROL_BOUND });
}

function fuzzLine(rule: FuzzedRule, range: { seed: number; first: number; dags: number }): Line {
  const started = performance.now();
  // Where n = 3f + 1, 2f + 1 is the right quorum.
  const sizes = rule === "two-f-plus-one" ? [5] : rule === "rule" ? [4, 4, 4, 5, 7] : [4];
  const { failure, ...totals } = fuzzDags({ ...range, rule, sizes });
  const isControl = rule !== "rule";
  const found = failure === undefined ? "no disagreement" : `DAG ${failure.dag} (n = ${failure.n}): ${failure.what}`;
  const size = `${totals.dags} DAGs, ${totals.views} views, ${totals.commits} commits, ${totals.skips} skips, ${totals.byAnchor} by anchors, ${totals.rounds} rounds output`;
  return {
    check: `fuzz: ${isControl ? `control ${rule}` : "rule"} (seed ${range.seed})`,
    isRight: isControl === (failure !== undefined),
    figures: `${found}; ${size}; ${Math.round(performance.now() - started)} ms`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean" },
      seed: { type: "string", default: "1" },
      dags: { type: "string", default: "3000" },
      first: { type: "string", default: "0" },
      rule: { type: "string" },
    },
  });
  const [seed, dags, first] = [Number(values.seed), Number(values.dags), Number(values.first)];
  // CAST: an unknown name fails in fuzzDags
  const rule = values.rule as FuzzedRule | undefined;
  runLines(rule === undefined ? fuzzLines(seed, dags) : [fuzzLine(rule, { seed, first, dags })]);
}
