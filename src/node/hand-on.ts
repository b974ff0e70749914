/** What becomes of instructions whose member is in no committee any more. */
import { createApiClient } from "../api/client.ts";
import type { SignedInstruction } from "../ledger/types.ts";
import type { NodeTools } from "./run-epoch.ts";

/** To members who can still decide them; each checks for itself. What nobody takes is logged. Never throws for an API that refuses. */
export async function handOn(
  { config, logger }: Pick<NodeTools, "config" | "logger">,
  instructions: readonly SignedInstruction[],
  signal: AbortSignal,
): Promise<void> {
  if (instructions.length === 0) return;
  for (const url of config.join?.apis ?? []) {
    try {
      await createApiClient({ url }).submit(instructions, { signal });
      return logger.info("handed on what this member's users were waiting for", { url, count: instructions.length });
    } catch (error) {
      logger.warn("a member did not take what this member's users were waiting for", { url, error });
    }
  }
  logger.error("instructions of this member's users are not decided: they have to be submitted to another member", {
    count: instructions.length,
  });
}
