/** Deploys the development contracts with Hardhat Ignition, in a process of its own (Hardhat's runtime is a development tool). */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import type { Address, Hex } from "../../lib/hex.ts";
import { bytesToHex, hexToBytes } from "../../lib/hex.ts";
import { encodePublicKeyForVerifier } from "../../threshold/evm.ts";
import type { Suite } from "../../threshold/types.ts";
import { findTool } from "./chains.ts";
import { DevnetError } from "./processes.ts";

export interface Deployment {
  readonly hub: Address;
  readonly vault: Address;
  readonly verifier: Address;
  readonly token: Address;
  readonly receiver: Address;
}

const address = z
  .string()
  .regex(/^0x[0-9a-f]{40}$/)
  .transform((text) => text as Address); // CAST: the pattern requires 0x
const answer = z.object({
  addresses: z.object({ hub: address, vault: address, verifier: address, token: address, receiver: address }),
});

/** A devnet's books may be any size: its vaults' rolling limits never delay a payout. uint128. */
const NO_LIMIT = `${(1n << 127n) - 1n}n`;

const MODULES: Readonly<
  Record<
    Suite,
    { readonly module: string; readonly verifier: string; readonly network: string; readonly variable: string }
  >
> = {
  "bls12-381": {
    module: "DevnetBls12381",
    verifier: "Bls12381Verifier",
    network: "bls",
    variable: "CLOCKLESS_BLS_RPC_URL",
  },
  bn254: { module: "DevnetBn254", verifier: "Bn254Verifier", network: "bn", variable: "CLOCKLESS_BN_RPC_URL" },
};

/** Compiles the contracts if that was not done since they last changed; the first time it takes a minute or two. */
export async function buildContracts(root: string): Promise<void> {
  try {
    await promisify(execFile)(process.execPath, [findTool("hardhat", "dist/src/cli.js"), "build", "--quiet"], {
      cwd: root,
      maxBuffer: 16 << 20,
    });
  } catch (cause) {
    throw new DevnetError("deploymentFailed", `compiling the contracts failed: ${String(cause)}`, { cause });
  }
}

export async function deployDevnet(options: {
  readonly root: string;
  readonly directory: string;
  readonly suite: Suite;
  readonly url: string;
  readonly committeeId: Hex;
  readonly groupKey: Hex;
}): Promise<Deployment> {
  const { root, directory, suite, url, committeeId, groupKey } = options;
  const { module, verifier, network, variable } = MODULES[suite];
  const parameters = join(directory, `deployment-${suite}.json`);
  const encodedKey = bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(groupKey)));
  writeFileSync(
    parameters,
    JSON.stringify(
      { [verifier]: { groupKey: encodedKey }, [module]: { committeeId, withdrawalFloor: NO_LIMIT } },
      null,
      2,
    ),
  );
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        join(root, "scripts/deploy.ts"),
        "--module",
        module,
        "--network",
        network,
        "--parameters",
        parameters,
        "--ephemeral",
      ],
      { cwd: root, env: { ...process.env, [variable]: url }, maxBuffer: 16 << 20 },
    );
    return answer.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).addresses;
  } catch (cause) {
    throw new DevnetError("deploymentFailed", `deploying the ${suite} contracts failed: ${String(cause)}`, {
      details: { suite, url },
      cause,
    });
  }
}
