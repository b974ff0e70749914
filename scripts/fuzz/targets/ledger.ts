/** What users sign, members order and newcomers start from: the ledger's bytes. */
import {
  createHandover,
  decodeHandover,
  encodeHandover,
  handoverToJson,
  parseHandover,
} from "../../../src/batch/handover.ts";
import {
  decodeObservations,
  decodePayload,
  decodeSignedInstruction,
  encodeObservations,
  encodePayload,
  encodeSignedInstruction,
} from "../../../src/ledger/codec.ts";
import { decodeInstrument, encodeInstrument } from "../../../src/ledger/instrument.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import {
  decodeMembers,
  decodeTransaction,
  encodeMembers,
  encodeTransaction,
} from "../../../src/ledger/reconfiguration/codec.ts";
import type { EpochTransaction, Proposal } from "../../../src/ledger/reconfiguration/types.ts";
import type { SignedInstruction } from "../../../src/ledger/types.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../../src/lib/hex.ts";
import { createStandInReshare, makeStandInMember } from "../../../src/testing/stand-in-reshare.ts";
import { createNobleEngine } from "../../../src/threshold/engine-noble.ts";
import type { Suite } from "../../../src/threshold/types.ts";
import { bytesTarget, jsonTarget, type Target, violated } from "../target.ts";
import { some, type World } from "../world.ts";

const hex = (byte: number, length: number): Hex => bytesToHex(new Uint8Array(length).fill(byte));

/** One of each kind; the world's users only transfer and withdraw. */
export function instructionsOf(world: World): SignedInstruction[] {
  const first = world.instructions[0]!;
  const { head } = first.instruction;
  const account = hex(1, 32);
  const fill = { instrument: hex(2, 32), buyer: account, seller: hex(3, 32), quantity: 5n, price: 40n };
  return [
    ...some(world.instructions, 6),
    { ...first, instruction: { head, body: { kind: "fills", fills: [fill, { ...fill, price: 2n ** 100n }] } } },
    {
      ...first,
      instruction: {
        head,
        body: {
          kind: "openLane",
          account,
          laneSigner: head.signer,
          laneNumber: 1n,
          marginLimit: 9n,
          cashLimits: [{ asset: hex(4, 32), limit: 8n }],
        },
      },
    },
  ];
}

/** A proposal with contact data, and one transaction of each kind. */
export function transactionsOf({ test, random }: World): EpochTransaction[] {
  const scope = { domain: test.committee.id, epoch: 1n, attempt: 1n };
  const members = test.committee.members.map(({ address }, i) => {
    const made = makeStandInMember(scope, address, test.secrets[i]!.identity, random.bytes(32), test.identities);
    return { ...made, multiaddrs: [`/ip4/10.0.0.${i}/tcp/9000`] };
  });
  const proposal: Proposal = { epoch: 1n, attempt: 1n, members };
  const member = members[0]!.address;
  const signature = hex(5, 65);
  const partials = { "bls12-381": hex(6, 48), bn254: hex(7, 64) };
  const deals = { "bls12-381": random.bytes(200), bn254: random.bytes(160) };
  return [
    { kind: "approve", proposal, member, signature },
    { kind: "deal", epoch: 1n, attempt: 1n, dealer: member, deals, signature },
    { kind: "ready", epoch: 1n, attempt: 1n, member, partials, signature },
    { kind: "handover", epoch: 1n, attempt: 1n, member, partials },
  ];
}

