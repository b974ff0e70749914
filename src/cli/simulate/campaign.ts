/** `clockless simulate` for many runs: `--campaign`, `--regressions`, `--twins`. */
import { availableParallelism } from "node:os";
import type { CampaignReport } from "../../testing/campaign/campaign.ts";
import type { CampaignPlan } from "../../testing/campaign/plan.ts";
import type { TwinsReport } from "../../testing/campaign/twins-campaign.ts";
import type { SimulateFlags } from "../commands/simulate.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { describeCampaign, describeTwins } from "./describe.ts";

/** Where nobody watches a terminal, a line at the beginning and now and then shows that it goes on. */
const NOTE_EVERY_MS = 60_000;

interface Running {
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
  readonly note: (text: string) => void;
}

/** Ctrl-C ends it early, with a report of what was seen. */
export async function runManyCommand(flags: SimulateFlags, { output, signal }: CliContext): Promise<void> {
  let notedMs = Number.NEGATIVE_INFINITY;
  const running: Running = {
    threads: flags.threads ?? availableParallelism(),
    signal,
    progress: (text: string): void => {
      output.progress(text);
      if (process.stderr.isTTY || performance.now() - notedMs < NOTE_EVERY_MS) return;
      notedMs = performance.now();
      output.note(text);
    },
    note: (text: string): void => {
      output.progress(undefined);
      output.note(text);
    },
  };
  const [report, text] = await (flags.twins === undefined
    ? campaign(flags, running)
    : twins(flags, flags.twins, running));
  output.progress(undefined);
  output.result(report, text);
  if (!report.passed && !signal.aborted) process.exitCode = EXIT.verificationFailed;
}

async function campaign(flags: SimulateFlags, running: Running): Promise<[CampaignReport, () => string]> {
  const { ADVERSARIES } = await import("../../testing/simulator/names.ts");
  const { runAll, runCampaign } = await import("../../testing/campaign/campaign.ts");
  const { REGRESSIONS } = await import("../../testing/campaign/regressions.ts");
  const { SIZES } = await import("../../testing/campaign/plan.ts");
  const options = { ...running, ...(flags.controls && flags.regressions !== true ? {} : { controls: [] }) };
  const plan: CampaignPlan = {
    runs: flags.campaign ?? 0,
    from: flags.seeds,
    adversaries: flags.adversary ?? ADVERSARIES,
    sizes: flags.members ?? Object.keys(SIZES).map(Number),
    rules: flags.rule,
  };
  const report =
    flags.regressions === true
      ? await runAll(
          REGRESSIONS.map(({ config }) => config),
          options,
        )
      : await runCampaign(plan, options);
  return [report, () => describeCampaign(report)];
}

async function twins(flags: SimulateFlags, count: number, running: Running): Promise<[TwinsReport, () => string]> {
  const { runTwinsCampaign } = await import("../../testing/campaign/twins-campaign.ts");
  const n = flags.members?.[0] ?? 4;
  const seed = Number(flags.seeds % 2n ** 32n);
  const report = await runTwinsCampaign(
    { n, rounds: n > 4 ? 7 : 8, seed, rule: flags.rule?.[0] ?? "ours" },
    count,
    running,
  );
  return [report, () => describeTwins(report)];
}
