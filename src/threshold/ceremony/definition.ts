/**
 * A committee as its ceremony defines it: members, keys, and the deals that make the keys. Its digest is the committee id.
 *
 *   committee id = EIP-712 CommitteeDefinition(bytes content), salt = roster; content = the SSZ container below
 *
 * The id is what contracts are deployed with, so that it cannot depend on where they are: chains, hubs, assets and markets
 * are the ledger's genesis, which names the id and is bound to it by the genesis hash that consensus starts from.
 */
import { ByteListType, ByteVectorType, ContainerType, ListCompositeType, UintNumberType } from "@chainsafe/ssz";
import { utf8ToBytes } from "../../lib/bytes.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash } from "../../lib/eip712.ts";
import { keccak256 } from "../../lib/hash.ts";
import { type Hex, hexToBytes } from "../../lib/hex.ts";
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import { aggregateKey, openShare } from "../aggregate.ts";
import type { Committee } from "../committee.ts";
import type { DealBundle } from "../deal-select.ts";
import { SUITES, type Suite, type ThresholdKey } from "../types.ts";
import type { Approval } from "./approval.ts";
import { type CeremonyTools, type CollectedDeals, contextsOf, dealDigest } from "./deals.ts";
import { CeremonyError } from "./faults.ts";
import { type Announcement, buildRoster, MAX_MEMBERS, type Roster } from "./roster.ts";

export interface DealRecord {
  /** Member index. */
  readonly dealer: number;
  /** keccak-256 of the deal in each suite. */
  readonly digests: Readonly<Record<Suite, Hex>>;
}

export interface CommitteeDefinition {
  readonly committeeId: Hex;
  readonly roster: Roster;
  /** Ascending by dealer: *the* set whose sum is the key. */
  readonly deals: readonly DealRecord[];
  readonly keys: Readonly<Record<Suite, ThresholdKey>>;
  /** Not part of the id. Ascending by member. */
  readonly approvals: readonly Approval[];
}

const DEFINITION_TYPE_HASH = typeHash("CommitteeDefinition(bytes content)");

const bytes32 = new ByteVectorType(32);
const text = new ByteListType(256);
const point = new ByteListType(128);
const KeySsz = new ContainerType({ groupKey: point, publicShares: new ListCompositeType(point, MAX_MEMBERS) });
const DefinitionSsz = new ContainerType({
  ceremony: text,
  members: new ListCompositeType(
    new ContainerType({
      address: new ByteVectorType(20),
      encryptionKey: bytes32,
      multiaddrs: new ListCompositeType(text, 16),
    }),
    MAX_MEMBERS,
  ),
  threshold: new UintNumberType(2),
  deals: new ListCompositeType(
    new ContainerType({ dealer: new UintNumberType(2), bls12381: bytes32, bn254: bytes32 }),
    MAX_MEMBERS,
  ),
  bls12381: KeySsz,
  bn254: KeySsz,
});

export type DefinitionContent = Omit<CommitteeDefinition, "committeeId" | "approvals">;

export function committeeIdOf({ roster, deals, keys }: DefinitionContent): Hex {
  const key = (suite: Suite) => ({
    groupKey: hexToBytes(keys[suite].groupKey),
    publicShares: keys[suite].publicShares.map(hexToBytes),
  });
  const content = DefinitionSsz.serialize({
    ceremony: utf8ToBytes(roster.ceremony),
    members: roster.announcements.map((announcement) => ({
      address: hexToBytes(announcement.member),
      encryptionKey: hexToBytes(announcement.key),
      multiaddrs: announcement.multiaddrs.map(utf8ToBytes),
    })),
    threshold: quorumOf(roster.announcements.length),
    deals: deals.map(({ dealer, digests }) => ({
      dealer,
      bls12381: hexToBytes(digests["bls12-381"]),
      bn254: hexToBytes(digests.bn254),
    })),
    bls12381: key("bls12-381"),
    bn254: key("bn254"),
  });
  return typedDigest(domainSeparator(roster.digest), hashStruct(DEFINITION_TYPE_HASH, keccak256(content)));
}

