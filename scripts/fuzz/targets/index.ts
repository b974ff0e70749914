/** Every decoder of foreign bytes, and the controls. */
import type { Target } from "../target.ts";
import { createWorld } from "../world.ts";
import { apiTargets } from "./api.ts";
import { CONTROLS } from "./controls.ts";
import { keyTargets } from "./keys.ts";
import { ledgerTargets } from "./ledger.ts";
import { memberTargets } from "./members.ts";
import { proofTargets } from "./proofs.ts";

/** The world that seeds come from is the same for every campaign: only mutations depend on the campaign's seed. */
const WORLD_SEED = 1;

export async function createTargets(): Promise<readonly Target[]> {
  const world = createWorld(WORLD_SEED);
  return [
    ...memberTargets(world),
    ...ledgerTargets(world),
    ...(await keyTargets(world)),
    ...apiTargets(world),
    ...proofTargets(world),
    ...CONTROLS,
  ];
}
