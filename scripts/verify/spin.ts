/**
 * The coin and the decision it makes as a Spin model (coin.pml): safety for every schedule, liveness under weak fairness, and
 * two controls that must fail. Needs `spin` and `gcc` (Debian packages of these names); says SKIPPED without them.
 *
 *   node scripts/verify/spin.ts [--json]
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Line, runLines } from "./lines.ts";
import { findProgram, here, runProgram, withDirectory } from "./tools.ts";

interface Check {
  readonly name: string;
  readonly define?: string;
  readonly isLiveness: boolean;
  readonly isControl: boolean;
}

const CHECKS: readonly Check[] = [
  { name: "two authors are bound when the coin falls; one decision", isLiveness: false, isControl: false },
  { name: "with fairness the slot is decided", isLiveness: true, isControl: false },
  { name: "control early: shares before anything is bound", define: "-DEARLY", isLiveness: false, isControl: true },
  { name: "control predictable-anchor: never decided", define: "-DPREDICTABLE", isLiveness: true, isControl: true },
];

export function* spinLines(): IterableIterator<Line> {
  const spin = findProgram("spin");
  const gcc = findProgram("gcc");
  if (spin === undefined || gcc === undefined) {
    const missing = spin === undefined ? "spin" : "gcc";
    const figures = `${missing} is not installed here (Debian: apt-get install spin gcc)`;
    yield { check: "spin: coin and decision", isRight: false, isSkipped: true, figures };
    return;
  }
  yield* withDirectory(function* (directory) {
    for (const check of CHECKS) yield runCheck(check, spin, gcc, directory);
  });
}

function runCheck(check: Check, spin: string, gcc: string, directory: string): Line {
  const started = performance.now();
  const defines = check.define === undefined ? [] : [check.define];
  const line = (isRight: boolean, figures: string): Line => ({ check: `spin: ${check.name}`, isRight, figures });
  const made = runProgram(spin, [...defines, "-a", join(here, "coin.pml")], directory);
  if (made.code !== 0) return line(false, `spin: ${made.output.slice(-500)}`);
  // Seven processes with the claim: fairness needs room for more than six.
  const flags = check.isLiveness ? ["-DNFAIR=3"] : ["-DSAFETY", "-DNOCLAIM"];
  const built = runProgram(gcc, ["-O1", "-w", ...flags, "-o", "pan", "pan.c"], directory);
  if (built.code !== 0) return line(false, `gcc: ${built.output.slice(-500)}`);
  const { output } = runProgram(
    join(directory, "pan"),
    ["-m1000000", ...(check.isLiveness ? ["-a", "-f"] : [])],
    directory,
  );
  const errors = /errors: (\d+)/.exec(output)?.[1];
  const states = /(\S+) states, stored/.exec(output)?.[1];
  // A search that was cut short has shown nothing.
  if (errors === undefined || states === undefined || /max search depth too small|out of memory/.test(output)) {
    return line(false, output.slice(-500));
  }
  const found = errors === "0" ? "no error" : (/pan:\d+: ([^\n]{0,60})/.exec(output)?.[1] ?? "an error");
  const figures = `${found}; ${states} states; ${Math.round(performance.now() - started)} ms`;
  return line((errors !== "0") === check.isControl, figures);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) runLines(spinLines());
