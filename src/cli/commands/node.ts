/** `clockless node`: run a committee member, and see how members are. */
import type { Command } from "commander";
import type { StatusAnswer } from "../../api/schema.ts";
import type { PasswordSource } from "../../keys/port.ts";
import type { NodeConfig } from "../../node/config.ts";
import type { RunningNode } from "../../node/start.ts";
import type { Logger } from "../../telemetry/port.ts";
import { type CliContext, stopRequested } from "../context.ts";
import { UsageError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import { apiOption } from "../options.ts";
import { askPassword } from "../prompt.ts";
import { settlesWithin } from "../within.ts";
import { addDoctorCommand } from "./doctor.ts";

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
  node
    .command("status")
    .description("how far members are, by their own word")
    .addOption(apiOption())
    .action(async ({ api }: { api?: readonly string[] }) => {
      if (api === undefined) throw new UsageError("missingOption", "say whom to ask: --api URL");
      await showStatus(contextOf(), api);
    });
  node
    .command("declare-loss")
    .description(
      "say that this member's disk was lost or a backup was put back: it follows without signing until the next epoch",
    )
    .requiredOption("--config <file>", "configuration file (YAML)")
    .option("--data-dir <folder>", "overrides dataDir")
    .action(async ({ config: file, dataDir }: { config: string; dataDir?: string }) => {
      await declare(contextOf(), file, { dataDir });
    });
  addDoctorCommand(node, contextOf);
}

async function declare(
  { environment, output }: CliContext,
  file: string,
  flags: { readonly dataDir: string | undefined },
): Promise<void> {
  const { loadConfig } = await import("../config-file.ts");
  const { nodeConfigSchema } = await import("../../node/config.ts");
  const { declareLossIn } = await import("../../node/loss-command.ts");
  const { config } = loadConfig<NodeConfig>({ schema: nodeConfigSchema, file, environment, flags });
  declareLossIn(config);
  output.result({ dataDir: config.dataDir, declared: true }, () =>
    [
      `${config.dataDir} is declared lost. Run the node now: it follows and serves, and signs no block, partial or coin share`,
      "until an epoch begins in which its former life cannot have signed. One lost member counts among the f that may fail.",
    ].join("\n"),
  );
  if (config.join === undefined)
    output.note("Set join.apis to the other members' APIs first: without their word this member never signs again.");
}

async function runNode(
  context: CliContext,
  file: string,
  flags: { readonly dataDir: string | undefined },
): Promise<void> {
  const { beginWithAllocator } = await import("../../node/allocator.ts");
  beginWithAllocator();
  const { loadConfig } = await import("../config-file.ts");
  const { redactConfig } = await import("../config-kinds.ts");
  const { nodeConfigSchema } = await import("../../node/config.ts");
  const { startNode } = await import("../../node/start.ts");
  const { createPinoLogger } = await import("../../telemetry/pino.ts");
  const { config, origins } = loadConfig<NodeConfig>({
    schema: nodeConfigSchema,
    file,
    environment: context.environment,
    flags,
  });
  const logger = createPinoLogger({ ...config.log, fields: { member: config.index } });
  logger.info("configuration", { config: redactConfig(config), origins });
  const fatal = Promise.withResolvers<never>();
  const running = await startNode({
    config,
    password: passwordSource(config, context.environment),
    logger,
    version: context.version,
    onFatal: fatal.reject,
    signal: context.signal,
  });
  try {
    await Promise.race([stopRequested(context.signal), fatal.promise]);
    logger.info("stopping; press Ctrl-C again to force");
  } finally {
    await stopInTime(running, logger);
  }
}

/** From the signal; whoever sent it sends SIGKILL next. */
const STOPS_WITHIN_MS = 10_000;
/** From then on until what is left open may not keep the process alive any more. */
const ENDS_WITHIN_MS = 3_000;

/**
 * All that was said is on disk, so nothing is lost by not waiting: a socket that its peer does not close (members that stop at the same
 * moment), or whatever a library left open, must not keep a member from ending.
 */
async function stopInTime(running: RunningNode, logger: Logger): Promise<void> {
  const leave = (): void => {
    logger.warn("not everything closed in time", { open: process.getActiveResourcesInfo() });
    process.exit();
  };
  const isStopped = await settlesWithin(STOPS_WITHIN_MS, running.stop());
  setTimeout(leave, isStopped ? ENDS_WITHIN_MS : 0).unref();
}

export function passwordSource(config: NodeConfig, environment: CliContext["environment"]): PasswordSource {
  const { passwordFile, passwordEnvironment } = config.keys;
  if (passwordFile !== undefined) return { kind: "file", path: passwordFile };
  if (passwordEnvironment !== undefined) return { kind: "environment", name: passwordEnvironment, environment };
  return { kind: "prompt", ask: askPassword };
}

async function showStatus({ output, signal }: CliContext, urls: readonly string[]): Promise<void> {
  const { createApiClient } = await import("../../api/client.ts");
  const { isClocklessError } = await import("../../lib/errors.ts");
  const answers = await Promise.all(
    urls.map(async (url): Promise<{ url: string; status?: StatusAnswer; error?: string }> => {
      try {
        return { url, status: await createApiClient({ url }).status({ signal }) };
      } catch (error) {
        if (!isClocklessError(error)) throw error;
        return { url, error: error.code };
      }
    }),
  );
  output.result(answers, () =>
    answers
      .map(({ url, status, error }) => (status === undefined ? `${url}  ${error}` : describe(url, status)))
      .join("\n"),
  );
  if (answers.some(({ error }) => error !== undefined)) process.exitCode = EXIT.unavailable;
}

function describe(url: string, status: StatusAnswer): string {
  const others = status.peers.filter(({ index }) => index !== status.index);
  const connected = others.filter((peer) => peer.connected).length;
  const lines = [
    `${url}  member ${status.index}, epoch ${status.epoch}, round ${status.round}: settled batch ${status.settledSequence}, ` +
      `certified ${status.certifiedSequence}; ${connected}/${others.length} peers, ${status.mempool} instructions waiting`,
  ];
  for (const { chainId, inboxCursor, inboxSeen, outboxSize, reachable } of status.chains) {
    const reads = reachable ? "" : " — CANNOT READ IT NOW";
    lines.push(`  chain ${chainId}: inbox ${inboxCursor}/${inboxSeen}, outbox ${outboxSize}${reads}`);
  }
  return lines.join("\n");
}
