/**
 * The door for transactions that change the committee: what the ledger would count if it were ordered now. The ledger checks all of
 * it again; this one only keeps junk out of our memory and our blocks, and tells honest senders at once.
 */

import { LedgerError } from "../ledger/codes.ts";
import { approvalDigest, proposalDigest, readySignatureDigest } from "../ledger/reconfiguration/digests.ts";
import { faultOfProposal } from "../ledger/reconfiguration/proposal.ts";
import type { EpochsView, EpochTransaction, ReshareScheme } from "../ledger/reconfiguration/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import { dealBundleDigest } from "../threshold/deal-select.ts";
import { SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";
import type { TransactionCode } from "./types.ts";

/** Undefined: to be held and proposed. Signatures are looked at last. */
export function faultOfTransaction(
  transaction: EpochTransaction,
  epochs: EpochsView,
  scheme: ReshareScheme,
): TransactionCode | undefined {
  switch (transaction.kind) {
    case "approve":
      return faultOfApproval(transaction, epochs, scheme);
    case "deal":
      return faultOfDealer(transaction, epochs, scheme);
    case "ready":
      return faultOfReady(transaction, epochs, scheme);
    case "handover":
      return faultOfHandover(transaction, epochs, scheme);
  }
}

/** Who speaks in a transaction. */
export function authorOf(transaction: EpochTransaction): Address {
  return transaction.kind === "deal" ? transaction.dealer : transaction.member;
}

/** The attempt that a transaction is about. */
export function attemptOf(transaction: EpochTransaction): bigint {
  return transaction.kind === "approve" ? transaction.proposal.attempt : transaction.attempt;
}

type Of<Kind extends EpochTransaction["kind"]> = Extract<EpochTransaction, { kind: Kind }>;

function faultOfApproval(
  { proposal, member, signature }: Of<"approve">,
  { committee, attempt, open }: EpochsView,
  scheme: ReshareScheme,
): TransactionCode | undefined {
  const isBound = attempt !== undefined && attempt.phase !== "dealing" && attempt.phase !== "opening";
  const isNewer = proposal.attempt > (attempt?.proposal.attempt ?? 0n);
  if (proposal.epoch !== committee.epoch + 1n || isBound || !isNewer) return "notCurrent";
  if (indexIn(committee, member) < 0) return "stranger";
  let digest: Hex;
  try {
    digest = proposalDigest(committee.id, proposal);
  } catch (error) {
    if (error instanceof LedgerError) return "malformed";
    throw error;
  }
  const others = open.find((other) => other.digest === digest);
  if (others?.approvals.includes(member) === true) return "known";
  if (!scheme.isSignedBy(member, approvalDigest(committee.id, digest, member), signature)) return "badSignature";
  // A proposal that has approvals was checked already.
  if (others === undefined && faultOfProposal(scheme, committee, proposal) !== undefined) return "badProposal";
  return undefined;
}

function faultOfDealer(
  transaction: Of<"deal">,
  { committee, attempt }: EpochsView,
  scheme: ReshareScheme,
): TransactionCode | undefined {
  const { epoch, dealer: address, deals, signature } = transaction;
  if (attempt?.phase !== "dealing" || !isFor(attempt.proposal, epoch, transaction.attempt)) return "notCurrent";
  const dealer = indexIn(committee, address);
  if (dealer < 0) return "stranger";
  if (attempt.dealt.includes(address)) return "known";
  const digest = dealBundleDigest(attempt.contexts["bls12-381"], { dealer, deals });
  return scheme.isSignedBy(address, digest, signature) ? undefined : "badSignature";
}

function faultOfReady(
  transaction: Of<"ready">,
  { committee, attempt }: EpochsView,
  scheme: ReshareScheme,
): TransactionCode | undefined {
  const { epoch, member, partials, signature } = transaction;
  if (attempt?.phase !== "opening" || !isFor(attempt.proposal, epoch, transaction.attempt)) return "notCurrent";
  const { keys, readyDigest } = attempt;
  const index = attempt.proposal.members.findIndex(({ address }) => address === member);
  if (index < 0 || keys === undefined || readyDigest === undefined) return "stranger";
  if (attempt.ready.includes(member)) return "known";
  const digest = readySignatureDigest(committee.id, readyDigest, member, partials);
  if (!scheme.isSignedBy(member, digest, signature)) return "badSignature";
  return arePartials(scheme, keys, index, readyDigest, partials) ? undefined : "badSignature";
}

function faultOfHandover(
  transaction: Of<"handover">,
  { committee, attempt }: EpochsView,
  scheme: ReshareScheme,
): TransactionCode | undefined {
  const { epoch, member, partials } = transaction;
  if (attempt?.phase !== "handover" || !isFor(attempt.proposal, epoch, transaction.attempt)) return "notCurrent";
  const index = indexIn(committee, member);
  if (index < 0 || attempt.handover === undefined) return "stranger";
  if (attempt.handover.signed.includes(member)) return "known";
  return arePartials(scheme, committee.keys, index, attempt.handover.digest, partials) ? undefined : "badSignature";
}

function arePartials(
  scheme: ReshareScheme,
  keys: Readonly<Record<Suite, ThresholdKey>>,
  index: number,
  digest: Hex,
  partials: Readonly<Record<Suite, Hex>>,
): boolean {
  return SUITES.every((suite) => {
    const share = keys[suite].publicShares[index];
    return share !== undefined && scheme.verify(suite, share, digest, partials[suite]);
  });
}

function isFor(
  proposal: { readonly epoch: bigint; readonly attempt: bigint },
  epoch: bigint,
  attempt: bigint,
): boolean {
  return proposal.epoch === epoch && proposal.attempt === attempt;
}

function indexIn({ members }: Committee, address: Address): number {
  return members.findIndex((member) => member.address === address);
}
