/**
 * Twins (arXiv 2004.10617): two or three instances of one member, each the shipping code with its own disk, in a network that is cut anew
 * every few rounds, so that each instance speaks to some of the others. The shipping code falls silent when it meets a block in its name
 * that it did not make; its operator, who means harm, starts it again from a disk that does not say so.
 */
import type { Random } from "../../random.ts";
import { type Condition, UNIT_MS } from "../network.ts";
import type { Driver } from "../process.ts";
import { relay, type World } from "./world.ts";

export function createTwin(world: World, person: number, identity: number): Driver {
  const { cluster } = world;
  const random = world.random.stream(`twin ${person}`);
  let isStopping = false;
  return {
    recovered: ({ signedRound: _, ...recovered }) => recovered,
    act(effects) {
      for (const effect of effects) {
        if (effect.kind !== "persist") continue;
        for (const { position, kind, digest } of effect.write.register)
          if (kind === "block") {
            world.signed(identity, Number(position & 0xffff_ffff_ffff_ffffn), digest);
            world.acted();
          }
      }
      relay(world, person, identity, effects, () => true);
      const { member } = cluster.processes[person]!;
      if (isStopping || (member !== undefined && !member.consensus.isSignedElsewhere)) return;
      isStopping = true;
      cluster.after(1 + random.below(UNIT_MS), () => {
        isStopping = false;
        cluster.stop(person);
        cluster.boot(person);
      });
    },
  };
}

/**
 * Everybody is in one of some groups for a while, and hears nothing of the others. `isForGood`: instances and halves of the members stay
 * together for the whole run: what f + 1 twins need to fork.
 */
export function twinGroups(
  members: number,
  twins: ReadonlyMap<number, number>,
  malicious: ReadonlySet<number>,
  isForGood: boolean,
  random: Random,
): Condition {
  const people = members + twins.size;
  const groups = new Uint8Array(people);
  const stretchMs = (2 + random.below(12)) * UNIT_MS;
  let drawn = -1;
  const draw = (): void => {
    const count = isForGood ? 2 : 1 + random.below(3);
    let honest = 0;
    const next = new Map<number, number>();
    for (let person = 0; person < people; person++) {
      const identity = twins.get(person) ?? person;
      if (!malicious.has(identity)) groups[person] = isForGood ? honest++ % 2 : random.below(count);
      else {
        // Instances of one member are apart.
        const group = next.get(identity) ?? (isForGood ? 0 : random.below(count));
        groups[person] = group;
        next.set(identity, (group + 1) % count);
      }
    }
  };
  return ({ from, to }, nowMs) => {
    const stretch = isForGood ? 0 : Math.floor(nowMs / stretchMs);
    if (stretch !== drawn) {
      drawn = stretch;
      draw();
    }
    return groups[from] === groups[to] ? 0 : undefined;
  };
}
