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
  /** A line that replaces itself while something takes long; shown on terminals only. `undefined` removes it. */
  progress(text: string | undefined): void;
  /** On stderr; with `--json` one line `{"error": {code, message, details}}`. */
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
    progress(text) {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text ?? ""}`);
    },
    error: (error) => void process.stderr.write(isJson ? jsonError(error) : textError(error)),
  };
}

function textError(error: unknown): string {
  if (!isClocklessError(error)) return `clockless: bug: ${stackOf(error)}\n`;
  const lines = [`clockless: ${error.shortMessage} [${error.code}]`];
  for (const [name, value] of Object.entries(error.details)) {
    if (value !== undefined) lines.push(`  ${name}: ${JSON.stringify(value, jsonReplacer)}`);
  }
  if (error.cause instanceof Error) lines.push(`  because: ${error.cause.message}`);
  if (error.isTransient) lines.push("  This may pass: try again.");
  if (error.docsPath !== undefined) lines.push(`  See docs/${error.docsPath.replace("#", ".md#")}`);
  return `${lines.join("\n")}\n`;
}

function jsonError(error: unknown): string {
  const body = isClocklessError(error)
    ? { code: error.code, message: error.shortMessage, details: error.details, isTransient: error.isTransient }
    : { code: "bug", message: stackOf(error), details: {}, isTransient: false };
  return `${JSON.stringify({ error: body }, jsonReplacer)}\n`;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Integers that may pass 2^53 are decimal strings. */
export function jsonReplacer(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
