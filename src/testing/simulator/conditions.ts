/** What befalls messages, whatever they say: loss, cuts, flapping and clogged paths, victims. Parameters are drawn once a run. */
import type { Random } from "../random.ts";
import { type Condition, UNIT_MS } from "./network.ts";

const units = (random: Random, least: number, most: number): number =>
  (least + random.below(most - least + 1)) * UNIT_MS;

export function lose(perMille: number, random: Random): Condition {
  return () => (random.chance(perMille) ? undefined : 0);
}

/** Every second stretch of time has its own cut into two groups, which hear nothing of each other. */
export function partition(people: number, random: Random): Condition {
  const stretchMs = units(random, 8, 25);
  const sides = new Uint8Array(people);
  let cut = 0;
  return ({ from, to }, nowMs) => {
    const stretch = Math.floor(nowMs / stretchMs);
    if (stretch % 2 === 0) return 0;
    if (stretch !== cut) {
      cut = stretch;
      for (let person = 0; person < people; person++) sides[person] = random.below(2);
    }
    return sides[from] === sides[to] ? 0 : undefined;
  };
}

/**
 * `count` members at a time are cut off, always the same ones for long, then for some short times (they come back having jumped over
 * rounds), and the next ones after that.
 */
export function away(members: number, count: number, random: Random): Condition {
  const stretches: { readonly ms: number; readonly isCut: boolean }[] = [];
  const add = (isCut: boolean, least: number, most: number): void => {
    stretches.push({ ms: units(random, least, most), isCut });
  };
  add(false, 10, 40);
  add(true, 60, 90);
  add(false, 10, 20);
  for (let i = 0; i < 3; i++) {
    add(true, 2, 12);
    add(false, 4, 10);
  }
  const periodMs = stretches.reduce((sum, { ms }) => sum + ms, 0);
  const isCutAt = (offsetMs: number): boolean => {
    let left = offsetMs;
    for (const { ms, isCut } of stretches) {
      if (left < ms) return isCut;
      left -= ms;
    }
    return false;
  };
  const isAway = (member: number, nowMs: number): boolean => {
    const first = (Math.floor(nowMs / periodMs) * count) % members;
    return (member + members - first) % members < count;
  };
  return ({ from, to }, nowMs) => {
    if (count === 0 || !isCutAt(nowMs % periodMs)) return 0;
    return isAway(from, nowMs) || isAway(to, nowMs) ? undefined : 0;
  };
}

/** What one path (from → to) is like for a stretch of time. */
type Path = "open" | "cut" | "flapping" | "clogged";

/**
 * Each path by itself: for a stretch of time it loses everything, loses everything every other moment, or takes many delays; the way
 * back may be fine. How bad it is at most is drawn once.
 */
export function asymmetric(people: number, random: Random): Condition {
  const stretchMs = units(random, 5, 25);
  const badPerMille = 100 + random.below(400);
  const clogMs = units(random, 3, 30);
  const flapMs = units(random, 1, 3);
  const kinds: readonly Path[] = [["cut"], ["flapping"], ["clogged"], ["cut", "flapping", "clogged"]][
    random.below(4)
  ] as Path[]; // CAST: the index is in range
  const paths: Path[] = new Array<Path>(people * people).fill("open");
  let drawn = -1;
  return ({ from, to }, nowMs) => {
    const stretch = Math.floor(nowMs / stretchMs);
    if (stretch !== drawn) {
      drawn = stretch;
      for (let i = 0; i < paths.length; i++) paths[i] = random.chance(badPerMille) ? random.pick(kinds) : "open";
    }
    switch (paths[from * people + to]!) {
      case "open":
        return 0;
      case "cut":
        return undefined;
      case "flapping":
        return Math.floor(nowMs / flapMs) % 2 === 0 ? undefined : 0;
      case "clogged":
        return clogMs;
    }
  };
}

/** What the victim says is always late, or what it hears, or both; now and then somebody else is the victim. */
export function starve(members: number, random: Random): Condition {
  const extraMs = units(random, 2, 15);
  const reignMs = random.chance(500) ? Number.POSITIVE_INFINITY : units(random, 10, 40);
  const first = random.below(members);
  const isMute = random.below(3);
  return ({ from, to }, nowMs) => {
    const victim = (first + Math.floor(nowMs / reignMs)) % members;
    const isHeld = (from === victim && isMute !== 1) || (to === victim && isMute !== 2);
    return isHeld ? extraMs : 0;
  };
}

/** One of `members` at a time hears nothing for a while and then everything at once, so that it jumps over rounds. */
export function jumps(members: readonly number[], random: Random): Condition {
  const holdMs = units(random, 3, 9);
  const periodMs = holdMs + units(random, 2, 6);
  return ({ to }, nowMs) => {
    const left = holdMs - (nowMs % periodMs);
    return left > 0 && to === members[Math.floor(nowMs / periodMs) % members.length] ? left : 0;
  };
}
