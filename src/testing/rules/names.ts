/** Decision rules by name, without loading them. */
import type { RuleName } from "../dag/rule.ts";

/** What looks right and breaks: the controls of dag/rule.ts, and anchors that everybody knows in advance. */
export const BROKEN_RULES = [
  "predictable-anchor",
  "last-window-only",
  "ignore-last-window",
  "anchor-early",
  "early-skip",
  "first-skip",
  "twin-skip",
  "own-last",
  "two-f-plus-one",
] as const satisfies readonly (RuleName | "predictable-anchor")[];

const MAHI_MAHI = /^(?:mahi-mahi-)?w([45])-l(n|[1-9]\d{0,2})$/;

/** Wave length and leaders a round (undefined: everybody) of a Mahi-Mahi rule's name; undefined for any other name. */
export function parseMahiMahi(name: string): { readonly waveLength: 4 | 5; readonly leaders?: number } | undefined {
  const found = MAHI_MAHI.exec(name);
  if (found === null) return undefined;
  const waveLength = found[1] === "4" ? 4 : 5;
  return found[2] === "n" ? { waveLength } : { waveLength, leaders: Number(found[2]) };
}

/**
 * - `ours`: the shipping rule;
 * - `mahi-mahi-w4-l1`, `w5-l3`, `w5-ln`, …: Mahi-Mahi with wave length 4 or 5 and so many leaders a round (n: everybody);
 * - `plain`: ours, as dag/rule.ts has it;
 * - one of BROKEN_RULES.
 */
export function isRule(name: string): boolean {
  const known: readonly string[] = ["ours", "plain", ...BROKEN_RULES];
  return known.includes(name) || parseMahiMahi(name) !== undefined;
}
