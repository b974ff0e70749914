/** Programs that are not part of the project, and a directory for what they write. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = fileURLToPath(new URL(".", import.meta.url));
const installed = fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));

/** Where a program is: installed with the project, or in the PATH. */
export function findProgram(name: string): string | undefined {
  const folders = [installed, ...(process.env.PATH ?? "").split(delimiter)];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

export function runProgram(program: string, args: readonly string[], cwd: string): Ran {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
  });
  return { code: status, output: `${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}` };
}

/** Runs with a fresh directory that is removed afterwards. */
export function* withDirectory<T>(use: (directory: string) => Iterable<T>): IterableIterator<T> {
  const directory = mkdtempSync(join(tmpdir(), "clockless-verify-"));
  try {
    yield* use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
