/** `clockless relay`: carry certificates to chains and deliver what hubs owe. Anyone may run one; none is trusted. */
import { type Command, Option } from "commander";
import type { RelayerConfig } from "../../relayer/config.ts";
import type { Relayer } from "../../relayer/relayer.ts";
import type { Plan, PlannedAction, RelayerEvent } from "../../relayer/types.ts";
import type { Metrics } from "../../telemetry/port.ts";
import { type CliContext, stopRequested } from "../context.ts";
import { EXIT } from "../exit.ts";
import { wholeNumber } from "../options.ts";
import { jsonReplacer } from "../output.ts";

interface RelayFlags {
  readonly config: string;
  readonly dataDir?: string;
  readonly rank?: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

export function addRelayCommand(program: Command, contextOf: () => CliContext): void {
  const relay = program.command("relay").description("carry certificates to chains and deliver what hubs owe");
  const add = (name: string, description: string): Command =>
    relay
      .command(name)
      .description(description)
      .requiredOption("--config <file>", "configuration file (YAML)")
      .option("--data-dir <folder>", "overrides dataDir")
      .option("--rank <number>", "overrides rank: 0 acts first, higher ranks are backups", wholeNumber(0, 1_000))
      .addOption(
        new Option("--log-level <level>", "least important lines to log")
          .choices(["debug", "info", "warn", "error"])
          .default("info"),
      );

  add("run", "work until a signal stops it; with --json, one event a line on stdout")
    .option("--metrics-port <port>", "serve Prometheus metrics at /metrics on this port", wholeNumber(0, 65_535))
    .option("--metrics-host <address>", "where to listen for them", "127.0.0.1")
    .action(async (flags: RelayFlags & { metricsPort?: number; metricsHost: string }) => {
      const context = contextOf();
      const { createPrometheusMetrics } = await import("../../telemetry/prometheus.ts");
      const { serveMetrics } = await import("../metrics-server.ts");
      const metrics = createPrometheusMetrics({ withProcess: true });
      const onEvent = (event: RelayerEvent): void => context.output.line(event, () => describeEvent(event));
      const relayer = await open(context, flags, { onEvent, metrics });
      try {
        const { metricsPort: port, metricsHost: host } = flags;
        const server = port === undefined ? undefined : await serveMetrics(metrics, host, port);
        if (server !== undefined) context.output.note(`metrics at ${server.url}`);
        relayer.start();
        await stopRequested(context.signal);
        context.output.note("Stopping gracefully, use Ctrl+C again to force process exit");
        await server?.close();
      } finally {
        await relayer.stop();
      }
    });

  add("once", "one turn over all chains")
    .option("--dry-run", "send nothing; show what would be sent and what it costs", false)
    .action(async (flags: RelayFlags & { dryRun: boolean }) => {
      const context = contextOf();
      const relayer = await open(context, flags, { isDryRun: flags.dryRun });
      try {
        const plan = await relayer.runOnce({ dryRun: flags.dryRun, signal: context.signal });
        context.output.result(plan, () => describePlan(plan, flags.dryRun));
        if (plan.problems.length > 0)
          process.exitCode = plan.problems.every((problem) => problem.isTransient)
            ? EXIT.unavailable
            : EXIT.chainRefused;
      } finally {
        await relayer.stop();
      }
    });

  add("status", "how far each hub is behind the newest certificate, and what its sender has left").action(
    async (flags: RelayFlags) => {
      const { output, environment, signal } = contextOf();
      const { relayStatus, describeRelayStatus } = await import("../relay-status.ts");
      const status = await relayStatus(await loadRelayerConfig(contextOf(), flags), environment, signal);
      output.result(status, () => describeRelayStatus(status));
      if (status.chains.some(({ problem }) => problem !== undefined) || status.newest === undefined) {
        process.exitCode = EXIT.unavailable;
      }
    },
  );

  add("queue", "journal of a relayer that is not running: its transactions, newest first")
    .option("--limit <number>", "how many", wholeNumber(1, 100_000), 20)
    .action(async (flags: RelayFlags & { limit: number }) => {
      const context = contextOf();
      const relayer = await open(context, flags);
      const queue = relayer.queue(flags.limit);
      context.output.result(
        queue,
        () =>
          queue.map((row) => `${row.chainId} nonce ${row.nonce} ${row.state.padEnd(9)} ${row.purpose}`).join("\n") ||
          "empty",
      );
      await relayer.stop();
    });
}

async function loadRelayerConfig(context: CliContext, flags: RelayFlags): Promise<RelayerConfig> {
  const { loadConfig } = await import("../config-file.ts");
  const { relayerConfigSchema } = await import("../../relayer/config.ts");
  return loadConfig<RelayerConfig>({
    schema: relayerConfigSchema,
    file: flags.config,
    environment: context.environment,
    flags: { dataDir: flags.dataDir, rank: flags.rank },
  }).config;
}

async function open(
  context: CliContext,
  flags: RelayFlags,
  options: { onEvent?: (event: RelayerEvent) => void; metrics?: Metrics; isDryRun?: boolean } = {},
): Promise<Relayer> {
  const { createRelayer } = await import("../../relayer/relayer.ts");
  const { createPinoLogger } = await import("../../telemetry/pino.ts");
  const config = await loadRelayerConfig(context, flags);
  const logger = createPinoLogger({ level: flags.logLevel, format: "json" });
  // A dry run must work beside a relayer that holds the journal.
  return createRelayer(config, {
    logger,
    environment: context.environment,
    onEvent: options.onEvent,
    metrics: options.metrics,
    journal: options.isDryRun === true ? "memory" : "file",
  });
}

function describeEvent(event: RelayerEvent): string {
  return `${event.kind} ${JSON.stringify(event, jsonReplacer)}`;
}

function describeAction(action: PlannedAction): string {
  if (action.kind === "handover") return `hand over to the committee's next group key (handover ${action.number})`;
  if (action.kind === "accept") return `accept batch ${action.sequence}`;
  return `deliver ${action.indices.length} entries (${action.indices.join(", ")})`;
}

function describePlan(plan: Plan, isDryRun: boolean): string {
  const lines: string[] = [];
  for (const action of plan.actions) {
    const what = describeAction(action);
    const { gasLimit, expectedWei, maxWei } = action.cost;
    lines.push(
      `chain ${action.chainId}: ${isDryRun ? "would " : ""}${what}; gas ≤ ${gasLimit}, about ${expectedWei} wei, at most ${maxWei}`,
    );
  }
  for (const { chainId, what, reason } of plan.waiting) lines.push(`chain ${chainId}: ${what} waits (${reason})`);
  for (const { chainId, code, message } of plan.problems) lines.push(`chain ${chainId}: ${message} [${code}]`);
  return lines.length === 0 ? "nothing to do" : lines.join("\n");
}
