/** What the processes of a run said, as figures. */
import type { RunResult } from "./run.ts";
import { slopeOf } from "./statistics.ts";
import type { MemberStats, Percentiles } from "./types.ts";

const MIB = 2 ** 20;

export interface RunFigures {
  /** Alive while it was measured. */
  readonly members: number;
  readonly seconds: number;
  readonly submittedPerSecond: number;
  readonly certifiedPerSecond: number;
  /** Certified in the worst second. */
  readonly worstSecond: number;
  readonly refused: number;
  readonly openAtEnd: number;
  readonly firstMs: Percentiles;
  readonly allMs: Percentiles;
  readonly roundsPerSecond: number;
  readonly batchesPerSecond: number;
  readonly cpu: {
    /** Of one core, on average over the members. */
    readonly memberShare: number;
    readonly usPerInstruction: number;
    readonly msPerRound: number;
    readonly clientsShare: number;
  };
  /** Resident set; of the member for which it grew most in the second half. */
  readonly memory: {
    readonly firstMiB: number;
    readonly lastMiB: number;
    readonly maxMiB: number;
    readonly slopeMiBPerMinute: number;
    /** Of that member, once in ten seconds. */
    readonly seriesMiB: readonly number[];
    /** What its memory consists of, once in ten seconds; all but `held` as the runtime counts it, garbage included. */
    readonly partsMiB: readonly Readonly<
      Record<"heapUsed" | "heapTotal" | "external" | "arrayBuffers" | "held", number>
    >[];
  };
  /** Received by a member in a second, by kind of message. */
  readonly received: Readonly<Record<string, { readonly perSecond: number; readonly bytesPerSecond: number }>>;
  readonly faults: readonly string[];
  readonly isOutsideFirst: boolean;
}

export function summarise({ isOutsideFirst, load, stats }: RunResult, members: number): RunFigures {
  const spans = stats.flatMap((series) => {
    const [first, last] = [series[0], series.at(-1)];
    return first === undefined || last === undefined || first === last ? [] : [{ first, last }];
  });
  /** Mean over members of what a counter gained, per `by`. */
  const gained = (of: (stats: MemberStats) => number): number =>
    spans.reduce((sum, { first, last }) => sum + of(last) - of(first), 0) / Math.max(1, spans.length);
  const seconds = gained(({ atMs }) => atMs) / 1000;
  const cpuUs = gained((member) => member.cpuUs);
  const rounds = gained(({ round }) => round);
  return {
    members,
    seconds: load.seconds,
    submittedPerSecond: load.submitted / load.seconds,
    certifiedPerSecond: load.certified / load.seconds,
    worstSecond: Math.min(...load.perSecond.slice(0, Math.floor(load.seconds))),
    refused: load.refused,
    openAtEnd: load.open,
    firstMs: load.firstMs,
    allMs: load.allMs,
    roundsPerSecond: rounds / seconds,
    batchesPerSecond: gained(({ certifiedBatches }) => certifiedBatches) / seconds,
    cpu: {
      memberShare: cpuUs / 1e6 / seconds,
      usPerInstruction: cpuUs / gained(({ settled }) => settled),
      msPerRound: cpuUs / 1000 / rounds,
      clientsShare: load.cpuUs / 1e6 / load.seconds,
    },
    memory: memoryOf(stats),
    received: receivedBy(stats),
    faults: load.faults,
    isOutsideFirst,
  };
}

function memoryOf(stats: RunResult["stats"]): RunFigures["memory"] {
  const all = stats.map((series) => {
    const half = series.slice(Math.floor(series.length / 2));
    const slope = slopeOf(half.map(({ atMs, rss }) => [atMs / 60_000, rss / MIB]));
    return { series, slope };
  });
  const worst = all.reduce((a, b) => (b.slope > a.slope ? b : a));
  const rss = worst.series.map((member) => member.rss / MIB);
  return {
    firstMiB: rss[0] ?? Number.NaN,
    lastMiB: rss.at(-1) ?? Number.NaN,
    maxMiB: Math.max(...rss),
    slopeMiBPerMinute: worst.slope,
    seriesMiB: rss.filter((_, second) => second % 10 === 0).map(Math.round),
    partsMiB: worst.series
      .filter((_, second) => second % 10 === 0)
      .map(({ heapUsed, heapTotal, external, arrayBuffers, heldBytes }) => ({
        heapUsed: Math.round(heapUsed / MIB),
        heapTotal: Math.round(heapTotal / MIB),
        external: Math.round(external / MIB),
        arrayBuffers: Math.round(arrayBuffers / MIB),
        held: Math.round(heldBytes / MIB),
      })),
  };
}

function receivedBy(stats: RunResult["stats"]): RunFigures["received"] {
  const sums: Record<string, { perSecond: number; bytesPerSecond: number }> = {};
  const seconds = stats.reduce((sum, series) => sum + series.length, 0);
  for (const { received } of stats.flat()) {
    for (const [kind, { count, bytes }] of Object.entries(received)) {
      const sum = sums[kind] ?? { perSecond: 0, bytesPerSecond: 0 };
      sums[kind] = { perSecond: sum.perSecond + count / seconds, bytesPerSecond: sum.bytesPerSecond + bytes / seconds };
    }
  }
  return sums;
}
