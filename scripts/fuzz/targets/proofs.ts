/** Proofs as the SDK gets them: decoded by the API's schemas, then checked. A check says yes or no and never throws. */
import * as z from "zod";
import { decodeJson } from "../../../src/api/http.ts";
import * as w from "../../../src/api/wire.ts";
import { proveDestination } from "../../../src/batch/outbox.ts";
import { createReceiptTree } from "../../../src/batch/receipts.ts";
import { accountIdOf } from "../../../src/ledger/instruction.ts";
import { isClocklessError } from "../../../src/lib/errors.ts";
import type { TrustedCommittee } from "../../../src/sdk/committee.ts";
import {
  verifyAccount,
  verifyAccountDetails,
  verifyCertificate,
  verifyDestination,
  verifyEntries,
  verifyEntry,
  verifyHistory,
  verifyReceipt,
} from "../../../src/sdk/verify.ts";
import { TEST_ASSET, TEST_CHAIN_ID } from "../../../src/testing/committee.ts";
import { SUITES } from "../../../src/threshold/types.ts";
import { jsonTarget, type Target, violated } from "../target.ts";
import type { World } from "../world.ts";

export function proofTargets({ test, batches, member, certificates, instructions }: World): Target[] {
  const { ledger } = member;
  const batch = batches.findLast(({ receipts }) => receipts.length > 0)!;
  const last = batches.at(-1)!;
  const withEntries = batches.findLast(({ entries }) => entries.length > 0)!;
  const account = accountIdOf(instructions[0]!.instruction.head.signer);
  const accountProof = ledger.proveAccount(account, TEST_ASSET)!;
  const header = ledger.header!;
  const { hub } = last.destinations[0]!;
  const proven = proveDestination(last.destinations, { chainId: TEST_CHAIN_ID, hub });
  const { entry } = withEntries.entries[0]!;
  const { outboxSize } = proven.destination;
  const committee: TrustedCommittee = {
    committeeId: test.committee.id,
    groupKeys: { "bls12-381": test.committee.keys["bls12-381"].groupKey, bn254: test.committee.keys.bn254.groupKey },
    engine: (suite) => test.engines[suite],
  } as TrustedCommittee; // CAST: what verifyCertificate and verifyHistory read
  const receipt = batch.receipts[0]!;
  const view = ledger.account(account)!;
  return [
    checkTarget(
      "proof-account",
      z.object({ header: w.batchHeader, proof: w.accountProof }),
      { header, proof: accountProof },
      (value) => verifyAccount(value.header, value.proof),
      ({ header, proof }) => [header.state, proof.leaf, proof.assetRoot],
    ),
    checkTarget(
      "proof-account-details",
      z.object({ proof: w.accountProof, view: w.accountView }),
      { proof: accountProof, view },
      (value) => verifyAccountDetails(value.proof.leaf, value.view),
      ({ proof }) => proof.leaf.details,
    ),
    checkTarget(
      "proof-receipt",
      z.object({ header: w.batchHeader, receipt: w.receipt, proof: w.receiptProof }),
      { header: batch.header, receipt, proof: createReceiptTree(batch.receipts, batch.stateParts).prove(0) },
      (value) => verifyReceipt(value.header, value.receipt, value.proof),
      ({ header, receipt }) => [header.state, receipt],
    ),
    checkTarget(
      "proof-destination",
      z.object({ header: w.batchHeader, destination: w.destination, proof: w.inclusionProof }),
      { header: last.header, ...proven },
      (value) => verifyDestination(value.header, value.destination, value.proof),
      ({ header, destination }) => [header.outboxes, destination],
    ),
    checkTarget(
      "proof-entry",
      z.object({ destination: w.destination, entry: w.outboxEntry, proof: w.inclusionProof }),
      { destination: proven.destination, entry, proof: ledger.proveOutbox(TEST_CHAIN_ID, entry.index, outboxSize)! },
      (value) => verifyEntry(value.destination, value.entry, value.proof),
      (value) => [value.destination.outboxRoot, value.entry],
    ),
    checkTarget(
      "proof-entries",
      z.object({ destination: w.destination, entries: w.list(w.outboxEntry, 256), proof: w.multiProof }),
      {
        destination: proven.destination,
        entries: [entry],
        proof: ledger.proveOutboxMany(TEST_CHAIN_ID, [entry.index], outboxSize)!,
      },
      (value) => verifyEntries(value.destination, value.entries, value.proof),
      (value) => [value.destination.outboxRoot, value.entries],
    ),
    checkTarget(
      "proof-history",
      z.object({ header: w.batchHeader, older: w.batchHeader, proof: w.inclusionProof }),
      {
        header: last.header,
        older: batches[2]!.header,
        proof: ledger.proveHistory(batches[2]!.header.sequence, last.header.sequence - 1n),
      },
      (value) => verifyHistory(committee, value.header, value.older, value.proof),
      ({ header, older }) => [header.history, older],
    ),
    ...SUITES.map((suite) =>
      checkTarget(
        `proof-certificate-${suite}`,
        z.object({ certificate: w.certificate }),
        { certificate: certificates.find((certificate) => certificate.suite === suite)! },
        (value) => verifyCertificate(committee, value.certificate),
        ({ certificate }) => certificate,
      ),
    ),
  ];
}

/** The seed holds; nothing that differs from it in what is proven may. */
function checkTarget<T>(
  name: string,
  schema: z.ZodType<T>,
  seed: T,
  holds: (value: T) => boolean,
  /** What a yes says. */
  proven: (value: T) => unknown,
): Target {
  const text = JSON.stringify(schema.encode(seed));
  const known = textOf(proven(seed));
  return jsonTarget({
    name,
    seeds: [text],
    maxBytes: 16_384,
    weight: 0.5,
    parse(input) {
      const value = decodeJson(schema, input, "/fuzz");
      let isTrue: boolean;
      try {
        isTrue = holds(value);
      } catch (error) {
        // A typed error would pass for a refusal, and these promise not to throw at all.
        if (isClocklessError(error)) violated(`a check that never throws threw ${error.code}`);
        throw error;
      }
      if (isTrue && textOf(proven(value)) !== known) violated("a forged proof was accepted");
      return isTrue ? true : undefined;
    },
  });
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
