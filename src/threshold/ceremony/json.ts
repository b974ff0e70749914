/** The ceremony's files as JSON. What does not parse is refused whole: unknown keys as well, since nobody signed them. */
import * as z from "zod";
import { decodeForeign } from "../../lib/foreign-json.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import { SUITES, type Suite } from "../types.ts";
import type { ApprovalFile } from "./approval.ts";
import type { CeremonyDeal } from "./deals.ts";
import { type CommitteeDefinition, checkDefinition } from "./definition.ts";
import { CeremonyError } from "./faults.ts";
import { type Announcement, MAX_MEMBERS } from "./roster.ts";

const hexOf = (bytes: number): z.ZodType<Hex> =>
  // CAST: the pattern requires the 0x prefix, which is all the type says.
  z.string().regex(new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`)) as unknown as z.ZodType<Hex>;
const hexBytes = (max: number): z.ZodType<Hex> =>
  z
    .string()
    .max(2 + 2 * max)
    .regex(/^0x(?:[0-9a-f]{2})+$/) as unknown as z.ZodType<Hex>; // CAST: as above

const address = hexOf(20);
const name = z.string().min(1).max(64);
const index = z
  .int()
  .min(0)
  .max(MAX_MEMBERS - 1);
/** A deal for 1024 members has 5 MB. */
const MAX_DEAL_BYTES = 8 << 20;

const announced = {
  member: address,
  publicKey: hexOf(33),
  key: hexOf(32),
  proof: hexOf(64),
  signature: hexOf(65),
  multiaddrs: z.array(z.string().min(1).max(256)).max(16),
};
const announcementSchema = z.strictObject({
  format: z.literal("clockless/announcement/1"),
  ceremony: name,
  ...announced,
});

const dealSchema = z.strictObject({
  format: z.literal("clockless/deal/1"),
  ceremony: name,
  dealer: address,
  members: z.array(z.strictObject({ member: address, key: hexOf(32) })).max(MAX_MEMBERS),
  signature: hexOf(65),
  deals: z.strictObject({ "bls12-381": hexBytes(MAX_DEAL_BYTES), bn254: hexBytes(MAX_DEAL_BYTES) }),
});

const approvalBody = {
  partials: z.strictObject({ "bls12-381": hexOf(48), bn254: hexOf(64) }),
  signature: hexOf(65),
};
const approvalSchema = z.strictObject({
  format: z.literal("clockless/approval/1"),
  ceremony: name,
  committeeId: hexOf(32),
  member: address,
  ...approvalBody,
});

const keySchema = (bytes: number) =>
  z.strictObject({ groupKey: hexOf(bytes), publicShares: z.array(hexOf(bytes)).max(MAX_MEMBERS) });
export const definitionSchema = z.strictObject({
  format: z.literal("clockless/committee-definition/1"),
  ceremony: name,
  committeeId: hexOf(32),
  /** For people; everything follows from the list of members. */
  n: z.int(),
  f: z.int(),
  threshold: z.int(),
  members: z.array(z.strictObject(announced)).max(MAX_MEMBERS),
  deals: z.array(z.strictObject({ dealer: index, "bls12-381": hexOf(32), bn254: hexOf(32) })).max(MAX_MEMBERS),
  keys: z.strictObject({ "bls12-381": keySchema(96), bn254: keySchema(128) }),
  approvals: z.array(z.strictObject({ member: index, ...approvalBody })).max(MAX_MEMBERS),
});
export type DefinitionJson = z.infer<typeof definitionSchema>;

const print = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;

export function encodeAnnouncement({ ceremony, ...rest }: Announcement): string {
  const { member, publicKey, key, proof, signature, multiaddrs } = rest;
  return print({
    format: "clockless/announcement/1",
    ceremony,
    member,
    publicKey,
    key,
    proof,
    signature,
    multiaddrs,
  });
}

export function encodeCeremonyDeal({ ceremony, dealer, members, signature, deals }: CeremonyDeal): string {
  return print({
    format: "clockless/deal/1",
    ceremony,
    dealer,
    members,
    signature,
    deals: { "bls12-381": bytesToHex(deals["bls12-381"]), bn254: bytesToHex(deals.bn254) },
  });
}

export function encodeApproval({ ceremony, committeeId, member, partials, signature }: ApprovalFile): string {
  return print({ format: "clockless/approval/1", ceremony, committeeId, member, partials, signature });
}

export function definitionToJson({ committeeId, roster, deals, keys, approvals }: CommitteeDefinition): DefinitionJson {
  const n = roster.announcements.length;
  const key = (suite: Suite) => ({ groupKey: keys[suite].groupKey, publicShares: [...keys[suite].publicShares] });
  return {
    format: "clockless/committee-definition/1",
    ceremony: roster.ceremony,
    committeeId,
    n,
    f: maxFaulty(n),
    threshold: quorumOf(n),
    members: roster.announcements.map(({ member, publicKey, key, proof, signature, multiaddrs }) => ({
      member,
      publicKey,
      key,
      proof,
      signature,
      multiaddrs: [...multiaddrs],
    })),
    deals: deals.map(({ dealer, digests }) => ({ dealer, ...digests })),
    keys: { "bls12-381": key("bls12-381"), bn254: key("bn254") },
    approvals: approvals.map(({ member, partials, signature }) => ({ member, partials, signature })),
  };
}

export function encodeDefinition(definition: CommitteeDefinition): string {
  return print(definitionToJson(definition));
}

/** Undefined for text that is no such file. */
export function parseAnnouncement(text: string): Announcement | undefined {
  const value = parse(announcementSchema, text);
  if (value === undefined) return undefined;
  const { format: _, ...announcement } = value;
  return announcement;
}

/** Undefined for text that is no such file. */
export function parseCeremonyDeal(text: string): CeremonyDeal | undefined {
  const value = parse(dealSchema, text);
  if (value === undefined) return undefined;
  const { format: _, deals, ...rest } = value;
  return { ...rest, deals: { "bls12-381": hexToBytes(deals["bls12-381"]), bn254: hexToBytes(deals.bn254) } };
}

/** Undefined for text that is no such file. */
export function parseApproval(text: string): ApprovalFile | undefined {
  const value = parse(approvalSchema, text);
  if (value === undefined) return undefined;
  const { format: _, ...approval } = value;
  return approval;
}

/** Approvals in it are not verified: ask `requireFinal` or `faultOfApproval`. Throws malformedDefinition. */
export function parseDefinition(text: string): CommitteeDefinition {
  const value = parse(definitionSchema, text);
  if (value === undefined) throw new CeremonyError("malformedDefinition", "the file is no committee definition");
  return definitionFromJson(value);
}

/** Throws malformedDefinition. */
export function definitionFromJson(json: DefinitionJson): CommitteeDefinition {
  const { ceremony, committeeId, members, deals, keys, approvals } = json;
  const n = members.length;
  const isCounted = json.n === n && json.f === maxFaulty(n) && json.threshold === quorumOf(n);
  if (!isCounted) {
    throw new CeremonyError("malformedDefinition", "n, f and threshold of the definition are not those of its members");
  }
  return checkDefinition(
    ceremony,
    members.map((member) => ({ ceremony, ...member })),
    {
      committeeId,
      deals: deals.map(({ dealer, ...digests }) => ({ dealer, digests })),
      keys: {
        "bls12-381": { suite: SUITES[0], threshold: json.threshold, ...keys["bls12-381"] },
        bn254: { suite: SUITES[1], threshold: json.threshold, ...keys.bn254 },
      },
      approvals,
    },
  );
}

function parse<T>(schema: z.ZodType<T>, text: string): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const result = decodeForeign(schema, value);
  return result.success ? result.data : undefined;
}
