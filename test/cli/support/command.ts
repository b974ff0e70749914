/** Runs the real command in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const MAIN = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Code of the JSON error on stderr (with --json). */
  readonly code: string | undefined;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly onStart?: (child: ChildProcess) => void;
}

/** Compiled code, from one run of the command for the next: most of what a short one does is compile itself. */
const compiled = mkdtempSync(join(tmpdir(), "clockless-compiled-"));
process.on("exit", () => rmSync(compiled, { recursive: true, force: true }));

/** A clean environment: what the tester has set must not decide what is tested. */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("CLOCKLESS_"));
  return { ...Object.fromEntries(kept), NODE_COMPILE_CACHE: compiled, ...extra };
}

export function clockless(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
    env: cleanEnvironment(options.env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {}); // commands that do not read it close it
  child.stdin.end(options.input ?? "");
  options.onStart?.(child);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve({ status, signal, stdout, stderr, code: errorCode(stderr) }));
  });
}

function errorCode(stderr: string): string | undefined {
  for (const line of stderr.split("\n")) {
    if (line.startsWith('{"error":')) return (JSON.parse(line) as { error: { code: string } }).error.code; // CAST: output.ts
  }
  return undefined;
}

/** The one JSON value on stdout; fails when there is anything else. */
export function json<T = Record<string, unknown>>(outcome: Outcome): T {
  return JSON.parse(outcome.stdout) as T; // CAST: tests say what they expect and compare
}
