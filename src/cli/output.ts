/** stdout carries the result alone; everything for people goes to stderr. The only place that writes to either. */
import { isClocklessError } from "../lib/errors.ts";

export interface Output {
  readonly isJson: boolean;
  /** The command's one result: JSON with `--json`, else the given text. */
  result(value: unknown, text: () => string): void;
  /** One line of a stream (NDJSON with `--json`). */
  line(value: unknown, text: () => string): void;
  /** For people, on stderr. */
  note(text: string): void;
  error(error: unknown): void;
}

export function createOutput(isJson: boolean): Output {
  const write = (value: unknown, text: () => string): void => {
    process.stdout.write(`${isJson ? JSON.stringify(value, jsonReplacer) : text()}\n`);
  };
  return {
    isJson,
    result: write,
    line: write,
    note: (text) => void process.stderr.write(`${text}\n`),
    error(error) {
      if (!isClocklessError(error)) {
        process.stderr.write(
          `clockless: bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
        );
        return;
      }
      process.stderr.write(`clockless: ${error.shortMessage} [${error.code}]\n`);
      const details = Object.entries(error.details);
      for (const [name, value] of details) process.stderr.write(`  ${name}: ${JSON.stringify(value, jsonReplacer)}\n`);
      if (error.cause instanceof Error) process.stderr.write(`  because: ${error.cause.message}\n`);
      if (error.isTransient) process.stderr.write("  This may pass: try again.\n");
      if (error.docsPath !== undefined) process.stderr.write(`  See ${error.docsPath}\n`);
    },
  };
}

/** Integers that may pass 2^53 are decimal strings. */
export function jsonReplacer(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
