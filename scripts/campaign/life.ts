/** One life of a member: the shipping `clockless node run` as a process, perhaps on a disk that fails, until it is killed or stops itself. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PROJECT_ROOT } from "../../src/cli/devnet/devnet.ts";
import { cutPower, readTraceFile, storeFiles, type Trace } from "./disk.ts";

/**
 * - `sound`: nothing but kill −9.
 * - `power`: a slow disk and kill −9, and all that was not synced is lost.
 * - `cut`: the power goes in the middle of the nth sync.
 * - `syncError`: the nth sync fails with EIO; the member must stop by itself.
 * - `full`: from the nth write on the disk is full; the member must stop by itself.
 * - `lying`: syncs of the write-ahead log do nothing and say they did (a control: no software survives that), then `power`.
 */
export type DiskFault =
  | { readonly kind: "sound" | "power" | "lying" }
  | { readonly kind: "cut" | "syncError" | "full"; readonly at: number };

export interface LifeParts {
  readonly configFile: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly traceFile: string;
  readonly args?: readonly string[];
  /** For node itself, e.g. a profiler's. */
  readonly nodeFlags?: readonly string[];
}

export interface Death {
  /** Of `clockless node run`; undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Whether SIGKILL was sent to it from here. */
  readonly isKilled: boolean;
  readonly trace: Trace | undefined;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly lostBytes: number;
}

/** Stopped, a process is as good as gone until it is continued. */
export type Signal = "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT";

export interface Life {
  readonly fault: DiskFault;
  readonly isRunning: boolean;
  /** Resolves after the process is gone, and what its disk lost is gone, too. */
  readonly death: Promise<Death>;
  kill(signal: Signal): void;
  /** Seconds of processor time of a sound life so far; undefined where the system does not tell. */
  cpuSeconds(): number | undefined;
}

const SYNC_MICROSECONDS = 30_000;
const MAIN = join(PROJECT_ROOT, "src/cli/main.ts");

/** Why no faults of disks can be injected here; undefined: they can. */
export function whyNoStrace(): string | undefined {
  const { status, error } = spawnSync("strace", ["-o", "/dev/null", "--seccomp-bpf", "-f", "true"]);
  if (error !== undefined) return "strace is not installed (Debian: apt-get install strace)";
  return status === 0 ? undefined : "strace may not trace here (ptrace is forbidden)";
}

export function startLife(fault: DiskFault, parts: LifeParts): Life {
  const { configFile, dataDir, logFile, traceFile, args = [], nodeFlags = [] } = parts;
  const command = [
    ...wrapperOf(fault, dataDir, traceFile),
    ...[
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      ...nodeFlags,
      MAIN,
      "node",
      "run",
      "--config",
      configFile,
      ...args,
    ],
  ];
  rmSync(traceFile, { force: true });
  const log = openSync(logFile, "a");
  const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", log, log], detached: true });
  closeSync(log);
  const isTraced = fault.kind !== "sound";
  let isRunning = true;
  let isKilled = false;
  const death = new Promise<Death>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      isRunning = false;
      const at = Date.now();
      const trace = isTraced ? readTraceFile(traceFile) : undefined;
      const isCut = fault.kind === "power" || fault.kind === "cut" || fault.kind === "lying";
      const lostBytes = isCut && trace !== undefined ? cutPower(dataDir, trace) : 0;
      resolve({ code: code ?? undefined, signal: signal ?? undefined, isKilled, trace, at, lostBytes });
    });
  });
  return {
    fault,
    get isRunning() {
      return isRunning;
    },
    death,
    kill(signal) {
      if (!isRunning) return;
      const pid = isTraced ? tracedBy(child) : child.pid;
      if (pid === undefined) return;
      isKilled ||= signal === "SIGKILL";
      kill(pid, signal);
    },
    cpuSeconds: () => (isRunning && child.pid !== undefined ? cpuSecondsOf(child.pid) : undefined),
  };
}

/** Linux counts in hundredths. */
function cpuSecondsOf(pid: number): number | undefined {
  try {
    // The command in parentheses may hold anything; the fields after it are numbers.
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}

function wrapperOf(fault: DiskFault, dataDir: string, traceFile: string): string[] {
  if (fault.kind === "sound") return [];
  const [database, log] = storeFiles(dataDir);
  const paths = fault.kind === "lying" ? ["-P", log!] : ["-P", database!, "-P", log!];
  const inject = injectionOf(fault);
  return [
    ...["strace", "-f", "-qq", "-y", "-ttt", "-s", "0", "-o", traceFile],
    // Without the filter every call is slow; with it strace 6.1 does not deliver the signal.
    ...(fault.kind === "cut" ? [] : ["--seccomp-bpf"]),
    ...["-e", "trace=fsync,fdatasync,pwrite64", ...(inject === undefined ? [] : ["-e", `inject=${inject}`]), ...paths],
  ];
}

/** Node's SQLite calls fsync; fdatasync is named in case another build does. */
function injectionOf(fault: DiskFault): string | undefined {
  switch (fault.kind) {
    case "syncError":
      return `fsync,fdatasync:error=EIO:when=${fault.at}`;
    case "cut":
      return `fsync,fdatasync:error=EIO:signal=SIGKILL:when=${fault.at}`;
    case "full":
      return `pwrite64:error=ENOSPC:when=${fault.at}+`;
    case "power":
      // Else a kill hardly ever meets a sync.
      return `fsync,fdatasync:delay_enter=${SYNC_MICROSECONDS}`;
    case "lying":
      return "fsync,fdatasync:retval=0";
    default:
      return undefined;
  }
}

/** The member under its strace: killing strace would only let the member go. */
function tracedBy({ pid }: ChildProcess): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    return children[0] === "" ? undefined : Number(children[0]);
  } catch {
    return undefined;
  }
}

function kill(pid: number, signal: Signal): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}
