/** What a member refuses to begin with. */
import { ConsensusError } from "../consensus/errors.ts";
import { isCertified } from "./checkpoints.ts";
import type { MemberConfig } from "./types.ts";

/**
 * Throws ConsensusError `badConfig`, `badCheckpoint`. A checkpoint may come from our own disk, where a bit may have flipped; others would be
 * given it, and nothing else looks at its certificates.
 */
export function checkConfig(config: MemberConfig): void {
  const { checkpointRounds, heartbeatRounds, checkpoint, committee, engines } = config;
  // Blocks above the newest checkpoints are kept until there are newer ones, and without a heartbeat none come while nobody trades.
  if (checkpointRounds !== undefined && heartbeatRounds === undefined)
    throw new ConsensusError("badConfig", "checkpoints need heartbeats, or an idle committee keeps every block");
  if (checkpoint !== undefined && !isCertified(checkpoint, committee, engines))
    throw new ConsensusError("badCheckpoint", "the checkpoint to go on from is not certified by this committee", {
      details: { sequence: checkpoint.header.sequence },
    });
}
