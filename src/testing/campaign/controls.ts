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

const base = { delays: "uniform", owners: 3 } as const;

const CONTROLS: Readonly<Record<string, Control>> = {
  "first-skip": {
    config: { ...base, members: 4, adversary: "chaos", rounds: 60, rule: "first-skip" },
    kinds: ["agreement", "S1", "stopped: Commit beside Skip in slot", "stopped: slot"],
    seeds: 40,
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
