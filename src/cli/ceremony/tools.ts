/** What dealing and verifying take on this machine, and how long loops let Ctrl-C and the progress line through. */
import { setImmediate } from "node:timers/promises";
import { createNativeKeyAgreement } from "../../keys/native-agreement.ts";
import {
  type CeremonyTools,
  type CollectedDeals,
  dealVerifier,
  faultOfBundle,
} from "../../threshold/ceremony/deals.ts";
import type { CeremonyFault } from "../../threshold/ceremony/faults.ts";
import type { Roster } from "../../threshold/ceremony/roster.ts";
import { createDealEngines } from "../../threshold/deal-engines.ts";
import type { CliContext } from "../context.ts";

let started: Promise<CeremonyTools> | undefined;

/** One set per process. Throws ThresholdError engineUnavailable. */
export function createCeremonyTools(): Promise<CeremonyTools> {
  started ??= (async () => ({ engines: await createDealEngines("fast"), agreement: createNativeKeyAgreement() }))();
  return started;
}

/** Verifies everybody's deals, one member after the other. */
export async function verifyDeals(
  tools: CeremonyTools,
  roster: Roster,
  bundles: CollectedDeals["bundles"],
  { output, signal }: Pick<CliContext, "output" | "signal">,
): Promise<CeremonyFault[]> {
  const verify = dealVerifier(tools, roster);
  const faults: CeremonyFault[] = [];
  for (const [k, bundle] of bundles.entries()) {
    output.progress(`verifying deals: ${k} of ${bundles.length}`);
    await setImmediate();
    signal.throwIfAborted();
    faults.push(...[faultOfBundle(roster, bundle, verify) ?? []].flat());
  }
  output.progress(undefined);
  return faults;
}
