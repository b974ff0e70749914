/**
 * Canonical bytes (SSZ) of reconfiguration transactions. One encoding per value, as in ../codec.ts: a transaction's id is the hash of
 * its bytes, and nobody may have a second one for the same thing.
 * Source: https://github.com/ethereum/consensus-specs/blob/dev/ssz/simple-serialize.md
 */
import {
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListCompositeType,
  UintBigintType,
  UnionType,
  type ValueOf,
} from "@chainsafe/ssz";
import { utf8ToBytes } from "../../lib/bytes.ts";
import { keccak256Hex } from "../../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import { LedgerError } from "../codes.ts";
import { MAX_MULTIADDR_BYTES, MAX_MULTIADDRS, MAX_PROPOSED_MEMBERS, MAX_TRANSACTION_BYTES } from "../limits.ts";
import { decodeStrict, encodeChecked } from "../ssz.ts";
import type { EpochTransaction, Proposal, ProposedMember } from "./types.ts";

const u64 = new UintBigintType(8);
const address = new ByteVectorType(20);
const identitySignature = new ByteVectorType(65);
const partials = new ContainerType({ bls12381: new ByteVectorType(48), bn254: new ByteVectorType(64) });
/** A transaction is bounded as a whole; one deal may fill it. */
const dealBytes = new ByteListType(MAX_TRANSACTION_BYTES);

const Member = new ContainerType({
  address,
  publicKey: new ByteVectorType(33),
  /** Printable ASCII. */
  multiaddrs: new ListCompositeType(new ByteListType(MAX_MULTIADDR_BYTES), MAX_MULTIADDRS),
  encryptionKey: new ByteVectorType(32),
  proof: new ByteVectorType(64),
  signature: identitySignature,
});
const Members = new ListCompositeType(Member, MAX_PROPOSED_MEMBERS);
const ProposalSsz = new ContainerType({ epoch: u64, attempt: u64, members: Members });

const Approve = new ContainerType({ proposal: ProposalSsz, member: address, signature: identitySignature });
const Deal = new ContainerType({
  epoch: u64,
  attempt: u64,
  dealer: address,
  deals: new ContainerType({ bls12381: dealBytes, bn254: dealBytes }),
  signature: identitySignature,
});
const Ready = new ContainerType({
  epoch: u64,
  attempt: u64,
  member: address,
  partials,
  signature: identitySignature,
});
const HandoverPartial = new ContainerType({ epoch: u64, attempt: u64, member: address, partials });
/** Selectors: 0 approve, 1 deal, 2 ready, 3 handover. */
const Transaction = new UnionType([Approve, Deal, Ready, HandoverPartial]);

/** The library refuses too many elements when it reads them, and writes them without a word. */
function bounded<T>(values: readonly T[], most: number): readonly T[] {
  if (values.length > most) throw new RangeError(`more than ${most} elements`);
  return values;
}

function membersToSsz(members: readonly ProposedMember[]): ValueOf<typeof Members> {
  return bounded(members, MAX_PROPOSED_MEMBERS).map(memberToSsz);
}

function memberToSsz(member: ProposedMember): ValueOf<typeof Member> {
  return {
    address: hexToBytes(member.address),
    publicKey: hexToBytes(member.publicKey),
    multiaddrs: bounded(member.multiaddrs, MAX_MULTIADDRS).map(asciiToBytes),
    encryptionKey: hexToBytes(member.encryptionKey),
    proof: hexToBytes(member.proof),
    signature: hexToBytes(member.signature),
  };
}

function memberFromSsz(value: ValueOf<typeof Member>): ProposedMember {
  return {
    address: bytesToHex(value.address),
    publicKey: bytesToHex(value.publicKey),
    multiaddrs: value.multiaddrs.map(bytesToAscii),
    encryptionKey: bytesToHex(value.encryptionKey),
    proof: bytesToHex(value.proof),
    signature: bytesToHex(value.signature),
  };
}

/** Contact data is shown to people and given to a parser: nothing but printable ASCII. */
const PRINTABLE = /^[\x21-\x7e]+$/;

function asciiToBytes(text: string): Uint8Array {
  if (!PRINTABLE.test(text) || text.length > MAX_MULTIADDR_BYTES) {
    throw new RangeError(`a multiaddr is printable ASCII of 1 to ${MAX_MULTIADDR_BYTES} characters`);
  }
  return utf8ToBytes(text);
}

function bytesToAscii(bytes: Uint8Array): string {
  const text = String.fromCharCode(...bytes);
  if (!PRINTABLE.test(text)) throw new LedgerError("malformedBytes", "a multiaddr is printable ASCII, not empty");
  return text;
}

type Partials = Extract<EpochTransaction, { kind: "ready" }>["partials"];

