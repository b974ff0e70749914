/** What a running node finds out about itself and cannot go on with. */
import { ClocklessError } from "../lib/errors.ts";

/** - `staleStore`: others hold blocks that this member signed and its data directory does not have. Nothing may be signed with it. */
export class NodeStateError extends ClocklessError<"staleStore"> {
  override readonly name = "NodeStateError";
}

export function staleStore(epoch: bigint, knownRound: number): NodeStateError {
  return new NodeStateError(
    "staleStore",
    "other members hold blocks that this member signed and that its data directory does not have: an older copy was put back, the disk " +
      "was lost, or another process signs with the same key. Stop any such process; then say so with `clockless node declare-loss`, " +
      "and run this node again: it follows without signing until the next epoch",
    { details: { epoch, knownRound }, docsPath: "errors#node-staleStore" },
  );
}
