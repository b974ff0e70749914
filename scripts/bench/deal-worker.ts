/** Verifies one deal several times, as one of the threads of `threshold.ts --reshare`. */
import { workerData } from "node:worker_threads";
import { createNativeKeyAgreement } from "../../src/keys/native-agreement.ts";
import type { DealInstance } from "../../src/threshold/associated-data.ts";
import { createDealEngines } from "../../src/threshold/deal-engines.ts";
import { faultOfDeal } from "../../src/threshold/deal-verify.ts";
import { createKeyAgreement } from "../../src/threshold/key-agreement.ts";

interface Work {
  readonly instance: DealInstance;
  readonly bytes: Uint8Array;
  readonly keyAgreement: string;
  readonly times: number;
}

// CAST: what threshold.ts passes.
const { instance, bytes, keyAgreement, times } = workerData as Work;
const engines = await createDealEngines("fast");
const agreement = keyAgreement === "native" ? createNativeKeyAgreement() : createKeyAgreement();
for (let i = 0; i < times; i++) {
  const fault = faultOfDeal(engines[instance.suite], agreement, instance, bytes);
  if (fault !== undefined) throw new Error(`the benchmark's own deal does not verify: ${fault}`);
}
