/**
 * Who wants which proposal. Of each member only the newest attempt it approved counts: a member that changes its mind withdraws what it
 * approved before, and no member can make the ledger hold more than one proposal. Two proposals of one attempt are a fault; the
 * first counts.
 */
import type { Address, Hex } from "../../lib/hex.ts";
import { compareText } from "../../lib/math.ts";
import type { Proposal } from "./types.ts";

export interface Vote {
  readonly attempt: bigint;
  readonly digest: Hex;
  /** Caught approving two proposals of this attempt. */
  readonly isTwice: boolean;
}

/** What an approval would be, before its signature is looked at. */
export type Standing = "new" | "stale" | "repeated" | "twice";

export class Approvals {
  /** Newest vote of each member. */
  readonly votes = new Map<Address, Vote>();
  /** How many proposals were examined in this epoch because of each member. */
  readonly examined = new Map<Address, number>();
  /** By digest: what some counting vote is for. */
  readonly proposals = new Map<Hex, Proposal>();

  standing(member: Address, attempt: bigint, digest: Hex): Standing {
    const vote = this.votes.get(member);
    if (vote === undefined || vote.attempt < attempt) return "new";
    if (vote.attempt > attempt) return "stale";
    return vote.digest === digest || vote.isTwice ? "repeated" : "twice";
  }

  /** Members whose vote counts for a proposal, ascending. */
  of(digest: Hex): Address[] {
    const members: Address[] = [];
    for (const [member, vote] of this.votes) if (vote.digest === digest) members.push(member);
    return members.sort(compareText);
  }

  count(member: Address, digest: Hex, proposal: Proposal): void {
    this.replace(member, { attempt: proposal.attempt, digest, isTwice: false });
    this.proposals.set(digest, proposal);
  }

  /** What a member approved can never be: remembered all the same, so that a repetition is not examined again. */
  refuse(member: Address, digest: Hex, attempt: bigint): void {
    this.replace(member, { attempt, digest, isTwice: false });
  }

  blame(member: Address): void {
    this.votes.set(member, { ...this.votes.get(member)!, isTwice: true });
  }

  /** An attempt took effect: what was approved up to it is settled. Returns who approved it twice. */
  settle(attempt: bigint): Address[] {
    const twice: Address[] = [];
    for (const [member, vote] of this.votes) {
      if (vote.attempt > attempt) continue;
      if (vote.attempt === attempt && vote.isTwice) twice.push(member);
      this.votes.delete(member);
    }
    for (const [digest, proposal] of this.proposals) if (proposal.attempt <= attempt) this.proposals.delete(digest);
    return twice.sort(compareText);
  }

  private replace(member: Address, vote: Vote): void {
    const previous = this.votes.get(member)?.digest;
    this.votes.set(member, vote);
    if (previous !== undefined && this.of(previous).length === 0) this.proposals.delete(previous);
  }
}
