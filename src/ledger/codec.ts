/**
 * Canonical bytes (SSZ) of what members exchange: signed instructions, observations, and the payload of a block. One encoding per
 * value: sizes are checked first, and what was decoded must encode to the very bytes it came from.
 * Source: https://github.com/ethereum/consensus-specs/blob/dev/ssz/simple-serialize.md
 */
import {
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListBasicType,
  ListCompositeType,
  UintBigintType,
  UintNumberType,
  UnionType,
  type ValueOf,
} from "@chainsafe/ssz";
import type { InboxEntry } from "../batch/types.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { LedgerError } from "./codes.ts";
import { Signed, signedFromSsz, signedToSsz } from "./instruction-codec.ts";
import {
  MAX_FORCED_BYTES,
  MAX_INBOX_ENTRIES,
  MAX_INSTRUCTION_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_PAYLOAD_INSTRUCTIONS,
  MAX_PAYLOAD_OBSERVATIONS,
  MAX_PAYLOAD_TRANSACTIONS,
  MAX_PRICE_VALUES,
  MAX_TRANSACTION_BYTES,
} from "./limits.ts";
import { decodeStrict, encodeChecked } from "./ssz.ts";
import type { Observation, SignedInstruction } from "./types.ts";

const u32 = new UintNumberType(4);
const u64 = new UintBigintType(8);
const u128 = new UintBigintType(16);
const u256 = new UintBigintType(32);
const address = new ByteVectorType(20);
const bytes32 = new ByteVectorType(32);

const Deposit = new ContainerType({
  index: u64,
  token: address,
  amount: u256,
  account: bytes32,
  refundTo: address,
  total: u256,
});
const Forced = new ContainerType({ index: u64, instruction: new ByteListType(MAX_FORCED_BYTES) });
const Inbox = new ContainerType({
  chainId: u64,
  /** Selectors: 0 deposit, 1 forced. */
  entries: new ListCompositeType(new UnionType([Deposit, Forced]), MAX_INBOX_ENTRIES),
});
const Time = new ContainerType({ seconds: u64 });
const Prices = new ContainerType({
  market: u32,
  firstSlotEnd: u64,
  values: new ListBasicType(u128, MAX_PRICE_VALUES),
});
/** Selectors: 0 inbox, 1 time, 2 prices. */
const Observations = new ListCompositeType(new UnionType([Inbox, Time, Prices]), MAX_PAYLOAD_OBSERVATIONS);
const Payload = new ContainerType({
  instructions: new ListCompositeType(Signed, MAX_PAYLOAD_INSTRUCTIONS),
  observations: Observations,
  transactions: new ListCompositeType(new ByteListType(MAX_TRANSACTION_BYTES), MAX_PAYLOAD_TRANSACTIONS),
});

/** What a member puts into its block. */
export interface BlockPayload {
  readonly instructions: readonly SignedInstruction[];
  readonly observations: readonly Observation[];
  /** Of a change of committee (reconfiguration/codec.ts). Bytes here: what one of them decodes to must not spoil the rest. */
  readonly transactions: readonly Uint8Array[];
}

const bin = (hex: Hex): Uint8Array => hexToBytes(hex);
const hex = (bytes: Uint8Array): Hex => bytesToHex(bytes);

function entryToSsz(entry: InboxEntry): ValueOf<typeof Inbox>["entries"][number] {
  if (entry.kind === "forced") {
    return { selector: 1, value: { index: entry.index, instruction: bin(entry.instruction) } };
  }
  const { index, amount, total } = entry;
  const { token, account, refundTo } = entry;
  return {
    selector: 0,
    value: { index, token: bin(token), amount, account: bin(account), refundTo: bin(refundTo), total },
  };
}

function entryFromSsz({ selector, value }: ValueOf<typeof Inbox>["entries"][number]): InboxEntry {
  // CAST: as in bodyFromSsz.
  if (selector === 1) {
    const { index, instruction } = value as ValueOf<typeof Forced>;
    return { kind: "forced", index, instruction: hex(instruction) };
  }
  const { index, token, amount, account, refundTo, total } = value as ValueOf<typeof Deposit>;
  return { kind: "deposit", index, token: hex(token), amount, account: hex(account), refundTo: hex(refundTo), total };
}

function observationToSsz(observation: Observation): ValueOf<typeof Observations>[number] {
  switch (observation.kind) {
    case "inbox":
      return { selector: 0, value: { chainId: observation.chainId, entries: observation.entries.map(entryToSsz) } };
    case "time":
      return { selector: 1, value: { seconds: observation.seconds } };
    case "prices": {
      const { market, firstSlotEnd, values } = observation;
      return { selector: 2, value: { market, firstSlotEnd, values: [...values] } };
    }
  }
}

