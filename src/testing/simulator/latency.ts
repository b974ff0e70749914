/** Latency in message delays: from the step in which an honest author made a block to its output at an honest member. */
export interface LatencyReport {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly samples: number;
}

export function summarize(samplesMs: readonly number[], unitMs: number): LatencyReport {
  if (samplesMs.length === 0) return { mean: 0, p50: 0, p99: 0, samples: 0 };
  const sorted = [...samplesMs].sort((a, b) => a - b);
  const quantile = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
  let sum = 0;
  for (const sample of sorted) sum += sample;
  const rounded = (ms: number): number => Math.round((ms / unitMs) * 1000) / 1000;
  return {
    mean: rounded(sum / sorted.length),
    p50: rounded(quantile(0.5)),
    p99: rounded(quantile(0.99)),
    samples: sorted.length,
  };
}
