import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import fc from "fast-check";
import { LedgerError } from "../../../src/ledger/codes.ts";
import {
  MAX_MULTIADDR_BYTES,
  MAX_MULTIADDRS,
  MAX_PROPOSED_MEMBERS,
  MAX_TRANSACTION_BYTES,
} from "../../../src/ledger/limits.ts";
import {
  decodeMembers,
  decodeTransaction,
  encodeMembers,
  encodeTransaction,
  transactionId,
  tryDecodeTransaction,
} from "../../../src/ledger/reconfiguration/codec.ts";
import {
  approvalDigest,
  proposalDigest,
  readyDigest,
  readySignatureDigest,
} from "../../../src/ledger/reconfiguration/digests.ts";
import { addressOfCompressed, faultOfAnnouncements } from "../../../src/ledger/reconfiguration/scheme.ts";
import type { EpochTransaction, Proposal, ProposedMember } from "../../../src/ledger/reconfiguration/types.ts";
import { equalBytes } from "../../../src/lib/bytes.ts";
import { addressOf, publicKeyToAddress, signDigest } from "../../../src/lib/ecdsa.ts";
import { keccak256 } from "../../../src/lib/hash.ts";
import { bytesToHex, type Hex } from "../../../src/lib/hex.ts";
import { createRandom } from "../../../src/testing/random.ts";
import { DEFAULT_ROUNDS } from "../../../src/threshold/associated-data.ts";
import { dealLength } from "../../../src/threshold/deal-codec.ts";
import {
  announceEncryptionKey,
  ENCRYPTION_KEY_RANDOMNESS,
  encryptionKeyDigest,
} from "../../../src/threshold/encryption-key.ts";
import type { Suite, ThresholdKey } from "../../../src/threshold/types.ts";
import { seed } from "../../seed.ts";
import { ENGINES } from "./world.ts";

const COMMITTEE: Hex = `0x${"c1".repeat(32)}`;

const hex = (size: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => bytesToHex(bytes));
const u64 = fc.bigInt(0n, (1n << 64n) - 1n);
const printable = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
  minLength: 1,
  maxLength: 40,
});
const member: fc.Arbitrary<ProposedMember> = fc.record({
  address: hex(20),
  publicKey: hex(33),
  multiaddrs: fc.array(printable, { maxLength: 3 }),
  encryptionKey: hex(32),
  proof: hex(64),
  signature: hex(65),
});
const proposal: fc.Arbitrary<Proposal> = fc.record({
  epoch: u64,
  attempt: u64,
  members: fc.array(member, { maxLength: 5 }),
});
const partials = fc.record({ "bls12-381": hex(48), bn254: hex(64) });
const bytes = fc.uint8Array({ maxLength: 60 });
const transaction: fc.Arbitrary<EpochTransaction> = fc.oneof(
  fc.record({ kind: fc.constant("approve" as const), proposal, member: hex(20), signature: hex(65) }),
  fc.record({
    kind: fc.constant("deal" as const),
    epoch: u64,
    attempt: u64,
    dealer: hex(20),
    deals: fc.record({ "bls12-381": bytes, bn254: bytes }),
    signature: hex(65),
  }),
  fc.record({
    kind: fc.constant("ready" as const),
    epoch: u64,
    attempt: u64,
    member: hex(20),
    partials,
    signature: hex(65),
  }),
  fc.record({ kind: fc.constant("handover" as const), epoch: u64, attempt: u64, member: hex(20), partials }),
);