function partialsToSsz(value: Partials): ValueOf<typeof partials> {
  return { bls12381: hexToBytes(value["bls12-381"]), bn254: hexToBytes(value.bn254) };
}

function partialsFromSsz(value: ValueOf<typeof partials>): Partials {
  return { "bls12-381": bytesToHex(value.bls12381), bn254: bytesToHex(value.bn254) };
}

function toSsz(transaction: EpochTransaction): ValueOf<typeof Transaction> {
  switch (transaction.kind) {
    case "approve": {
      const { proposal, member, signature } = transaction;
      const members = membersToSsz(proposal.members);
      const value = {
        proposal: { ...proposal, members },
        member: hexToBytes(member),
        signature: hexToBytes(signature),
      };
      return { selector: 0, value };
    }
    case "deal": {
      const { epoch, attempt, dealer, deals, signature } = transaction;
      const bytes = { bls12381: deals["bls12-381"], bn254: deals.bn254 };
      const value = { epoch, attempt, dealer: hexToBytes(dealer), deals: bytes, signature: hexToBytes(signature) };
      return { selector: 1, value };
    }
    case "ready": {
      const { epoch, attempt, member, signature } = transaction;
      const scope = { epoch, attempt, member: hexToBytes(member), partials: partialsToSsz(transaction.partials) };
      return { selector: 2, value: { ...scope, signature: hexToBytes(signature) } };
    }
    case "handover": {
      const { epoch, attempt, member } = transaction;
      return {
        selector: 3,
        value: { epoch, attempt, member: hexToBytes(member), partials: partialsToSsz(transaction.partials) },
      };
    }
  }
}

function fromSsz({ selector, value }: ValueOf<typeof Transaction>): EpochTransaction {
  // CAST: the union's selector says which container the value is; the library's type does not connect the two.
  switch (selector) {
    case 0: {
      const { proposal, member, signature } = value as ValueOf<typeof Approve>;
      const { epoch, attempt, members } = proposal;
      return {
        kind: "approve",
        proposal: { epoch, attempt, members: members.map(memberFromSsz) },
        member: bytesToHex(member),
        signature: bytesToHex(signature),
      };
    }
    case 1: {
      const { epoch, attempt, dealer, deals, signature } = value as ValueOf<typeof Deal>;
      return {
        kind: "deal",
        epoch,
        attempt,
        dealer: bytesToHex(dealer),
        deals: { "bls12-381": deals.bls12381, bn254: deals.bn254 },
        signature: bytesToHex(signature),
      };
    }
    case 2: {
      const ready = value as ValueOf<typeof Ready>;
      const { epoch, attempt } = ready;
      const member = bytesToHex(ready.member);
      const signature = bytesToHex(ready.signature);
      return { kind: "ready", epoch, attempt, member, partials: partialsFromSsz(ready.partials), signature };
    }
    default: {
      const partial = value as ValueOf<typeof HandoverPartial>;
      const { epoch, attempt } = partial;
      const member = bytesToHex(partial.member);
      return { kind: "handover", epoch, attempt, member, partials: partialsFromSsz(partial.partials) };
    }
  }
}

const WHAT = "a reconfiguration transaction";

/** At most MAX_TRANSACTION_BYTES. Throws LedgerError `tooLarge`, `malformedBytes` (a caller's bug or unchecked input). */
export function encodeTransaction(transaction: EpochTransaction): Uint8Array {
  return encodeChecked(Transaction, () => toSsz(transaction), MAX_TRANSACTION_BYTES, WHAT);
}

/** Throws LedgerError `tooLarge`, `malformedBytes`. Verifies nothing but the form. */
export function decodeTransaction(bytes: Uint8Array): EpochTransaction {
  return fromSsz(decodeStrict(Transaction, bytes, MAX_TRANSACTION_BYTES, WHAT));
}

/** Undefined instead of an error: for bytes that are already in the order. */
export function tryDecodeTransaction(bytes: Uint8Array): EpochTransaction | undefined {
  try {
    return decodeTransaction(bytes);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

/** keccak-256 of the canonical bytes. */
export function transactionId(bytes: Uint8Array): Hex {
  return keccak256Hex(bytes);
}

/** `content` of a proposal's digest. Throws LedgerError `malformedBytes`. */
export function encodeMembers(members: Proposal["members"]): Uint8Array {
  return encodeChecked(Members, () => membersToSsz(members), MAX_TRANSACTION_BYTES, "a proposal's members");
}

/** Inverse of {@link encodeMembers}. Throws LedgerError `tooLarge`, `malformedBytes`. */
export function decodeMembers(bytes: Uint8Array): readonly ProposedMember[] {
  return decodeStrict(Members, bytes, MAX_TRANSACTION_BYTES, "a proposal's members").map(memberFromSsz);
}
