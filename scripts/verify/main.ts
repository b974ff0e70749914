/**
 * `npm run verify`: everything that is proved or searched rather than tried, with one summary and one exit code.
 *
 *   npm run verify -- [--json] [--long] [--seed 1] [--only search,fuzz,spin,quint]
 *
 * The exhaustive search takes about a minute, the DAG fuzzer one, Spin a quarter, Quint two. A tool that is missing is SKIPPED
 * and said so at the end; whatever is WRONG makes the exit code 1. Where a tool was skipped and nothing is wrong it is 0,
 * unless --strict is given.
 */
import { parseArgs } from "node:util";
import { fuzzLines } from "./fuzz.ts";
import { type Line, printLine } from "./lines.ts";
import { quintLines } from "./quint.ts";
import { searchLines } from "./search.ts";
import { spinLines } from "./spin.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    long: { type: "boolean", default: false },
    strict: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "search,fuzz,spin,quint" },
  },
});
const seed = Number(values.seed);
const isLong = values.long;
const parts: Readonly<Record<string, () => Iterable<Line>>> = {
  search: () => searchLines(isLong),
  fuzz: () => fuzzLines(seed, isLong ? 100_000 : 3_000),
  spin: () => spinLines(),
  quint: () => quintLines({ seed, traces: isLong ? 40 : 3, steps: 80 }),
};

const lines: Line[] = [];
for (const name of values.only.split(",")) {
  const part = parts[name];
  if (part === undefined) throw new RangeError(`unknown part ${name}; one of ${Object.keys(parts).join(", ")}`);
  for (const line of part()) {
    printLine(line);
    lines.push(line);
  }
}

const skipped = lines.filter((line) => line.isSkipped === true);
const wrong = lines.filter((line) => line.isSkipped !== true && !line.isRight);
const right = lines.length - skipped.length - wrong.length;
if (values.json === true) {
  process.stdout.write(`${JSON.stringify({ right, wrong: wrong.length, skipped: skipped.length })}\n`);
} else {
  for (const { check, figures } of wrong) process.stdout.write(`WRONG   ${check}: ${figures}\n`);
  for (const { check, figures } of skipped) process.stdout.write(`SKIPPED ${check}: ${figures}\n`);
  process.stdout.write(`\nverify: ${right} right, ${wrong.length} wrong, ${skipped.length} skipped\n`);
}
process.exit(wrong.length > 0 || (values.strict && skipped.length > 0) ? 1 : 0);
