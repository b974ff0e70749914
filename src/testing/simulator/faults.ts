/**
 * Everything that goes wrong in a run, drawn from its seed: one description that says who does what and how badly. Never more than f
 * members are malicious or lose their disks, but for the control that says so.
 */
import { maxFaulty } from "../../lib/math.ts";
import type { MemberConfig } from "../../member/types.ts";
import type { Random } from "../random.ts";
import { type DiskFaults, SOUND_DISK } from "./disk-faults.ts";
import { type Control, type MaliceAdversary, type Mix, type NetworkAdversary, SWARM } from "./names.ts";
import type { DelayModel } from "./network.ts";
import { SIMULATED_MEMBER } from "./process.ts";

export type Rules = typeof SIMULATED_MEMBER & Pick<MemberConfig, "checkpointRounds" | "heartbeatRounds">;

export interface Faults {
  readonly model: DelayModel;
  readonly network: readonly NetworkAdversary[];
  readonly lossPerMille: number;
  readonly replayPerMille: number;
  readonly malicious: ReadonlyMap<number, MaliceAdversary>;
  /** Who dies at random effects and comes back; how far apart and for how long (most, in message delays). */
  readonly crashing: readonly number[];
  readonly everyUnits: number;
  readonly downUnits: number;
  /** What every disk does. */
  readonly disk: DiskFaults;
  /** Whose disk may flip bytes and write to the wrong place; they are declared lost when that is found. */
  readonly corrupting: ReadonlySet<number>;
  /** Who loses the disk or gets an old backup back. */
  readonly losing: readonly number[];
  /** Honest members that are down for good once the network is well. */
  readonly dead: ReadonlySet<number>;
  readonly rules: Rules;
}

/** Far apart and long enough for the others to go on. */
const CRASH = { everyUnits: 60, downUnits: 40 };
/** Many times a run, also while others are down. */
const RESTART = { everyUnits: 40, downUnits: 12 };

/** Some rounds of blocks: what is older is read back from the disk. */
const SMALL_MEMORY = { ...SIMULATED_MEMBER.consensusLimits, maxHeldBytes: 16 * 1024 };
/** A restart goes on from a checkpoint, too. */
const CHECKPOINTING: Rules = {
  ...SIMULATED_MEMBER,
  consensusLimits: SMALL_MEMORY,
  checkpointRounds: 16,
  heartbeatRounds: 8,
};
/** K and A small, so that being away for long is soon over. */
export const LAGGING_MEMBER: Rules = {
  ...SIMULATED_MEMBER,
  consensusLimits: SMALL_MEMORY,
  retainedRounds: 16,
  activityWindow: 4,
  checkpointRounds: 4,
  heartbeatRounds: 4,
};

export function drawFaults(
  adversary: Mix,
  members: number,
  delays: DelayModel,
  random: Random,
  control: Control | undefined,
): Faults {
  const drawn = adversary.isSwarm ? drawMix(random) : adversary;
  const mix = control === "one-coin-share" ? starvedOfCoins(drawn) : drawn;
  const f = maxFaulty(members);
  const has = (name: Mix["trouble"][number]): boolean => mix.trouble.includes(name);
  const order = shuffled([...Array(members).keys()], random);
  const wantsDisks = has("rollback") || has("torn-disk");
  const isMalicious = mix.malice.length > 0;
  const bad = control === "f-plus-one" ? f + 1 : f;
  // Both count among the f. Who has the one place there is at n = 4 is drawn.
  const evil = !isMalicious ? 0 : !wantsDisks || control !== undefined ? bad : random.below(bad + 1);
  const malicious = order.slice(0, evil);
  const disks = order.slice(evil, bad);
  const kinds = shuffled(mix.malice, random);
  const honest = order.slice(evil);
  const isRestarting = has("restart") || has("torn-disk");
  const corrupting = has("torn-disk") && control === undefined ? disks.slice(0, random.below(f + 1)) : [];
  const losing = has("rollback") ? disks : [];
  // Whoever is left of the f may never come back: a core quorum is enough.
  const mortal = has("rollback") || control !== undefined ? [] : disks.slice(corrupting.length);
  const isLossy = mix.network.includes("loss");
  return {
    model: mix.network.includes("chaos") ? "chaos" : delays,
    network: mix.network.filter((name) => name !== "chaos" && name !== "loss"),
    lossPerMille: isLossy ? random.below(301) : 0,
    replayPerMille: isLossy || (adversary.isSwarm && random.chance(300)) ? random.below(501) : 0,
    malicious: new Map(malicious.map((member, i) => [member, kinds[i % kinds.length]!])),
    crashing: isRestarting ? honest : has("crash") ? honest.slice(0, f) : [],
    ...(isRestarting ? RESTART : CRASH),
    disk: drawDisk(has("torn-disk"), control, random),
    corrupting: new Set(corrupting),
    losing,
    dead: new Set(isRestarting || has("crash") ? mortal.slice(0, random.below(mortal.length + 1)) : []),
    rules: drawRules(mix, adversary.isSwarm, random),
  };
}

function drawRules(mix: Mix, isSwarm: boolean, random: Random): Rules {
  if (isSwarm) return random.pick([SIMULATED_MEMBER, CHECKPOINTING, LAGGING_MEMBER]);
  if (mix.network.includes("lag")) return LAGGING_MEMBER;
  if (mix.trouble.includes("rollback")) return random.pick([CHECKPOINTING, LAGGING_MEMBER]);
  return mix.trouble.length > 0 ? CHECKPOINTING : SIMULATED_MEMBER;
}

function drawDisk(isTorn: boolean, control: Control | undefined, random: Random): DiskFaults {
  const sync = control === "no-register" ? "never" : control === "lost-sync" ? "lost" : "honest";
  if (!isTorn) return { ...SOUND_DISK, tornPerMille: 1000, sync };
  return {
    tornPerMille: 800 + random.below(201),
    readFaultPerMille: random.below(101),
    // Per write, and a run has thousands: at the upper end hardly anybody gets through a round.
    writeFaultPerMille: random.pick([0, 1, 5, 20, 100]),
    powerCutPerMille: 200 + random.below(801),
    sync,
  };
}

/**
 * In every round Q members release shares: with one each, coins are lost where f of these are worth nothing while honest members jump
 * (chaos makes them), and it matters where slots stay open (chaos again).
 */
function starvedOfCoins(mix: Mix): Mix {
  return { ...mix, network: [...mix.network, "chaos"], malice: ["garbage"] };
}

/** One to three things about the network, and about as often as not trouble and malice beside. */
function drawMix(random: Random): Mix {
  const some = <T>(all: readonly T[], most: number): readonly T[] => shuffled(all, random).slice(0, most);
  return {
    network: some(SWARM.network, random.below(4)),
    trouble: random.chance(500) ? some(SWARM.trouble, 1) : [],
    malice: random.chance(700) ? some(SWARM.malice, 1 + random.below(2)) : [],
    isReshare: false,
    isSwarm: true,
  };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice(random.below(left.length), 1));
  return out;
}
