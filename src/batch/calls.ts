/**
 * Values of this room as the contracts' ABI names them: plain objects for viem and ethers alike.
 * Two names differ, because the words are reserved there: `commit` is `commitDigest`, `reference` is `referenceId`.
 */
import { concatBytes } from "../lib/bytes.ts";
import { keccak256 } from "../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { bindSize } from "./merkle.ts";
import type { AccountProof } from "./state.ts";
import type { MultiProof } from "./tree.ts";
import type { BatchHeader, Destination, InclusionProof, OutboxEntry } from "./types.ts";

const COMMITMENT_PREFIX = Uint8Array.of(3);

/** Struct BatchHeader. */
export function headerArgument(header: BatchHeader) {
  const { sequence, epoch, previous, history, outboxes, state, commit } = header;
  return { sequence, epoch, previous, history, outboxes, state, commitDigest: commit };
}

/** Struct DestinationProof. */
export function destinationArgument(destination: Destination, proof: InclusionProof) {
  const { inboxCursor, inboxHash, outboxSize, outboxRoot, promisedRoot } = destination;
  const { index, size, siblings } = proof;
  return { inboxCursor, inboxHash, outboxSize, outboxRoot, promisedRoot, index, size, siblings: [...siblings] };
}

export interface PayoutArgument {
  readonly index: bigint;
  readonly token: Address;
  readonly recipient: Address;
  readonly amount: bigint;
  readonly relayerFee: bigint;
  readonly referenceId: Hex;
}

export interface CallArgument {
  readonly index: bigint;
  readonly receiver: Address;
  readonly gasLimit: bigint;
  readonly data: Hex;
  readonly referenceId: Hex;
}

/** The two entry lists of `deliver`, each in rising order of index. */
export function entryArguments(entries: readonly OutboxEntry[]): { payouts: PayoutArgument[]; calls: CallArgument[] } {
  const sorted = [...entries].sort((a, b) => (a.index < b.index ? -1 : a.index > b.index ? 1 : 0));
  const payouts: PayoutArgument[] = [];
  const calls: CallArgument[] = [];
  for (const entry of sorted) {
    if (entry.kind === "payout") {
      const { index, token, recipient, amount, relayerFee, reference } = entry;
      payouts.push({ index, token, recipient, amount, relayerFee, referenceId: reference });
    } else {
      const { index, receiver, gasLimit, data, reference } = entry;
      calls.push({ index, receiver, gasLimit, data, referenceId: reference });
    }
  }
  return { payouts, calls };
}

/** Struct OutboxProof: `slot` and `headDigest` are those of a `HeadAdvanced` event among the last 16. */
export function outboxProofArgument(slot: number, headDigest: Hex, proof: Pick<MultiProof, "size" | "siblings">) {
  return { slot, headDigest, size: proof.size, siblings: [...proof.siblings] };
}

/** Struct HeadWitness. */
export function headWitnessArgument(slot: number, header: BatchHeader, destination: Destination) {
  const { outboxSize, outboxRoot } = destination;
  return { slot, header: headerArgument(header), outboxSize, outboxRoot };
}

/** Struct HistoryProof; `proof` is the path of `older`'s digest in the history tree of the witness (index sequence − 1). */
export function historyProofArgument(older: BatchHeader, proof: InclusionProof) {
  return { header: headerArgument(older), siblings: [...proof.siblings] };
}

/** Struct AccountProof. */
export function accountProofArgument(proof: AccountProof) {
  const { accounts, root, total } = proof.assetRoot;
  return {
    leaf: proof.leaf,
    index: proof.index,
    siblings: proof.siblings.map(({ hash, sum }) => ({ hash, sum })),
    accounts,
    root,
    total,
    assetIndex: proof.assetIndex,
    assetCount: proof.assetCount,
    assetSiblings: [...proof.assetSiblings],
    rest: proof.rest,
  };
}

/**
 * What a hub keeps of an accepted head: keccak(0x03 ‖ digest ‖ keccak(0x02 ‖ outbox size ‖ outbox root)), its last 8 bytes
 * replaced by those of the digest.
 */
export function headCommitment(headDigest: Hex, outboxSize: bigint, outboxRoot: Hex): Hex {
  const bound = bindSize(hexToBytes(outboxRoot), outboxSize);
  const digest = hexToBytes(headDigest);
  const hash = keccak256(concatBytes(COMMITMENT_PREFIX, digest, bound));
  return bytesToHex(concatBytes(hash.subarray(0, 24), digest.subarray(24)));
}
