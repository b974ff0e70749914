/** `clockless simulate`: a whole committee in virtual time; the same seed gives the same run on every machine. */
import { Worker } from "node:worker_threads";
import { type Command, Option } from "commander";
import { isRule } from "../../testing/rules/names.ts";
import { CONTROLS, parseAdversary } from "../../testing/simulator/names.ts";
import type { ScheduleName } from "../../testing/simulator/schedules.ts";
import type { SimulationReport } from "../../testing/simulator/types.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import { several, uint64, wholeNumber } from "../options.ts";
import { runManyCommand } from "../simulate/campaign.ts";
import { describeReport, SIMULATE_HELP } from "../simulate/describe.ts";
import type { SimulationOrder } from "../simulation-worker.ts";

/** Bounds nothing but a mistyped number. */
const MAX_RUNS = 100_000_000;

/** A copy, because loading the simulator would slow every other command down; the type keeps it complete. */
const SCHEDULES = {
  "lone-supporter": true,
  "lone-skipper": true,
  "known-anchors": true,
} satisfies Record<ScheduleName, true>;

export interface SimulateFlags {
  readonly members?: readonly number[];
  readonly adversary?: readonly string[];
  readonly seed: bigint;
  readonly rounds: number;
  readonly delays: "unit" | "uniform";
  readonly owners: number;
  readonly crypto: "stand-in" | "real";
  readonly rule?: readonly string[];
  readonly control?: (typeof CONTROLS)[number];
  readonly schedule?: ScheduleName;
  readonly campaign?: number;
  readonly seeds: bigint;
  readonly threads?: number;
  readonly regressions?: boolean;
  readonly twins?: number;
  /** `--no-controls`. */
  readonly controls: boolean;
}

export function addSimulateCommand(program: Command, contextOf: () => CliContext): void {
  program
    .command("simulate")
    .description("run a committee in virtual time, check that its members agree, and measure latency in message delays")
    .option(
      "--members <n>",
      "committee size (a campaign's: several with commas; default 10, or 4,7,10,31)",
      several(wholeNumber(1, 100)),
    )
    .option(
      "--adversary <names>",
      "what goes wrong, joined by + (a campaign's: several with commas; default all)",
      several(String),
    )
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
    .option(
      "--rule <names>",
      "decision rule: ours, mahi-mahi-w4-l1 … w5-ln, or a broken one (a campaign's: several with commas; default ours)",
      several(String),
    )
    .addOption(new Option("--control <name>", "leave out what makes it safe: the run must fail").choices([...CONTROLS]))
    .addOption(
      new Option("--schedule <name>", "of four members: what is kept from whom, beside the adversary").choices(
        Object.keys(SCHEDULES),
      ),
    )
    .option(
      "--campaign <runs>",
      "so many seeds, each twice, on all cores, then all controls; one table",
      wholeNumber(1, MAX_RUNS),
    )
    .addOption(new Option("--seeds <from>", "first seed of a campaign").argParser(uint64).default(1n, "1"))
    .option("--twins <scenarios>", "so many Twins scenarios (seed: --seeds), on all cores", wholeNumber(1, MAX_RUNS))
    .option("--regressions", "run every configuration that once failed")
    .option("--threads <number>", "threads of a campaign (default: one per core)", wholeNumber(1, 256))
    .option("--no-controls", "a campaign without its controls")
    .addHelpText("after", SIMULATE_HELP)
    .action(async (flags: SimulateFlags, command: Command) => {
      const context = contextOf();
      const given = (name: string): boolean => command.getOptionValueSource(name) === "cli";
      checkFlags(flags, given);
      if (isMany(flags)) {
        await runManyCommand(flags, context);
        return;
      }
      const { output } = context;
      const report = await runInWorker(flags, context);
      output.result(report, () => describeReport(report));
      if (!report.agreement) process.exitCode = EXIT.verificationFailed;
    });
}

const isMany = ({ campaign, regressions, twins }: SimulateFlags): boolean =>
  campaign !== undefined || regressions === true || twins !== undefined;

const OF_ONE_RUN = ["seed", "rounds", "delays", "owners", "crypto", "control", "schedule"] as const;
const OF_MANY = ["seeds", "threads", "controls"] as const;

