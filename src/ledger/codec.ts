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
  type Type,
  UintBigintType,
  UintNumberType,
  UnionType,
  type ValueOf,
} from "@chainsafe/ssz";
import type { InboxEntry } from "../batch/types.ts";
import { equalBytes } from "../lib/bytes.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { LedgerError } from "./codes.ts";
import {
  MAX_CASH_LIMITS,
  MAX_FILLS,
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
import type { InstructionBody, Observation, SignedInstruction } from "./types.ts";

const u32 = new UintNumberType(4);
const u64 = new UintBigintType(8);
const u128 = new UintBigintType(16);
const u256 = new UintBigintType(32);
const address = new ByteVectorType(20);
const bytes32 = new ByteVectorType(32);

const OpenLane = new ContainerType({
  account: bytes32,
  laneSigner: address,
  laneNumber: u64,
  marginLimit: u128,
  cashLimits: new ListCompositeType(new ContainerType({ asset: bytes32, limit: u128 }), MAX_CASH_LIMITS),
});
const FillSsz = new ContainerType({
  instrument: bytes32,
  buyer: bytes32,
  seller: bytes32,
  quantity: u128,
  price: u128,
});
const Fills = new ContainerType({ fills: new ListCompositeType(FillSsz, MAX_FILLS) });
const Transfer = new ContainerType({ from: bytes32, to: bytes32, asset: bytes32, amount: u128 });
const Withdraw = new ContainerType({
  account: bytes32,
  asset: bytes32,
  amount: u128,
  chainId: u64,
  recipient: address,
  relayerFee: u128,
});
const Signed = new ContainerType({
  signer: address,
  lane: u64,
  nonce: u64,
  namedBatch: u64,
  signature: new ByteVectorType(65),
  /** Selectors: 0 openLane, 1 fills, 2 transfer, 3 withdraw. */
  body: new UnionType([OpenLane, Fills, Transfer, Withdraw]),
});

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

function bodyToSsz(body: InstructionBody): ValueOf<typeof Signed>["body"] {
  switch (body.kind) {
    case "openLane":
      return {
        selector: 0,
        value: {
          account: bin(body.account),
          laneSigner: bin(body.laneSigner),
          laneNumber: body.laneNumber,
          marginLimit: body.marginLimit,
          cashLimits: body.cashLimits.map(({ asset, limit }) => ({ asset: bin(asset), limit })),
        },
      };
    case "fills":
      return {
        selector: 1,
        value: {
          fills: body.fills.map(({ instrument, buyer, seller, quantity, price }) => ({
            instrument: bin(instrument),
            buyer: bin(buyer),
            seller: bin(seller),
            quantity,
            price,
          })),
        },
      };
    case "transfer":
      return {
        selector: 2,
        value: { from: bin(body.from), to: bin(body.to), asset: bin(body.asset), amount: body.amount },
      };
    case "withdraw":
      return {
        selector: 3,
        value: {
          account: bin(body.account),
          asset: bin(body.asset),
          amount: body.amount,
          chainId: body.chainId,
          recipient: bin(body.recipient),
          relayerFee: body.relayerFee,
        },
      };
  }
}

function bodyFromSsz({ selector, value }: ValueOf<typeof Signed>["body"]): InstructionBody {
  // CAST: the union's selector says which container the value is; the library's type does not connect the two.
  switch (selector) {
    case 0: {
      const body = value as ValueOf<typeof OpenLane>;
      return {
        kind: "openLane",
        account: hex(body.account),
        laneSigner: hex(body.laneSigner),
        laneNumber: body.laneNumber,
        marginLimit: body.marginLimit,
        cashLimits: body.cashLimits.map(({ asset, limit }) => ({ asset: hex(asset), limit })),
      };
    }
    case 1:
      return {
        kind: "fills",
        fills: (value as ValueOf<typeof Fills>).fills.map(({ instrument, buyer, seller, quantity, price }) => ({
          instrument: hex(instrument),
          buyer: hex(buyer),
          seller: hex(seller),
          quantity,
          price,
        })),
      };
    case 2: {
      const body = value as ValueOf<typeof Transfer>;
      return {
        kind: "transfer",
        from: hex(body.from),
        to: hex(body.to),
        asset: hex(body.asset),
        amount: body.amount,
      };
    }
    default: {
      const body = value as ValueOf<typeof Withdraw>;
      return {
        kind: "withdraw",
        account: hex(body.account),
        asset: hex(body.asset),
        amount: body.amount,
        chainId: body.chainId,
        recipient: hex(body.recipient),
        relayerFee: body.relayerFee,
      };
    }
  }
}

function signedToSsz({ instruction: { head, body }, signature }: SignedInstruction): ValueOf<typeof Signed> {
  const { signer, lane, nonce, namedBatch } = head;
  return { signer: bin(signer), lane, nonce, namedBatch, signature: bin(signature), body: bodyToSsz(body) };
}

function signedFromSsz(value: ValueOf<typeof Signed>): SignedInstruction {
  const { lane, nonce, namedBatch } = value;
  const head = { signer: hex(value.signer), lane, nonce, namedBatch };
  return { instruction: { head, body: bodyFromSsz(value.body) }, signature: hex(value.signature) };
}

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

/** Throws LedgerError `tooLarge`, `malformedBytes`. */
export function decodeStrict<T>(type: Type<T>, bytes: Uint8Array, limit: number, what: string): T {
  if (bytes.length > limit) {
    throw new LedgerError("tooLarge", `${what} has more than ${limit} bytes`, { details: { length: bytes.length } });
  }
  let value: T;
  try {
    value = type.deserialize(bytes);
  } catch (cause) {
    // Others choose these bytes; whatever the decoder stumbles over means the same.
    throw new LedgerError("malformedBytes", `not the encoding of ${what}`, {
      cause,
      details: { length: bytes.length },
    });
  }
  if (!equalBytes(type.serialize(value), bytes)) {
    throw new LedgerError("malformedBytes", `not the canonical encoding of ${what}`, {
      details: { length: bytes.length },
    });
  }
  return value;
}

/** Throws LedgerError `malformedBytes` when our own value exceeds what the format holds (a caller's bug or unchecked input). */
export function encodeChecked<T>(type: Type<T>, value: () => T, limit: number, what: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = type.serialize(value());
  } catch (cause) {
    throw new LedgerError("malformedBytes", `${what} cannot be encoded`, { cause });
  }
  if (bytes.length > limit) {
    throw new LedgerError("tooLarge", `${what} has more than ${limit} bytes`, { details: { length: bytes.length } });
  }
  return bytes;
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
