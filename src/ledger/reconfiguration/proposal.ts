/** What a proposal leads to, and why one is refused. Pure functions of the proposal and of the committees there were. */
import type { Address } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";
import { DEFAULT_ROUNDS, type DealContext } from "../../threshold/associated-data.ts";
import type { Committee } from "../../threshold/committee.ts";
import type { EncryptionKeyFault } from "../../threshold/encryption-key.ts";
import type { Suite, ThresholdKey } from "../../threshold/types.ts";
import { MAX_PAST_COMMITTEES, MAX_PROPOSED_MEMBERS, MIN_PROPOSED_MEMBERS } from "../limits.ts";
import type { AttemptKind, Proposal, ReshareScheme } from "./types.ts";

/** Who held shares of the current group key in some epoch, and how many of them make a signature. */
export interface Holders {
  readonly members: readonly Address[];
  readonly threshold: number;
}

export type ProposalFault = "wrongSize" | "repeatedMember" | EncryptionKeyFault;

export function holdersOf({ members, keys }: Committee): Holders {
  return { members: members.map(({ address }) => address), threshold: keys["bls12-381"].threshold };
}

/** Undefined when the proposal may be approved. Epoch and attempt are the caller's business. Never throws on foreign values. */
export function faultOfProposal(
  scheme: ReshareScheme,
  committee: Committee,
  proposal: Proposal,
): ProposalFault | undefined {
  const { members } = proposal;
  if (members.length < MIN_PROPOSED_MEMBERS || members.length > MAX_PROPOSED_MEMBERS) return "wrongSize";
  if (new Set(members.map(({ address }) => address)).size !== members.length) return "repeatedMember";
  return scheme.faultOfAnnouncements(committee.id, proposal);
}

/**
 * A reshare keeps the group key, so whoever left keeps a share that was worth something: as soon as the leavers of any one epoch of
 * this key are enough to sign, they could make signatures of it together (threshold.md). So could those of an epoch that is no
 * longer remembered.
 */
export function kindOf({ members }: Proposal, holders: readonly Holders[]): AttemptKind {
  const stays = new Set(members.map(({ address }) => address));
  const isOut = (past: Holders): boolean => past.members.filter((who) => !stays.has(who)).length >= past.threshold;
  return holders.length > MAX_PAST_COMMITTEES || holders.some(isOut) ? "generation" : "reshare";
}

/** Adds one epoch's holders. Left out is what another epoch implies: no fewer members, and no more of them needed. */
export function remember(past: readonly Holders[], next: Holders): Holders[] {
  const implies = (a: Holders, b: Holders): boolean =>
    a.threshold <= b.threshold && b.members.every((member) => a.members.includes(member));
  if (past.some((known) => implies(known, next))) return [...past];
  return [...past.filter((known) => !implies(next, known)), next];
}

/** One context per suite: what deals of this attempt are made, verified and opened with. */
export function contextsOf(
  committeeId: Committee["id"],
  dealers: readonly Address[],
  oldKeys: Readonly<Record<Suite, ThresholdKey>>,
  { epoch, attempt, members }: Proposal,
  kind: AttemptKind,
): Readonly<Record<Suite, DealContext>> {
  const context = (suite: Suite): DealContext => ({
    domain: committeeId,
    epoch,
    attempt,
    suite,
    kind,
    dealers,
    oldKey: oldKeys[suite],
    recipients: members.map(({ address, encryptionKey }) => ({ address, encryptionKey })),
    threshold: quorumOf(members.length),
    rounds: DEFAULT_ROUNDS,
  });
  return { "bls12-381": context("bls12-381"), bn254: context("bn254") };
}
