/**
 * Bytes of what consensus instances say to each other: one SSZ union, i.e. one selector byte and the value's SSZ encoding.
 * Decoding is strict (one encoding per message) and refuses oversize before it allocates.
 */
import {
  ByteListType,
  type CompositeTypeAny,
  ContainerType,
  ListCompositeType,
  UintNumberType,
  type ValueOf,
} from "@chainsafe/ssz";
import { concatBytes, equalBytes } from "../lib/bytes.ts";
import { blockRefType, coinShareType, refFromSsz, refToSsz } from "./block.ts";
import { ConsensusError, refuse } from "./errors.ts";
import { MAX_COIN_SHARES, MAX_SIGNATURE_BYTES, MAX_WIRE_BLOCK_BYTES, MAX_WIRE_REFS } from "./limits.ts";
import type { ConsensusLimits, ConsensusMessage } from "./types.ts";

const uint64 = new UintNumberType(8);

type WireLimits = Pick<ConsensusLimits, "maxBlockBytes" | "maxFetchRefs">;

/** Longest message of a committee. An answer stops at the first block that brings it past one block's size. */
export function maxMessageBytes(limits: WireLimits): number {
  return 2 * limits.maxBlockBytes + 64 * limits.maxFetchRefs + 1024;
}

const messageTypes = (limits: WireLimits) => {
  const block = new ByteListType(limits.maxBlockBytes);
  const refs = new ListCompositeType(blockRefType, limits.maxFetchRefs);
  return {
    block: new ContainerType({ bytes: block }),
    coinShares: new ContainerType({ shares: new ListCompositeType(coinShareType, MAX_COIN_SHARES) }),
    coin: new ContainerType({ round: uint64, signature: new ByteListType(MAX_SIGNATURE_BYTES) }),
    coinRequest: new ContainerType({ round: uint64 }),
    fetch: new ContainerType({ after: uint64, refs }),
    fetched: new ContainerType({
      floor: uint64,
      blocks: new ListCompositeType(block, limits.maxFetchRefs),
      notFound: refs,
    }),
  };
};

export class MessageCodec {
  readonly #maxBytes: number;
  readonly #types: ReturnType<typeof messageTypes>;

  constructor(limits: WireLimits) {
    this.#maxBytes = maxMessageBytes(limits);
    this.#types = messageTypes(limits);
  }

  encode(message: ConsensusMessage): Uint8Array {
    const types = this.#types;
    switch (message.kind) {
      case "block":
        return tagged(0, types.block.serialize({ bytes: message.bytes }));
      case "coinShares":
        return tagged(1, types.coinShares.serialize({ shares: [...message.shares] }));
      case "coin":
        return tagged(2, types.coin.serialize({ round: message.round, signature: message.signature }));
      case "coinRequest":
        return tagged(3, types.coinRequest.serialize({ round: message.round }));
      case "fetch":
        return tagged(4, types.fetch.serialize({ after: message.after ?? 0, refs: message.refs.map(refToSsz) }));
      case "fetched": {
        const { blocks, notFound, floor } = message;
        const value = { floor: floor ?? 0, blocks: [...blocks], notFound: notFound.map(refToSsz) };
        return tagged(5, types.fetched.serialize(value));
      }
    }
  }

  /** Throws ConsensusError `oversize` or `malformed`. */
  decode(bytes: Uint8Array): ConsensusMessage {
    if (bytes.length > this.#maxBytes) {
      refuse("oversize", "message too long", { size: bytes.length, limit: this.#maxBytes });
    }
    const types = this.#types;
    const body = bytes.subarray(1);
    switch (bytes[0]) {
      case 0:
        return { kind: "block", bytes: strict(types.block, body).bytes };
      case 1:
        return { kind: "coinShares", shares: strict(types.coinShares, body).shares.map(withSafeRound) };
      case 2:
        return { kind: "coin", ...withSafeRound(strict(types.coin, body)) };
      case 3:
        return { kind: "coinRequest", ...withSafeRound(strict(types.coinRequest, body)) };
      case 4: {
        const { after, refs } = strict(types.fetch, body);
        return { kind: "fetch", refs: refs.map(refFromSsz).map(withSafeRound), after: safe(after) };
      }
      case 5: {
        const { floor, blocks, notFound } = strict(types.fetched, body);
        return { kind: "fetched", blocks, notFound: notFound.map(refFromSsz).map(withSafeRound), floor: safe(floor) };
      }
      default:
        return refuse("malformed", "unknown message kind", { selector: bytes[0] });
    }
  }
}

/** For whoever has no configuration at hand: bounded by what any committee may configure. */
const widest = new MessageCodec({ maxBlockBytes: MAX_WIRE_BLOCK_BYTES, maxFetchRefs: MAX_WIRE_REFS });

export function encodeConsensusMessage(message: ConsensusMessage): Uint8Array {
  return widest.encode(message);
}

/** Throws ConsensusError `oversize` or `malformed`. */
export function decodeConsensusMessage(bytes: Uint8Array): ConsensusMessage {
  return widest.decode(bytes);
}

const tagged = (selector: number, value: Uint8Array): Uint8Array => concatBytes(Uint8Array.of(selector), value);

function strict<T extends CompositeTypeAny>(type: T, bytes: Uint8Array): ValueOf<T> {
  let value: ValueOf<T>;
  let canonical: Uint8Array;
  try {
    value = type.deserialize(bytes) as ValueOf<T>; // CAST: CompositeTypeAny erases the value type that T still carries
    canonical = type.serialize(value);
  } catch (cause) {
    throw new ConsensusError("malformed", "not an SSZ message", { cause });
  }
  if (!equalBytes(canonical, bytes)) refuse("malformed", "not the canonical encoding of the message");
  return value;
}

function safe(value: number): number {
  return Number.isSafeInteger(value) ? value : refuse("malformed", "number too large");
}

function withSafeRound<T extends { readonly round: number }>(value: T): T {
  safe(value.round);
  return value;
}