export function ledgerTargets(world: World): Target[] {
  const instructions = instructionsOf(world);
  const transactions = transactionsOf(world);
  const encoded = transactions.map(encodeTransaction);
  const payloads = some(
    world.blocks.filter(({ payload }) => payload.length > 0 && payload.length < 8_192),
    8,
  );
  const observations = payloads.map(({ payload }) => encodeObservations(decodePayload(payload).observations));
  const approve = transactions[0] as Extract<EpochTransaction, { kind: "approve" }>; // CAST: the first is
  const instruments = (["call", "put", "future", "perpetual"] as const).map((kind) => {
    const isPerpetual = kind === "perpetual";
    return encodeInstrument({
      kind,
      market: 1,
      expiry: isPerpetual ? 0n : 6000n,
      strike: kind === "call" || kind === "put" ? 9n : 0n,
    });
  });
  return [
    bytesTarget({
      name: "instruction",
      seeds: instructions.map(encodeSignedInstruction),
      maxBytes: 8_192,
      weight: 3,
      decode: decodeSignedInstruction,
      encode: encodeSignedInstruction,
    }),
    bytesTarget({
      name: "observations",
      seeds: observations,
      maxBytes: 8_192,
      weight: 2,
      decode: decodeObservations,
      encode: encodeObservations,
    }),
    bytesTarget({
      name: "payload",
      seeds: [
        ...payloads.map(({ payload }) => payload),
        encodePayload({ instructions, observations: [], transactions: encoded.slice(2) }),
      ],
      maxBytes: 16_384,
      weight: 3,
      decode: decodePayload,
      encode: encodePayload,
    }),
    bytesTarget({
      name: "transaction",
      seeds: encoded,
      maxBytes: 8_192,
      weight: 3,
      decode: decodeTransaction,
      encode: encodeTransaction,
    }),
    bytesTarget({
      name: "proposal-members",
      seeds: [encodeMembers(approve.proposal.members), encodeMembers([])],
      maxBytes: 8_192,
      decode: decodeMembers,
      encode: encodeMembers,
    }),
    bytesTarget({
      name: "instrument",
      seeds: instruments.map(hexToBytes),
      maxBytes: 64,
      decode: (bytes) => decodeInstrument(bytesToHex(bytes)),
      encode: (instrument) => hexToBytes(encodeInstrument(instrument)),
    }),
    snapshotTarget(world),
    ...handoverTargets(world),
  ];
}

function snapshotTarget({ checkpoints, genesis, test, configOf }: World): Target {
  const { header, snapshot } = checkpoints[0]!;
  const { heartbeatRounds } = configOf(0);
  const options = {
    verify: test.identities.verify,
    committee: test.committee,
    reshare: createStandInReshare(test.identities),
    ...(heartbeatRounds === undefined ? {} : { heartbeatRounds }),
  };
  return bytesTarget({
    name: "snapshot",
    seeds: [snapshot],
    maxBytes: 16_384,
    weight: 0.03,
    steps: { base: 4_000_000, perByte: 4_000 },
    decode: (bytes) => Ledger.restore(genesis, header, bytes, options),
    encode: (ledger) => ledger.snapshot(),
    check: (ledger) => {
      if (ledger.sequence !== header.sequence) violated("a snapshot of another batch");
    },
  });
}

function handoverTargets({ random }: World): Target[] {
  const engines = { "bls12-381": createNobleEngine("bls12-381"), bn254: createNobleEngine("bn254") };
  const key = (suite: Suite): Hex => bytesToHex(engines[suite].publicKey(Uint8Array.of(0, ...random.bytes(31))));
  const keys = (): Record<Suite, Hex> => ({ "bls12-381": key("bls12-381"), bn254: key("bn254") });
  const handover = createHandover(1n, keys(), keys());
  // Group membership of two points: milliseconds.
  const shared = { maxBytes: 4_096, weight: 0.004, steps: { base: 20_000_000, perByte: 20_000 } };
  return [
    bytesTarget({
      ...shared,
      name: "handover",
      seeds: [encodeHandover(handover)],
      decode: decodeHandover,
      encode: encodeHandover,
    }),
    jsonTarget({
      ...shared,
      name: "handover-json",
      seeds: [JSON.stringify(handoverToJson(handover))],
      parse: parseHandover,
      print: (value) => JSON.stringify(handoverToJson(value)),
    }),
  ];
}