/** Fewest dealers that make a key: one of them is honest. */
export function dealersNeededOf(roster: Roster): number {
  return maxFaulty(roster.announcements.length) + 1;
}

/** The committee that these deals make, each of them already verified. Throws tooFewDeals, ThresholdError invalidDeal. */
export function defineCommittee(
  { engines }: CeremonyTools,
  roster: Roster,
  bundles: CollectedDeals["bundles"],
): CommitteeDefinition {
  const needed = dealersNeededOf(roster);
  if (bundles.length < needed) {
    throw new CeremonyError("tooFewDeals", `${bundles.length} deals are left, a key takes at least ${needed}`, {
      details: { deals: bundles.length, needed },
    });
  }
  const contexts = contextsOf(roster);
  const key = (suite: Suite): ThresholdKey => aggregateKey(engines[suite], contexts[suite], bundles);
  const content: DefinitionContent = {
    roster,
    deals: bundles.map(({ dealer, deals }) => ({
      dealer,
      digests: { "bls12-381": dealDigest(deals["bls12-381"]), bn254: dealDigest(deals.bn254) },
    })),
    keys: { "bls12-381": key("bls12-381"), bn254: key("bn254") },
  };
  return { committeeId: committeeIdOf(content), ...content, approvals: [] };
}

/** Member `index` opens its share in each suite. Throws ThresholdError cannotOpen. */
export function openCeremonyShares(
  { engines, agreement }: CeremonyTools,
  { roster, keys }: Pick<CommitteeDefinition, "roster" | "keys">,
  bundles: readonly DealBundle[],
  index: number,
  secret: Uint8Array,
): Record<Suite, Uint8Array> {
  const contexts = contextsOf(roster);
  const open = (suite: Suite): Uint8Array =>
    openShare(engines[suite], agreement, contexts[suite], bundles, keys[suite], index, secret);
  return { "bls12-381": open("bls12-381"), bn254: open("bn254") };
}

/**
 * Checks everything that can be checked without the deals: announcements, order, sizes, and that the parts make the id.
 * That the keys are the sum of the deals is what the approvals of n − f members say. Throws malformedDefinition.
 */
export function checkDefinition(
  ceremony: string,
  announcements: readonly Announcement[],
  rest: Pick<CommitteeDefinition, "committeeId" | "deals" | "keys" | "approvals">,
): CommitteeDefinition {
  const malformed = (what: string, details: object = {}): CeremonyError =>
    new CeremonyError("malformedDefinition", `not a committee definition: ${what}`, { details: { what, ...details } });
  const members = announcements.map(({ member }) => member);
  const { roster, faults } = buildRoster(ceremony, members, announcements);
  if (roster === undefined) throw malformed("an announcement in it is not right", { faults });
  if (roster.announcements.some(({ member }, index) => member !== members[index])) throw malformed("order of members");
  const n = members.length;
  const dealers = rest.deals.map(({ dealer }) => dealer);
  if (!isAscending(dealers, n) || dealers.length < dealersNeededOf(roster)) throw malformed("list of deals");
  const approvers = rest.approvals.map(({ member }) => member);
  if (!isAscending(approvers, n)) throw malformed("list of approvals");
  for (const suite of SUITES) {
    const { threshold, publicShares } = rest.keys[suite];
    if (threshold !== quorumOf(n) || publicShares.length !== n) throw malformed(`key of suite ${suite}`);
  }
  const content: DefinitionContent = { roster, deals: rest.deals, keys: rest.keys };
  const actual = committeeIdOf(content);
  if (actual !== rest.committeeId)
    throw malformed("its parts do not make its id", { actual, stated: rest.committeeId });
  return { committeeId: actual, ...content, approvals: rest.approvals };
}

/** The committee of epoch 0, as the rest of the house knows it. */
export function committeeOf({ committeeId, roster, keys }: CommitteeDefinition): Committee {
  return {
    id: committeeId,
    epoch: 0n,
    members: roster.announcements.map(({ member }) => ({ address: member })),
    keys,
    requiredSuites: SUITES,
  };
}

function isAscending(indices: readonly number[], n: number): boolean {
  return indices.every((index, k) => index > (indices[k - 1] ?? -1) && index < n);
}
