/** Latency in message delays: from the step in which an honest author made a block to its output at an honest member. */
import type { Hex } from "../../lib/hex.ts";
import type { Cluster } from "./cluster.ts";

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

/** Takes samples while the network is not healed yet, between members that never crashed. */
export class Stopwatch {
  readonly #cluster: Cluster;
  readonly #madeAtMs = new Map<Hex, number>();
  readonly #samplesMs: number[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get samplesMs(): readonly number[] {
    return this.#samplesMs;
  }

  /** Its author has made a block durable. */
  made(digest: Hex): void {
    this.#madeAtMs.set(digest, this.#cluster.nowMs);
  }

  /** A person has the author's block in its order. */
  output(person: number, author: number, digest: Hex): void {
    const { processes, isHealed, nowMs } = this.#cluster;
    const madeAtMs = this.#madeAtMs.get(digest);
    if (madeAtMs === undefined || isHealed) return;
    if (processes[person]!.everCrashed || processes[author]!.everCrashed) return;
    this.#samplesMs.push(nowMs - madeAtMs);
  }
}
