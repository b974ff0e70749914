/** The thread that a node computes in while its committee changes (reshare-thread.ts starts it): orders in, answers out, one by one. */
import { randomBytes } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { createNativeKeyAgreement } from "../keys/native-agreement.ts";
import { installNativeKeccak } from "../keys/native-keccak.ts";
import { isClocklessError } from "../lib/errors.ts";
import { createDealEngines } from "../threshold/deal-engines.ts";
import { carryOut, type ReshareOrder, type ReshareTools } from "./reshare-work.ts";

export type ReshareAnswer = { readonly id: number } & (
  | { readonly result: unknown }
  /** `code` of a ThresholdError; undefined: a bug. */
  | { readonly code: string | undefined; readonly message: string }
);

if (parentPort !== null) {
  const port = parentPort;
  const tools: Promise<ReshareTools> = installNativeKeccak()
    .then(() => createDealEngines("fast"))
    .then((engines) => ({
      engines,
      agreement: createNativeKeyAgreement(),
      random: (length) => Uint8Array.from(randomBytes(length)),
    }));
  port.on("message", async ({ id, order }: { id: number; order: ReshareOrder }) => {
    try {
      port.postMessage({ id, result: carryOut(await tools, order) } satisfies ReshareAnswer);
    } catch (error) {
      const code = isClocklessError(error) ? error.code : undefined;
      const message = error instanceof Error ? error.message : String(error);
      port.postMessage({ id, code, message } satisfies ReshareAnswer);
    }
  });
}