/** @throws UsageError badOption */
function checkFlags(flags: SimulateFlags, given: (name: string) => boolean): void {
  const refuse = (reason: string): never => {
    throw new UsageError("badOption", reason);
  };
  const { campaign, regressions, twins, adversary = [], members = [], rule: rules = [] } = flags;
  for (const name of adversary) {
    try {
      parseAdversary(name);
    } catch (cause) {
      throw new UsageError("badOption", cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }
  for (const rule of rules)
    if (!isRule(rule))
      refuse(`there is no rule "${rule}"; there are ours, plain, mahi-mahi-w4-l1 to w5-ln, and broken ones (--help)`);
  if ([campaign !== undefined, regressions === true, twins !== undefined].filter(Boolean).length > 1)
    refuse("--campaign, --regressions and --twins exclude each other");
  const hasMany = isMany(flags);
  for (const name of hasMany ? OF_ONE_RUN : OF_MANY) {
    if (!given(name)) continue;
    const flag = name === "controls" ? "no-controls" : name;
    refuse(
      hasMany ? `--${flag} is for a single run: a campaign draws it from its seeds` : `--${flag} needs --campaign`,
    );
  }
  if (regressions === true && (adversary.length > 0 || members.length > 0 || rules.length > 0))
    refuse("--regressions runs a list that says members, adversary and rule itself");
  if (campaign !== undefined && adversary.includes("reshare"))
    checkReshare({ ...flags, adversary: ["reshare"], members: [Math.min(...members, 10)] });
  if (twins !== undefined) {
    if (adversary.length > 0) refuse("--twins has its own adversary");
    if (rules.length > 1) refuse("--twins takes one rule");
    if (members.length > 1 || (members[0] ?? 4) < 4 || (members[0] ?? 4) > 10)
      refuse("--twins needs one committee size from 4 to 10");
  }
  if (hasMany) return;
  if (adversary.length > 1)
    refuse("several adversaries with commas need --campaign; join them by + to have all at once");
  if (rules.length > 1) refuse("several rules need --campaign");
  if (members.length > 1) refuse("several committee sizes need --campaign");
  if (flags.schedule !== undefined && members[0] !== 4) refuse("--schedule is for --members 4");
  checkReshare(flags);
}

/** @throws UsageError badOption */
function checkReshare({
  adversary = [],
  members = [10],
  owners,
  crypto,
  rule = ["ours"],
  control,
}: SimulateFlags): void {
  if (adversary[0] !== "reshare") return;
  const reason =
    crypto === "real"
      ? "deals stand-in keys only"
      : members[0]! < 4
        ? "needs 4 members or more: a committee never gets smaller than that"
        : owners < 1
          ? "needs a user: whether the committee works on is seen by what users get"
          : rule[0] !== "ours"
            ? "runs with the shipping rule"
            : control !== undefined
              ? "has controls of its own"
              : undefined;
  if (reason !== undefined) throw new UsageError("badOption", `--adversary reshare ${reason}`);
}

/** The simulator computes without pause: in a thread of its own it leaves us free to answer Ctrl-C. */
async function runInWorker(flags: SimulateFlags, { output, signal }: CliContext): Promise<SimulationReport> {
  signal.throwIfAborted();
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const { seed, rounds, delays, owners, crypto, control, schedule } = flags;
  const rule = flags.rule?.[0] ?? "ours";
  const members = flags.members?.[0] ?? 10;
  const adversary = flags.adversary?.[0] ?? "none";
  const order: SimulationOrder = { members, adversary, seed, rounds, delays, owners, crypto, rule, control, schedule };
  const worker = new Worker(new URL(`../simulation-worker.${extension}`, import.meta.url), { workerData: order });
  const startedMs = performance.now();
  // Where nobody watches a terminal, once, after a while: most runs are over before that.
  let isNoted = process.stderr.isTTY;
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const text = `simulating ${members} members … ${seconds} s`;
    output.progress(text);
    if (isNoted || seconds < 2) return;
    isNoted = true;
    output.note(text);
  }, 250);
  try {
    return await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  } finally {
    clearInterval(timer);
    output.progress(undefined);
    await worker.terminate();
  }
}
