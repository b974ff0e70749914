/** `clockless simulate`: a whole committee in virtual time; the same seed gives the same run on every machine. */
import { Worker } from "node:worker_threads";
import { type Command, Option } from "commander";
import type { Adversary, SimulationReport } from "../../testing/simulator/simulate.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import { uint64, wholeNumber } from "../options.ts";
import type { SimulationOrder } from "../simulation-worker.ts";

/** A copy, because loading the simulator would slow every other command down; the type keeps it complete. */
const ADVERSARIES = Object.keys({
  none: true,
  chaos: true,
  loss: true,
  partition: true,
  asymmetric: true,
  starve: true,
  "starve-leaders": true,
  "early-coin": true,
  lag: true,
  crash: true,
  restart: true,
  "torn-disk": true,
  rollback: true,
  equivocate: true,
  "late-gift": true,
  "jump-and-expose": true,
  twins: true,
  withhold: true,
  garbage: true,
  mutate: true,
  reshare: true,
  swarm: true,
} satisfies Record<Adversary, true>);

interface SimulateFlags {
  readonly members: number;
  readonly adversary: Adversary;
  readonly seed: bigint;
  readonly rounds: number;
  readonly delays: "unit" | "uniform";
  readonly owners: number;
  readonly crypto: "stand-in" | "real";
}

export function addSimulateCommand(program: Command, contextOf: () => CliContext): void {
  program
    .command("simulate")
    .description("run a committee in virtual time, check that its members agree, and measure latency in message delays")
    .option("--members <number>", "committee size", wholeNumber(1, 100), 10)
    .addOption(new Option("--adversary <kind>", "what goes wrong").choices(ADVERSARIES).default("none"))
    .addOption(new Option("--seed <number>", "decides everything that is random").argParser(uint64).default(1n, "1"))
    .option(
      "--rounds <number>",
      "rounds with faults, before the network heals (not with reshare)",
      wholeNumber(1, 1_000_000),
      200,
    )
    .addOption(new Option("--delays <model>", "delays without chaos").choices(["unit", "uniform"]).default("unit"))
    .option("--owners <number>", "users that keep one instruction under way each", wholeNumber(0, 10_000), 8)
    .addOption(
      new Option("--crypto <kind>", "stand-in signatures are fast and worthless; real ones are the shipping engines")
        .choices(["stand-in", "real"])
        .default("stand-in"),
    )
    .action(async (flags: SimulateFlags) => {
      const { output, signal } = contextOf();
      checkReshare(flags);
      const report = await runInWorker(flags, signal, (text) => output.progress(text));
      output.result(report, () => describe(report));
      if (!report.agreement) process.exitCode = EXIT.verificationFailed;
    });
}

/** @throws UsageError badOption */
function checkReshare({ adversary, members, owners, crypto }: SimulateFlags): void {
  if (adversary !== "reshare") return;
  const reason =
    crypto === "real"
      ? "deals stand-in keys only"
      : members < 4
        ? "needs 4 members or more: a committee never gets smaller than that"
        : owners < 1
          ? "needs a user: whether the committee works on is seen by what users get"
          : undefined;
  if (reason !== undefined) throw new UsageError("badOption", `--adversary reshare ${reason}`);
}

/** The simulator computes without pause: in a thread of its own it leaves us free to answer Ctrl-C. */
async function runInWorker(
  flags: SimulateFlags,
  signal: AbortSignal,
  progress: (text: string | undefined) => void,
): Promise<SimulationReport> {
  signal.throwIfAborted();
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const { members, adversary, seed, rounds, delays, owners, crypto } = flags;
  const order: SimulationOrder = { members, adversary, seed, rounds, delays, owners, crypto };
  const worker = new Worker(new URL(`../simulation-worker.${extension}`, import.meta.url), { workerData: order });
  const startedMs = performance.now();
  const timer = setInterval(() => {
    progress(`simulating ${members} members … ${Math.round((performance.now() - startedMs) / 1000)} s`);
  }, 250);
  try {
    return await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  } finally {
    clearInterval(timer);
    progress(undefined);
    await worker.terminate();
  }
}

function describe(report: SimulationReport): string {
  const { latency, instructions } = report;
  const lines = [
    `agreement     ${report.agreement ? "yes" : "NO"}`,
    `latency       mean ${latency.mean}, p50 ${latency.p50}, p99 ${latency.p99} message delays (${latency.samples} samples)`,
    `members       ${report.members}, of which ${report.faulty} may be faulty; adversary ${report.adversary}, seed ${report.seed}`,
    `progress      ${report.rounds} rounds, ${report.commits} commits, ${report.batches} batches, ${report.certificates} certificates`,
    `instructions  ${instructions.applied} applied of ${instructions.submitted}, ${instructions.unsettled} unsettled`,
    ...(report.epochs > 1 ? [`committees    ${report.epochs}, one after the other`] : []),
    `network       ${report.messages} messages, ${report.crashes} crashes`,
    `trace hash    ${report.traceHash}`,
  ];
  return [...lines, ...report.violations.map((violation) => `violation     ${violation}`)].join("\n");
}
