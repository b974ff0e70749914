/** What members send each other: frames, messages, blocks, and everything inside them. */
import { decodeCertificate, encodeCertificate } from "../../../src/batch/certificate.ts";
import { decodeHeader, encodeHeader } from "../../../src/batch/header.ts";
import { BlockCodec } from "../../../src/consensus/block.ts";
import { decodeOrderTail, deriveCheckpoint, encodeOrderTail } from "../../../src/consensus/checkpoint.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../../src/consensus/limits.ts";
import { decodeConsensusMessage, encodeConsensusMessage } from "../../../src/consensus/wire.ts";
import { genesisHash } from "../../../src/ledger/genesis.ts";
import { concatBytes, equalBytes } from "../../../src/lib/bytes.ts";
import { keccakOfHex } from "../../../src/lib/hash.ts";
import { epochGenesis, Member } from "../../../src/member/member.ts";
import { decodeMessage, encodeMessage, epochOfMessage } from "../../../src/member/wire.ts";
import { DagBuilder } from "../../../src/testing/dag-builder.ts";
import { FrameDecoder, framePrefix } from "../../../src/transport/frame.ts";
import { createLengthDecoder } from "../../../src/transport/stack.ts";
import { bytesTarget, type Target, violated } from "../target.ts";
import { some, type World } from "../world.ts";

const CONSENSUS_TAG = 0;
const bodyOf = (message: Uint8Array): Uint8Array => message.subarray(5);

export function memberTargets(world: World): Target[] {
  const { test, messages, blocks, certificates, checkpoints } = world;
  const small = messages.filter(({ length }) => length <= 16_384);
  const byKind = new Map<string, Uint8Array[]>();
  for (const bytes of small) {
    const kind = `${bytes[4]}/${bytes[4] === CONSENSUS_TAG ? bytes[5] : ""}`;
    byKind.set(kind, [...(byKind.get(kind) ?? []), bytes]);
  }
  const ofEachKind = [...byKind.values()].flatMap((list) => some(list, 4));
  const rare = [
    { kind: "coinShares", shares: [{ round: 3, signature: new Uint8Array(48).fill(7) }] },
    { kind: "coin", round: 5, signature: new Uint8Array(48).fill(9) },
    { kind: "coinRequest", round: 7 },
  ] as const;
  const rareBytes = rare.map((message) => encodeConsensusMessage(message));
  const consensus = [...ofEachKind.filter((bytes) => bytes[4] === CONSENSUS_TAG).map(bodyOf), ...rareBytes];
  return [
    frameTarget(small),
    lengthPrefixTarget(),
    bytesTarget({
      name: "member-message",
      seeds: [...ofEachKind, encodeMessage(3n, { kind: "closed", certificates: certificates.slice(0, 2) })],
      maxBytes: 32_768,
      weight: 2,
      decode: (bytes) => ({ epoch: epochOfMessage(bytes), message: decodeMessage(bytes) }),
      encode: ({ epoch, message }) => encodeMessage(epoch!, message),
    }),
    bytesTarget({
      name: "consensus-message",
      seeds: consensus,
      maxBytes: 32_768,
      weight: 3,
      decode: decodeConsensusMessage,
      encode: encodeConsensusMessage,
    }),
    blockTarget(world),
    bytesTarget({
      name: "certificate",
      seeds: some(certificates, 6).map(encodeCertificate),
      maxBytes: 1_024,
      weight: 2,
      decode: decodeCertificate,
      encode: encodeCertificate,
    }),
    bytesTarget({
      name: "header",
      seeds: some(certificates, 4).map(({ header }) => encodeHeader(header)),
      maxBytes: 512,
      weight: 2,
      decode: decodeHeader,
      encode: encodeHeader,
    }),
    bytesTarget({
      name: "order-tail",
      seeds: checkpoints.slice(0, 1).map(({ order }) => order),
      maxBytes: 16_384,
      weight: 0.05,
      steps: { base: 500_000, perByte: 2_000 },
      decode: decodeOrderTail,
      encode: encodeOrderTail,
      check(tail) {
        const rules = { members: 4, genesisHash: ruleHash(world), retainedRounds: 64, activityWindow: 32 };
        const derived = deriveCheckpoint(tail, checkpoints[0]!.header.commit, rules);
        if (derived.commitDigest !== checkpoints[0]!.header.commit) violated("a tail of another commit was accepted");
      },
    }),
    stepTarget(world, [...ofEachKind, ...rareBytes.map((bytes) => encodeMessage(0n, { kind: "consensus", bytes }))]),
  ];

  /** Coin shares, partials and weak links that the quiet world has none of. */
  function blockTarget({ configOf, genesis }: World): Target {
    const { committee, identities, secrets } = test;
    const rules = {
      committeeId: committee.id,
      epoch: 0n,
      genesisHash: epochGenesis(committee.id, genesisHash(genesis)),
      members: committee.members.map(({ address }) => address),
      limits: DEFAULT_CONSENSUS_LIMITS,
    };
    const coin = configOf(0).createCoin(committee, secrets[0]!.shares["bls12-381"]);
    const dag = new DagBuilder({
      rules,
      sign: (author, digest) => identities.sign(secrets[author]!.identity, digest),
      share: (_, round) => coin.share(round),
    });
    dag.fullRounds(1, 5);
    const codec = new BlockCodec(rules);
    return bytesTarget({
      name: "block",
      seeds: [...some(blocks, 12), ...dag.blocks.slice(-2)].map(({ bytes }) => bytes),
      maxBytes: 16_384,
      weight: 3,
      decode: (bytes) => codec.decode(bytes),
      encode: (block) => codec.seal(block, () => block.signature).bytes,
    });
  }
}

