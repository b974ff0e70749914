/** `clockless node`: run a committee member. */

import { stderr, stdin } from "node:process";
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { PasswordSource } from "../../keys/port.ts";
import { type NodeConfig, nodeConfigSchema } from "../../node/config.ts";
import { startNode } from "../../node/start.ts";
import { createPinoLogger } from "../../telemetry/pino.ts";
import { loadConfig } from "../config-file.ts";
import { type CliContext, stopRequested } from "../context.ts";

export function addNodeCommand(program: Command, contextOf: () => CliContext): void {
  const node = program.command("node").description("run a committee member");
  node
    .command("run")
    .description("run the member until a signal stops it")
    .requiredOption("--config <file>", "configuration file (YAML)")
    .option("--data-dir <folder>", "overrides dataDir")
    .action(async ({ config: file, dataDir }: { config: string; dataDir?: string }) => {
      await runNode(contextOf(), file, { dataDir });
    });
}

async function runNode(
  context: CliContext,
  file: string,
  flags: { readonly dataDir: string | undefined },
): Promise<void> {
  const { config, origins } = loadConfig<NodeConfig>({
    schema: nodeConfigSchema,
    file,
    environment: context.environment,
    flags,
    keys: Object.keys(nodeConfigSchema.shape),
  });
  const logger = createPinoLogger({ ...config.log, fields: { member: config.index } });
  logger.info("configuration", { config, origins });
  const fatal = Promise.withResolvers<never>();
  const running = await startNode({
    config,
    password: passwordSource(config, context.environment),
    logger,
    version: context.version,
    onFatal: fatal.reject,
  });
  try {
    await Promise.race([stopRequested(context.signal), fatal.promise]);
    logger.info("stopping; press Ctrl-C again to force");
  } finally {
    await running.stop();
  }
}

function passwordSource(config: NodeConfig, environment: CliContext["environment"]): PasswordSource {
  const { passwordFile, passwordEnvironment } = config.keys;
  if (passwordFile !== undefined) return { kind: "file", path: passwordFile };
  if (passwordEnvironment !== undefined) return { kind: "environment", name: passwordEnvironment, environment };
  return { kind: "prompt", ask: askPassword };
}

async function askPassword(subject: string): Promise<string> {
  const prompt = createInterface({ input: stdin, output: stderr });
  try {
    return await prompt.question(`Password for ${subject}: `);
  } finally {
    prompt.close();
  }
}
