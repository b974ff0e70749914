/**
 * Many simulations over all cores: every seed twice, failing ones made smaller, the controls at the end, one report. It can be cut off
 * at any time and still says what it has seen.
 */
import { CONTROL_NAMES, type ControlOutcome } from "./controls.ts";
import { histogramOf } from "./histogram.ts";
import type { Outcome } from "./job.ts";
import { type CampaignPlan, commandOf, type RunConfig, runsOf } from "./plan.ts";
import { ThreadPool } from "./pool.ts";
import { type CampaignRow, type RowOrder, Tally } from "./tally.ts";
import type { Order } from "./worker.ts";

export interface CampaignFailure {
  readonly seed: string;
  readonly violation: string;
  readonly command: string;
  /** The same failure, smaller; absent when there was no time to look. */
  readonly smallest?: { readonly command: string; readonly violation: string; readonly tries: number };
}

export interface CampaignReport {
  /** False: cut off, or a control was not run. */
  readonly isComplete: boolean;
  /** No violation, no mismatch, and every control that was run failed as it must. */
  readonly passed: boolean;
  readonly runs: number;
  readonly planned: number;
  readonly violations: number;
  readonly mismatches: number;
  readonly rows: readonly CampaignRow[];
  /** The first MAX_FAILURES, by seed. */
  readonly failures: readonly CampaignFailure[];
  readonly controls: readonly ControlOutcome[];
  /** Wall clock; the only figure here that differs from machine to machine. */
  readonly seconds: number;
}

export interface CampaignOptions {
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
  /** What fails, at once: a long campaign is not over soon. */
  readonly note?: (text: string) => void;
  /** Default: all. */
  readonly controls?: readonly string[];
  /** Make failing runs smaller; default true. */
  readonly shrinks?: boolean;
}

/** A campaign that finds more than this is about one thing. */
const MAX_FAILURES = 20;
const SHRUNK = 3;
/** One order: the largest run takes a minute or two, shrinking one some more. */
const LIMIT_MS = 30 * 60_000;

/** Runs a plan. Never throws for what it finds. */
export function runCampaign(plan: CampaignPlan, options: CampaignOptions): Promise<CampaignReport> {
  // Counted ahead, so that progress and the report say how many there were to be.
  let planned = 0;
  for (const _ of runsOf(plan)) planned++;
  return new Campaign(options).run(runsOf(plan), planned, plan);
}

/** Runs a list, such as the regressions. */
export function runAll(configs: readonly RunConfig[], options: CampaignOptions): Promise<CampaignReport> {
  const adversaries = [...new Set(configs.map(({ adversary }) => adversary))];
  return new Campaign(options).run(configs, configs.length, { adversaries });
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #tally = new Tally();
  readonly #failed: Outcome[] = [];
  #runs = 0;
  #violations = 0;
  #mismatches = 0;

  constructor(options: CampaignOptions) {
    this.#options = options;
  }

  async run(configs: Iterable<RunConfig>, planned: number, order: RowOrder): Promise<CampaignReport> {
    const { threads, signal, controls: wanted = CONTROL_NAMES, shrinks = true } = this.#options;
    const startedMs = performance.now();
    const pool = new ThreadPool({ threads, signal, limitMs: LIMIT_MS });
    const controls: ControlOutcome[] = [];
    const failures: CampaignFailure[] = [];
    try {
      const orders = function* (): Iterable<Extract<Order, { kind: "run" }>> {
        for (const config of configs) yield { kind: "run", config };
      };
      await pool.each(orders(), ({ config }, outcome, error) => {
        this.#take(outcome ?? failedOutcome(config, error));
        this.#progress(planned, performance.now() - startedMs);
      });
      await this.#explain(pool, shrinks, failures);
      await pool.each(
        wanted.map((name) => ({ kind: "control", name }) as const),
        ({ name }, outcome, error) => {
          const missed = { name, failedAsItMust: false, seed: undefined, command: undefined };
          controls.push(outcome ?? { ...missed, violation: String(error) });
          this.#options.progress(`controls: ${controls.length} of ${wanted.length}`);
        },
      );
    } finally {
      await pool.close();
    }
    controls.sort((a, b) => wanted.indexOf(a.name) - wanted.indexOf(b.name));
    const isComplete = this.#runs === planned && controls.length === wanted.length;
    return {
      isComplete,
      passed: this.#violations + this.#mismatches === 0 && controls.every((control) => control.failedAsItMust),
      runs: this.#runs,
      planned,
      violations: this.#violations,
      mismatches: this.#mismatches,
      rows: this.#tally.rows(order),
      failures,
      controls,
      seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    };
  }

  #take(outcome: Outcome): void {
    this.#runs++;
    this.#tally.add(outcome);
    if (outcome.isMismatch) this.#mismatches++;
    if (outcome.violation === undefined) return;
    this.#violations++;
    this.#failed.push(outcome);
    if (this.#failed.length <= MAX_FAILURES)
      this.#options.note?.(`FAILED: ${commandOf(outcome.config)}\n  ${outcome.violation}`);
  }

  /** Which runs failed and what they come down to. When cut off, what is known of them is still said. */
  async #explain(pool: ThreadPool, shrinks: boolean, failures: CampaignFailure[]): Promise<void> {
    const first = this.#failed.sort((a, b) => (a.config.seed < b.config.seed ? -1 : 1)).slice(0, MAX_FAILURES);
    const smallest = new Map<RunConfig, CampaignFailure["smallest"]>();
    const orders = first.slice(0, shrinks ? SHRUNK : 0).filter(({ isMismatch }) => !isMismatch);
    if (orders.length > 0) this.#options.progress(`making ${orders.length} failing runs smaller`);
    await pool.each(
      orders.map(({ config, violation = "" }) => ({ kind: "shrink", config, violation }) as const),
      ({ config }, shrunk) => {
        if (shrunk === undefined) return;
        const { violation, tries } = shrunk;
        smallest.set(config, { command: commandOf(shrunk.config), violation, tries });
      },
    );
    for (const { config, violation = "" } of first) {
      const found = smallest.get(config);
      failures.push({
        seed: config.seed.toString(),
        violation,
        command: commandOf(config),
        ...(found === undefined ? {} : { smallest: found }),
      });
    }
  }

  #progress(planned: number, milliseconds: number): void {
    const rate = this.#runs / (milliseconds / 1000);
    const left = rate === 0 ? "" : `, ${Math.ceil((planned - this.#runs) / rate)} s left`;
    const found = this.#violations === 0 ? "" : `, ${this.#violations} FAILED`;
    this.#options.progress(`${this.#runs} of ${planned} runs, each twice, ${rate.toFixed(1)} a second${left}${found}`);
  }
}

/** Of a run that took its thread down. */
function failedOutcome(config: RunConfig, error: unknown): Outcome {
  const figures = { rounds: 0, messages: 0, catchUps: 0, crashes: 0, milliseconds: 0 };
  const violation = `threw: ${error instanceof Error ? error.message : String(error)}`;
  return { config, violation, isMismatch: false, latency: histogramOf([], 1), ...figures };
}
