/** Which member a configuration makes this node in the first epoch; later ones are found by their address. */
import { NodeConfigError } from "./config.ts";
import { indexOf } from "./epoch-start.ts";
import type { NodeTools } from "./run-epoch.ts";

/** The keys are checked against it. @throws NodeConfigError notInCommittee, peersMismatch */
export function firstIndex({ config, first, address }: Pick<NodeTools, "config" | "first" | "address">): number {
  const n = first.members.length;
  const index = config.index ?? indexOf(first, address);
  if (index === undefined || index >= n) {
    throw new NodeConfigError("notInCommittee", `index ${index} is no member: the committee has members 0 to ${n - 1}`);
  }
  const mismatch = first.members.findIndex((member, i) => config.p2p.peers[i]?.address !== member.address);
  if (mismatch >= 0 || config.p2p.peers.length !== n) {
    throw new NodeConfigError(
      "peersMismatch",
      "p2p.peers must list every committee member's address in the committee's order",
      {
        details: { index: mismatch >= 0 ? mismatch : n },
      },
    );
  }
  return index;
}
