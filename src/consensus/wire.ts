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
import {
  MAX_COIN_SHARES,
  MAX_SIGNATURE_BYTES,
  MAX_WIRE_BLOCK_BYTES,
  MAX_WIRE_MESSAGE_BYTES,
  MAX_WIRE_REFS,
} from "./limits.ts";
import type { ConsensusMessage } from "./types.ts";

const uint64 = new UintNumberType(8);

// The bounds are what any committee may configure (limits.ts): a decoder must work before it knows whose message it is.
const blockBytes = new ByteListType(MAX_WIRE_BLOCK_BYTES);
const refs = new ListCompositeType(blockRefType, MAX_WIRE_REFS);
/** Selector, then the SSZ of a container with one byte list: its offset and the bytes. By hand, because most messages are this. */
const BLOCK_PREFIX = Uint8Array.of(0, 4, 0, 0, 0);
const coinSharesType = new ContainerType({ shares: new ListCompositeType(coinShareType, MAX_COIN_SHARES) });
const coinType = new ContainerType({ round: uint64, signature: new ByteListType(MAX_SIGNATURE_BYTES) });
const coinRequestType = new ContainerType({ round: uint64 });
const fetchType = new ContainerType({ after: uint64, depth: new UintNumberType(2), refs });
const fetchedType = new ContainerType({
  floor: uint64,
  blocks: new ListCompositeType(blockBytes, MAX_WIRE_REFS),
  notFound: refs,
});

const bundleType = new ContainerType({ blocks: new ListCompositeType(blockBytes, MAX_WIRE_REFS) });
const wantBundlesType = new ContainerType({ until: uint64 });

export function encodeConsensusMessage(message: ConsensusMessage): Uint8Array {
  switch (message.kind) {
    case "block":
      return concatBytes(BLOCK_PREFIX, message.bytes);
    case "coinShares":
      return tagged(1, coinSharesType.serialize({ shares: [...message.shares] }));
    case "coin":
      return tagged(2, coinType.serialize({ round: message.round, signature: message.signature }));
    case "coinRequest":
      return tagged(3, coinRequestType.serialize({ round: message.round }));
    case "fetch":
      return tagged(4, fetchType.serialize(fetchToSsz(message)));
    case "fetched": {
      const { blocks, notFound, floor } = message;
      const value = { floor: floor ?? 0, blocks: [...blocks], notFound: notFound.map(refToSsz) };
      return tagged(5, fetchedType.serialize(value));
    }
    case "bundle":
      return tagged(6, bundleType.serialize({ blocks: [...message.blocks] }));
    case "wantBundles":
      return tagged(7, wantBundlesType.serialize({ until: message.until }));
  }
}

/** Throws ConsensusError `oversize` or `malformed`. */
export function decodeConsensusMessage(bytes: Uint8Array): ConsensusMessage {
  if (bytes.length > MAX_WIRE_MESSAGE_BYTES) {
    refuse("oversize", "message too long", { size: bytes.length, limit: MAX_WIRE_MESSAGE_BYTES });
  }
  const body = bytes.subarray(1);
  switch (bytes[0]) {
    case 0:
      return { kind: "block", bytes: blockOf(body) };
    case 1:
      return { kind: "coinShares", shares: strict(coinSharesType, body).shares.map(withSafeRound) };
    case 2:
      return { kind: "coin", ...withSafeRound(strict(coinType, body)) };
    case 3:
      return { kind: "coinRequest", ...withSafeRound(strict(coinRequestType, body)) };
    case 4: {
      const value = strict(fetchType, body);
      const fetch = {
        kind: "fetch",
        refs: value.refs.map(refFromSsz).map(withSafeRound),
        after: safe(value.after),
      } as const;
      return value.depth === 0 ? fetch : { ...fetch, depth: value.depth };
    }
    case 5: {
      const value = strict(fetchedType, body);
      const notFound = value.notFound.map(refFromSsz).map(withSafeRound);
      return { kind: "fetched", blocks: value.blocks, notFound, floor: safe(value.floor) };
    }
    case 6:
      return { kind: "bundle", blocks: strict(bundleType, body).blocks };
    case 7:
      return { kind: "wantBundles", until: safe(strict(wantBundlesType, body).until) };
    default:
      return refuse("malformed", "unknown message kind", { selector: bytes[0] });
  }
}

const fetchToSsz = ({ after = 0, depth = 0, refs: wanted }: Extract<ConsensusMessage, { kind: "fetch" }>) => ({
  after,
  depth,
  refs: wanted.map(refToSsz),
});

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

/** The one canonical encoding there is: the offset of the only field, then at most the largest block. */
function blockOf(body: Uint8Array): Uint8Array {
  if (!equalBytes(body.subarray(0, 4), BLOCK_PREFIX.subarray(1))) refuse("malformed", "not an SSZ message");
  if (body.length - 4 > MAX_WIRE_BLOCK_BYTES) refuse("oversize", "block too long", { size: body.length - 4 });
  return body.subarray(4);
}

function safe(value: number): number {
  return Number.isSafeInteger(value) ? value : refuse("malformed", "number too large");
}

function withSafeRound<T extends { readonly round: number }>(value: T): T {
  safe(value.round);
  return value;
}
