/**
 * What a member's disk had taken at the moment of a power cut. SIGKILL alone proves nothing about syncing: what was written stays in
 * the kernel. So strace records which writes of the store's files were followed by a successful sync, and `cutPower` destroys all others.
 */
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DATABASE_FILE } from "../../src/storage/sqlite.ts";

export interface Trace {
  /** Writes that no successful sync followed, by file. */
  readonly unsynced: ReadonlyMap<string, readonly { readonly offset: number; readonly length: number }[]>;
  /** Seconds since 1970 of the first injected error; undefined: none came. */
  readonly failedAt: number | undefined;
}

/** Files whose calls are recorded and may be made to fail; strace matches descriptors by these paths. */
export function storeFiles(dataDir: string): string[] {
  return [join(dataDir, DATABASE_FILE), join(dataDir, `${DATABASE_FILE}-wal`)];
}

/**
 * Reads what `strace -ttt -y -s 0 -e trace=pwrite64,fsync,fdatasync` wrote. A sync counts when the kernel did it: one that strace
 * answered in its place (`INJECTED`) did not happen, whatever it answered.
 */
export function readTrace(text: string): Trace {
  const unsynced = new Map<string, { offset: number; length: number }[]>();
  let failedAt: number | undefined;
  for (const line of text.split("\n")) {
    const call = /^\d+ +(\d+\.\d+) (pwrite64|fsync|fdatasync)\(\d+<([^>]*)>(?:, ""\.*, (\d+), (\d+))?/.exec(line);
    if (call === null) continue;
    const [, time, name, file, length, offset] = call;
    const isInjected = line.includes("(INJECTED)");
    if (isInjected && / = -1 E/.test(line)) failedAt ??= Number(time);
    if (name === "pwrite64") {
      const writes = unsynced.get(file!) ?? [];
      unsynced.set(file!, writes);
      writes.push({ offset: Number(offset), length: Number(length) });
    } else if (!isInjected && / = 0(?: \(DELAYED\))?$/.test(line)) unsynced.delete(file!);
  }
  return { unsynced, failedAt };
}

/** Overwrites what was not synced with zeros, and removes the shared index, which lives in memory. Returns the bytes lost. */
export function cutPower(dataDir: string, { unsynced }: Trace): number {
  let lost = 0;
  for (const [file, writes] of unsynced) {
    if (!existsSync(file)) continue;
    const { size } = statSync(file);
    const descriptor = openSync(file, "r+");
    for (const { offset, length } of writes) {
      const present = Math.max(0, Math.min(length, size - offset));
      writeSync(descriptor, new Uint8Array(present), 0, present, offset);
      lost += present;
    }
    closeSync(descriptor);
  }
  rmSync(join(dataDir, `${DATABASE_FILE}-shm`), { force: true });
  return lost;
}

export function readTraceFile(path: string): Trace {
  return readTrace(existsSync(path) ? readFileSync(path, "utf8") : "");
}
