/**
 * What a peer's message may cost us, told from its first bytes: an upper bound that scheduling can rely on before anything is decoded.
 * One unit is about one signature check on an identity curve (50 to 100 µs); a pairing takes some ten of them, and decoding and
 * hashing 8 KiB about one.
 */
import { MAX_WIRE_REFS } from "../consensus/limits.ts";
import { EPOCH_BYTES, MAX_CERTIFICATES, MAX_INSTRUCTIONS, MAX_PARTIALS, TAGS } from "./wire.ts";

const BYTES_PER_UNIT = 8 * 1024;
const UNITS_PER_PAIRING = 16;
/** Looking up and encoding as many certificates and partials as an answer holds, for a question of eight bytes. */
const UNITS_PER_ANSWER = 16;
/** Selectors of consensus/wire.ts: a coin is a pairing; of those whose messages hold blocks, where the offset of their list stands. */
const COIN = 2;
const FETCHED = 5;
const BUNDLE = 6;
const OFFSET_IN = { [FETCHED]: 8, [BUNDLE]: 0 } as const;

/** The most that any message costs whose bytes a frame of this size can hold. */
export function largestCost(maxBytes: number): number {
  const checks = Math.max(
    MAX_INSTRUCTIONS,
    MAX_WIRE_REFS,
    UNITS_PER_PAIRING * MAX_CERTIFICATES,
    UNITS_PER_PAIRING * MAX_PARTIALS,
  );
  return 1 + checks + Math.ceil(maxBytes / BYTES_PER_UNIT);
}

/** At least 1. Whatever the bytes say, at most `largestCost` of their length. */
export function costOf(bytes: Uint8Array): number {
  return 1 + Math.ceil(bytes.length / BYTES_PER_UNIT) + checksIn(bytes);
}

function checksIn(bytes: Uint8Array): number {
  const body = EPOCH_BYTES + 1;
  switch (bytes[EPOCH_BYTES]) {
    case TAGS.consensus:
      return blocksIn(bytes, body);
    case TAGS.instructions:
      return listLength(bytes, body, MAX_INSTRUCTIONS);
    case TAGS.certificates:
    case TAGS.closed:
      return UNITS_PER_PAIRING * listLength(bytes, body, MAX_CERTIFICATES);
    case TAGS.partials:
      return UNITS_PER_PAIRING * listLength(bytes, body, MAX_PARTIALS);
    case TAGS.certificatesWanted:
      return UNITS_PER_ANSWER;
    default:
      return 0;
  }
}

function blocksIn(bytes: Uint8Array, at: number): number {
  const selector = bytes[at];
  if (selector === 0) return 1;
  if (selector === COIN) return UNITS_PER_PAIRING;
  if (selector !== FETCHED && selector !== BUNDLE) return 0;
  const start = at + 1;
  const offset = wordAt(bytes, start + OFFSET_IN[selector]);
  return offset === undefined ? 0 : listLength(bytes, start + offset, MAX_WIRE_REFS);
}

/** Elements of variable size: the first offset is where the offsets end. What is no list is refused before anything is checked. */
function listLength(bytes: Uint8Array, at: number, most: number): number {
  const first = wordAt(bytes, at);
  return first === undefined ? 0 : Math.min(most, Math.floor(first / 4));
}

function wordAt(bytes: Uint8Array, at: number): number | undefined {
  if (at + 4 > bytes.length) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);
}
