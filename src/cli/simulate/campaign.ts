/** `clockless simulate --campaign` and `--regressions`. */
import { availableParallelism } from "node:os";
import type { SimulateFlags } from "../commands/simulate.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { describeCampaign } from "./describe.ts";

/** Where nobody watches a terminal, a line now and then shows that it goes on. */
const NOTE_EVERY_MS = 60_000;

/** Ctrl-C ends it early, with a report of what was seen. */
export async function runCampaignCommand(flags: SimulateFlags, { output, signal }: CliContext): Promise<void> {
  const { ADVERSARIES } = await import("../../testing/simulator/names.ts");
  const { runAll, runCampaign } = await import("../../testing/campaign/campaign.ts");
  const { REGRESSIONS } = await import("../../testing/campaign/regressions.ts");
  const { SIZES } = await import("../../testing/campaign/plan.ts");
  let notedMs = performance.now();
  const options = {
    threads: flags.threads ?? availableParallelism(),
    signal,
    progress: (text: string): void => {
      output.progress(text);
      if (process.stderr.isTTY || performance.now() - notedMs < NOTE_EVERY_MS) return;
      notedMs = performance.now();
      output.note(text);
    },
    ...(flags.controls ? {} : { controls: [] }),
  };
  const report =
    flags.campaign === undefined
      ? await runAll(
          REGRESSIONS.map(({ config }) => config),
          options,
        )
      : await runCampaign(
          {
            runs: flags.campaign,
            from: flags.seeds,
            adversaries: flags.adversary ?? ADVERSARIES,
            sizes: flags.members ?? Object.keys(SIZES).map(Number),
            rule: flags.rule === "ours" ? undefined : flags.rule,
          },
          options,
        );
  output.progress(undefined);
  output.result(report, () => describeCampaign(report));
  if (!report.passed && !signal.aborted) process.exitCode = EXIT.verificationFailed;
}
