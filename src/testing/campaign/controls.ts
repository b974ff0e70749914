/** Everything that must fail, with the runs that show it. A control that passes means that the simulator looks the other way. */
import { kindOf, violationOf } from "./job.ts";
import { commandOf, type RunConfig } from "./plan.ts";

interface Control {
  readonly config: Omit<RunConfig, "seed">;
  /** What it must be caught at, as kindOf says it; a control may break in several ways, depending on who sees it first. */
  readonly kinds: readonly string[];
  /** Seeds tried, from 1. */
  readonly seeds: number;
}

export interface ControlOutcome {
  readonly name: string;
  readonly failedAsItMust: boolean;
  /** The run that failed. */
  readonly seed: string | undefined;
  readonly violation: string | undefined;
  readonly command: string | undefined;
}

const base = { members: 4, delays: "uniform", owners: 3 } as const;
const scheduled = { ...base, adversary: "none", delays: "unit" } as const;

/** A rule that is wrong makes members order differently, or finds its own contradiction first and stops. */
const FORKS = [
  "agreement",
  "S1",
  "stopped: slot",
  "stopped: Commit beside Skip in slot",
  "stopped: two twins committed in slot",
  "stopped: an anchor sees two certified twins in slot",
];
/** More than f malicious: honest members also find certificates that cannot be. */
const BROKEN = [
  ...FORKS,
  "liveness",
  "stopped: two certified twins in slot",
  "stopped: certificate beside a Skip in slot",
];

const CONTROLS: Readonly<Record<string, Control>> = {
  "predictable-anchor": {
    config: { ...scheduled, rounds: 90, rule: "predictable-anchor", schedule: "known-anchors" },
    kinds: ["liveness"],
    seeds: 3,
  },
  "anchor-early": {
    config: { ...scheduled, rounds: 40, rule: "anchor-early", schedule: "lone-supporter" },
    kinds: FORKS,
    seeds: 100,
  },
  "early-skip": {
    config: { ...scheduled, rounds: 30, rule: "early-skip", schedule: "lone-skipper" },
    kinds: FORKS,
    seeds: 10,
  },
  "last-window-only": {
    config: { ...base, adversary: "equivocate", rounds: 50, rule: "last-window-only" },
    kinds: FORKS,
    seeds: 150,
  },
  "twin-skip": {
    config: { ...base, adversary: "equivocate", rounds: 50, rule: "twin-skip" },
    kinds: FORKS,
    seeds: 100,
  },
  "first-skip": {
    config: { ...base, adversary: "chaos", rounds: 60, rule: "first-skip" },
    kinds: FORKS,
    seeds: 100,
  },
  "f-plus-one": {
    config: { ...base, adversary: "twins", rounds: 40, control: "f-plus-one" },
    kinds: BROKEN,
    seeds: 20,
  },
  "no-register": {
    config: { ...base, adversary: "restart", rounds: 60, control: "no-register" },
    kinds: ["S6"],
    seeds: 40,
  },
  "lost-sync": {
    config: { ...base, adversary: "torn-disk", rounds: 60, control: "lost-sync" },
    kinds: ["S6"],
    seeds: 40,
  },
  "resume-after-loss": {
    config: { ...base, adversary: "rollback", rounds: 60, control: "resume-after-loss" },
    kinds: ["S6"],
    seeds: 60,
  },
  "no-catch-up": {
    config: { ...base, adversary: "lag", rounds: 100, control: "no-catch-up" },
    kinds: ["liveness"],
    seeds: 5,
  },
  "no-checkpoint-check": {
    config: { ...base, adversary: "lag", rounds: 100, control: "no-checkpoint-check" },
    kinds: ["agreement", "S1"],
    seeds: 20,
  },
  "trusted-equivocator": {
    config: { ...base, adversary: "equivocate", rounds: 30, control: "trusted-equivocator" },
    kinds: ["honest member", "S6"],
    seeds: 20,
  },
  "one-coin-share": {
    config: { ...base, adversary: "lag", rounds: 60, control: "one-coin-share" },
    kinds: ["liveness"],
    seeds: 80,
  },
};

export const CONTROL_NAMES: readonly string[] = Object.keys(CONTROLS);

/** Throws RangeError for an unknown name. */
export function runControl(name: string): ControlOutcome {
  const control = CONTROLS[name];
  if (control === undefined) throw new RangeError(`there is no control "${name}"`);
  for (let seed = 1n; seed <= BigInt(control.seeds); seed++) {
    const config: RunConfig = { ...control.config, seed };
    const violation = violationOf(config);
    if (violation === undefined) continue;
    const failedAsItMust = control.kinds.includes(kindOf(violation));
    return { name, failedAsItMust, seed: seed.toString(), violation, command: commandOf(config) };
  }
  return { name, failedAsItMust: false, seed: undefined, violation: undefined, command: undefined };
}
