/**
 * Makes a failing run smaller: fewer faults of a combination, fewer members, fewer rounds, fewer users, each step kept if the run
 * still fails in the same way. A step changes what the seed draws, so for the coarse ones a few seeds are tried; with the same
 * options it always ends at the same run.
 */
import { maxFaulty } from "../../lib/math.ts";
import { ADVERSARIES } from "../simulator/names.ts";
import { kindOf, violationOf } from "./job.ts";
import type { RunConfig } from "./plan.ts";

export interface Shrunk {
  readonly config: RunConfig;
  readonly violation: string;
  /** Simulations that it took. */
  readonly tries: number;
}

export interface ShrinkOptions {
  /** Simulations at most. */
  readonly maxTries?: number;
  /** Seeds tried for one coarse step. */
  readonly seeds?: number;
  readonly fails?: (config: RunConfig) => string | undefined;
}

const SMALLER_SIZES = [4, 5, 7, 10, 13, 31];

export function shrink(failing: RunConfig, violation: string, options: ShrinkOptions = {}): Shrunk {
  const { maxTries = 200, seeds = 6, fails = violationOf } = options;
  const kind = kindOf(violation);
  let best = { config: failing, violation };
  let tries = 0;
  const attempt = (config: RunConfig): boolean => {
    if (tries >= maxTries) return false;
    tries++;
    const found = fails(config);
    if (found === undefined || kindOf(found) !== kind) return false;
    best = { config, violation: found };
    return true;
  };
  const attemptSeeds = (config: RunConfig): boolean => {
    for (let i = 0; i < seeds; i++) if (attempt({ ...config, seed: BigInt(i) + config.seed })) return true;
    return false;
  };
  for (let isSmaller = true; isSmaller && tries < maxTries; ) {
    const before = best;
    for (const adversary of fewerFaults(best.config.adversary)) {
      if (attemptSeeds({ ...best.config, adversary })) break;
    }
    for (const members of SMALLER_SIZES) {
      const isUseful = members < best.config.members && (members >= 4 || maxFaulty(best.config.members) === 0);
      if (isUseful && attemptSeeds({ ...best.config, members })) break;
    }
    shrinkNumber(best.config.owners, 1, (owners) => attempt({ ...best.config, owners }));
    if (best.config.delays === "uniform") attempt({ ...best.config, delays: "unit" });
    shrinkNumber(best.config.rounds, 1, (rounds) => attempt({ ...best.config, rounds }));
    isSmaller = best !== before;
  }
  return { ...best, tries };
}

/** Each single fault, then the combination without one of them. */
function fewerFaults(adversary: string): string[] {
  // What a seed's mix is cannot be said by name; often one of its parts is enough.
  if (adversary === "swarm") return ADVERSARIES.filter((name) => name !== "swarm" && name !== "reshare");
  const faults = adversary.split("+");
  if (faults.length === 1) return adversary === "none" ? [] : ["none"];
  const without = faults.map((_, left) => faults.filter((_, i) => i !== left).join("+"));
  return [...new Set([...faults, ...without])];
}

/** Bisects down to the smallest number that still fails, as far as failing grows with the number. */
function shrinkNumber(from: number, least: number, fails: (value: number) => boolean): void {
  let failing = from;
  let passing = least - 1;
  while (failing - passing > 1) {
    const middle = Math.floor((failing + passing) / 2);
    if (fails(middle)) failing = middle;
    else passing = middle;
  }
}
