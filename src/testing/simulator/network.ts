/** How long each message takes. Delays are whole milliseconds of virtual time; UNIT_MS is "one message delay" in reports. */
import type { Random } from "../random.ts";

export const UNIT_MS = 100;

export const DELAY_MODELS = ["unit", "uniform", "chaos"] as const;
export type DelayModel = (typeof DELAY_MODELS)[number];

export interface Network {
  /** Delay of the next message on this path. */
  delayMs(from: number, to: number): number;
  /** From now on: every message takes one unit (the liveness phase). */
  heal(): void;
}

/**
 * unit: every message takes 1; uniform: 0.5 to 1.5; chaos: 0.5 to 1.5, and one message in five waits up to 12 more, so that
 * messages overtake each other by many rounds.
 */
export function createNetwork(model: DelayModel, random: Random): Network {
  let healed = false;
  const uniform = (): number => UNIT_MS / 2 + random.below(UNIT_MS + 1);
  return {
    delayMs() {
      if (healed || model === "unit") return UNIT_MS;
      const base = uniform();
      return model === "chaos" && random.chance(200) ? base + random.below(12 * UNIT_MS) : base;
    },
    heal() {
      healed = true;
    },
  };
}
