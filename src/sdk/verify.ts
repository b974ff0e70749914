/** Pure checks of untrusted values against a pinned committee. Each `verify…` answers yes or no and never throws on foreign values. */
import { verifyCertificate as verifyWithKey } from "../batch/certificate.ts";
import { BatchError } from "../batch/errors.ts";
import { headerDigest } from "../batch/header.ts";
import { outboxEntryHash, verifyDestination as verifyDestinationIn } from "../batch/outbox.ts";
import { type ReceiptProof, verifyReceipt as verifyReceiptIn } from "../batch/receipts.ts";
import { type AccountProof, verifyAccount as verifyAccountIn } from "../batch/state.ts";
import { type MultiProof, verifyInclusion, verifyMultiProof } from "../batch/tree.ts";
import type {
  AccountLeaf,
  BatchHeader,
  Certificate,
  Destination,
  InclusionProof,
  OutboxEntry,
} from "../batch/types.ts";
import { detailsHash } from "../ledger/details.ts";
import type { AccountDetails, Receipt } from "../ledger/types.ts";
import type { Hex } from "../lib/hex.ts";
import type { TrustedCommittee } from "./committee.ts";

/** Whether the committee's group key signed this header. One pairing check: about 10 to 40 ms in plain JavaScript. */
export function verifyCertificate(committee: TrustedCommittee, certificate: Certificate): boolean {
  const key = committee.groupKeys[certificate.suite];
  if (key === undefined) return false;
  return verifyWithKey(committee.engine(certificate.suite), key, committee.committeeId, certificate);
}

/** Whether `older` is in the history of `header` (which must itself be certified): everything certified once stays provable. */
export function verifyHistory(
  committee: TrustedCommittee,
  header: BatchHeader,
  older: BatchHeader,
  proof: InclusionProof,
): boolean {
  // The history of header s has the s − 1 headers before it, header k at index k − 1.
  if (proof.size !== header.sequence - 1n || proof.index !== older.sequence - 1n) return false;
  const digest = tolerant(() => headerDigest(older, committee.committeeId));
  return digest !== undefined && verifyInclusion(header.history, digest, proof);
}

/** Whether a certified header says this about a chain. */
export function verifyDestination(header: BatchHeader, destination: Destination, proof: InclusionProof): boolean {
  return verifyDestinationIn(header.outboxes, destination, proof);
}

/** Whether a destination's outbox holds this entry at its index. The proof's size must be the destination's outbox size. */
export function verifyEntry(destination: Destination, entry: OutboxEntry, proof: InclusionProof): boolean {
  if (proof.size !== destination.outboxSize || proof.index !== entry.index) return false;
  const leaf = tolerant(() => outboxEntryHash(destination, entry));
  return leaf !== undefined && verifyInclusion(destination.outboxRoot, leaf, proof);
}

/** {@link verifyEntry} for several entries with one proof; false for none at all. */
export function verifyEntries(destination: Destination, entries: readonly OutboxEntry[], proof: MultiProof): boolean {
  if (proof.size !== destination.outboxSize || proof.indexes.length !== entries.length) return false;
  const leaves: Hex[] = [];
  for (const [k, entry] of entries.entries()) {
    const leaf = tolerant(() => outboxEntryHash(destination, entry));
    if (leaf === undefined || proof.indexes[k] !== entry.index) return false;
    leaves.push(leaf);
  }
  return verifyMultiProof(destination.outboxRoot, leaves, proof);
}

/** Whether a certified header's state holds this account leaf. */
export function verifyAccount(header: BatchHeader, proof: AccountProof): boolean {
  return verifyAccountIn(header.state, proof);
}

/** Whether a (proven) leaf commits to exactly these positions and lanes, in whatever order they are told. */
export function verifyAccountDetails(leaf: AccountLeaf, details: AccountDetails): boolean {
  return detailsHash(details) === leaf.details;
}

/** Whether a certified header's batch gave this receipt. The header must be that of batch `receipt.sequence`. */
export function verifyReceipt(header: BatchHeader, receipt: Receipt, proof: ReceiptProof): boolean {
  return receipt.sequence === header.sequence && verifyReceiptIn(header.state, receipt, proof);
}

/** The hashes throw a typed error on fields that Solidity's types could not hold; to a verifier that is a no. */
function tolerant<T>(hash: () => T): T | undefined {
  try {
    return hash();
  } catch (error) {
    if (error instanceof BatchError) return undefined;
    throw error;
  }
}
