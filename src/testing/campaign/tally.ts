/** Adds up what a campaign found: one row per adversary, committee size and rule. */
import { addHistograms, type Histogram, histogramOf, meanOf, quantileOf } from "./histogram.ts";
import type { Outcome } from "./job.ts";

/** In which order rows come; rules that are not named first. */
export interface RowOrder {
  readonly adversaries: readonly string[];
  readonly rules?: readonly string[] | undefined;
}

export interface CampaignRow {
  readonly rule: string;
  readonly adversary: string;
  readonly members: number;
  readonly runs: number;
  readonly violations: number;
  readonly mismatches: number;
  /** In message delays, over all samples of all runs; quantiles rounded up to a tenth. */
  readonly latency: { readonly mean: number; readonly p50: number; readonly p99: number; readonly samples: number };
  readonly rounds: number;
  readonly messages: number;
  readonly catchUps: number;
  readonly crashes: number;
  /** Of computing, both runs of each seed together. */
  readonly seconds: number;
}

interface Cell {
  runs: number;
  violations: number;
  mismatches: number;
  latency: Histogram;
  rounds: number;
  messages: number;
  catchUps: number;
  crashes: number;
  milliseconds: number;
}

export class Tally {
  readonly #cells = new Map<string, Cell>();

  add(outcome: Outcome): void {
    const { adversary, members, rule = "ours" } = outcome.config;
    const key = `${adversary}/${members}/${rule}`;
    const cell = this.#cells.get(key) ?? emptyCell();
    this.#cells.set(key, cell);
    cell.runs++;
    if (outcome.violation !== undefined) cell.violations++;
    if (outcome.isMismatch) cell.mismatches++;
    cell.latency = addHistograms(cell.latency, outcome.latency);
    for (const figure of ["rounds", "messages", "catchUps", "crashes", "milliseconds"] as const)
      cell[figure] += outcome[figure];
  }

  /** By adversary, small committees first, then by rule. */
  rows({ adversaries, rules = [] }: RowOrder): CampaignRow[] {
    const rows = [...this.#cells].map(([key, { latency, milliseconds, ...cell }]): CampaignRow => {
      const [adversary, members, rule] = key.split("/") as [string, string, string]; // CAST: made by add
      const quantiles = { p50: quantileOf(latency, 0.5), p99: quantileOf(latency, 0.99) };
      return {
        rule,
        adversary,
        members: Number(members),
        ...cell,
        latency: { mean: meanOf(latency), ...quantiles, samples: latency.samples },
        seconds: Math.round(milliseconds / 100) / 10,
      };
    });
    const rank = ({ adversary }: CampaignRow): number => adversaries.indexOf(adversary);
    const rankRule = ({ rule }: CampaignRow): number => rules.indexOf(rule);
    return rows.sort((a, b) => rank(a) - rank(b) || a.members - b.members || rankRule(a) - rankRule(b));
  }
}

function emptyCell(): Cell {
  const counts = { runs: 0, violations: 0, mismatches: 0, rounds: 0, messages: 0, catchUps: 0, crashes: 0 };
  return { ...counts, milliseconds: 0, latency: histogramOf([], 1) };
}
