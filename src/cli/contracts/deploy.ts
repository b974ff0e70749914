/** A hub with its vault and verifier on one chain: parameters for Hardhat Ignition, and the child process that runs it. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import type { Address, Hex } from "../../lib/hex.ts";
import { bytesToHex, hexToBytes } from "../../lib/hex.ts";
import { encodePublicKeyForVerifier } from "../../threshold/evm.ts";
import type { Suite } from "../../threshold/types.ts";
import { CommandError } from "../errors.ts";

/** Folder of package.json, contracts and scripts, from src/ and from dist/ alike. */
const PROJECT_ROOT = fileURLToPath(new URL("../../..", import.meta.url));

const SUITE_NAMES: Readonly<
  Record<Suite, { module: string; verifier: string; network: string; variable: string; short: string }>
> = {
  "bls12-381": {
    module: "SettlementBls12381",
    verifier: "Bls12381Verifier",
    network: "bls",
    variable: "CLOCKLESS_BLS_RPC_URL",
    short: "bls",
  },
  bn254: {
    module: "SettlementBn254",
    verifier: "Bn254Verifier",
    network: "bn",
    variable: "CLOCKLESS_BN_RPC_URL",
    short: "bn",
  },
};

export interface DeploymentRequest {
  readonly suite: Suite;
  readonly chainId: bigint;
  readonly committeeId: Hex;
  readonly groupKey: Hex;
  /** Owner of the Authority contract; the deploying account by default. */
  readonly admin: Address | undefined;
  /** Parameters of the hub and vault, as scripts/ignition/modules/settlement.ts names them. */
  readonly hubParameters: Readonly<Record<string, unknown>>;
  readonly deploymentId: string | undefined;
}

export interface DeploymentPlan {
  readonly suite: Suite;
  readonly chainId: bigint;
  readonly module: string;
  /** Ignition's journal: the same id goes on where the last run stopped. */
  readonly deploymentId: string;
  readonly resumes: boolean;
  readonly parameters: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** @throws CommandError missingTool outside the repository */
export function planDeployment(request: DeploymentRequest): DeploymentPlan {
  if (!existsSync(join(PROJECT_ROOT, "scripts/deploy.ts"))) {
    throw new CommandError(
      "missingTool",
      "contracts are deployed from a checkout of the repository: it has the Ignition modules",
    );
  }
  const { suite, chainId, committeeId, groupKey, admin, hubParameters } = request;
  const { module, verifier, short } = SUITE_NAMES[suite];
  const deploymentId = request.deploymentId ?? `clockless-${short}-${committeeId.slice(2, 10)}-${chainId}`;
  return {
    suite,
    chainId,
    module,
    deploymentId,
    resumes: existsSync(join(PROJECT_ROOT, "scripts/ignition/deployments", deploymentId)),
    parameters: {
      [verifier]: { groupKey: bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(groupKey))) },
      [module]: { ...hubParameters, committeeId },
      ...(admin === undefined ? {} : { Authority: { admin } }),
    },
  };
}

const address = z
  .string()
  .regex(/^0x[0-9a-f]{40}$/)
  .transform((text) => text as Address); // CAST: the pattern requires 0x
const answer = z.object({
  addresses: z.object({ hub: address, vault: address, verifier: address, authority: address }),
  block: z.int(),
});
export type DeployedContracts = z.infer<typeof answer>;

/** Runs Ignition in a process of its own. What it says goes to stderr. @throws CommandError deploymentFailed */
export async function runDeployment(
  plan: DeploymentPlan,
  rpcUrl: string,
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<DeployedContracts> {
  const { network, variable } = SUITE_NAMES[plan.suite];
  const folder = mkdtempSync(join(tmpdir(), "clockless-deploy-"));
  try {
    const parameters = join(folder, "parameters.json");
    writeFileSync(parameters, JSON.stringify(plan.parameters));
    const script = join(PROJECT_ROOT, "scripts/deploy.ts");
    const names = ["--module", plan.module, "--network", network, "--deployment-id", plan.deploymentId];
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", script, ...names, "--parameters", parameters],
      // The URL may hold an API key: it goes by environment, never on a command line.
      { cwd: PROJECT_ROOT, env: { ...environment, [variable]: rpcUrl }, stdio: ["ignore", "pipe", "inherit"], signal },
    );
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (status !== 0) {
      throw new CommandError("deploymentFailed", "the deployment stopped; run the same command again to go on there", {
        details: { deploymentId: plan.deploymentId, status },
      });
    }
    return answer.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