function ruleHash({ test, genesis }: World) {
  return keccakOfHex(test.committee.id, genesisHash(genesis));
}

/** A stream in one piece and in many must give the same frames, and hold no more than arrived. */
function frameTarget(messages: readonly Uint8Array[]): Target {
  const maxFrameBytes = 4_096;
  const framed = (payload: Uint8Array): Uint8Array => concatBytes(framePrefix(payload.length), payload);
  const short = messages.filter(({ length }) => length <= 512).slice(0, 3);
  const read = (input: Uint8Array, chunk: number): { frames: Uint8Array[]; fault: string | undefined } => {
    const decoder = new FrameDecoder(maxFrameBytes);
    const frames: Uint8Array[] = [];
    let fault: string | undefined;
    for (let at = 0; at < input.length; at += chunk)
      fault = decoder.push(input.subarray(at, at + chunk), (frame) => frames.push(frame)) ?? fault;
    return { frames, fault };
  };
  return {
    name: "frame",
    format: "bytes",
    seeds: [concatBytes(...short.map(framed)), framed(new Uint8Array(300).fill(1)), new Uint8Array(8)],
    maxBytes: 8_192,
    steps: { base: 50_000, perByte: 4_000 },
    run(input) {
      const whole = read(input, Math.max(1, input.length));
      const pieces = read(input, 1 + (input[0] ?? 0));
      const isSame =
        whole.fault === pieces.fault &&
        whole.frames.length === pieces.frames.length &&
        whole.frames.every((frame, i) => equalBytes(frame, pieces.frames[i]!));
      if (!isSame) violated("frames depend on how the stream was cut");
      if (whole.frames.some(({ length }) => length > maxFrameBytes)) violated("a frame above the limit");
      let at = 0;
      for (const frame of whole.frames) {
        if (!equalBytes(input.subarray(at, at + 4 + frame.length), framed(frame))) violated("a frame of other bytes");
        at += 4 + frame.length;
      }
      return whole.fault === undefined;
    },
  };
}

/** multistream-select's prefix before encryption: any stranger's bytes. */
function lengthPrefixTarget(): Target {
  return {
    name: "length-prefix",
    format: "bytes",
    seeds: [Uint8Array.of(5), Uint8Array.of(0x85, 1)],
    maxBytes: 64,
    weight: 0.5,
    run(input) {
      const decode = createLengthDecoder();
      let messages = 0;
      for (let at = 0; at < input.length; ) {
        const bytes = input.subarray(at, at + 3);
        let length: number;
        try {
          length = decode(bytes);
        } catch (error) {
          // RangeError asks for more; what comes after two bytes is another error, which ends the connection.
          if (error instanceof RangeError && bytes.length >= 2) violated("asks for more than two bytes");
          if (!(error instanceof Error)) throw error;
          return false;
        }
        if (length > 0x3fff) violated("a length of more than 14 bits");
        if (++messages > 4) violated("goes on after four messages");
        at += length < 0x80 && bytes[0]! < 0x80 ? 1 : 2;
      }
      return true;
    },
  };
}

/** The whole member: whatever a peer says, it must not throw, and what it holds stays within bounds. */
function stepTarget(world: World, seeds: readonly Uint8Array[]): Target {
  let member = new Member(world.configOf(0));
  let steps = 0;
  return {
    name: "member-step",
    format: "bytes",
    seeds,
    maxBytes: 32_768,
    weight: 0.2,
    steps: { base: 20_000_000, perByte: 20_000 },
    run(input) {
      // A fresh one now and then: what was found must be found again from not too much.
      if (steps++ % 1_000 === 0) member = new Member(world.configOf(0));
      const from = 1 + (input.length % 3);
      const effects = member.step({ kind: "message", epoch: 0n, from, bytes: input.slice() }, steps);
      const { pending, wanted } = member.consensus.sizes;
      if (pending > 4 * 1024 || wanted > 4 * 1024 * 4) violated("what peers make a member hold has no bound");
      return !effects.some((effect) => effect.kind === "punish");
    },
  };
}
