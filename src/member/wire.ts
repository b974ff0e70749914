/**
 * Messages between members as bytes: the epoch that they are about (uint32, little-endian), one tag byte, then SSZ. Every list and
 * string has a limit that is checked before it is read. Nothing of one epoch is ever read as if it were of another.
 */
import {
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListCompositeType,
  UintBigintType,
  UintNumberType,
} from "@chainsafe/ssz";
import { decodeCertificate, encodeCertificate } from "../batch/certificate.ts";
import type { BatchPartial } from "../consensus/types.ts";
import { decodeSignedInstruction, encodeSignedInstruction } from "../ledger/codec.ts";
import { MAX_INSTRUCTION_BYTES } from "../ledger/limits.ts";
import { assert } from "../lib/assert.ts";
import { equalBytes } from "../lib/bytes.ts";
import { ClocklessError } from "../lib/errors.ts";
import { bytesToHex, hexToBytes } from "../lib/hex.ts";
import { SUITES, type Suite } from "../threshold/types.ts";
import type { MemberMessage } from "./types.ts";

export class MemberWireError extends ClocklessError<"malformedMessage"> {
  override readonly name = "MemberWireError";
}

const EPOCH_BYTES = 4;
const MAX_EPOCH = 0xffff_ffff;
const TAGS = { consensus: 0, partials: 1, certificates: 2, certificatesWanted: 3, instructions: 4, closed: 5 } as const;

/** Certificates in one answer: enough to close a gap quickly, small enough that a request costs little. */
export const MAX_CERTIFICATES = 64;
/** Partials of a member that lags: one per open batch and suite. */
export const MAX_PARTIALS = 256;
export const MAX_INSTRUCTIONS = 1024;
/** Instructions in one message of ours: a frame holds eight times as much. */
export const MAX_GOSSIP_BYTES = 1024 * 1024;

const PartialSsz = new ContainerType({
  sequence: new UintBigintType(8),
  suite: new UintNumberType(1),
  digest: new ByteVectorType(32),
  signature: new ByteListType(64),
});
const PartialsSsz = new ListCompositeType(PartialSsz, MAX_PARTIALS);
const CertificatesSsz = new ListCompositeType(new ByteListType(512), MAX_CERTIFICATES);
const WantedSsz = new ContainerType({ from: new UintBigintType(8) });
const InstructionsSsz = new ListCompositeType(new ByteListType(MAX_INSTRUCTION_BYTES), MAX_INSTRUCTIONS);

export function encodeMessage(epoch: bigint, message: MemberMessage): Uint8Array {
  const { tag, body } = bodyOf(message);
  return framed(epoch, tag, body);
}

/** A message of kind `instructions`, from what is encoded already. */
export function encodeInstructions(epoch: bigint, instructions: readonly Uint8Array[]): Uint8Array {
  return framed(epoch, TAGS.instructions, InstructionsSsz.serialize([...instructions]));
}

function framed(epoch: bigint, tag: number, body: Uint8Array): Uint8Array {
  assert(epoch >= 0n && epoch <= MAX_EPOCH, "an epoch has 32 bits on the wire");
  const out = new Uint8Array(EPOCH_BYTES + 1 + body.length);
  new DataView(out.buffer).setUint32(0, Number(epoch), true);
  out[EPOCH_BYTES] = tag;
  out.set(body, EPOCH_BYTES + 1);
  return out;
}

/** The epoch that a message is about; undefined when it is too short for a message. */
export function epochOfMessage(bytes: Uint8Array): bigint | undefined {
  if (bytes.length <= EPOCH_BYTES) return undefined;
  return BigInt(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true));
}

function bodyOf(message: MemberMessage): { readonly tag: number; readonly body: Uint8Array } {
  const tag = TAGS[message.kind];
  switch (message.kind) {
    case "consensus":
      return { tag, body: message.bytes };
    case "partials":
      return {
        tag,
        body: PartialsSsz.serialize(
          message.partials.map(({ sequence, suite, digest, signature }) => ({
            sequence,
            suite: SUITES.indexOf(suite),
            digest: hexToBytes(digest),
            signature,
          })),
        ),
      };
    case "certificates":
    case "closed":
      return { tag, body: CertificatesSsz.serialize(message.certificates.map(encodeCertificate)) };
    case "certificatesWanted":
      return { tag, body: WantedSsz.serialize({ from: message.from }) };
    case "instructions":
      return { tag, body: InstructionsSsz.serialize(message.instructions.map(encodeSignedInstruction)) };
  }
}

/** What stands behind the epoch. @throws MemberWireError malformedMessage: the peer is not honest; nothing of the message is used. */
export function decodeMessage(bytes: Uint8Array): MemberMessage {
  const tag = bytes[EPOCH_BYTES];
  const body = bytes.subarray(EPOCH_BYTES + 1);
  try {
    switch (tag) {
      case TAGS.consensus:
        return { kind: "consensus", bytes: body };
      case TAGS.partials:
        return { kind: "partials", partials: canonical(PartialsSsz, body).map(toPartial) };
      case TAGS.certificates:
        return { kind: "certificates", certificates: canonical(CertificatesSsz, body).map(decodeCertificate) };
      case TAGS.certificatesWanted:
        return { kind: "certificatesWanted", from: canonical(WantedSsz, body).from };
      case TAGS.instructions:
        return { kind: "instructions", instructions: canonical(InstructionsSsz, body).map(decodeSignedInstruction) };
      case TAGS.closed:
        return { kind: "closed", certificates: canonical(CertificatesSsz, body).map(decodeCertificate) };
    }
  } catch (cause) {
    throw new MemberWireError("malformedMessage", "a peer sent bytes that are no message", {
      details: { tag, length: bytes.length },
      cause,
    });
  }
  throw new MemberWireError("malformedMessage", "a peer sent an unknown message tag", {
    details: { tag, length: bytes.length },
  });
}

function toPartial(value: {
  sequence: bigint;
  suite: number;
  digest: Uint8Array;
  signature: Uint8Array;
}): BatchPartial {
  const suite: Suite | undefined = SUITES[value.suite];
  if (suite === undefined) throw new RangeError("unknown suite");
  return { sequence: value.sequence, suite, digest: bytesToHex(value.digest), signature: value.signature };
}

/** One encoding per value: SSZ decoders accept some others (offsets with gaps), so re-encode and compare. */
function canonical<T>(
  type: { deserialize(bytes: Uint8Array): T; serialize(value: T): Uint8Array },
  bytes: Uint8Array,
): T {
  const value = type.deserialize(bytes);
  if (!equalBytes(type.serialize(value), bytes)) throw new RangeError("not canonical");
  return value;
}