describe(`reconfiguration transactions (CLOCKLESS_SEED=${seed})`, () => {
  it("come back from their bytes as they were", () => {
    fc.assert(
      fc.property(transaction, (value) => {
        expect(decodeTransaction(encodeTransaction(value))).deep.equal(value);
      }),
      { seed, numRuns: 200 },
    );
  });

  it("have one encoding: changed bytes are refused or mean something else, and have another id", () => {
    fc.assert(
      fc.property(transaction, fc.nat(), fc.nat(254), (value, at, change) => {
        const encoded = encodeTransaction(value);
        const changed = encoded.slice();
        changed[at % encoded.length]! ^= change + 1;
        const decoded = tryDecodeTransaction(changed);
        if (decoded === undefined) return;
        expect(equalBytes(encodeTransaction(decoded), changed)).equal(true);
        expect(decoded).not.deep.equal(value);
        expect(transactionId(changed)).not.equal(transactionId(encoded));
      }),
      { seed, numRuns: 300 },
    );
  });

  it("are refused without any other error, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.nat(5), fc.uint8Array({ maxLength: 400 }), (selector, rest) => {
        const bytes = Uint8Array.of(selector, ...rest);
        try {
          expect(equalBytes(encodeTransaction(decodeTransaction(bytes)), bytes)).equal(true);
        } catch (error) {
          expect(error).instanceOf(LedgerError).include({ code: "malformedBytes" });
        }
      }),
      { seed, numRuns: 500 },
    );
  });

  it("are refused when they are longer than any may be, before they are decoded", () => {
    expect(() => decodeTransaction(new Uint8Array(MAX_TRANSACTION_BYTES + 1)))
      .throw(LedgerError)
      .include({ code: "tooLarge" });
    const long = {
      kind: "deal",
      epoch: 1n,
      attempt: 1n,
      dealer: `0x${"01".repeat(20)}`,
      signature: `0x${"02".repeat(65)}`,
    } as const;
    const deals = { "bls12-381": new Uint8Array(MAX_TRANSACTION_BYTES), bn254: new Uint8Array(0) };
    expect(() => encodeTransaction({ ...long, deals }))
      .throw(LedgerError)
      .include({ code: "tooLarge" });
  });

  it("have room for the deals of the largest committee", () => {
    const shape = { threshold: 171, rounds: DEFAULT_ROUNDS, encryptionKeys: { length: MAX_PROPOSED_MEMBERS } };
    const size = (["bls12-381", "bn254"] as const).reduce((sum, suite) => sum + dealLength({ ...shape, suite }), 0);
    expect(size + 1024).below(MAX_TRANSACTION_BYTES);
  });

  it("hold bounded, printable contact data", () => {
    const one: ProposedMember = {
      address: `0x${"01".repeat(20)}`,
      publicKey: `0x${"02".repeat(33)}`,
      multiaddrs: [],
      encryptionKey: `0x${"03".repeat(32)}`,
      proof: `0x${"04".repeat(64)}`,
      signature: `0x${"05".repeat(65)}`,
    };
    const with_ = (...multiaddrs: string[]): Uint8Array => encodeMembers([{ ...one, multiaddrs }]);
    expect(decodeMembers(with_("/ip4/1.2.3.4/tcp/1"))[0]?.multiaddrs).deep.equal(["/ip4/1.2.3.4/tcp/1"]);
    for (const bad of ["", "a b", "a\n", "\u001b[2J", "é", "x".repeat(MAX_MULTIADDR_BYTES + 1)]) {
      expect(() => with_(bad), JSON.stringify(bad)).throw(LedgerError);
    }
    expect(() => with_(...new Array(MAX_MULTIADDRS + 1).fill("x"))).throw(LedgerError);
    expect(() => encodeMembers(new Array(MAX_PROPOSED_MEMBERS + 1).fill(one))).throw(LedgerError);
    const bytesOfBad = with_("abc").map((byte) => (byte === 0x62 ? 0x1b : byte));
    expect(() => decodeMembers(bytesOfBad))
      .throw(LedgerError)
      .include({ code: "malformedBytes" });
  });
});

describe("the digests of a change", () => {
  it("bind committee, epoch, attempt and every member, and differ by kind", () => {
    const [value] = fc.sample(
      proposal.filter(({ members }) => members.length > 0),
      { seed, numRuns: 1 },
    );
    const { epoch, attempt, members } = value!;
    const key = (suite: Suite): ThresholdKey => {
      const groupKey = bytesToHex(ENGINES[suite].publicKey(new Uint8Array(32).fill(1)));
      return { suite, threshold: 1, groupKey, publicShares: [groupKey] };
    };
    const keys = { "bls12-381": key("bls12-381"), bn254: key("bn254") };
    const other: Hex = `0x${"c2".repeat(32)}`;
    const name = proposalDigest(COMMITTEE, value!);
    const who = members[0]!.address;
    const parts = { "bls12-381": "0x01", bn254: "0x02" } as const;
    const ready = readyDigest(COMMITTEE, value!, name, keys);
    const digests = [
      name,
      proposalDigest(other, value!),
      proposalDigest(COMMITTEE, { ...value!, epoch: epoch ^ 1n }),
      proposalDigest(COMMITTEE, { ...value!, attempt: attempt ^ 1n }),
      proposalDigest(COMMITTEE, { ...value!, members: members.slice(1) }),
      proposalDigest(COMMITTEE, { ...value!, members: [{ ...members[0]!, multiaddrs: ["x", "y", "z", "1"] }] }),
      approvalDigest(COMMITTEE, name, who),
      approvalDigest(COMMITTEE, other, who),
      approvalDigest(COMMITTEE, name, `0x${"99".repeat(20)}`),
      ready,
      readyDigest(other, value!, name, keys),
      readyDigest(COMMITTEE, { epoch: epoch ^ 1n, attempt }, name, keys),
      readyDigest(COMMITTEE, { epoch, attempt: attempt ^ 1n }, name, keys),
      readyDigest(COMMITTEE, value!, other, keys),
      readyDigest(COMMITTEE, value!, name, { ...keys, bn254: { ...keys.bn254, threshold: 2 } }),
      readyDigest(COMMITTEE, value!, name, { ...keys, bn254: { ...keys.bn254, publicShares: [] } }),
      readySignatureDigest(COMMITTEE, ready, who, parts),
      readySignatureDigest(COMMITTEE, name, who, parts),
      readySignatureDigest(COMMITTEE, ready, `0x${"99".repeat(20)}`, parts),
      readySignatureDigest(COMMITTEE, ready, who, { ...parts, bn254: "0x03" }),
      readySignatureDigest(COMMITTEE, ready, who, { ...parts, "bls12-381": "0x03" }),
    ];
    expect(new Set(digests).size).equal(digests.length);
  });

  it("are those of the EIP-712 types that are written down", () => {
    // By hand, from the types' texts: nothing of the implementation but keccak.
    const text = (value: string): Uint8Array => keccak256(new TextEncoder().encode(value));
    const cat = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
    const word = (value: bigint): Uint8Array =>
      Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * (31 - i))) & 0xffn));
    const domain = keccak256(
      cat(
        text("EIP712Domain(string name,string version,bytes32 salt)"),
        text("Clockless"),
        text("1"),
        word(BigInt(COMMITTEE)),
      ),
    );
    const digest = (struct: Uint8Array): Hex =>
      bytesToHex(keccak256(cat(Uint8Array.of(0x19, 1), domain, keccak256(struct))));
    const value: Proposal = { epoch: 5n, attempt: 6n, members: [] };
    const content = keccak256(encodeMembers([]));
    const name = digest(
      cat(text("Reconfigure(uint64 epoch,uint64 attempt,bytes content)"), word(5n), word(6n), content),
    );
    expect(proposalDigest(COMMITTEE, value)).equal(name);
    const who: Hex = `0x${"0a".repeat(20)}`;
    expect(approvalDigest(COMMITTEE, name, who)).equal(
      digest(
        cat(text("ApproveReconfiguration(bytes32 proposal,address member)"), word(BigInt(name)), word(BigInt(who))),
      ),
    );
    expect(readySignatureDigest(COMMITTEE, name, who, { "bls12-381": "0x01", bn254: "0x02" })).equal(
      digest(
        cat(
          text("ReadyApproval(bytes32 ready,address member,bytes32 bls12381,bytes32 bn254)"),
          word(BigInt(name)),
          word(BigInt(who)),
          keccak256(Uint8Array.of(1)),
          keccak256(Uint8Array.of(2)),
        ),
      ),
    );
  });
});

