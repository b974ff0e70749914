import { createMclEngine } from "./engine-mcl.ts";
import { createNobleEngine } from "./engine-noble.ts";
import type { Engine, Suite } from "./types.ts";

/**
 * An engine for each suite. `fast` needs WebAssembly (throws engineUnavailable without) and is for members and relayers;
 * `reference` is plain JavaScript. Both give the same bytes.
 */
export async function createEngines(kind: "fast" | "reference"): Promise<Record<Suite, Engine>> {
  if (kind === "reference") {
    return { "bls12-381": createNobleEngine("bls12-381"), bn254: createNobleEngine("bn254") };
  }
  const [bls12381, bn254] = await Promise.all([createMclEngine("bls12-381"), createMclEngine("bn254")]);
  return { "bls12-381": bls12381, bn254 };
}
