/**
 * Deploys a module with Hardhat Ignition and prints the addresses as one JSON object.
 *
 *   node scripts/deploy.ts --module DevnetBls12381 --network bls --parameters parameters.json [--deployment-id ID | --ephemeral]
 *
 * Networks `bls` and `bn` read their URL from CLOCKLESS_BLS_RPC_URL and CLOCKLESS_BN_RPC_URL (see hardhat.config.ts). Every
 * deployment is journalled under `scripts/ignition/deployments` and resumes where it stopped; `--ephemeral` (for throw-away
 * chains, which come back empty under the same chain id) starts afresh and leaves no journal.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { BaseContract } from "ethers";
import hre from "hardhat";
import { DevnetBls12381, DevnetBn254 } from "./ignition/modules/devnet.ts";
import { SettlementBls12381, SettlementBn254 } from "./ignition/modules/settlement.ts";

const MODULES = { DevnetBls12381, DevnetBn254, SettlementBls12381, SettlementBn254 } as const;

const { values } = parseArgs({
  options: {
    module: { type: "string" },
    network: { type: "string" },
    parameters: { type: "string" },
    "deployment-id": { type: "string" },
    ephemeral: { type: "boolean", default: false },
  },
});

const { module: name, network, parameters } = values;
if (name === undefined || network === undefined || parameters === undefined || !Object.hasOwn(MODULES, name)) {
  process.stderr.write(
    `usage: deploy.ts --module ${Object.keys(MODULES).join("|")} --network NAME --parameters FILE [--deployment-id ID]\n`,
  );
  process.exit(2);
}

// CAST: hasOwn was checked
const ignitionModule = MODULES[name as keyof typeof MODULES];
const connection = await hre.network.connect(network);
const deploymentId = values.ephemeral ? `ephemeral-${randomUUID()}` : values["deployment-id"];
const contracts: Record<string, BaseContract> = await connection.ignition.deploy(ignitionModule, {
  // Ignition's own convention for integers beyond 2^53: "123n".
  parameters: JSON.parse(readFileSync(parameters, "utf8"), (_key, value: unknown) =>
    typeof value === "string" && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  ),
  displayUi: false,
  ...(deploymentId === undefined ? {} : { deploymentId }),
});
const addresses: Record<string, string> = {};
for (const [key, contract] of Object.entries(contracts)) addresses[key] = (await contract.getAddress()).toLowerCase();
const block = await connection.ethers.provider.getBlockNumber();
if (values.ephemeral)
  rmSync(join(hre.config.paths.ignition, "deployments", deploymentId!), { recursive: true, force: true });
process.stdout.write(`${JSON.stringify({ addresses, block })}\n`);
await connection.close();