describe("announcements of a proposal, with real keys", () => {
  const random = createRandom(3, "announcements");
  const scope = { domain: COMMITTEE, epoch: 1n, attempt: 1n };
  const secrets = Array.from({ length: 4 }, () => random.bytes(32));
  const announce = (secret: Uint8Array, of = scope): ProposedMember => {
    const address = addressOf(secret);
    const { key, proof, signature } = announceEncryptionKey(of, address, random.bytes(ENCRYPTION_KEY_RANDOMNESS), (d) =>
      signDigest(secret, d),
    );
    const publicKey = bytesToHex(secp256k1.getPublicKey(secret, true));
    return { address, publicKey, multiaddrs: [], encryptionKey: key, proof, signature };
  };
  const members = secrets.map((secret) => announce(secret));
  const fault = (changed: readonly ProposedMember[]) =>
    faultOfAnnouncements(COMMITTEE, { epoch: 1n, attempt: 1n, members: changed });

  it("are admitted when everybody announced itself for this attempt", () => {
    expect(fault(members)).equal(undefined);
    expect(faultOfAnnouncements(COMMITTEE, { epoch: 2n, attempt: 1n, members })).equal("badSignature");
    expect(faultOfAnnouncements(COMMITTEE, { epoch: 1n, attempt: 2n, members })).equal("badSignature");
    expect(faultOfAnnouncements(`0x${"c2".repeat(32)}`, { epoch: 1n, attempt: 1n, members })).equal("badSignature");
  });

  it("are refused with a public key that is not its address's, in another form, or none", () => {
    const [first, second] = members as [ProposedMember, ProposedMember];
    const long = bytesToHex(secp256k1.getPublicKey(secrets[0]!, false));
    expect(publicKeyToAddress(secp256k1.getPublicKey(secrets[0]!, false))).equal(first.address);
    for (const publicKey of [second.publicKey, long, `0x02${"ff".repeat(32)}`, "0x"] as Hex[]) {
      expect(fault([{ ...first, publicKey }, ...members.slice(1)])).equal("malformed");
    }
    expect(addressOfCompressed(long)).equal(undefined);
  });

  it("are refused with a member twice, a wrong proof or one key for two", () => {
    const [first, second] = members as [ProposedMember, ProposedMember];
    expect(fault([...members, first])).equal("announcedTwice");
    const signed = (value: ProposedMember): ProposedMember => {
      const { address, encryptionKey: key, proof } = value;
      return {
        ...value,
        signature: signDigest(secrets[0]!, encryptionKeyDigest(scope, { member: address, key, proof })),
      };
    };
    const others = members.slice(1);
    expect(fault([signed(first), ...others])).equal(undefined);
    expect(fault([{ ...first, proof: second.proof }, ...others])).equal("badSignature");
    expect(fault([signed({ ...first, proof: second.proof }), ...others])).equal("badProof");
    const stolen = signed({ ...first, encryptionKey: second.encryptionKey, proof: second.proof });
    expect(fault([...others, stolen])).equal("duplicateKey");
    expect(fault([stolen, ...others])).equal("badProof");
  });
});
