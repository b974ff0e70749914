/** What a member refuses to begin with. */
import { ConsensusError } from "../consensus/errors.ts";
import type { MemberConfig } from "./types.ts";

/** Throws ConsensusError `badConfig`. */
export function checkConfig({ checkpointRounds, heartbeatRounds }: MemberConfig): void {
  // Blocks above the newest checkpoints are kept until there are newer ones, and without a heartbeat none come while nobody trades.
  if (checkpointRounds !== undefined && heartbeatRounds === undefined)
    throw new ConsensusError("badConfig", "checkpoints need heartbeats, or an idle committee keeps every block");
}
