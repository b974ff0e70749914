/** Which changes of committee a run tries, and who spoils them. Drawn when a change begins, from what the committee is by then. */
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import type { Random } from "../random.ts";

/**
 * refresh: the same members get new shares; grow, shrink, replace: some come, some leave; generation: so many leave that the group key
 * changes; stuck: too many future members never open, and a later attempt supersedes this one.
 */
export const CHANGE_KINDS = ["refresh", "grow", "shrink", "replace", "generation", "stuck"] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/**
 * silent: never deals; garbage: bytes that are no deal; wrongSecret: a deal of something else; twice: two different deals to two
 * members; stale: the deal it made for an earlier attempt.
 */
export const DEALER_FAULTS = ["silent", "garbage", "wrongSecret", "twice", "stale"] as const;
export type DealerFault = (typeof DEALER_FAULTS)[number];

export interface PlannedChange {
  readonly kind: ChangeKind;
  /** Persons of the next committee, by index. */
  readonly members: readonly number[];
  readonly badDealers: ReadonlyMap<number, DealerFault>;
  /** They open their shares very late: no earlier than the end of the run's faults. */
  readonly sleepers: ReadonlySet<number>;
  /** Old members that approve something else instead: f of them cannot give the key away. */
  readonly traitors: ReadonlySet<number>;
}

const SMALLEST = 4;

export function planChange(
  kind: ChangeKind,
  committee: readonly number[],
  outsiders: readonly number[],
  /** Members of the committee that have no shares (they sleep): they count among its faulty. */
  asleep: number,
  /** They are faulty wherever they are. */
  bad: ReadonlySet<number>,
  largest: number,
  random: Random,
): PlannedChange {
  const members = bearable(membersAfter(kind, committee, outsiders, largest, random), outsiders, bad);
  const faulty = maxFaulty(committee.length);
  const isGood = (person: number): boolean => !bad.has(person);
  const spent = asleep + committee.filter((person) => bad.has(person)).length;
  const cheating = shuffled(committee.filter(isGood), random).slice(0, Math.max(0, random.below(faulty + 1) - spent));
  const allowed = maxFaulty(members.length);
  const rest = Math.max(0, allowed - members.filter((person) => bad.has(person)).length);
  const sleepers = kind === "stuck" ? allowed + 1 : random.below(rest + 1);
  return {
    kind,
    members,
    badDealers: new Map(cheating.map((person) => [person, random.pick(DEALER_FAULTS)])),
    sleepers: new Set(shuffled(members.filter(isGood), random).slice(0, sleepers)),
    traitors: new Set(random.chance(300) ? shuffled(committee, random).slice(0, faulty) : []),
  };
}

/** With no more than f of the bad: others come instead of the rest. */
function bearable(
  members: readonly number[],
  outsiders: readonly number[],
  bad: ReadonlySet<number>,
): readonly number[] {
  let left = maxFaulty(members.length);
  const others = outsiders.filter((person) => !bad.has(person) && !members.includes(person));
  return members.map((person) => (!bad.has(person) || left-- > 0 ? person : (others.shift() ?? person)));
}

function membersAfter(
  kind: ChangeKind,
  committee: readonly number[],
  outsiders: readonly number[],
  largest: number,
  random: Random,
): readonly number[] {
  const n = committee.length;
  const strangers = shuffled(outsiders, random);
  const stayers = shuffled(committee, random);
  const some = (most: number): number => (most < 1 ? 0 : 1 + random.below(most));
  switch (kind) {
    case "refresh":
    case "stuck":
      return [...committee];
    case "grow":
      return shuffled([...committee, ...strangers.slice(0, some(Math.min(3, largest - n)))], random);
    case "shrink":
      return stayers.slice(0, Math.max(SMALLEST, n - some(2)));
    case "replace": {
      const replaced = Math.min(some(maxFaulty(n)), strangers.length);
      return shuffled([...stayers.slice(replaced), ...strangers.slice(0, replaced)], random);
    }
    case "generation": {
      const staying = random.below(n - quorumOf(n) + 1);
      const size = SMALLEST + random.below(largest - SMALLEST + 1);
      return shuffled([...stayers.slice(0, staying), ...strangers.slice(0, size - staying)], random);
    }
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice(random.below(left.length), 1));
  return out;
}
