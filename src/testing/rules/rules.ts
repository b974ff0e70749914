/** Decision rules by name (names.ts): ours, the baseline, and what looks right and breaks. */
import { Committer } from "../../consensus/committer.ts";
import type { CreateRule } from "../../consensus/consensus.ts";
import { RULES } from "../dag/rule.ts";
import { ControlRule } from "./control-rule.ts";
import { MahiMahiRule } from "./mahi-mahi-rule.ts";
import { parseMahiMahi } from "./names.ts";

/** The rule of a name; undefined: the shipping one, as it ships. Throws RangeError for a name that there is not. */
export function ruleOf(name: string): CreateRule | undefined {
  if (name === "ours") return undefined;
  const wave = parseMahiMahi(name);
  if (wave !== undefined)
    return (parts) =>
      new MahiMahiRule(parts, { waveLength: wave.waveLength, leaders: Math.min(wave.leaders ?? parts.n, parts.n) });
  if (name === "predictable-anchor")
    return (parts) => new Committer({ ...parts, coinLeader: (round) => predictedLeader(round, parts.n) });
  const plain = Object.entries(RULES).find(([known]) => known === (name === "plain" ? "rule" : name))?.[1];
  if (plain === undefined) throw new RangeError(`there is no rule "${name}"`);
  return (parts) => new ControlRule(parts, plain);
}

/** Round robin over the anchors of a residue class. */
export const predictedLeader = (round: number, n: number): number => Math.floor(round / 5) % n;
