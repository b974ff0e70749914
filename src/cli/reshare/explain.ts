/** Where a change of members stands, in plain sentences: what was done, what is going on, and who is waited for. */
import type { AttemptAnswer, OpenProposalAnswer, ReconfigurationAnswer } from "../../api/reconfiguration.ts";
import type { AttemptKind, Proposal } from "../../ledger/reconfiguration/types.ts";
import type { Address } from "../../lib/hex.ts";
import { maxFaulty, quorumOf } from "../../lib/math.ts";

/** Who comes and who goes, against the current committee. */
export interface Change {
  readonly stays: readonly Address[];
  readonly joins: readonly Address[];
  readonly leaves: readonly Address[];
}

export function changeOf(members: readonly Address[], proposal: Proposal): Change {
  const next = proposal.members.map(({ address }) => address);
  return {
    stays: members.filter((address) => next.includes(address)),
    joins: next.filter((address) => !members.includes(address)),
    leaves: members.filter((address) => !next.includes(address)),
  };
}

/** t or more members of one past committee outside: together they could still sign with the old key, so there must be a new one. */
export function kindOf(
  past: readonly { readonly members: readonly Address[]; readonly threshold: number }[],
  proposal: Proposal,
): AttemptKind {
  const next = new Set(proposal.members.map(({ address }) => address));
  const isLost = past.some(({ members, threshold }) => {
    const outside = members.filter((address) => !next.has(address)).length;
    return outside >= threshold;
  });
  return isLost ? "generation" : "reshare";
}

export function describeKind(kind: AttemptKind): string {
  return kind === "reshare"
    ? "reshare: the group key stays, no contract hears of it"
    : "generation: a new group key, and a handover that the old key signs, because t or more members of a past committee are gone";
}

/** The new committee, member by member. */
export function describeProposal(members: readonly Address[], proposal: Proposal): string[] {
  const n = proposal.members.length;
  const { leaves } = changeOf(members, proposal);
  return [
    `epoch ${proposal.epoch}, attempt ${proposal.attempt}: ${n} members, f = ${maxFaulty(n)}, t = ${quorumOf(n)}`,
    ...proposal.members.map(({ address, multiaddrs }, index) => {
      const before = members.indexOf(address);
      const was = before < 0 ? "joins" : before === index ? "stays" : `stays (was ${before})`;
      return `  ${index} ${address}  ${was}  ${multiaddrs.join(" ")}`;
    }),
    ...leaves.map((address) => `  - ${address}  leaves`),
  ];
}

export function explain(answer: ReconfigurationAnswer): string[] {
  const { committeeId, epoch, members, open, attempt } = answer;
  const lines = [`Committee ${committeeId} is in epoch ${epoch} with ${members.length} members.`];
  if (attempt !== undefined) lines.push(...explainAttempt(answer, attempt));
  for (const proposal of open) lines.push(...explainOpen(answer, proposal));
  if (attempt === undefined && open.length === 0) lines.push("No change of members is under way.");
  return lines;
}

function explainOpen(answer: ReconfigurationAnswer, open: OpenProposalAnswer): string[] {
  const { proposal, digest, approvals, approvalsNeeded, waitingFor } = open;
  const missing = Math.max(0, approvalsNeeded - approvals.length);
  return [
    `Proposed: ${summary(answer, proposal)} (digest ${digest}).`,
    `  Approved by ${approvals.length}, of ${approvalsNeeded} needed: ${names(answer, approvals)}.`,
    `  Waits for ${missing} more of: ${names(answer, waitingFor)}.`,
  ];
}

function explainAttempt(answer: ReconfigurationAnswer, attempt: AttemptAnswer): string[] {
  const { proposal, digest, kind, phase, qualified, dealersNeeded, ready, readyNeeded, handover, handoversNeeded } =
    attempt;
  const waits = (task: string): string =>
    `  Waits for ${attempt.needed} more ${task}, from any of: ${names(answer, attempt.waitingFor, proposal)}.`;
  const lines = [
    `Approved and under way: ${summary(answer, proposal)} (digest ${digest}).`,
    `  It is a ${describeKind(kind)}.`,
    `  Deals that count: ${qualified.length}, of ${dealersNeeded} needed${listed(answer, qualified)}.`,
  ];
  if (phase === "dealing") lines.push(waits("deals of current members"));
  else
    lines.push(
      `  New members that hold their shares: ${ready.length}, of ${readyNeeded} needed${listed(answer, ready, proposal)}.`,
    );
  if (phase === "opening") lines.push(waits("new members to open their shares"));
  if (handover !== undefined) {
    const { signed, statement } = handover;
    lines.push(
      `  Handover ${statement.number} to the new key is signed by ${signed.length}, of ${handoversNeeded} needed${listed(answer, signed)}.`,
    );
  }
  if (phase === "handover") lines.push(waits("current members to sign the handover"));
  if (phase === "closing") {
    lines.push(`  Nothing is waited for: epoch ${answer.epoch} ends in ${attempt.closesIn ?? 0} rounds.`);
  }
  for (const { member, code, suite } of attempt.faults) {
    lines.push(`  Caught: ${name(answer, member, proposal)}: ${code}${suite === undefined ? "" : ` (${suite})`}.`);
  }
  return lines;
}

function summary({ members }: ReconfigurationAnswer, proposal: Proposal): string {
  const { joins, leaves } = changeOf(members, proposal);
  const counts = [
    ...(joins.length === 0 ? [] : [`${joins.length} join`]),
    ...(leaves.length === 0 ? [] : [`${leaves.length} leave`]),
  ];
  const what = counts.length === 0 ? "the same members, fresh shares" : counts.join(", ");
  return `epoch ${proposal.epoch} with ${proposal.members.length} members, attempt ${proposal.attempt} (${what})`;
}

function listed(answer: ReconfigurationAnswer, addresses: readonly Address[], proposal?: Proposal): string {
  return addresses.length === 0 ? "" : ` (${names(answer, addresses, proposal)})`;
}

function names(answer: ReconfigurationAnswer, addresses: readonly Address[], proposal?: Proposal): string {
  return addresses.length === 0 ? "nobody" : addresses.map((address) => name(answer, address, proposal)).join(", ");
}

function name({ members }: ReconfigurationAnswer, address: Address, proposal?: Proposal): string {
  const index = members.indexOf(address);
  if (index >= 0) return `member ${index} (${address})`;
  const next = proposal?.members.findIndex((member) => member.address === address) ?? -1;
  return next < 0 ? address : `new member ${next} (${address})`;
}
