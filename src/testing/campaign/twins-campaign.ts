/** Many Twins scenarios over all cores. */
import { ThreadPool } from "./pool.ts";
import type { TwinsOptions } from "./twins.ts";

export interface TwinsPlan extends Omit<TwinsOptions, "createRule"> {
  /** Decision rule by name. */
  readonly rule: string;
}

export interface TwinsReport {
  readonly isComplete: boolean;
  readonly passed: boolean;
  readonly members: number;
  readonly rounds: number;
  readonly seed: number;
  readonly scenarios: number;
  readonly planned: number;
  /** Scenarios that there are with these options. */
  readonly space: string;
  readonly commits: number;
  readonly jumps: number;
  readonly exposed: number;
  readonly failures: readonly { readonly scenario: number; readonly what: string }[];
  readonly seconds: number;
  readonly perSecond: number;
}

/** Scenarios of one order: some seconds. */
const CHUNK = 250;
const LIMIT_MS = 10 * 60_000;

/** Runs scenarios 0 to `count` − 1. When aborted it says what was seen until then. */
export async function runTwinsCampaign(
  plan: TwinsPlan,
  count: number,
  { threads, signal, progress }: { threads: number; signal: AbortSignal; progress: (text: string) => void },
): Promise<TwinsReport> {
  const startedMs = performance.now();
  const pool = new ThreadPool({ threads, signal, limitMs: LIMIT_MS });
  const chunks = function* () {
    for (let first = 0; first < count; first += CHUNK)
      yield { kind: "twins", plan, first, count: Math.min(CHUNK, count - first) } as const;
  };
  const totals = { scenarios: 0, commits: 0, jumps: 0, exposed: 0 };
  const failures: { scenario: number; what: string }[] = [];
  let space = 0n;
  let isCut = false;
  const perSecond = (): number => Math.round((1000 * totals.scenarios) / (performance.now() - startedMs));
  try {
    await pool.each(chunks(), ({ first }, result, error) => {
      if (result === undefined) {
        failures.push({ scenario: first, what: `threw: ${String(error)}` });
        return;
      }
      for (const figure of ["scenarios", "commits", "jumps", "exposed"] as const) totals[figure] += result[figure];
      space = result.space;
      if (result.failure !== undefined) failures.push(result.failure);
      progress(
        `${totals.scenarios} of ${count} scenarios, ${perSecond()} a second${failures.length > 0 ? ", FAILED" : ""}`,
      );
    });
    isCut = signal.aborted;
  } finally {
    await pool.close();
  }
  failures.sort((a, b) => a.scenario - b.scenario);
  return {
    isComplete: !isCut,
    passed: failures.length === 0,
    members: plan.n,
    rounds: plan.rounds,
    seed: plan.seed,
    ...totals,
    planned: count,
    space: space.toString(),
    failures,
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    perSecond: perSecond(),
  };
}
