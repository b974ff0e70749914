/** How long each message takes. Delays are whole milliseconds of virtual time; UNIT_MS is "one message delay" in reports. */
import type { Random } from "../random.ts";

export const UNIT_MS = 100;

export type DelayModel = "unit" | "uniform" | "chaos";
/** loss: one message in five never arrives; partition: half of the time the members are cut into two changing groups; lag: most of the
 * time some members are cut off, always the same ones for long. */
export type Trouble = "loss" | "partition" | "lag";

/** Length of a cut and of the calm after it. */
const CUT_MS = 15 * UNIT_MS;
/** Time in which nobody is cut off, and then the time in which some are. */
const LAG_CALM_MS = 40 * UNIT_MS;
const LAG_MS = 80 * UNIT_MS;

/** How many of the members are away at a time; the next ones the next time. */
export interface LagPlan {
  readonly members: number;
  readonly count: number;
}

export interface Network {
  /** Delay of the next message on this path; undefined: it is lost. */
  delayMs(from: number, to: number, nowMs: number): number | undefined;
  /** From now on: every message takes one unit (the liveness phase). */
  heal(): void;
}

/**
 * unit: every message takes 1; uniform: 0.5 to 1.5; chaos: 0.5 to 1.5, and one message in five waits up to 12 more, so that
 * messages overtake each other by many rounds.
 */
export function createNetwork(
  model: DelayModel,
  trouble: Trouble | undefined,
  random: Random,
  lagging: LagPlan = { members: 1, count: 0 },
): Network {
  let healed = false;
  const isAway = (member: number, nowMs: number): boolean => {
    const period = Math.floor(nowMs / (LAG_CALM_MS + LAG_MS));
    if (nowMs % (LAG_CALM_MS + LAG_MS) < LAG_CALM_MS) return false;
    return (member + lagging.members - ((period * lagging.count) % lagging.members)) % lagging.members < lagging.count;
  };
  let cut = 0;
  let sides = 0;
  /** Every second stretch of time has its own cut: bit i says on which side member i is. */
  const isCut = (from: number, to: number, nowMs: number): boolean => {
    const stretch = Math.floor(nowMs / CUT_MS);
    if (stretch % 2 === 0) return false;
    if (stretch !== cut) {
      cut = stretch;
      sides = random.below(2 ** 31);
    }
    return ((sides >> (from % 31)) & 1) !== ((sides >> (to % 31)) & 1);
  };
  const uniform = (): number => UNIT_MS / 2 + random.below(UNIT_MS + 1);
  return {
    delayMs(from, to, nowMs) {
      if (healed) return UNIT_MS;
      if (trouble === "loss" && random.chance(200)) return undefined;
      if (trouble === "partition" && isCut(from, to, nowMs)) return undefined;
      if (trouble === "lag" && (isAway(from, nowMs) || isAway(to, nowMs))) return undefined;
      if (model === "unit") return UNIT_MS;
      const base = uniform();
      return model === "chaos" && random.chance(200) ? base + random.below(12 * UNIT_MS) : base;
    },
    heal() {
      healed = true;
    },
  };
}
