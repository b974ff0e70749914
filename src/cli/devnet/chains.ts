/** Two EVM chains of different make: a Hardhat node (EIP-2537, verifies BLS12-381) and anvil (verifies BN254). */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createPublicClient, http } from "viem";
import type { Suite } from "../../threshold/types.ts";
import { DevnetError, type ManagedProcess, startProcess, waitUntilReady } from "./processes.ts";

export interface DevChain {
  readonly name: "hardhat" | "anvil";
  readonly suite: Suite;
  readonly chainId: bigint;
  readonly url: string;
  readonly process: ManagedProcess;
}

export const HARDHAT_CHAIN_ID = 31_337n;
export const ANVIL_CHAIN_ID = 31_338n;

/** Compiling the contracts may be part of the first start. */
const READY_MS = 120_000;

/** Finds a tool's script among the installed packages: Hardhat and anvil are development tools, not dependencies of users. */
export function findTool(packageName: string, file: string): string {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(packageName) ?? []) {
    const path = join(folder, packageName, file);
    if (existsSync(path)) return path;
  }
  throw new DevnetError("missingTool", `the devnet needs the package "${packageName}"; install it with npm`, {
    details: { packageName },
  });
}

export async function startChains(
  ports: readonly [number, number],
  logDir: string,
  root: string,
): Promise<[DevChain, DevChain]> {
  const [hardhatPort, anvilPort] = ports;
  const hardhat = startProcess(
    "hardhat node",
    process.execPath,
    [
      findTool("hardhat", "dist/src/cli.js"),
      "node",
      "--hostname",
      "127.0.0.1",
      "--port",
      String(hardhatPort),
      "--chain-id",
      String(HARDHAT_CHAIN_ID),
    ],
    { logFile: join(logDir, "hardhat.log"), cwd: root },
  );
  const anvilScript = findTool("@foundry-rs/anvil", "bin.mjs");
  const anvil = startProcess(
    "anvil",
    process.execPath,
    [
      anvilScript,
      "--host",
      "127.0.0.1",
      "--port",
      String(anvilPort),
      "--chain-id",
      String(ANVIL_CHAIN_ID),
      "--silent",
      "--hardfork",
      "osaka",
    ],
    { logFile: join(logDir, "anvil.log"), cwd: dirname(anvilScript) },
  );
  const chains: [DevChain, DevChain] = [
    {
      name: "hardhat",
      suite: "bls12-381",
      chainId: HARDHAT_CHAIN_ID,
      url: `http://127.0.0.1:${hardhatPort}`,
      process: hardhat,
    },
    { name: "anvil", suite: "bn254", chainId: ANVIL_CHAIN_ID, url: `http://127.0.0.1:${anvilPort}`, process: anvil },
  ];
  try {
    await Promise.all(chains.map((chain) => waitUntilReady(chain.process, () => answers(chain), READY_MS)));
  } catch (error) {
    await Promise.all(chains.map((chain) => chain.process.stop()));
    throw error;
  }
  return chains;
}

async function answers(chain: DevChain): Promise<boolean> {
  const client = createPublicClient({ transport: http(chain.url, { retryCount: 0, timeout: 2_000 }) });
  return BigInt(await client.getChainId()) === chain.chainId;
}
