/** Which driver goes with which kind of malice. */

import type { MaliceAdversary } from "../names.ts";
import type { Driver } from "../process.ts";
import { createEquivocator } from "./equivocator.ts";
import { createGarbler } from "./garbage.ts";
import { createMutator } from "./mutator.ts";
import { createTwin } from "./twins.ts";
import { createLateGiver, createWithholder } from "./withholder.ts";
import type { World } from "./world.ts";

/** True when the member only follows and its blocks are made by hand. */
export function isPuppet(kind: MaliceAdversary): boolean {
  return kind === "equivocate" || kind === "jump-and-expose" || kind === "garbage";
}

/** `identity`: in whose name the person acts; its own but for twins. */
export function createDriver(kind: MaliceAdversary, world: World, person: number, identity: number): Driver {
  switch (kind) {
    case "equivocate":
      return createEquivocator(world, person, { silentPerMille: 0, lonelyPerMille: 100 });
    case "jump-and-expose":
      return createEquivocator(world, person, { silentPerMille: 350, lonelyPerMille: 500 });
    case "garbage":
      return createGarbler(world, person);
    case "mutate":
      return createMutator(world, person);
    case "withhold":
      return createWithholder(world, person);
    case "late-gift":
      return createLateGiver(world, person);
    case "twins":
      return createTwin(world, person, identity);
  }
}
