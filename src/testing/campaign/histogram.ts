/** Latencies in tenths of a message delay: small enough to be sent and added up by the thousand, fine enough for quantiles. */
export interface Histogram {
  /** counts[k]: samples of k to k + 1 tenths; the last takes what is longer. */
  readonly counts: readonly number[];
  readonly samples: number;
  /** In delays. */
  readonly sum: number;
}

const BINS = 5000;

export function histogramOf(samplesMs: readonly number[], unitMs: number): Histogram {
  const counts: number[] = [];
  let sum = 0;
  for (const sample of samplesMs) {
    const bin = Math.min(BINS - 1, Math.floor((sample * 10) / unitMs));
    while (counts.length <= bin) counts.push(0);
    counts[bin]!++;
    sum += sample / unitMs;
  }
  return { counts, samples: samplesMs.length, sum };
}

export function addHistograms(a: Histogram, b: Histogram): Histogram {
  const length = Math.max(a.counts.length, b.counts.length);
  return {
    counts: Array.from({ length }, (_, k) => (a.counts[k] ?? 0) + (b.counts[k] ?? 0)),
    samples: a.samples + b.samples,
    sum: a.sum + b.sum,
  };
}

/** Delays that this share of the samples does not exceed, rounded up to a tenth; 0 without samples. */
export function quantileOf({ counts, samples }: Histogram, share: number): number {
  let below = 0;
  for (const [k, count] of counts.entries()) {
    below += count;
    if (count > 0 && below >= share * samples) return (k + 1) / 10;
  }
  return 0;
}

export const meanOf = ({ sum, samples }: Histogram): number =>
  samples === 0 ? 0 : Math.round((sum / samples) * 1000) / 1000;
