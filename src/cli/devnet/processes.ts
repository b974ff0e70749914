/** Child processes of a devnet: each with a log file, stopped with us, killed if they do not stop. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { ClocklessError } from "../../lib/errors.ts";

export class DevnetError extends ClocklessError<
  "processFailed" | "notReady" | "portsTaken" | "missingTool" | "deploymentFailed"
> {
  override readonly name = "DevnetError";
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly isRunning: boolean;
  /** SIGKILL, as a power cut would. */
  kill(): Promise<void>;
  /** SIGTERM, then SIGKILL after a while. */
  stop(): Promise<void>;
}

/** Grace before SIGKILL; a node finishes its queue in well under a second. */
const STOP_GRACE_MS = 5_000;

export function startProcess(
  name: string,
  command: string,
  args: readonly string[],
  options: {
    readonly logFile: string;
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string | undefined>>;
  },
): ManagedProcess {
  const log = openSync(options.logFile, "a");
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["ignore", log, log],
    // A group of its own: Ctrl-C reaches us alone, and we stop the children in order.
    detached: true,
  });
  closeSync(log);
  let running = true;
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => {
      running = false;
      resolve();
    });
    child.once("error", () => {
      running = false;
      resolve();
    });
  });
  const end = async (signal: "SIGKILL" | "SIGTERM"): Promise<void> => {
    if (!running) return;
    signalGroup(child, signal);
    const timer = setTimeout(() => signalGroup(child, "SIGKILL"), STOP_GRACE_MS);
    await ended;
    clearTimeout(timer);
  };
  return {
    name,
    pid: child.pid ?? -1,
    logFile: options.logFile,
    get isRunning() {
      return running;
    },
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}

function signalGroup(child: ChildProcess, signal: "SIGKILL" | "SIGTERM"): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

/** Waits until `isReady` says yes; fails at once, with the end of its log, when the process dies before. */
export async function waitUntilReady(
  process: ManagedProcess,
  isReady: () => Promise<boolean>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    if (await isReady().catch(() => false)) return;
    if (!process.isRunning || performance.now() > deadline) {
      const code = process.isRunning ? "notReady" : "processFailed";
      const what = process.isRunning ? `was not ready after ${timeoutMs} ms` : "ended before it was ready";
      throw new DevnetError(code, `${process.name} ${what}; end of its log:\n${tail(process.logFile)}`, {
        details: { name: process.name, logFile: process.logFile },
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function tail(file: string, lines = 15): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "(no log)";
  }
}

/** Free TCP ports on the loopback interface, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === "string") throw new DevnetError("portsTaken", "no free TCP port");
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
