/** Points, deals, the ceremony's files, keystores and committee files: what people copy from machine to machine. */
import {
  encodeProposalFile,
  encodeReshareAnnouncement,
  parseProposalFile,
  parseReshareAnnouncement,
} from "../../../src/cli/reshare/files.ts";
import { encryptEip2335, readEip2335 } from "../../../src/keys/eip2335.ts";
import { readKeystore } from "../../../src/keys/keystore.ts";
import { encryptWeb3V3, readWeb3V3 } from "../../../src/keys/web3-v3.ts";
import type { EpochTransaction } from "../../../src/ledger/reconfiguration/types.ts";
import { equalBytes } from "../../../src/lib/bytes.ts";
import { addressOf, signDigest } from "../../../src/lib/ecdsa.ts";
import { bytesToHex, type Hex } from "../../../src/lib/hex.ts";
import { encodeCommitteeFile, parseCommitteeFile, parseFinalDefinition } from "../../../src/node/committee-file.ts";
import { decodeBls12381PublicKey, decodeBls12381Signature } from "../../../src/threshold/bls12381-points.ts";
import {
  decodeBn254PublicKey,
  decodeBn254Signature,
  encodeBn254PublicKey,
  encodeBn254Signature,
} from "../../../src/threshold/bn254-points.ts";
import { committeeIdOf } from "../../../src/threshold/ceremony/definition.ts";
import {
  encodeAnnouncement,
  encodeApproval,
  encodeCeremonyDeal,
  encodeDefinition,
  parseAnnouncement,
  parseApproval,
  parseCeremonyDeal,
  parseDefinition,
} from "../../../src/threshold/ceremony/json.ts";
import { type Announcement, buildRoster, ceremonyScope } from "../../../src/threshold/ceremony/roster.ts";
import { dealLength, decodeDeal, encodeDeal } from "../../../src/threshold/deal-codec.ts";
import { announceEncryptionKey } from "../../../src/threshold/encryption-key.ts";
import { createNobleEngine } from "../../../src/threshold/engine-noble.ts";
import { decodeSecret, ORDERS } from "../../../src/threshold/scalar.ts";
import type { Suite } from "../../../src/threshold/types.ts";
import { usableAddresses } from "../../../src/transport/addresses.ts";
import { publicKeyOf } from "../../../src/transport/identity.ts";
import { bytesTarget, jsonTarget, type Target, violated } from "../target.ts";
import type { World } from "../world.ts";
import { transactionsOf } from "./ledger.ts";

export async function keyTargets(world: World): Promise<Target[]> {
  return [...pointTargets(world), dealTarget(world), ...ceremonyTargets(world), ...(await fileTargets(world))];
}

function pointTargets({ random }: World): Target[] {
  const secret = Uint8Array.of(0, ...random.bytes(31));
  const message = random.bytes(32);
  const engines = { "bls12-381": createNobleEngine("bls12-381"), bn254: createNobleEngine("bn254") };
  const seeds = (suite: Suite, kind: "key" | "signature"): Uint8Array[] => [
    kind === "key" ? engines[suite].publicKey(secret) : engines[suite].sign(secret, message),
  ];
  // Square roots and subgroup checks: a millisecond, in big integers that count few steps.
  const shared = { maxBytes: 160, weight: 0.01, steps: { base: 20_000_000, perByte: 0 } };
  return [
    bytesTarget({
      ...shared,
      name: "bls12-381-signature",
      seeds: seeds("bls12-381", "signature"),
      decode: decodeBls12381Signature,
      encode: (point) => point.toBytes(true),
    }),
    bytesTarget({
      ...shared,
      name: "bls12-381-key",
      seeds: seeds("bls12-381", "key"),
      decode: decodeBls12381PublicKey,
      encode: (point) => point.toBytes(true),
    }),
    bytesTarget({
      ...shared,
      name: "bn254-signature",
      weight: 0.2,
      seeds: seeds("bn254", "signature"),
      decode: decodeBn254Signature,
      encode: encodeBn254Signature,
    }),
    bytesTarget({
      ...shared,
      name: "bn254-key",
      seeds: seeds("bn254", "key"),
      decode: decodeBn254PublicKey,
      encode: encodeBn254PublicKey,
    }),
    {
      name: "secret-scalar",
      format: "bytes",
      seeds: [secret],
      maxBytes: 80,
      run(input) {
        const order = ORDERS["bls12-381"];
        const value = decodeSecret(input, order);
        if (value <= 0n || value >= order) violated("a secret outside its field");
        return true;
      },
    },
  ];
}

function dealTarget({ random }: World): Target {
  const shape = {
    suite: "bn254",
    threshold: 3,
    rounds: { total: 6, chosen: 3 },
    encryptionKeys: { length: 4 },
  } as const;
  const length = dealLength(shape);
  return bytesTarget({
    name: "deal",
    seeds: [random.bytes(length)],
    maxBytes: 4_096,
    // As its verifier reads it: the length decides first.
    decode: (bytes) => (bytes.length === length ? decodeDeal(shape, bytes) : undefined),
    encode: encodeDeal,
  });
}

