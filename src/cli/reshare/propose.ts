/** From a folder of announcements to a proposal, or to the names of everybody whose announcement is missing or wrong. */
import { addressOfCompressed } from "../../ledger/reconfiguration/scheme.ts";
import type { Proposal, ProposedMember } from "../../ledger/reconfiguration/types.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import { compareText } from "../../lib/math.ts";
import { CeremonyError, type CeremonyFault, refuseFaults, type Verdict } from "../../threshold/ceremony/faults.ts";
import { MIN_MEMBERS } from "../../threshold/ceremony/roster.ts";
import { type AttemptScope, type EncryptionKeyFault, faultOfEncryptionKey } from "../../threshold/encryption-key.ts";
import { collect, locate } from "../ceremony/folder.ts";
import { ANNOUNCEMENT_PREFIX, parseReshareAnnouncement, type ReshareAnnouncement } from "./files.ts";

export interface ProposeOptions {
  readonly files: string;
  readonly committeeId: Hex;
  readonly epoch: bigint;
  readonly attempt: bigint;
  /** The new committee in its order; everybody who announced, ascending by address, when absent. */
  readonly members: readonly Address[] | undefined;
}

/** Throws CeremonyError that names every announcement that is missing or wrong; badCeremony; UsageError unreadableInput. */
export function propose({ files, committeeId, epoch, attempt, members }: ProposeOptions): Proposal {
  const collected = collect(
    files,
    "announcement",
    ANNOUNCEMENT_PREFIX,
    parseReshareAnnouncement,
    (value) => value.member.address,
  );
  // Other attempts' announcements may lie in the same folder for years; they are not this one's business.
  const ours = collected.found.filter(
    ({ member, value }) =>
      value.epoch === epoch && value.attempt === attempt && (members === undefined || members.includes(member)),
  );
  const invited = members ?? [...new Set(ours.map(({ member }) => member))].sort(compareText);
  checkMembers(invited);
  const { admitted, faults } = admit(
    { domain: committeeId, epoch, attempt },
    invited,
    ours.map(({ value }) => value),
  );
  refuseFaults(locate(faults, { found: ours, faults: collected.faults }));
  return { epoch, attempt, members: invited.map((address) => admitted.get(address)!) };
}

/**
 * Looks at a whole proposal as its voters must: every member announced itself, rightly, for this attempt.
 * Throws CeremonyError.
 */
export function checkProposal(committeeId: Hex, { epoch, attempt, members }: Proposal): void {
  const addresses = members.map(({ address }) => address);
  checkMembers(addresses);
  const announcements = members.map((member): ReshareAnnouncement => ({ committeeId, epoch, attempt, member }));
  refuseFaults(admit({ domain: committeeId, epoch, attempt }, addresses, announcements).faults);
}

function checkMembers(members: readonly Address[]): void {
  if (new Set(members).size !== members.length) {
    throw new CeremonyError("badCeremony", "a member is listed twice", { details: { members } });
  }
  if (members.length < MIN_MEMBERS) {
    throw new CeremonyError(
      "badCeremony",
      `a committee has at least ${MIN_MEMBERS} members, here are ${members.length}`,
      {
        details: { members },
      },
    );
  }
}

/** Anybody could have written what these refuse; the rest is the member's own doing. */
const CARRIERS: readonly EncryptionKeyFault[] = ["malformed", "badSignature"];

function admit(
  scope: AttemptScope,
  invited: readonly Address[],
  announcements: readonly ReshareAnnouncement[],
): { readonly admitted: ReadonlyMap<Address, ProposedMember>; readonly faults: readonly CeremonyFault[] } {
  const keys = new Map<Address, Hex>();
  const admitted = new Map<Address, ProposedMember>();
  const faults: CeremonyFault[] = [];
  for (const { committeeId, member } of announcements) {
    const { address, encryptionKey, proof, signature } = member;
    const blame = (verdict: Verdict, reason: string): void => {
      faults.push({ file: "announcement", verdict, member: address, reason });
    };
    const earlier = admitted.get(address);
    // The same file twice, by mail: nothing happened.
    if (earlier !== undefined && earlier.signature === signature && earlier.proof === proof) continue;
    if (committeeId !== scope.domain) {
      blame("foreign", "otherCommittee");
      continue;
    }
    const fault = faultOfEncryptionKey(
      { scope, members: invited, admitted: keys },
      { member: address, key: encryptionKey, proof, signature },
    );
    if (fault === "notAMember") blame("foreign", fault);
    else if (fault !== undefined) blame(CARRIERS.includes(fault) ? "corrupt" : "malicious", fault);
    else if (addressOfCompressed(member.publicKey) !== address) blame("corrupt", "publicKeyMismatch");
    else {
      keys.set(address, encryptionKey);
      admitted.set(address, member);
    }
  }
  for (const member of invited) {
    if (!admitted.has(member) && !faults.some((fault) => fault.member === member)) {
      faults.push({ file: "announcement", verdict: "missing", member, reason: "missing" });
    }
  }
  return { admitted, faults };
}
