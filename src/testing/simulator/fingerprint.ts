/** What a member is, apart from what it counts: equal before and after a message that it must not act upon. */
import type { Member } from "../../member/member.ts";

export function stateOf(member: Member): string {
  const { consensus, ledger } = member;
  const { blocks, pending, wanted, shares } = consensus.sizes;
  const { round, author } = consensus.nextDecision;
  const newest = consensus.blocksAt(consensus.highestRound).map(({ digest }) => digest.slice(2, 10));
  return [
    `blocks ${blocks} pending ${pending} wanted ${wanted} shares ${shares}`,
    `highest ${consensus.highestRound} ${newest.join(" ")} own ${consensus.lastOwnRound} floor ${consensus.floor}`,
    `next ${round}/${author} clock ${consensus.vectorClock.join(" ")} exposed ${[...consensus.exposedAuthors].join(" ")}`,
    `ledger ${ledger.sequence} ${ledger.digest.slice(2, 10)} certified ${member.certifiedSequence}`,
    `instructions ${member.pendingInstructions} silent ${consensus.isSignedElsewhere}`,
  ].join("; ");
}
