/** Decision rules by name: ours, the baseline, and what looks right and breaks. */
import { Committer, type CommitterParts } from "../../consensus/committer.ts";
import type { CreateRule } from "../../consensus/consensus.ts";
import { RULES, type RuleName } from "../dag/rule.ts";
import { ControlRule } from "./control-rule.ts";
import { MahiMahiRule } from "./mahi-mahi-rule.ts";

/** Rules that only a control runs. */
export const BROKEN_RULES = [
  "predictable-anchor",
  ...(Object.keys(RULES) as RuleName[]).filter((name) => name !== "rule"), // CAST: these are its keys
] as const;

const MAHI_MAHI = /^(?:mahi-mahi-)?w([45])-l(n|[1-9]\d{0,2})$/;

/**
 * The rule of a name; undefined: the shipping one, as it ships.
 * - `ours`;
 * - `mahi-mahi-w4-l1`, `w5-l3`, `w5-ln`, …: wave length 4 or 5, so many leaders a round (n: everybody);
 * - `plain`: ours, as dag/rule.ts has it, and the controls of that file;
 * - `predictable-anchor`: ours, with anchors that everybody knows in advance.
 * Throws RangeError for any other name.
 */
export function ruleOf(name: string): CreateRule | undefined {
  if (name === "ours") return undefined;
  const wave = MAHI_MAHI.exec(name);
  if (wave !== null) {
    const [, length, leaders] = wave;
    return (parts) =>
      new MahiMahiRule(parts, {
        waveLength: length === "4" ? 4 : 5,
        leaders: leaders === "n" ? parts.n : Number(leaders),
      });
  }
  if (name === "predictable-anchor") {
    return (parts: CommitterParts) =>
      new Committer({ ...parts, coinLeader: (round) => predictedLeader(round, parts.n) });
  }
  const control = Object.entries(RULES).find(([known]) => known === (name === "plain" ? "rule" : name))?.[1];
  if (control === undefined) throw new RangeError(`there is no rule "${name}"`);
  return (parts) => new ControlRule(parts, control);
}

/** Round robin over the anchors of a residue class. */
export const predictedLeader = (round: number, n: number): number => Math.floor(round / 5) % n;
