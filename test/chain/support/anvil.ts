/** A real EVM for tests: anvil on a free port, or undefined (with a line that says so) where its binary is missing. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

export interface Anvil {
  readonly url: string;
  readonly chainId: bigint;
  rpc<T = unknown>(method: string, params?: readonly unknown[]): Promise<T>;
  mine(blocks: number): Promise<void>;
  /** Waits until what was sent is in a block, where blocks come by themselves: they come a moment after the answer to a sender. */
  mined(): Promise<void>;
  stop(): Promise<void>;
}

export interface AnvilOptions {
  readonly chainId?: number;
  readonly hardfork?: string;
  /** Without automatic mining: transactions wait until `mine`. */
  readonly noMining?: boolean;
  readonly args?: readonly string[];
}

/** Groups that run now: they are their own process groups and would outlive a test run that is cut short. */
const live = new Set<number>();
process.on("exit", () => {
  for (const pid of live) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
  }
});

const BINARY = fileURLToPath(new URL("../../../node_modules/.bin/anvil", import.meta.url));

/** Undefined when anvil cannot run here: the caller skips, this has said why. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil | undefined> {
  if (!existsSync(BINARY)) {
    console.log("    SKIPPED: anvil's binary is not installed (npm package @foundry-rs/anvil)");
    return undefined;
  }
  const chainId = options.chainId ?? 31_337;
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      BINARY,
      ...["--port", String(port), "--chain-id", String(chainId), "--silent", "--accounts", "10"],
      ...["--hardfork", options.hardfork ?? "osaka"],
      ...(options.noMining === true ? ["--no-mining"] : []),
      ...(options.args ?? []),
    ],
    { stdio: "ignore", detached: true },
  );
  if (child.pid !== undefined) live.add(child.pid);
  const url = `http://127.0.0.1:${port}`;
  const rpc = <T>(method: string, params: readonly unknown[] = []) => call<T>(url, method, params);
  const started = await waitUntilUp(child, rpc);
  if (!started) {
    console.log("    SKIPPED: anvil does not start on this machine");
    return undefined;
  }
  return {
    url,
    chainId: BigInt(chainId),
    rpc,
    async mine(blocks) {
      await rpc("anvil_mine", [`0x${blocks.toString(16)}`]);
    },
    async mined() {
      if (!(await rpc<boolean>("anvil_getAutomine"))) return;
      while (Number((await rpc<{ pending: string }>("txpool_status")).pending) > 0)
        await new Promise((resolve) => setTimeout(resolve, 10));
    },
    stop: () => stopGroup(child),
  };
}

async function call<T>(url: string, method: string, params: readonly unknown[]): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  // CAST: test helper; the caller names the type it expects of a node under its own control
  const body = (await response.json()) as { result: T; error?: { message: string } };
  if (body.error !== undefined) throw new Error(`${method}: ${body.error.message}`);
  return body.result;
}

async function waitUntilUp(child: ChildProcess, rpc: (method: string) => Promise<unknown>): Promise<boolean> {
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt++) {
    try {
      await rpc("eth_chainId");
      return true;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return false;
}

/** The launcher script has the binary as its child: the whole group must go. */
function stopGroup(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resolve();
    live.delete(child.pid);
    child.once("exit", () => resolve());
    process.kill(-child.pid, "SIGKILL");
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
