/**
 * A member's word that it verified the whole ceremony and holds its share in every suite.
 *
 *   founding = EIP-712 Founding(bytes32 roster), salt = committee id             what each share signs
 *   approval = EIP-712 Approval(address member,bytes32 bls12381,bytes32 bn254)   what the identity signs; same salt, the
 *              hashes are keccak-256 of the two partials
 *
 * The identity signs the partials, so that a wrong one under a right signature is the member's own doing, and anything
 * else may have happened on the way.
 */
import { isSignatureBy } from "../../lib/ecdsa.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash, word } from "../../lib/eip712.ts";
import { keccak256 } from "../../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";
import { combinePartials } from "../combine.ts";
import { type Engine, SUITES, type Suite } from "../types.ts";
import type { CommitteeDefinition } from "./definition.ts";
import { CeremonyError, type CeremonyFault, type Verdict } from "./faults.ts";

export interface Approval {
  /** Index. */
  readonly member: number;
  /** Partial signatures over the founding digest. */
  readonly partials: Readonly<Record<Suite, Hex>>;
  /** The member's identity over the approval's digest. */
  readonly signature: Hex;
}

/** An approval as a file of its own, which has to say what it is of. */
export interface ApprovalFile {
  readonly ceremony: string;
  readonly committeeId: Hex;
  readonly member: Address;
  readonly partials: Approval["partials"];
  readonly signature: Hex;
}

const FOUNDING_TYPE_HASH = typeHash("Founding(bytes32 roster)");
const APPROVAL_TYPE_HASH = typeHash("Approval(address member,bytes32 bls12381,bytes32 bn254)");

export type Engines = Readonly<Record<Suite, Engine>>;
type Definition = Pick<CommitteeDefinition, "committeeId" | "roster" | "keys">;

export function foundingDigest({ committeeId, roster }: Pick<Definition, "committeeId" | "roster">): Hex {
  return typedDigest(domainSeparator(committeeId), hashStruct(FOUNDING_TYPE_HASH, word(roster.digest)));
}

export function approvalDigest(committeeId: Hex, member: Address, partials: Approval["partials"]): Hex {
  const struct = hashStruct(
    APPROVAL_TYPE_HASH,
    word(member),
    keccak256(hexToBytes(partials["bls12-381"])),
    keccak256(hexToBytes(partials.bn254)),
  );
  return typedDigest(domainSeparator(committeeId), struct);
}

/** To be called only after the definition was verified, the shares stored, and the approval registered. */
export function approve(
  engines: Engines,
  definition: Definition,
  member: number,
  shares: Readonly<Record<Suite, Uint8Array>>,
  sign: (digest: Hex) => Hex,
): Approval {
  const digest = hexToBytes(foundingDigest(definition));
  const partial = (suite: Suite): Hex => bytesToHex(engines[suite].sign(shares[suite], digest));
  const partials = { "bls12-381": partial("bls12-381"), bn254: partial("bn254") };
  const address = definition.roster.announcements[member]!.member;
  return { member, partials, signature: sign(approvalDigest(definition.committeeId, address, partials)) };
}

/** Undefined when the approval counts. Never throws on foreign values. */
export function faultOfApproval(
  engines: Engines,
  definition: Definition,
  approval: Approval,
): CeremonyFault | undefined {
  const { roster, committeeId, keys } = definition;
  const address = roster.announcements[approval.member]?.member;
  const fault = (verdict: Verdict, reason: string): CeremonyFault => ({
    file: "approval",
    verdict,
    ...(address === undefined ? {} : { member: address }),
    reason,
  });
  if (address === undefined) return fault("foreign", "notAMember");
  if (!isSigned(committeeId, address, approval)) return fault("corrupt", "badSignature");
  const digest = hexToBytes(foundingDigest(definition));
  for (const suite of SUITES) {
    const publicShare = hexToBytes(keys[suite].publicShares[approval.member]!);
    if (!engines[suite].verify(publicShare, digest, hexToBytes(approval.partials[suite]))) {
      return fault("malicious", `wrongPartial in ${suite}`);
    }
  }
  return undefined;
}