function ceremonyTargets(world: World): Target[] {
  const { random } = world;
  const ceremony = "fuzz";
  const hex = (length: number): Hex => bytesToHex(random.bytes(length));
  const announcements = Array.from({ length: 4 }, (): Announcement => {
    const secret = random.bytes(32);
    const member = addressOf(secret);
    const made = announceEncryptionKey(ceremonyScope(ceremony), member, random.bytes(64), (digest) =>
      signDigest(secret, digest),
    );
    return { ceremony, ...made, publicKey: publicKeyOf(secret), multiaddrs: ["/ip4/10.0.0.1/tcp/9000"] };
  });
  const members = announcements.map(({ member }) => member);
  const { roster } = buildRoster(ceremony, members, announcements);
  const key = (suite: Suite, bytes: number) => ({
    suite,
    threshold: 3,
    groupKey: hex(bytes),
    publicShares: members.map(() => hex(bytes)),
  });
  const content = {
    roster: roster!,
    deals: [0, 2, 3].map((dealer) => ({ dealer, digests: { "bls12-381": hex(32), bn254: hex(32) } })),
    keys: { "bls12-381": key("bls12-381", 96), bn254: key("bn254", 128) },
  };
  const partials = { "bls12-381": hex(48), bn254: hex(64) };
  const approvals = [0, 1, 2].map((member) => ({ member, partials, signature: hex(65) }));
  const definition = { committeeId: committeeIdOf(content), ...content, approvals };
  const deal = {
    ceremony,
    dealer: members[0]!,
    members: announcements.map(({ member, key: encryptionKey }) => ({ member, key: encryptionKey })),
    signature: hex(65),
    deals: { "bls12-381": random.bytes(64), bn254: random.bytes(48) },
  };
  const maxBytes = 16_384;
  return [
    jsonTarget({
      name: "announcement",
      maxBytes,
      seeds: [encodeAnnouncement(announcements[0]!)],
      parse: parseAnnouncement,
      print: encodeAnnouncement,
    }),
    jsonTarget({
      name: "ceremony-deal",
      maxBytes,
      seeds: [encodeCeremonyDeal(deal)],
      parse: parseCeremonyDeal,
      print: encodeCeremonyDeal,
    }),
    jsonTarget({
      name: "approval",
      maxBytes,
      seeds: [
        encodeApproval({
          ceremony,
          committeeId: definition.committeeId,
          member: members[0]!,
          partials,
          signature: hex(65),
        }),
      ],
      parse: parseApproval,
      print: encodeApproval,
    }),
    jsonTarget({
      name: "definition",
      maxBytes,
      // Four proofs of possession and four signatures, in plain JavaScript.
      weight: 0.01,
      steps: { base: 50_000_000, perByte: 20_000 },
      seeds: [encodeDefinition(definition)],
      parse: parseDefinition,
      print: encodeDefinition,
      check(value) {
        try {
          parseFinalDefinition(encodeDefinition(value));
        } catch (error) {
          // Approvals that nobody signed are refused with a typed error, which this lets through as one.
          if (!(error instanceof Error) || !("code" in error)) throw error;
          return;
        }
        violated("a definition became final without signatures");
      },
    }),
  ];
}

async function fileTargets(world: World): Promise<Target[]> {
  const { test, genesis } = world;
  const identity = new Uint8Array(32).fill(0x11);
  const password = "correct horse";
  const web3 = await encryptWeb3V3({ secret: identity, password, strength: "lightForDevnet" });
  const share = await encryptEip2335({
    secret: identity,
    password,
    strength: "lightForDevnet",
    pubkey: "ab".repeat(96),
    description: "Clockless share, bls12-381",
  });
  const encryption = await encryptEip2335({
    secret: identity,
    password,
    strength: "lightForDevnet",
    pubkey: "cd".repeat(32),
    description: "Clockless encryption key, epoch 1, attempt 2",
  });
  const transactions = transactionsOf(world);
  const { proposal } = transactions[0] as Extract<EpochTransaction, { kind: "approve" }>; // CAST: the first is
  const committeeId = test.committee.id;
  const announcement = { committeeId, epoch: 1n, attempt: 1n, member: proposal.members[0]! };
  const maxBytes = 16_384;
  return [
    jsonTarget({ name: "keystore", maxBytes, seeds: [web3, share, encryption], parse: readKeystore }),
    jsonTarget({ name: "keystore-web3", maxBytes, seeds: [web3], parse: readWeb3V3 }),
    jsonTarget({ name: "keystore-eip2335", maxBytes, seeds: [share], parse: readEip2335 }),
    jsonTarget({
      name: "committee-file",
      maxBytes,
      weight: 0.3,
      steps: { base: 1_000_000, perByte: 2_000 },
      seeds: [encodeCommitteeFile(test.committee, genesis)],
      parse: parseCommitteeFile,
      print: ({ committee, genesis: read, definition }) => encodeCommitteeFile(committee, read, definition),
    }),
    jsonTarget({
      name: "reshare-announcement",
      maxBytes,
      seeds: [encodeReshareAnnouncement(announcement)],
      parse: parseReshareAnnouncement,
      print: encodeReshareAnnouncement,
    }),
    jsonTarget({
      name: "reshare-proposal",
      maxBytes,
      seeds: [encodeProposalFile({ committeeId, proposal })],
      parse: parseProposalFile,
      print: encodeProposalFile,
    }),
    addressTarget(),
  ];
}

/** Where a new member says that it is found: its own words, handed to a parser that is not ours. */
function addressTarget(): Target {
  const publicKey = publicKeyOf(new Uint8Array(32).fill(0x11));
  const decoder = new TextDecoder();
  const seeds = ["/ip4/10.0.0.7/tcp/9000", "/dns4/member.example/tcp/9000/p2p/16Uiu2HAm1vB", "/ip6/::1/udp/1/quic-v1"];
  return {
    name: "multiaddr",
    format: "text",
    seeds: seeds.slice(0, 1).map((text) => new TextEncoder().encode(text)),
    maxBytes: 256,
    weight: 0.5,
    steps: { base: 200_000, perByte: 5_000 },
    run(input) {
      const text = decoder.decode(input);
      const usable = usableAddresses([text, ...seeds.slice(1)], publicKey);
      if (usable.some((address) => address !== text && !seeds.includes(address)))
        violated("an address that nobody gave");
      return usable.includes(text) && !equalBytes(input, new Uint8Array(0));
    },
  };
}
