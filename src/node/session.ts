/** One epoch as the network sees it: whose indices messages carry. */
import type { ProposedMember } from "../ledger/reconfiguration/types.ts";
import type { Committee } from "../threshold/committee.ts";
import type { PeerConfig, Transport } from "../transport/port.ts";

export interface Session {
  readonly committee: Committee;
  /** Own index in it. */
  readonly self: number;
}

/** Where the members of a later epoch are found, by index; `announced`: what they said when they were proposed. */
export type PeersOf = (announced: readonly ProposedMember[]) => readonly PeerConfig[];

/** To one member of the session's committee, or to all others. The transport must be in that session. */
export function sendTo(
  transport: Transport,
  { committee, self }: Session,
  to: number | "all",
  bytes: Uint8Array,
): void {
  const peers = to === "all" ? committee.members.keys() : [to];
  for (const peer of peers) if (peer !== self) transport.send(peer, bytes);
}