/** Adds approvals that count to those already there; the others are named. The same one again is no fault. */
export function addApprovals(
  engines: Engines,
  definition: CommitteeDefinition,
  files: readonly ApprovalFile[],
): { readonly definition: CommitteeDefinition; readonly faults: readonly CeremonyFault[] } {
  const { roster, committeeId } = definition;
  const byMember = new Map(definition.approvals.map((approval) => [approval.member, approval]));
  const faults: CeremonyFault[] = [];
  const others: ApprovalFile[] = [];
  for (const file of files) {
    const { member: address, partials, signature } = file;
    const member = roster.announcements.findIndex((announcement) => announcement.member === address);
    const fault = (verdict: Verdict, reason: string): CeremonyFault => ({
      file: "approval",
      verdict,
      member: address,
      reason,
    });
    if (file.ceremony !== roster.ceremony) faults.push(fault("foreign", "otherCeremony"));
    else if (!isSigned(file.committeeId, address, file)) faults.push(fault("corrupt", "badSignature"));
    else if (member < 0) faults.push(fault("foreign", "notAMember"));
    else if (file.committeeId !== committeeId) others.push(file);
    else {
      const wrong = faultOfApproval(engines, definition, { member, partials, signature });
      if (wrong !== undefined) faults.push(wrong);
      else if (!byMember.has(member)) byMember.set(member, { member, partials, signature });
    }
  }
  const merged = [...byMember.values()].sort((a, b) => a.member - b.member);
  for (const { member: address } of others) {
    // A member approves one definition in a ceremony: two could otherwise both become final.
    const isTwice = merged.some(({ member }) => roster.announcements[member]!.member === address);
    const [verdict, reason] = isTwice
      ? (["malicious", "approvedTwice"] as const)
      : (["foreign", "otherCommittee"] as const);
    faults.push({ file: "approval", verdict, member: address, reason });
  }
  return { definition: { ...definition, approvals: merged }, faults };
}

/** Members whose approval is not there yet. */
export function waitedFor({ roster, approvals }: CommitteeDefinition): Address[] {
  const approved = new Set(approvals.map(({ member }) => member));
  return roster.announcements.filter((_, index) => !approved.has(index)).map(({ member }) => member);
}

/**
 * Final means: n − f identities signed, and their partials make a signature of each group key. Honest members sign one
 * definition per ceremony, and two sets of n − f have an honest member in common, so that there is only one final one.
 * Checks optimistically: one pairing per suite when all is well. Throws notFinal, corruptFile, maliciousFile.
 */
export function requireFinal(engines: Engines, definition: CommitteeDefinition): void {
  const { roster, committeeId, keys, approvals } = definition;
  const quorum = quorumOf(roster.announcements.length);
  if (approvals.length < quorum) {
    const missing = waitedFor(definition);
    throw new CeremonyError(
      "notFinal",
      `${approvals.length} of ${quorum} approvals so far; waited for: ${missing.join(", ")}`,
      { details: { approvals: approvals.length, needed: quorum, waitedFor: missing }, isTransient: true },
    );
  }
  const digest = hexToBytes(foundingDigest(definition));
  const isRight =
    approvals.every((approval) => {
      const address = roster.announcements[approval.member]?.member;
      return address !== undefined && isSigned(committeeId, address, approval);
    }) &&
    SUITES.every((suite) => {
      const partials = new Map(approvals.map(({ member, partials }) => [member, hexToBytes(partials[suite])]));
      const { signature, bad } = combinePartials(engines[suite], keys[suite], digest, partials);
      return signature !== undefined && bad.length === 0;
    });
  if (isRight) return;
  const faults = approvals.flatMap((approval) => faultOfApproval(engines, definition, approval) ?? []);
  const worst = faults.find(({ verdict }) => verdict === "malicious") ?? faults[0];
  throw new CeremonyError(
    worst?.verdict === "malicious" ? "maliciousFile" : "corruptFile",
    "the definition holds approvals that do not count",
    { details: { faults } },
  );
}

function isSigned(committeeId: Hex, address: Address, { partials, signature }: Omit<Approval, "member">): boolean {
  return isSignatureBy(address, approvalDigest(committeeId, address, partials), signature);
}
