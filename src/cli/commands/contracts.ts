/** `clockless contracts`: deploy a hub with its vault, and check what is deployed. Contracts are not upgradable. */
import { type Command, Option } from "commander";
import type { Address } from "../../lib/hex.ts";
import type { TrustedCommittee } from "../../sdk/committee.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import {
  apiOption,
  committeeOption,
  hexOf,
  httpUrl,
  parseJsonInput,
  readInput,
  several,
  suiteOption,
  uint64,
} from "../options.ts";
import type { TrustFlags } from "../trust.ts";

interface ChainFlags {
  readonly chainId: bigint;
  readonly rpcUrl?: readonly string[];
}

interface DeployFlags extends ChainFlags, TrustFlags {
  readonly admin?: Address;
  readonly parameters?: string;
  readonly deploymentId?: string;
  readonly dryRun: boolean;
}

export function addContractsCommand(program: Command, contextOf: () => CliContext): void {
  const contracts = program.command("contracts").description("deploy and check contracts");

  addChain(contracts.command("deploy"))
    .description("deploy verifier, hub and vault for a committee; run it again to go on where it stopped")
    .addOption(suiteOption().makeOptionMandatory())
    .addOption(committeeOption())
    .option("--committee-id <hex>", "without a committee file: its id, with --group-key", hexOf(32))
    .option("--group-key <hex>", "without a committee file: its group key in that suite", hexOf())
    .option("--admin <address>", "owner of the Authority: lists tokens, closes deposits, pauses accept", hexOf(20))
    .option("--parameters <file>", "JSON of hub and vault parameters (haltDeadline, tokens, entryFeeWei, …)")
    .option("--deployment-id <id>", "name of Ignition's journal; made of suite, committee and chain by default")
    .option("--dry-run", "show what would be deployed and send nothing", false)
    .action(async (flags: DeployFlags) => deploy(contextOf(), flags));

  addChain(contracts.command("check"))
    .description("compare what is deployed with the committee file; exit code 6 when they differ")
    .addOption(committeeOption())
    .addOption(apiOption())
    .action(async (flags: ChainFlags & { committee?: string; api?: readonly string[] }) =>
      checkDeployed(contextOf(), flags),
    );

  contracts
    .command("addresses")
    .description("the contracts that a committee file names")
    .addOption(committeeOption())
    .action(async ({ committee }: { committee?: string }) => {
      const { readCommitteeFile } = await import("../trust.ts");
      if (committee === undefined) throw new UsageError("missingOption", "say whose: --committee FILE");
      const { chains } = readCommitteeFile(committee).genesis;
      const rows = chains.map(({ chainId, hub, vault, tokens }) => ({ chainId, hub, vault, tokens }));
      contextOf().output.result(rows, () =>
        rows.map(({ chainId, hub, vault }) => `chain ${chainId}\n  hub   ${hub}\n  vault ${vault}`).join("\n"),
      );
    });
}

function addChain(command: Command): Command {
  return command
    .requiredOption("--chain-id <number>", "which chain; an endpoint of another one is refused", uint64)
    .addOption(
      new Option("--rpc-url <url>", "JSON-RPC endpoint; put one with an API key into CLOCKLESS_RPC_URL instead")
        .argParser(several(httpUrl))
        .env("CLOCKLESS_RPC_URL"),
    );
}

async function openPool({ chainId, rpcUrl }: ChainFlags) {
  if (rpcUrl === undefined) throw new UsageError("missingOption", "missing: --rpc-url URL or CLOCKLESS_RPC_URL");
  const { createRpcPool } = await import("../../chain/rpc-pool.ts");
  return { pool: createRpcPool({ chainId, urls: rpcUrl }), url: rpcUrl[0]! };
}

