/** The network of a run, as its faults describe it. */
import { maxFaulty } from "../../lib/math.ts";
import type { Random } from "../random.ts";
import { asymmetric, away, jumps, lose, partition, starve } from "./conditions.ts";
import type { Faults } from "./faults.ts";
import { twinGroups } from "./malice/twins.ts";
import type { Control } from "./names.ts";
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
  const { members } = sight;
  const honest = [...Array(members).keys()].filter((member) => !faults.malicious.has(member));
  const conditions: Condition[] = [];
  const people = members + twins.size;
  if (twins.size > 0) {
    const malicious = new Set(faults.malicious.keys());
    conditions.push(twinGroups(members, twins, malicious, control === "f-plus-one", random.stream("twins")));
  }
  if (faults.lossPerMille > 0) conditions.push(lose(faults.lossPerMille, random.stream("loss")));
  for (const name of faults.network) {
    const stream = random.stream(name);
    switch (name) {
      case "partition":
        conditions.push(partition(people, stream));
        break;
      case "asymmetric":
        conditions.push(asymmetric(people, stream));
        break;
      case "starve":
        conditions.push(starve(members, stream));
        break;
      case "starve-leaders":
        conditions.push(starveLeaders(sight, stream));
        break;
      case "early-coin":
        conditions.push(earlyCoin(sight, stream));
        break;
      case "lag":
        conditions.push(away(members, maxFaulty(members), stream));
        break;
    }
  }
  if ([...faults.malicious.values()].includes("jump-and-expose"))
    conditions.push(jumps(honest, random.stream("jumps")));
  return createNetwork(faults.model, conditions, random, faults.replayPerMille);
}
