/** The network of a run, as its faults describe it. */
import { maxFaulty } from "../../lib/math.ts";
import type { Random } from "../random.ts";
import { asymmetric, away, jumps, lose, partition, starve } from "./conditions.ts";
import type { Faults } from "./faults.ts";
import { type Condition, createNetwork, type Network } from "./network.ts";
import { earlyCoin, type Sight, starveLeaders } from "./scheduler.ts";

/** `people`: members and those that run under their identity. `own`: conditions that malicious members bring along. */
export function createWeather(
  faults: Faults,
  people: number,
  sight: Sight,
  own: readonly Condition[],
  random: Random,
): Network {
  const { members } = sight;
  const honest = [...Array(members).keys()].filter((member) => !faults.malicious.has(member));
  const conditions: Condition[] = [...own];
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
