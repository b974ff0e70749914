/**
 * One member's deals, in both suites, signed together. A member deals once in a ceremony: the file is stored whole before
 * anybody sees it, and the same file is given out ever after.
 */
import { isSignatureBy } from "../../lib/ecdsa.ts";
import { keccak256Hex } from "../../lib/hash.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import { type DealContext, dealInstance } from "../associated-data.ts";
import { DEAL_RANDOMNESS, makeDeal } from "../deal.ts";
import type { DealEngine } from "../deal-engine.ts";
import { type DealBundle, dealBundleDigest } from "../deal-select.ts";
import { type DealFault, faultOfDeal } from "../deal-verify.ts";
import type { KeyAgreement } from "../key-agreement.ts";
import { encodeScalar, reduceWide, WIDE_SCALAR_BYTES } from "../scalar.ts";
import { SUITES, type Suite } from "../types.ts";
import type { CeremonyFault, Verdict } from "./faults.ts";
import { ceremonyContext, MAX_MEMBERS, type Roster, rosterDigest } from "./roster.ts";

export interface CeremonyDeal {
  readonly ceremony: string;
  readonly dealer: Address;
  /** Whom it was made for, in order. */
  readonly members: readonly { readonly member: Address; readonly key: Hex }[];
  readonly deals: Readonly<Record<Suite, Uint8Array>>;
  /** The dealer's identity over `dealBundleDigest`, whose salt is the roster's digest. */
  readonly signature: Hex;
}

/** What dealing computes with. */
export interface CeremonyTools {
  readonly engines: Readonly<Record<Suite, DealEngine>>;
  readonly agreement: KeyAgreement;
}

/** Uniform bytes that one member's deals take: a secret and a seed for each suite. */
export const CEREMONY_DEAL_RANDOMNESS = SUITES.length * (WIDE_SCALAR_BYTES + DEAL_RANDOMNESS);

/**
 * Deals a fresh secret in each suite. `randomness` is never used again, and neither it nor the secrets are kept: what this
 * member needs of them comes back to it encrypted, like everybody's share.
 */
export function makeCeremonyDeal(
  { engines, agreement }: CeremonyTools,
  roster: Roster,
  dealer: number,
  randomness: Uint8Array,
  sign: (digest: Hex) => Hex,
): CeremonyDeal {
  let offset = 0;
  const take = (length: number): Uint8Array => {
    offset += length;
    return randomness.subarray(offset - length, offset);
  };
  const deal = (suite: Suite): Uint8Array => {
    const engine = engines[suite];
    const secret = encodeScalar(reduceWide(take(WIDE_SCALAR_BYTES), engine.order), engine.order);
    const instance = dealInstance(ceremonyContext(roster, suite), dealer);
    const bytes = makeDeal(engine, agreement, instance, secret, take(DEAL_RANDOMNESS));
    secret.fill(0);
    return bytes;
  };
  const deals = { "bls12-381": deal("bls12-381"), bn254: deal("bn254") };
  return {
    ceremony: roster.ceremony,
    dealer: roster.announcements[dealer]!.member,
    members: roster.announcements.map(({ member, key }) => ({ member, key })),
    deals,
    signature: sign(dealBundleDigest(ceremonyContext(roster, "bls12-381"), { dealer, deals })),
  };
}

/** Answers as `faultOfDeal`; may come from a worker. */
export type VerifyDeal = (suite: Suite, dealer: number, bytes: Uint8Array) => DealFault | undefined;

export function dealVerifier({ engines, agreement }: CeremonyTools, roster: Roster): VerifyDeal {
  const contexts = contextsOf(roster);
  return (suite, dealer, bytes) => faultOfDeal(engines[suite], agreement, dealInstance(contexts[suite], dealer), bytes);
}

export function contextsOf(roster: Roster): Record<Suite, DealContext> {
  return { "bls12-381": ceremonyContext(roster, "bls12-381"), bn254: ceremonyContext(roster, "bn254") };
}

/**
 * Who sent this, and is it for this roster? Everything that is cheap; the deals themselves are not looked at.
 * A file whose signature is right is its dealer's own doing, whoever carried it.
 */
export function faultOfDealFile(roster: Roster, deal: CeremonyDeal): CeremonyFault | undefined {
  const { ceremony, dealer, members, signature } = deal;
  const fault = (verdict: Verdict, reason: string): CeremonyFault => ({
    file: "deal",
    verdict,
    member: dealer,
    reason,
  });
  if (ceremony !== roster.ceremony) return fault("foreign", "otherCeremony");
  const index = members.findIndex(({ member }) => member === dealer);
  if (index < 0 || members.length > MAX_MEMBERS) return fault("corrupt", "notItsOwnMember");
  const domain = rosterDigest(ceremony, members);
  const stated: DealContext = {
    ...ceremonyContext(roster, "bls12-381"),
    domain,
    dealers: members.map(({ member }) => member),
  };
  const bundle: DealBundle = { dealer: index, deals: deal.deals };
  if (!isSignatureBy(dealer, dealBundleDigest(stated, bundle), signature)) return fault("corrupt", "badSignature");
  if (!roster.announcements.some(({ member }) => member === dealer)) return fault("foreign", "notAMember");
  if (domain !== roster.digest) return fault("foreign", "otherMembers");
  return undefined;
}

/** What a ceremony has of deals: by dealer index, ascending, each file right as far as `faultOfDealFile` sees. */
export interface CollectedDeals {
  readonly bundles: readonly (DealBundle & { readonly deals: CeremonyDeal["deals"] })[];
  readonly faults: readonly CeremonyFault[];
}

/** Sorts files by dealer and names who is missing, who dealt twice, and whose file is not what it should be. */
export function collectDeals(roster: Roster, files: readonly CeremonyDeal[]): CollectedDeals {
  const faults: CeremonyFault[] = [];
  const found = new Map<number, CeremonyDeal>();
  for (const file of files) {
    const fault = faultOfDealFile(roster, file);
    if (fault !== undefined) {
      faults.push(fault);
      continue;
    }
    const index = roster.announcements.findIndex(({ member }) => member === file.dealer);
    const earlier = found.get(index);
    if (earlier === undefined) found.set(index, file);
    else if (SUITES.some((suite) => dealDigest(earlier.deals[suite]) !== dealDigest(file.deals[suite]))) {
      // Both are signed: whoever deals twice wants different members to hold shares of different keys.
      faults.push({ file: "deal", verdict: "malicious", member: file.dealer, reason: "dealtTwice" });
    }
  }
  roster.announcements.forEach(({ member }, index) => {
    const isBlamed = faults.some((fault) => fault.member === member);
    if (!found.has(index) && !isBlamed) faults.push({ file: "deal", verdict: "missing", member, reason: "missing" });
  });
  const bundles = [...found].sort(([a], [b]) => a - b).map(([dealer, { deals }]) => ({ dealer, deals }));
  return { bundles, faults };
}

/** Verifies one member's deals themselves: seconds for a large committee. It counts only if valid in all suites. */
export function faultOfBundle(
  roster: Roster,
  bundle: CollectedDeals["bundles"][number],
  verify: VerifyDeal,
): CeremonyFault | undefined {
  const { member } = roster.announcements[bundle.dealer]!;
  for (const suite of SUITES) {
    const code = verify(suite, bundle.dealer, bundle.deals[suite]);
    if (code !== undefined) return { file: "deal", verdict: "malicious", member, reason: `${code} in ${suite}` };
  }
  return undefined;
}

export function dealDigest(bytes: Uint8Array): Hex {
  return keccak256Hex(bytes);
}
