/**
 * Who takes part in a ceremony, and under which encryption keys.
 *
 * Members agree beforehand, by whatever means people trust, on two things: a name that no ceremony of theirs had before,
 * and the list of their identities. Everything else is files that may travel by mail. The order of a committee is that of
 * its addresses, so that nobody has to decide it and every collector of the same files comes to the same committee.
 *
 *   domain = hashStruct Ceremony(string name)                                what announcements are signed for
 *   roster = EIP-712 Roster(bytes32 members), salt = domain                  what deals are made and signed for
 *            members = keccak-256 of address ‖ encryption key, in order
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concatBytes, utf8ToBytes } from "../../lib/bytes.ts";
import { publicKeyToAddress } from "../../lib/ecdsa.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash } from "../../lib/eip712.ts";
import { keccak256 } from "../../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import { compareText, quorumOf } from "../../lib/math.ts";
import type { DealContext, Rounds } from "../associated-data.ts";
import { DEFAULT_ROUNDS } from "../associated-data.ts";
import {
  type AttemptScope,
  type EncryptionKeyAnnouncement,
  type EncryptionKeyFault,
  faultOfEncryptionKey,
} from "../encryption-key.ts";
import type { Suite } from "../types.ts";
import { CeremonyError, type CeremonyFault, type Verdict } from "./faults.ts";

/** What one member publishes first. */
export interface Announcement extends EncryptionKeyAnnouncement {
  readonly ceremony: string;
  /** secp256k1, compressed: the libp2p identity. Follows from the member's signature; told for convenience. */
  readonly publicKey: Hex;
  /** Where the member's node will listen. Contact data: libp2p proves the identity whatever the address is. */
  readonly multiaddrs: readonly string[];
}

export interface Roster {
  readonly ceremony: string;
  /** Ascending by address. */
  readonly announcements: readonly Announcement[];
  /** Domain of all deals. */
  readonly digest: Hex;
}

const CEREMONY_TYPE_HASH = typeHash("Ceremony(string name)");
const ROSTER_TYPE_HASH = typeHash("Roster(bytes32 members)");

/** Printable ASCII without spaces at its ends, as it is read out on the telephone. */
const NAME = /^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/;

/** Smallest committee that tolerates a malicious member. */
export const MIN_MEMBERS = 4;
/** As large as encodings and patience allow. */
export const MAX_MEMBERS = 1024;

/** Scope of this ceremony's encryption keys. Throws badCeremony. */
export function ceremonyScope(name: string): AttemptScope {
  if (!NAME.test(name)) {
    throw new CeremonyError("badCeremony", "a ceremony's name is 1 to 64 printable ASCII characters", {
      details: { name },
    });
  }
  return { domain: bytesToHex(hashStruct(CEREMONY_TYPE_HASH, keccak256(utf8ToBytes(name)))), epoch: 0n, attempt: 0n };
}

export function rosterDigest(
  ceremony: string,
  members: readonly { readonly member: Address; readonly key: Hex }[],
): Hex {
  const { domain } = ceremonyScope(ceremony);
  const content = concatBytes(...members.flatMap(({ member, key }) => [hexToBytes(member), hexToBytes(key)]));
  return typedDigest(domainSeparator(domain), hashStruct(ROSTER_TYPE_HASH, keccak256(content)));
}

/** Anybody could have written what these refuse; the rest is the member's own doing. */
const CARRIERS: readonly EncryptionKeyFault[] = ["malformed", "badSignature"];

/**
 * The roster of the invited, when every one of them announced rightly; always with all faults found.
 * Throws badCeremony when `invited` is no committee.
 */
export function buildRoster(
  ceremony: string,
  invited: readonly Address[],
  announcements: readonly Announcement[],
): { readonly roster: Roster | undefined; readonly faults: readonly CeremonyFault[] } {
  const scope = ceremonyScope(ceremony);
  checkInvited(invited);
  const admitted = new Map<Address, Hex>();
  const first = new Map<Address, Announcement>();
  const faults: CeremonyFault[] = [];
  for (const announcement of announcements) {
    const { member } = announcement;
    const blame = (verdict: Verdict, reason: string): void => {
      faults.push({ file: "announcement", verdict, member, reason });
    };
    const earlier = first.get(member);
    // The same file twice, by mail: nothing happened.
    if (earlier !== undefined && isSame(earlier, announcement)) continue;
    if (announcement.ceremony !== ceremony) {
      blame("foreign", "otherCeremony");
      continue;
    }
    const fault = faultOfEncryptionKey({ scope, members: invited, admitted }, announcement);
    if (fault === "notAMember") blame("foreign", fault);
    else if (fault !== undefined) blame(CARRIERS.includes(fault) ? "corrupt" : "malicious", fault);
    else if (!isKeyOf(announcement)) blame("corrupt", "publicKeyMismatch");
    else {
      admitted.set(member, announcement.key);
      first.set(member, announcement);
    }
  }
  for (const member of invited) {
    const isBlamed = faults.some((fault) => fault.member === member);
    if (!admitted.has(member) && !isBlamed) {
      faults.push({ file: "announcement", verdict: "missing", member, reason: "missing" });
    }
  }
  if (faults.length > 0) return { roster: undefined, faults };
  const ordered = [...first.values()].sort((a, b) => compareText(a.member, b.member));
  return { roster: { ceremony, announcements: ordered, digest: rosterDigest(ceremony, ordered) }, faults };
}

/** Throws badCeremony. */
export function checkInvited(invited: readonly Address[]): void {
  if (new Set(invited).size !== invited.length) {
    throw new CeremonyError("badCeremony", "a member is listed twice", { details: { members: invited } });
  }
  if (invited.length < MIN_MEMBERS || invited.length > MAX_MEMBERS) {
    throw new CeremonyError("badCeremony", `a committee has ${MIN_MEMBERS} to ${MAX_MEMBERS} members`, {
      details: { members: invited.length },
    });
  }
}

/** The context of all deals of a ceremony in one suite. */
export function ceremonyContext(roster: Roster, suite: Suite, rounds: Rounds = DEFAULT_ROUNDS): DealContext {
  const { announcements, digest } = roster;
  return {
    domain: digest,
    epoch: 0n,
    attempt: 0n,
    suite,
    kind: "ceremony",
    dealers: announcements.map(({ member }) => member),
    recipients: announcements.map(({ member, key }) => ({ address: member, encryptionKey: key })),
    threshold: quorumOf(announcements.length),
    rounds,
  };
}

function isSame(a: Announcement, b: Announcement): boolean {
  return a.ceremony === b.ceremony && a.key === b.key && a.proof === b.proof && a.signature === b.signature;
}

function isKeyOf({ member, publicKey }: Announcement): boolean {
  try {
    return publicKeyToAddress(secp256k1.Point.fromHex(publicKey.slice(2)).toBytes(false)) === member;
  } catch {
    return false;
  }
}
