/** What dealing and verifying take on this machine, and how long loops let Ctrl-C and the progress line through. */
import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { createNativeKeyAgreement } from "../../keys/native-agreement.ts";
import { createReshareThread } from "../../node/reshare-thread.ts";
import { type DealContext, dealInstance } from "../../threshold/associated-data.ts";
import { type CeremonyTools, type CollectedDeals, contextsOf, faultOfBundle } from "../../threshold/ceremony/deals.ts";
import type { CeremonyFault } from "../../threshold/ceremony/faults.ts";
import type { Roster } from "../../threshold/ceremony/roster.ts";
import { createDealEngines } from "../../threshold/deal-engines.ts";
import { type DealFault, faultOfDeal } from "../../threshold/deal-verify.ts";
import { SUITES } from "../../threshold/types.ts";
import type { CliContext } from "../context.ts";
import { openVerdicts, type Verdicts } from "./verdicts.ts";

let started: Promise<CeremonyTools> | undefined;

/** One set per process. Throws ThresholdError engineUnavailable. */
export function createCeremonyTools(): Promise<CeremonyTools> {
  started ??= (async () => ({ engines: await createDealEngines("fast"), agreement: createNativeKeyAgreement() }))();
  return started;
}

/** From here on threads are worth the second that it takes to start them. */
const MEMBERS_FOR_THREADS = 10;
const MAX_THREADS = 16;

/**
 * Verifies everybody's deals in every suite, on as many threads as there are cores, except what `verdicts` says was valid
 * before. Answers who dealt badly, by dealer. Throws what the signal was aborted with, KeyError.
 */
export async function verifyDeals(
  tools: CeremonyTools,
  roster: Roster,
  bundles: CollectedDeals["bundles"],
  { output, signal }: Pick<CliContext, "output" | "signal">,
  verdicts: Verdicts = openVerdicts(undefined),
): Promise<CeremonyFault[]> {
  const contexts = contextsOf(roster);
  const open = bundles.flatMap(({ dealer, deals }) =>
    SUITES.map((suite) => ({ context: contexts[suite], dealer, bytes: deals[suite] })),
  );
  const jobs = open.filter(({ context, dealer, bytes }) => !verdicts.isValid(context, dealer, bytes));
  const codes = new Map<string, DealFault | undefined>();
  const pool = startPool(tools, roster.announcements.length, jobs.length);
  const stop = (): void => void pool.close();
  signal.addEventListener("abort", stop, { once: true });
  const show = (): void => output.progress(`verifying deals: ${codes.size} of ${jobs.length}`);
  // Threads do not keep the process alive; this does, and lets a person see that it goes on.
  const ticking = setInterval(show, 200);
  try {
    const queue = jobs.values();
    await Promise.all(
      pool.lanes.map(async (verify) => {
        for (const { context, dealer, bytes } of queue) {
          signal.throwIfAborted();
          const code = await verify(context, dealer, bytes);
          codes.set(`${dealer} ${context.suite}`, code);
          if (code === undefined) verdicts.setValid(context, dealer, bytes);
        }
      }),
    );
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    clearInterval(ticking);
    signal.removeEventListener("abort", stop);
    await pool.close();
    output.progress(undefined);
  }
  return bundles.flatMap(
    (bundle) => faultOfBundle(roster, bundle, (suite, dealer) => codes.get(`${dealer} ${suite}`)) ?? [],
  );
}

type VerifyLane = (context: DealContext, dealer: number, bytes: Uint8Array) => Promise<DealFault | undefined>;

function startPool({ engines, agreement }: CeremonyTools, members: number, jobs: number) {
  if (members < MEMBERS_FOR_THREADS) {
    const here: VerifyLane = async (context, dealer, bytes) => {
      await setImmediate();
      return faultOfDeal(engines[context.suite], agreement, dealInstance(context, dealer), bytes);
    };
    return { lanes: [here], close: async () => {} };
  }
  const threads = Array.from({ length: Math.min(availableParallelism(), MAX_THREADS, jobs) }, createReshareThread);
  return {
    lanes: threads.map((thread): VerifyLane => thread.verify),
    close: async () => void (await Promise.all(threads.map((thread) => thread.close()))),
  };
}
