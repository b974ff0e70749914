/**
 * The files of a change of members: what each future member announces for one attempt, and the proposal made of them.
 * Nothing in them is secret; each announcement is signed by its member, and a proposal is what members approve by its digest.
 */
import * as z from "zod";
import { proposal, proposedMember } from "../../api/reconfiguration.ts";
import * as w from "../../api/wire.ts";
import type { Proposal, ProposedMember } from "../../ledger/reconfiguration/types.ts";
import type { Hex } from "../../lib/hex.ts";

export interface ReshareAnnouncement {
  readonly committeeId: Hex;
  readonly epoch: bigint;
  readonly attempt: bigint;
  readonly member: ProposedMember;
}

export interface ProposalFile {
  readonly committeeId: Hex;
  readonly proposal: Proposal;
}

const announcementSchema = z.strictObject({
  format: z.literal("clockless/reshare-announcement/1"),
  committeeId: w.bytes32,
  epoch: w.uint64,
  attempt: w.uint64,
  member: proposedMember,
});
const proposalSchema = z.strictObject({
  format: z.literal("clockless/reshare-proposal/1"),
  committeeId: w.bytes32,
  proposal,
});

export const ANNOUNCEMENT_PREFIX = "reshare-announcement-";

export function announcementFileName({ epoch, attempt, member }: ReshareAnnouncement): string {
  return `${ANNOUNCEMENT_PREFIX}${epoch}-${attempt}-${member.address}.json`;
}

export function proposalFileName({ epoch, attempt }: Proposal): string {
  return `reshare-proposal-${epoch}-${attempt}.json`;
}

export function encodeReshareAnnouncement(announcement: ReshareAnnouncement): string {
  return print(z.encode(announcementSchema, { format: "clockless/reshare-announcement/1", ...announcement }));
}

/** Undefined for text that is no such file. */
export function parseReshareAnnouncement(text: string): ReshareAnnouncement | undefined {
  const value = parse(announcementSchema, text);
  if (value === undefined) return undefined;
  const { format: _, ...announcement } = value;
  return announcement;
}

export function encodeProposalFile({ committeeId, proposal: content }: ProposalFile): string {
  return print(z.encode(proposalSchema, { format: "clockless/reshare-proposal/1", committeeId, proposal: content }));
}

/** Undefined for text that is no such file. */
export function parseProposalFile(text: string): ProposalFile | undefined {
  const value = parse(proposalSchema, text);
  return value === undefined ? undefined : { committeeId: value.committeeId, proposal: value.proposal };
}

function print(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function parse<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
