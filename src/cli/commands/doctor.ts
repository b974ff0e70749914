/** `clockless node doctor`: checks what a member needs, and says what to do. Changes nothing. */
import type { Command } from "commander";
import type { NodeConfig } from "../../node/config.ts";
import type { CliContext } from "../context.ts";
import type { Finding } from "../doctor/findings.ts";
import { EXIT } from "../exit.ts";
import { passwordSource } from "./node.ts";

export function addDoctorCommand(node: Command, contextOf: () => CliContext): void {
  node
    .command("doctor")
    .description("check configuration, keys, disk, peers, RPC endpoints and market adapter, and say what to do")
    .requiredOption("--config <file>", "configuration file (YAML)")
    .action(async ({ config: file }: { config: string }) => {
      const { output, environment } = contextOf();
      const { loadConfig } = await import("../config-file.ts");
      const { nodeConfigSchema } = await import("../../node/config.ts");
      const { config } = loadConfig<NodeConfig>({ schema: nodeConfigSchema, file, environment, flags: {} });
      const findings = await examine(config, environment);
      const problems = findings.filter(({ level }) => level === "problem");
      output.result({ ok: problems.length === 0, findings }, () => findings.map(describe).join("\n"));
      if (problems.length === 0) return;
      const isHere = problems.some(({ where }) => where === "here");
      process.exitCode = isHere ? EXIT.configuration : EXIT.unavailable;
    });
}

async function examine(config: NodeConfig, environment: CliContext["environment"]): Promise<Finding[]> {
  const { checkCommittee, checkDisk, checkKeys } = await import("../doctor/local.ts");
  const { checkChain, checkMarket, checkOwnApi, checkPeers } = await import("../doctor/remote.ts");
  const { finding, pinned } = checkCommittee(config);
  const disk = checkDisk(config);
  const [keys, peers, own, market, chains] = await Promise.all([
    checkKeys(config, pinned, passwordSource(config, environment)),
    checkPeers(config),
    checkOwnApi(config),
    checkMarket(config),
    Promise.all(config.chains.map((chain) => checkChain(chain, pinned?.genesis))),
  ]);
  return [finding, keys, ...disk, own, peers, ...chains.flat(), market];
}

function describe({ level, name, message, advice }: Finding): string {
  const line = `${level.padEnd(8)} ${name}: ${message}`;
  return advice === undefined ? line : `${line}\n         → ${advice}`;
}
