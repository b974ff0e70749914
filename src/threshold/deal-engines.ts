import type { DealEngine } from "./deal-engine.ts";
import { createMclDealEngine } from "./deal-engine-mcl.ts";
import { createNobleDealEngine } from "./deal-engine-noble.ts";
import type { Suite } from "./types.ts";

/** A deal engine for each suite. `fast` needs WebAssembly (throws engineUnavailable without). */
export async function createDealEngines(kind: "fast" | "reference"): Promise<Record<Suite, DealEngine>> {
  if (kind === "reference") {
    return { "bls12-381": createNobleDealEngine("bls12-381"), bn254: createNobleDealEngine("bn254") };
  }
  const [bls12381, bn254] = await Promise.all([createMclDealEngine("bls12-381"), createMclDealEngine("bn254")]);
  return { "bls12-381": bls12381, bn254 };
}
