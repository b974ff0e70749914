/**
 * In how many rounds a round is output, under a scheduler that knows every revealed coin: a sample is one round q, from its blocks
 * to the moment when the *last* honest member has output it, counted by the newest round that this member has a block of.
 *
 * Why a round is a run: what is open in round q is decided by coins of q + 5, q + 10, …, each drawn for itself and unknown until its
 * slots are bound (Reveal in docs/consensus-proof.md). The adversary never starts anew, so a sample is also what the attack has made
 * of the DAG by then, which independent short runs would not show. Neighbours share anchors, so samples are not independent:
 * there are many, over several seeds.
 */
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import { measureLatency } from "./latency.ts";
import type { ScheduleName } from "./schedules.ts";

/** Within the promised rounds all but one round in so many. */
const SHARE = 10_000;
const RUN_DELAYS = 800;

export interface Distribution {
  readonly samples: number;
  /** counts[k]: rounds that the last honest member output k rounds later. */
  readonly counts: readonly number[];
  /** Not output when a run ended, 40 delays after its last sample. */
  readonly open: number;
  /** R of `promisedRounds`, and how many were later. */
  readonly promised: number;
  readonly late: number;
  readonly coins: number;
  readonly forks: number;
}

/**
 * R: rounds within which all but one in 10,000 are output, from the proof alone. An anchor commits with probability at least p = b / n,
 * b = ⌈(n − f)(n − 3f) / (n − 2f)⌉ (Bound, Anchor), so a residue class is still open after k anchors with at most (1 − p)^k. Round q
 * is output when the rounds q − 4 … q are decided (older ones have met the same anchors earlier): 5 (1 − p)^k ≤ 10⁻⁴. The kth anchor
 * is at q + 5 k, and committed directly with blocks of q + 5 k + 4.
 */
export function promisedRounds(n: number): number {
  const f = maxFaulty(n);
  const p = Math.ceil((quorumOf(n) * (n - 3 * f)) / (n - 2 * f)) / n;
  const anchors = Math.ceil(Math.log(1 / (5 * SHARE)) / Math.log(1 - p));
  return 5 * anchors + 4;
}

/** At least `samples` rounds, from as many seeds as that takes. */
export function measureDistribution(options: {
  readonly n: number;
  readonly schedule: ScheduleName;
  readonly samples: number;
  readonly seed: number;
}): Distribution {
  const { n, schedule, samples, seed } = options;
  const counts: number[] = [];
  const total = { samples: 0, open: 0, coins: 0, forks: 0 };
  for (let i = 0; total.samples < samples; i++) {
    const run = measureLatency({ n, schedule, seed: seed + i, delays: RUN_DELAYS });
    for (const [took, count] of run.byRound.entries()) {
      counts[took] = (counts[took] ?? 0) + count;
      total.samples += count;
    }
    total.samples += run.open;
    total.open += run.open;
    total.coins += run.coins;
    total.forks += run.forks.length;
  }
  const promised = promisedRounds(n);
  const late = counts.slice(promised + 1).reduce((sum, count) => sum + count, total.open);
  return { ...total, counts: Array.from(counts, (count) => count ?? 0), promised, late };
}
