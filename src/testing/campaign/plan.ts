/**
 * Which simulations a campaign consists of: of a seed always the same one, whichever campaign it is part of, so that the parts of a split
 * campaign add up to the whole.
 */
import { createRandom } from "../random.ts";
import type { SimulationConfig } from "../simulator/types.ts";

/** A run as it is sent between threads and written down: everything but engines. */
export type RunConfig = Omit<SimulationConfig, "engines">;

export interface CampaignPlan {
  readonly runs: number;
  /** Run i has seed `from + i`. */
  readonly from: bigint;
  /** Names of adversaries; seeds take them in turn. */
  readonly adversaries: readonly string[];
  readonly sizes: readonly number[];
  /** Each run once under each of these decision rules; default: ours alone. */
  readonly rules?: readonly string[] | undefined;
}

/** Committees of a campaign, and out of a hundred runs how many have each: most are small, because small ones fail soonest. */
export const SIZES: Readonly<Record<number, number>> = { 4: 86, 7: 9, 10: 4.5, 31: 0.5 };
/**
 * Seed times this, modulo 2^32, is what decides the size: multiples of an irrational number (the square root of 2) lie evenly, also those
 * of every 22nd seed, so that no adversary goes without the rarest size. (Of 20,000 seeds every adversary has 31 members 3 to 6 times.)
 */
const SPREAD = 0x6a09e667n;

/** Rounds with faults, least and most: a large committee's round costs a hundred times as much as a small one's. */
const ROUNDS: readonly { readonly upTo: number; readonly least: number; readonly most: number }[] = [
  { upTo: 4, least: 20, most: 45 },
  { upTo: 7, least: 15, most: 35 },
  { upTo: 10, least: 12, most: 25 },
  { upTo: Number.POSITIVE_INFINITY, least: 6, most: 10 },
];

/** Being away, and coming back, takes longer than other faults: K is 16 rounds there. */
const LAG_ROUNDS = 80;
/** Processes die 16 to 60 delays apart: in a shorter run nobody does. Of 31 members soon somebody does, and their rounds cost most. */
const CRASH_ROUNDS = { small: 40, large: 28 };
const CRASHING: readonly string[] = ["crash", "restart", "torn-disk"];
/** A change of the committee costs as much as ten other runs: it has one turn in so many, and the swarm has the rest. */
const RESHARE_TURNS = 5n;
/** Of those turns one in so many has nothing beside it that is not its own; the others have what else there is in turn. */
const PLAIN_TURNS = 4n;
const STANDS_ALONE: readonly string[] = ["none", "reshare", "swarm"];

export function runOf(plan: CampaignPlan, index: number): RunConfig {
  const seed = BigInt.asUintN(64, plan.from + BigInt(index));
  const random = createRandom(seed, "campaign");
  const adversary = adversaryOf(plan.adversaries, seed);
  const members = drawSize(plan.sizes, Number(BigInt.asUintN(32, seed * SPREAD)) / 2 ** 32);
  const { least, most } = ROUNDS.find(({ upTo }) => members <= upTo)!;
  const rounds = least + random.below(most - least + 1);
  return {
    members,
    adversary,
    seed,
    rounds: Math.max(rounds, leastRounds(adversary, members)),
    delays: random.chance(250) ? "unit" : "uniform",
    owners: 1 + random.below(6),
  };
}

function leastRounds(adversary: string, members: number): number {
  const names = adversary.split("+");
  if (names.includes("lag") && members < 31) return LAG_ROUNDS;
  if (!names.some((name) => CRASHING.includes(name))) return 0;
  return members < 31 ? CRASH_ROUNDS.small : CRASH_ROUNDS.large;
}

/** All runs of a plan. `reshare` comes with our rule alone. */
export function* runsOf(plan: CampaignPlan): Iterable<RunConfig> {
  const { rules = ["ours"] } = plan;
  for (let i = 0; i < plan.runs; i++) {
    const config = runOf(plan, i);
    const possible = config.adversary.split("+").includes("reshare") ? rules.filter((rule) => rule === "ours") : rules;
    for (const rule of possible) yield rule === "ours" ? config : { ...config, rule };
  }
}

function adversaryOf(names: readonly string[], seed: bigint): string {
  const count = BigInt(names.length);
  const name = names[Number(seed % count)]!;
  if (name !== "reshare" || !names.includes("swarm")) return name;
  const turn = seed / count;
  if (turn % RESHARE_TURNS !== 0n) return "swarm";
  const others = names.filter((other) => !STANDS_ALONE.includes(other));
  const change = turn / RESHARE_TURNS;
  if (others.length === 0 || change % PLAIN_TURNS === 0n) return name;
  return `${name}+${others[Number(change % BigInt(others.length))]}`;
}

/** By a draw from [0, 1). Sizes that have no weight of their own count as the largest that has. */
function drawSize(sizes: readonly number[], draw: number): number {
  const weights = sizes.map((size) => SIZES[size] ?? SIZES[31]!);
  let left = draw * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, size] of sizes.entries()) {
    left -= weights[i]!;
    if (left < 0) return size;
  }
  return sizes.at(-1)!;
}

/** The command that runs a simulation once more. */
export function commandOf(config: RunConfig): string {
  const { members, adversary, seed, rounds, delays, owners, rule, ...rest } = config;
  const words = [
    "clockless simulate",
    `--members ${members} --adversary ${adversary} --seed ${seed}`,
    `--rounds ${rounds} --delays ${delays} --owners ${owners}`,
    ...(rule === undefined || rule === "ours" ? [] : [`--rule ${rule}`]),
    ...Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`])),
  ];
  return words.join(" ");
}
