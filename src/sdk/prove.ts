/** Building proofs from a whole outbox: for indexers that keep every entry and want to ask no member for paths. */
import { type HubId, outboxEntryHash } from "../batch/outbox.ts";
import { AppendOnlyTree, type MultiProof } from "../batch/tree.ts";
import type { InclusionProof, OutboxEntry } from "../batch/types.ts";
import { SdkError } from "./errors.ts";

/**
 * Proof of entry `index` against the outbox root of exactly these entries (0 … length − 1, in order).
 * @throws SdkError badParameters, BatchError outOfRange, malformedEntry
 */
export function proveEntry(at: HubId, entries: readonly OutboxEntry[], index: bigint): InclusionProof {
  return treeOf(at, entries).prove(index);
}

/** One proof for several entries. @throws SdkError badParameters, BatchError outOfRange, duplicate, malformedEntry */
export function proveEntries(at: HubId, entries: readonly OutboxEntry[], indexes: readonly bigint[]): MultiProof {
  return treeOf(at, entries).proveMany(indexes);
}

function treeOf(at: HubId, entries: readonly OutboxEntry[]): AppendOnlyTree {
  entries.forEach((entry, k) => {
    if (entry.index !== BigInt(k))
      throw new SdkError("badParameters", "the entries of an outbox, from index 0 and without a gap", {
        details: { position: k, index: entry.index },
      });
  });
  return AppendOnlyTree.from(entries.map((entry) => outboxEntryHash(at, entry)));
}
