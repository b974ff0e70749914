/** What a verification prints: a line for each check, and an exit code. */
export interface Line {
  readonly check: string;
  readonly isRight: boolean;
  readonly figures: string;
  /** Could not run here; counts as neither right nor wrong, and says so. */
  readonly isSkipped?: boolean;
}

export function printLine(line: Line): void {
  const verdict = line.isSkipped === true ? "SKIPPED" : line.isRight ? "ok" : "WRONG";
  process.stdout.write(
    process.argv.includes("--json")
      ? `${JSON.stringify(line)}\n`
      : `${verdict.padEnd(8)}${line.check}: ${line.figures}\n`,
  );
}

/** Prints as they come; exits 1 when one is wrong. */
export function runLines(lines: Iterable<Line>): void {
  let wrong = 0;
  for (const line of lines) {
    printLine(line);
    if (!line.isRight && line.isSkipped !== true) wrong++;
  }
  process.exit(wrong === 0 ? 0 : 1);
}
