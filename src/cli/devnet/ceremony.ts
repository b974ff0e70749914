/**
 * The whole ceremony in one process, for devnets and tests: the same deals, definition and approvals as the members' files.
 * Every check runs, once instead of once per member. What it proves is that the ceremony works; the keys are still made by
 * whoever runs the process, who has seen them all.
 */
import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { addressOf, signDigest } from "../../lib/ecdsa.ts";
import { bytesToHex } from "../../lib/hex.ts";
import { compareText } from "../../lib/math.ts";
import { type ApprovalFile, addApprovals, approve, requireFinal } from "../../threshold/ceremony/approval.ts";
import {
  CEREMONY_DEAL_RANDOMNESS,
  collectDeals,
  dealVerifier,
  faultOfBundle,
  makeCeremonyDeal,
} from "../../threshold/ceremony/deals.ts";
import {
  type CommitteeDefinition,
  committeeOf,
  defineCommittee,
  openCeremonyShares,
} from "../../threshold/ceremony/definition.ts";
import { refuseFaults } from "../../threshold/ceremony/faults.ts";
import { type Announcement, buildRoster, ceremonyScope } from "../../threshold/ceremony/roster.ts";
import { announceEncryptionKey, ENCRYPTION_KEY_RANDOMNESS, encryptionSecret } from "../../threshold/encryption-key.ts";
import { createEngines } from "../../threshold/engines.ts";
import { createCeremonyTools } from "../ceremony/tools.ts";
import type { DevnetCommittee } from "./committee.ts";

export interface CeremonyOptions {
  /** Uniform bytes; the operating system's by default. */
  readonly random?: (length: number) => Uint8Array;
  /** Deal for real only this often: f + 1 dealers make a key. All by default. */
  readonly dealers?: number;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** A committee of n ≥ 4 with the final definition that made it. Throws CeremonyError, ThresholdError. */
export async function ceremonyCommittee(
  n: number,
  { random = systemRandom, dealers = n, onProgress = () => {}, signal }: CeremonyOptions = {},
): Promise<DevnetCommittee & { readonly definition: CommitteeDefinition }> {
  const ceremony = `devnet ${bytesToHex(random(8))}`;
  const scope = ceremonyScope(ceremony);
  const persons = Array.from({ length: n }, () => {
    const identity = secp256k1.utils.randomSecretKey(random(48));
    const randomness = random(ENCRYPTION_KEY_RANDOMNESS);
    const announcement: Announcement = {
      ceremony,
      publicKey: bytesToHex(secp256k1.getPublicKey(identity, true)),
      multiaddrs: [],
      ...announceEncryptionKey(scope, addressOf(identity), randomness, (digest) => signDigest(identity, digest)),
    };
    return { identity: Uint8Array.from(identity), secret: encryptionSecret(randomness), announcement };
  }).sort((a, b) => compareText(a.announcement.member, b.announcement.member));
  const { roster, faults } = buildRoster(
    ceremony,
    persons.map(({ announcement }) => announcement.member),
    persons.map(({ announcement }) => announcement),
  );
  refuseFaults(faults);

  const tools = await createCeremonyTools();
  const files = [];
  for (const [index, { identity }] of persons.slice(0, dealers).entries()) {
    onProgress(`member ${index} deals`);
    await setImmediate(undefined, { signal });
    const sign = (digest: `0x${string}`) => signDigest(identity, digest);
    files.push(makeCeremonyDeal(tools, roster!, index, random(CEREMONY_DEAL_RANDOMNESS), sign));
  }
  const collected = collectDeals(roster!, files);
  refuseFaults(collected.faults.filter(({ verdict }) => verdict !== "missing"));
  const verify = dealVerifier(tools, roster!);
  for (const bundle of collected.bundles) {
    onProgress(`verifying the deals of member ${bundle.dealer}`);
    await setImmediate(undefined, { signal });
    refuseFaults([faultOfBundle(roster!, bundle, verify) ?? []].flat());
  }
  const defined = defineCommittee(tools, roster!, collected.bundles);

  const engines = await createEngines("fast");
  const members = [];
  const approvals: ApprovalFile[] = [];
  for (const [index, { identity, secret, announcement }] of persons.entries()) {
    onProgress(`member ${index} opens its shares`);
    await setImmediate(undefined, { signal });
    const shares = openCeremonyShares(tools, defined, collected.bundles, index, secret);
    const { partials, signature } = approve(engines, defined, index, shares, (digest) => signDigest(identity, digest));
    const { member } = announcement;
    approvals.push({ ceremony, committeeId: defined.committeeId, member, partials, signature });
    members.push({ identity, shares });
  }
  const final = addApprovals(engines, defined, approvals);
  refuseFaults(final.faults);
  requireFinal(engines, final.definition);
  return { committee: committeeOf(final.definition), members, definition: final.definition };
}

function systemRandom(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}