async function deploy({ output, environment, signal }: CliContext, flags: DeployFlags): Promise<void> {
  const { trustedCommittee } = await import("../trust.ts");
  const { planDeployment, runDeployment } = await import("../contracts/deploy.ts");
  const { pool, url } = await openPool(flags);
  const suite = flags.suite!; // mandatory
  const { committeeId, groupKeys } = trustedCommittee(flags);
  const plan = planDeployment({
    suite,
    chainId: flags.chainId,
    committeeId,
    groupKey: groupKeys[suite]!,
    admin: flags.admin,
    hubParameters: readParameters(flags.parameters),
    deploymentId: flags.deploymentId,
  });
  // It refuses to speak for another chain, before anything is sent there. Ignition uses the first endpoint alone.
  await pool.endpoints[0]!.request("eth_blockNumber", [], signal);
  const summary = `${plan.module} on chain ${plan.chainId}, journal ${plan.deploymentId}${plan.resumes ? " (goes on)" : ""}`;
  if (flags.dryRun) {
    output.result(
      { ...plan, deployed: false },
      () => `would deploy ${summary}\n${JSON.stringify(plan.parameters, null, 2)}`,
    );
    return;
  }
  output.note(`deploying ${summary}`);
  const { addresses, block } = await runDeployment(plan, url, environment, signal);
  const { chainId, deploymentId } = plan;
  output.result({ chainId, suite, deploymentId, block, ...addresses, deployed: true }, () =>
    [...Object.entries(addresses), ["block", String(block)]]
      .map(([name, text]) => `${name!.padEnd(10)} ${text}`)
      .join("\n"),
  );
}

function readParameters(file: string | undefined): Record<string, unknown> {
  if (file === undefined) return {};
  const value = parseJsonInput(readInput(file).toString("utf8"), file);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError("malformedInput", `${file} must hold a JSON object of parameters`);
  }
  return value as Record<string, unknown>; // CAST: a non-null object that is no array
}

async function checkDeployed(
  { output, signal }: CliContext,
  flags: ChainFlags & { readonly committee?: string; readonly api?: readonly string[] },
): Promise<void> {
  const { readCommitteeFile, trustedCommittee } = await import("../trust.ts");
  const { checkContracts } = await import("../contracts/check.ts");
  if (flags.committee === undefined) throw new UsageError("missingOption", "say whom you trust: --committee FILE");
  const { committee, genesis } = readCommitteeFile(flags.committee);
  const chain = genesis.chains.find(({ chainId }) => chainId === flags.chainId);
  if (chain === undefined) {
    throw new UsageError("badOption", `the committee serves no hub on chain ${flags.chainId}`, {
      details: { served: genesis.chains.map(({ chainId }) => chainId) },
    });
  }
  const { pool } = await openPool(flags);
  const pinned = trustedCommittee({ committee: flags.committee });
  const followed = flags.api === undefined ? pinned : await followNewest(pinned, flags.api, signal);
  const checks = await checkContracts(pool, committee, [...followed.formerKeys, followed.groupKeys], chain, signal);
  const ok = checks.every((each) => each.ok);
  output.result({ ok, chainId: chain.chainId, hub: chain.hub, vault: chain.vault, checks }, () =>
    checks
      .map(({ name, ok, expected, actual }) =>
        ok ? `ok        ${name}` : `MISMATCH  ${name}: ${actual}, not ${expected}`,
      )
      .join("\n"),
  );
  if (!ok) process.exitCode = EXIT.verificationFailed;
}

/** Along the handovers that the first member to answer shows. @throws ApiError, SdkError badHandover */
async function followNewest(
  pinned: TrustedCommittee,
  urls: readonly string[],
  signal: AbortSignal,
): Promise<TrustedCommittee> {
  const { createApiClient } = await import("../../api/client.ts");
  const { followHandovers } = await import("../../sdk/handovers.ts");
  const { handovers } = await Promise.any(urls.map((url) => createApiClient({ url }).handovers({ signal }))).catch(
    (error: unknown) => {
      throw error instanceof AggregateError ? error.errors[0] : error;
    },
  );
  return followHandovers(pinned, handovers);
}
