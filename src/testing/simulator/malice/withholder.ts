/** Members that work as they should but do not give away what they make: blocks for some only, or for one member when it hurts most. */

import { encodeConsensusMessage } from "../../../consensus/wire.ts";
import type { MemberEffect } from "../../../member/types.ts";
import { encodeMessage } from "../../../member/wire.ts";
import type { Driver } from "../process.ts";
import { contentOf, relay, type World } from "./world.ts";

/** Sends each block to a few members, or to nobody, answers almost no question, and changes its mind now and then. */
export function createWithholder(world: World, person: number): Driver {
  const { cluster, honest } = world;
  const random = world.random.stream(`withhold ${person}`);
  let audience = new Set<number>();
  let untilMs = 0;
  return {
    act(effects) {
      if (cluster.nowMs >= untilMs) {
        untilMs = cluster.nowMs + (1 + random.below(12)) * 100;
        const perMille = random.pick([0, 250, 500, 750]);
        audience = new Set(honest.filter(() => random.chance(perMille)));
      }
      relay(world, person, person, effects, (to, bytes) => {
        const content = contentOf(bytes);
        if (content === "other" || (content === "answer" && random.chance(50))) return true;
        if (content === "blocks" && audience.has(to)) return true;
        world.acted();
        return false;
      });
    },
  };
}

/** Rounds of blocks that are handed over together: one strong parent then brings support for the oldest in the last window. */
const HELD_ROUNDS = 3;

/** Nobody gets its blocks until three rounds of them are due; then one member gets them, from which the others have to fetch them. */
export function createLateGiver(world: World, person: number): Driver {
  const { cluster, honest } = world;
  const random = world.random.stream(`late-gift ${person}`);
  const self = world.indexOf(person);
  const held: Uint8Array[] = [];
  return {
    act(effects: readonly MemberEffect[]) {
      for (const effect of effects) {
        if (effect.kind !== "persist") continue;
        for (const { author, bytes } of effect.write.blocks) if (author === self) held.push(bytes);
      }
      relay(world, person, person, effects, (_, bytes) => contentOf(bytes) === "other");
      if (held.length < HELD_ROUNDS || honest.length === 0) return;
      const to = random.pick(honest);
      const { epoch } = world.test.committee;
      for (const bytes of held.splice(0)) {
        cluster.links.send(
          person,
          to,
          encodeMessage(epoch, { kind: "consensus", bytes: encodeConsensusMessage({ kind: "block", bytes }) }),
        );
        world.acted();
      }
    },
  };
}
