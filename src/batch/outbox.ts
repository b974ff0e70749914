/** Outbox entries and destinations: the hashes that a hub recomputes from what a relayer hands it. */
import { concatBytes, equalBytes } from "../lib/bytes.ts";
import { hashStruct, typeHash } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { compareBigint, compareText } from "../lib/math.ts";
import { BatchError } from "./errors.ts";
import { bindSize, decodeSiblings, hashLeaf, merkleLevels, merkleSiblings, rootOfInclusion } from "./merkle.ts";
import type { Destination, InclusionProof, OutboxEntry } from "./types.ts";
import { wordsOr } from "./words.ts";

export const PAYOUT_TYPE =
  "Payout(uint256 chainId,address hub,uint64 index,address token,address recipient,uint256 amount,uint256 relayerFee,bytes32 reference)";
export const CALL_TYPE =
  "Call(uint256 chainId,address hub,uint64 index,address receiver,uint64 gasLimit,bytes data,bytes32 reference)";
export const DESTINATION_TYPE =
  "Destination(uint256 chainId,address hub,uint64 inboxCursor,bytes32 inboxHash,uint64 outboxSize,bytes32 outboxRoot,bytes32 promisedRoot)";
export const PROMISED_TYPE = "PromisedList(Promised[] promised)Promised(address token,uint256 cumulative)";

/** Most gas a call entry may promise its receiver; the hub refuses more. */
export const MAX_CALL_GAS = 5_000_000n;

const PAYOUT_TYPE_HASH = typeHash(PAYOUT_TYPE);
const CALL_TYPE_HASH = typeHash(CALL_TYPE);
const DESTINATION_TYPE_HASH = typeHash(DESTINATION_TYPE);
const PROMISED_LIST_TYPE_HASH = typeHash(PROMISED_TYPE);
const PROMISED_TYPE_HASH = typeHash("Promised(address token,uint256 cumulative)");

const entryWords = wordsOr("malformedEntry");
const destinationWords = wordsOr("malformedDestination");

/** Which hub an outbox belongs to; part of every entry's hash, so that no entry is valid on a second one. */
export interface HubId {
  readonly chainId: bigint;
  readonly hub: Address;
}

/** Cumulative token units ever promised to one chain. */
export interface Promised {
  readonly token: Address;
  readonly cumulative: bigint;
}

/** Struct hash of an outbox entry: the 32 bytes that go into the outbox tree. @throws BatchError malformedEntry */
export function outboxEntryHash(at: HubId, entry: OutboxEntry): Hex {
  const { uint64, uint256, bytes32, address, bytes } = entryWords;
  const place = [uint256(at.chainId, "chainId"), address(at.hub, "hub"), uint64(entry.index, "index")];
  const reference = bytes32(entry.reference, "reference");
  if (entry.kind === "payout")
    return bytesToHex(
      hashStruct(
        PAYOUT_TYPE_HASH,
        ...place,
        address(entry.token, "token"),
        address(entry.recipient, "recipient"),
        uint256(entry.amount, "amount"),
        uint256(entry.relayerFee, "relayerFee"),
        reference,
      ),
    );
  if (entry.kind !== "call") throw new BatchError("malformedEntry", "an outbox entry is a payout or a call");
  if (entry.gasLimit > MAX_CALL_GAS)
    throw new BatchError("malformedEntry", "a call may promise at most 5,000,000 gas", {
      details: { gasLimit: entry.gasLimit },
    });
  return bytesToHex(
    hashStruct(
      CALL_TYPE_HASH,
      ...place,
      address(entry.receiver, "receiver"),
      uint64(entry.gasLimit, "gasLimit"),
      keccak256(bytes(entry.data, "data")),
      reference,
    ),
  );
}