function observationFromSsz({ selector, value }: ValueOf<typeof Observations>[number]): Observation {
  // CAST: as in bodyFromSsz.
  if (selector === 0) {
    const { chainId, entries } = value as ValueOf<typeof Inbox>;
    return { kind: "inbox", chainId, entries: entries.map(entryFromSsz) };
  }
  if (selector === 1) return { kind: "time", seconds: (value as ValueOf<typeof Time>).seconds };
  const { market, firstSlotEnd, values } = value as ValueOf<typeof Prices>;
  return { kind: "prices", market, firstSlotEnd, values };
}

/** At most MAX_INSTRUCTION_BYTES. Throws LedgerError `tooLarge`, `malformedBytes`. */
export function encodeSignedInstruction(signed: SignedInstruction): Uint8Array {
  return encodeChecked(Signed, () => signedToSsz(signed), MAX_INSTRUCTION_BYTES, "a signed instruction");
}

/** Throws LedgerError `tooLarge`, `malformedBytes`. Verifies no signature. */
export function decodeSignedInstruction(bytes: Uint8Array): SignedInstruction {
  return signedFromSsz(decodeStrict(Signed, bytes, MAX_INSTRUCTION_BYTES, "a signed instruction"));
}

/** Undefined instead of an error: for bytes that are already in the order. */
export function tryDecodeSignedInstruction(bytes: Uint8Array): SignedInstruction | undefined {
  try {
    return decodeSignedInstruction(bytes);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

/** Throws LedgerError `tooLarge`, `malformedBytes`. */
export function encodeObservations(observations: readonly Observation[]): Uint8Array {
  return encodeChecked(Observations, () => observations.map(observationToSsz), MAX_PAYLOAD_BYTES, "observations");
}

/** Throws LedgerError `tooLarge`, `malformedBytes`. */
export function decodeObservations(bytes: Uint8Array): Observation[] {
  return decodeStrict(Observations, bytes, MAX_PAYLOAD_BYTES, "observations").map(observationFromSsz);
}

/** A block's payload. Throws LedgerError `tooLarge`, `malformedBytes`. */
export function encodePayload({ instructions, observations, transactions }: BlockPayload): Uint8Array {
  const value = () => ({
    instructions: instructions.map(signedToSsz),
    observations: observations.map(observationToSsz),
    transactions: [...transactions],
  });
  return encodeChecked(Payload, value, MAX_PAYLOAD_BYTES, "a block payload");
}

/** Offsets of a payload's three lists. */
const PAYLOAD_HEAD_BYTES = 12;

/**
 * The bytes of `encodePayload` from parts that are encoded already, each once: a signed instruction each, all observations
 * (`encodeObservations`), a transaction each. The caller keeps within the limits of a payload.
 */
export function assemblePayload(parts: {
  readonly instructions: readonly Uint8Array[];
  readonly observations: Uint8Array;
  readonly transactions: readonly Uint8Array[];
}): Uint8Array {
  const { observations } = parts;
  const [instructions, transactions] = [sizeOfList(parts.instructions), sizeOfList(parts.transactions)];
  const out = new Uint8Array(PAYLOAD_HEAD_BYTES + instructions + observations.length + transactions);
  const view = new DataView(out.buffer);
  const at = [PAYLOAD_HEAD_BYTES, PAYLOAD_HEAD_BYTES + instructions, out.length - transactions] as const;
  for (const [i, offset] of at.entries()) view.setUint32(4 * i, offset, true);
  writeList(out, view, at[0], parts.instructions);
  out.set(observations, at[1]);
  writeList(out, view, at[2], parts.transactions);
  return out;
}

function sizeOfList(elements: readonly Uint8Array[]): number {
  let size = 4 * elements.length;
  for (const element of elements) size += element.length;
  return size;
}

/** SSZ of a list whose elements differ in size: their offsets from its beginning, then the elements. */
function writeList(out: Uint8Array, view: DataView, start: number, elements: readonly Uint8Array[]): void {
  let offset = 4 * elements.length;
  for (const [i, element] of elements.entries()) {
    view.setUint32(start + 4 * i, offset, true);
    out.set(element, start + offset);
    offset += element.length;
  }
}

/** Throws LedgerError `tooLarge`, `malformedBytes`. Verifies no signature. */
export function decodePayload(bytes: Uint8Array): BlockPayload {
  const { instructions, observations, transactions } = decodeStrict(
    Payload,
    bytes,
    MAX_PAYLOAD_BYTES,
    "a block payload",
  );
  return {
    instructions: instructions.map(signedFromSsz),
    observations: observations.map(observationFromSsz),
    transactions,
  };
}
