/** What one thread of a campaign does: simulations, each twice. */

import { UNIT_MS } from "../simulator/network.ts";
import { simulate } from "../simulator/simulate.ts";
import type { SimulationReport } from "../simulator/types.ts";
import { type Histogram, histogramOf } from "./histogram.ts";
import type { RunConfig } from "./plan.ts";

export interface Outcome {
  readonly config: RunConfig;
  /** The first violation, what was thrown, or a difference between the two runs; undefined: all is well. */
  readonly violation: string | undefined;
  /** The second run of the same seed was another run. */
  readonly isMismatch: boolean;
  readonly latency: Histogram;
  readonly rounds: number;
  readonly messages: number;
  readonly catchUps: number;
  readonly crashes: number;
  readonly milliseconds: number;
}

type Simulate = typeof simulate;

/** Runs it twice. Whatever is thrown is a finding like any other. */
export function runTwice(config: RunConfig, run: Simulate = simulate): Outcome {
  const startedMs = performance.now();
  const first = attempt(config, run);
  const second = attempt(config, run);
  const { report } = first;
  const isMismatch = report?.traceHash !== second.report?.traceHash || first.violation !== second.violation;
  return {
    config,
    violation:
      first.violation ??
      (isMismatch ? `hash: ${report?.traceHash} at first, ${second.report?.traceHash} the second time` : undefined),
    isMismatch,
    latency: first.latency,
    rounds: report?.rounds ?? 0,
    messages: report?.messages ?? 0,
    catchUps: report?.catchUps?.taken ?? 0,
    crashes: report?.crashes ?? 0,
    milliseconds: performance.now() - startedMs,
  };
}

interface Attempt {
  readonly report: SimulationReport | undefined;
  readonly violation: string | undefined;
  readonly latency: Histogram;
}

function attempt(config: RunConfig, run: Simulate): Attempt {
  let latency = histogramOf([], UNIT_MS);
  try {
    const report = run(config, (samplesMs) => {
      latency = histogramOf(samplesMs, UNIT_MS);
    });
    return { report, violation: report.violations[0], latency };
  } catch (error) {
    return {
      report: undefined,
      violation: `threw: ${error instanceof Error ? error.message : String(error)}`,
      latency,
    };
  }
}

/** Once; undefined: nothing was violated. For shrinking, where a thousand runs are looked at. */
export function violationOf(config: RunConfig): string | undefined {
  return attempt(config, simulate).violation;
}

/** What a violation is about, without the numbers that change with every run: "agreement", "S6", "liveness", "stopped", … */
export function kindOf(violation: string): string {
  const stopped = /^\d+ stopped: (?:\w+: )?([a-z ]+)/i.exec(violation);
  if (stopped !== null) return `stopped: ${stopped[1]!.trim()}`;
  return /^(?:S\d|[^:\d]*)/.exec(violation)![0].trim();
}