/** Struct hash of a destination. @throws BatchError malformedDestination */
export function destinationHash(destination: Destination): Hex {
  const { uint64, uint256, bytes32, address } = destinationWords;
  return bytesToHex(
    hashStruct(
      DESTINATION_TYPE_HASH,
      uint256(destination.chainId, "chainId"),
      address(destination.hub, "hub"),
      uint64(destination.inboxCursor, "inboxCursor"),
      bytes32(destination.inboxHash, "inboxHash"),
      uint64(destination.outboxSize, "outboxSize"),
      bytes32(destination.outboxRoot, "outboxRoot"),
      bytes32(destination.promisedRoot, "promisedRoot"),
    ),
  );
}

/** The defined order of destinations: by chain id, then by hub. */
export function compareDestinations(a: HubId, b: HubId): number {
  return compareBigint(a.chainId, b.chainId) || compareText(a.hub.toLowerCase(), b.hub.toLowerCase());
}

function destinationTree(destinations: readonly Destination[]): { sorted: Destination[]; levels: Uint8Array[][] } {
  const sorted = [...destinations].sort(compareDestinations);
  for (let k = 1; k < sorted.length; k++)
    if (compareDestinations(sorted[k - 1]!, sorted[k]!) === 0)
      throw new BatchError("duplicate", "a hub has one destination", {
        details: { chainId: sorted[k]!.chainId, hub: sorted[k]!.hub },
      });
  return { sorted, levels: merkleLevels(sorted.map((destination) => hexToBytes(destinationHash(destination)))) };
}

/**
 * `outboxes` of a header: the tree over all destinations in their defined order, bound to their number.
 * @throws BatchError malformedDestination, duplicate
 */
export function outboxesRoot(destinations: readonly Destination[]): Hex {
  const { sorted, levels } = destinationTree(destinations);
  return bytesToHex(bindSize(levels.at(-1)![0]!, BigInt(sorted.length)));
}

/** Proof of the destination of one hub. @throws BatchError outOfRange when there is none */
export function proveDestination(
  destinations: readonly Destination[],
  at: HubId,
): { destination: Destination; proof: InclusionProof } {
  const { sorted, levels } = destinationTree(destinations);
  const index = sorted.findIndex((destination) => compareDestinations(destination, at) === 0);
  const destination = sorted[index];
  if (destination === undefined)
    throw new BatchError("outOfRange", "the committee does not serve this hub", {
      details: { chainId: at.chainId, hub: at.hub },
    });
  const siblings = merkleSiblings(levels, index, sorted.length).map(bytesToHex);
  return { destination, proof: { index: BigInt(index), size: BigInt(sorted.length), siblings } };
}

/** Whether a header's `outboxes` holds this destination. Never throws on foreign values. */
export function verifyDestination(outboxes: Hex, destination: Destination, proof: InclusionProof): boolean {
  const siblings = proof.siblings.length > 64 ? undefined : decodeSiblings(proof.siblings);
  if (siblings === undefined || !isHex(outboxes, 32)) return false;
  let leaf: Uint8Array;
  try {
    leaf = hexToBytes(destinationHash(destination));
  } catch (error) {
    if (error instanceof BatchError) return false;
    throw error;
  }
  const root = rootOfInclusion(hashLeaf(leaf), proof.index, proof.size, siblings);
  return root !== undefined && equalBytes(bindSize(root, proof.size), hexToBytes(outboxes));
}

/** Hash of the list of cumulative promises in ascending token order (EIP-712 array of structs). @throws BatchError malformedDestination, duplicate */
export function promisedRoot(promised: readonly Promised[]): Hex {
  const sorted = [...promised].sort((a, b) => compareText(a.token.toLowerCase(), b.token.toLowerCase()));
  const hashes = sorted.map((item, k) => {
    if (k > 0 && sorted[k - 1]!.token.toLowerCase() === item.token.toLowerCase())
      throw new BatchError("duplicate", "a token is promised once", { details: { token: item.token } });
    return hashStruct(
      PROMISED_TYPE_HASH,
      destinationWords.address(item.token, "token"),
      destinationWords.uint256(item.cumulative, "cumulative"),
    );
  });
  return bytesToHex(hashStruct(PROMISED_LIST_TYPE_HASH, keccak256(concatBytes(...hashes))));
}
