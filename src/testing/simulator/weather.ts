/** The network of a run, as its faults describe it. */
import { maxFaulty } from "../../lib/math.ts";
import type { Random } from "../random.ts";
import { asymmetric, away, jumps, lose, partition, starve } from "./conditions.ts";
import type { Faults } from "./faults.ts";
import { twinGroups } from "./malice/twins.ts";
import type { Control, NetworkAdversary } from "./names.ts";
import { type Condition, createNetwork, type Network } from "./network.ts";
import { earlyCoin, starveLeaders } from "./scheduler.ts";
import type { Sight } from "./sight.ts";

/** `twins`: persons beside the members that run under the identity of one. */
export function createWeather(
  faults: Faults,
  twins: ReadonlyMap<number, number>,
  sight: Sight,
  control: Control | undefined,
  random: Random,
): Network {
  const conditions = createConditions(faults, twins, sight, sight.members, control, random);
  return createNetwork(faults.model, conditions, random, faults.replayPerMille);
}

/** What befalls messages. `persons`: everybody but the twins, who are numbered after them. */
export function createConditions(
  faults: Faults,
  twins: ReadonlyMap<number, number>,
  sight: Sight,
  persons: number,
  control: Control | undefined,
  random: Random,
): Condition[] {
  const { members } = sight;
  const honest = [...Array(members).keys()].filter((member) => !faults.malicious.has(member));
  const conditions: Condition[] = [];
  if (twins.size > 0) {
    const malicious = new Set(faults.malicious.keys());
    conditions.push(twinGroups(persons, twins, malicious, control === "f-plus-one", random.stream("twins")));
  }
  if (faults.lossPerMille > 0) conditions.push(lose(faults.lossPerMille, random.stream("loss")));
  for (const name of faults.network) {
    const condition = conditionOf(name, persons + twins.size, sight, random.stream(name));
    if (condition !== undefined) conditions.push(condition);
  }
  if ([...faults.malicious.values()].includes("jump-and-expose"))
    conditions.push(jumps(honest, random.stream("jumps")));
  return conditions;
}

function conditionOf(name: NetworkAdversary, people: number, sight: Sight, random: Random): Condition | undefined {
  const { members } = sight;
  switch (name) {
    case "partition":
      return partition(people, random);
    case "asymmetric":
      return asymmetric(people, random);
    case "starve":
      return within(sight, starve(members, random));
    case "starve-leaders":
      return within(sight, starveLeaders(sight, random));
    case "early-coin":
      return within(sight, earlyCoin(sight, random));
    case "lag":
      return within(sight, away(members, maxFaulty(members), random));
    default:
      return undefined;
  }
}

/** Of members by their index in the committee; nothing befalls what others say. */
function within({ indexOf }: Sight, condition: Condition): Condition {
  return ({ from, to, bytes }, nowMs) => {
    const [a, b] = [indexOf(from), indexOf(to)];
    return a === undefined || b === undefined ? 0 : condition({ from: a, to: b, bytes }, nowMs);
  };
}
