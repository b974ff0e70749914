/** What the network does to each message of a latency run, and which members misbehave. Times in milliseconds of virtual time. */
import { maxFaulty } from "../../lib/math.ts";
import type { Random } from "../random.ts";
import { UNIT_MS } from "../simulator/network.ts";

/**
 * unit: every message takes 1 delay. All others but late-gift build on uniform, 0.5 to 1.5:
 * crashed: f members never start. chaos: one message in five waits up to 12 more. equivocators: f members make two blocks a
 * round, each half of the others gets one. starve-leaders: whoever the newest revealed coin names has its messages held up by
 * six delays for twelve, at most f authors at a time (with more, rounds themselves would wait, under any rule). early-coin: f members hand their coin shares to the scheduler at once, which therefore knows a coin
 * with n − 2f honest shares and slows whatever would commit its leader for those that do not know it. late-gift (unit delays):
 * f members withhold three rounds of blocks and hand them to one honest member just before the last window. anchor-fed (unit
 * delays): f members hand them to just so many that anchors commit their slots, so that they are never left out (attacks.ts). hand-around (unit delays): f members give each
 * block to one honest member alone, another one in every round.
 */
export const SCHEDULES = [
  "unit",
  "uniform",
  "crashed",
  "chaos",
  "equivocators",
  "late-gift",
  "starve-leaders",
  "early-coin",
  "anchor-fed",
  "hand-around",
] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

export type Malice = "crashed" | "equivocator" | "withholder" | "feeder" | "hander";

export const MALICE: Readonly<Partial<Record<ScheduleName, Malice>>> = {
  crashed: "crashed",
  equivocators: "equivocator",
  "late-gift": "withholder",
  "anchor-fed": "feeder",
  "hand-around": "hander",
};

/** Every message takes one delay, and all begin at once. */
export const isUnit = (name: ScheduleName): boolean =>
  ["unit", "late-gift", "anchor-fed", "hand-around"].includes(name);

/** What the scheduler sees: everything but coins nobody can combine yet. */
export interface Sight {
  readonly n: number;
  /** Newest round each member has made a block of. */
  readonly lastRounds: readonly number[];
  /** Leader that the coin of a round names: to be asked for revealed rounds only. */
  readonly coinLeader: (round: number) => number;
  /** With blocks of how many rounds above its own a coin is revealed. */
  readonly coinDelay: number;
  readonly nowMs: () => number;
}

export interface Sent {
  readonly from: number;
  readonly to: number;
  /** Round of the block sent, 0 for everything else, and the authors of its strong parents. */
  readonly round: number;
  readonly linked: readonly number[];
}

const STARVED_MS = 6 * UNIT_MS;
const STARVING_MS = 12 * UNIT_MS;

export function createSchedule(name: ScheduleName, random: Random): (sent: Sent, sight: Sight) => number {
  const uniform = (): number => UNIT_MS / 2 + random.below(UNIT_MS + 1);
  switch (name) {
    case "unit":
    case "late-gift":
    case "anchor-fed":
    case "hand-around":
      return () => UNIT_MS;
    case "uniform":
    case "crashed":
    case "equivocators":
      return uniform;
    case "chaos":
      return () => uniform() + (random.chance(200) ? random.below(12 * UNIT_MS) : 0);
    case "starve-leaders":
      return starveLeaders(uniform);
    case "early-coin":
      return ({ from, to, round, linked }, sight) => {
        const known = revealed(sight, maxFaulty(sight.n));
        const leader = known < 1 ? undefined : sight.coinLeader(known);
        // The slowest f members are kept from what commits the leader: its own blocks, and those that link it.
        const isSlow = to >= sight.n - maxFaulty(sight.n);
        const helps = from === leader || (round <= known + 5 && leader !== undefined && linked.includes(leader));
        return uniform() + (isSlow && helps ? STARVED_MS : 0);
      };
  }
}

/** The newest round whose coin can be combined, with so many shares given away early: released with blocks of round q + coinDelay. */
function revealed({ n, lastRounds, coinDelay }: Sight, early: number): number {
  const sorted = [...lastRounds].sort((a, b) => b - a);
  return sorted[n - maxFaulty(n) - 1 - early]! - coinDelay;
}

function starveLeaders(uniform: () => number): (sent: Sent, sight: Sight) => number {
  const starvedUntil = new Map<number, number>();
  return ({ from }, sight) => {
    const now = sight.nowMs();
    const newest = revealed(sight, 0);
    // Who was let go still has messages on the way: its place is free when they have arrived.
    for (const [author, untilMs] of starvedUntil) if (untilMs + STARVED_MS < now) starvedUntil.delete(author);
    if (newest >= 1 && starvedUntil.size < maxFaulty(sight.n)) {
      const leader = sight.coinLeader(newest);
      if (!starvedUntil.has(leader)) starvedUntil.set(leader, now + STARVING_MS);
    }
    return uniform() + (now < (starvedUntil.get(from) ?? 0) ? STARVED_MS : 0);
  };
}
