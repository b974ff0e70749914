/** How long each message takes. Delays are whole milliseconds of virtual time; UNIT_MS is "one message delay" in reports. */
import type { Random } from "../random.ts";

export const UNIT_MS = 100;

export type DelayModel = "unit" | "uniform" | "chaos";

/** A message between two persons. */
export interface Sent {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

/** Something that befalls messages: how much longer one takes, or undefined when it never arrives. */
export type Condition = (sent: Sent, nowMs: number) => number | undefined;

export interface Network {
  /** Delays after which copies of a message arrive; none: it is lost. */
  delays(sent: Sent, nowMs: number): readonly number[];
  /** A message that would arrive now waits this much longer and asks again; absent or 0: it arrives. */
  heldMs?(sent: Sent): number;
  /** From now on: every message takes one unit (the liveness phase). */
  heal(): void;
}

/** A copy that somebody kept arrives up to this much later. */
const REPLAY_MS = 30 * UNIT_MS;
const HEALED = [UNIT_MS] as const;

/**
 * unit: every message takes 1; uniform: 0.5 to 1.5; chaos: 0.5 to 1.5, and one message in five waits up to 12 more, so that
 * messages overtake each other by many rounds. Conditions come on top.
 */
export function createNetwork(
  model: DelayModel,
  conditions: readonly Condition[],
  random: Random,
  replayPerMille = 0,
): Network {
  let healed = false;
  const uniform = (): number => UNIT_MS / 2 + random.below(UNIT_MS + 1);
  const base = (): number => {
    if (model === "unit") return UNIT_MS;
    const delayMs = uniform();
    return model === "chaos" && random.chance(200) ? delayMs + random.below(12 * UNIT_MS) : delayMs;
  };
  return {
    delays(sent, nowMs) {
      if (healed) return HEALED;
      let delayMs = base();
      for (const condition of conditions) {
        const extraMs = condition(sent, nowMs);
        if (extraMs === undefined) return [];
        delayMs += extraMs;
      }
      const isReplayed = replayPerMille > 0 && random.chance(replayPerMille);
      return isReplayed ? [delayMs, delayMs + 1 + random.below(REPLAY_MS)] : [delayMs];
    },
    heal() {
      healed = true;
    },
  };
}
