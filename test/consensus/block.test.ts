import {
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListCompositeType,
  UintBigintType,
  UintNumberType,
} from "@chainsafe/ssz";
import { expect } from "chai";
import fc from "fast-check";
import { BlockCodec, type BlockRules, compareParents, type UnsignedBlock } from "../../src/consensus/block.ts";
import { ConsensusError, type ConsensusErrorCode } from "../../src/consensus/errors.ts";
import { DEFAULT_CONSENSUS_LIMITS, MAX_WIRE_MESSAGE_BYTES } from "../../src/consensus/limits.ts";
import { createBlockSigner } from "../../src/consensus/signer.ts";
import type { BlockRef, ConsensusMessage, VerifiedBlock } from "../../src/consensus/types.ts";
import { decodeConsensusMessage, encodeConsensusMessage } from "../../src/consensus/wire.ts";
import { utf8ToBytes } from "../../src/lib/bytes.ts";
import { addressOf, isSignatureBy, signDigest } from "../../src/lib/ecdsa.ts";
import { keccak256, keccak256Hex } from "../../src/lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { configOf, secretOf } from "./support/network.ts";
import { builderOf } from "./support/random-dag.ts";

function refusal(run: () => unknown): ConsensusErrorCode | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof ConsensusError) return error.code;
    throw error;
  }
  return undefined;
}

const rules: BlockRules = configOf(4, undefined);
const codec = new BlockCodec(rules);
const digestOf = (value: number): Hex => keccak256Hex(utf8ToBytes(`digest ${value}`));
const ref = (round: number, author: number): BlockRef => ({ round, author, digest: digestOf(round * 10 + author) });
const noSignature = (): Hex => `0x${"11".repeat(65)}`;

function unsigned(changes: Partial<UnsignedBlock> = {}): UnsignedBlock {
  return {
    author: 1,
    round: 9,
    parents: [ref(8, 1), ref(8, 0), ref(8, 2), ref(7, 3)],
    payload: Uint8Array.of(1, 2, 3),
    coinShares: [{ round: 5, signature: new Uint8Array(48).fill(7) }],
    partials: [
      { sequence: 2n ** 60n, suite: "bls12-381", digest: digestOf(1), signature: new Uint8Array(48).fill(1) },
      { sequence: 3n, suite: "bn254", digest: digestOf(2), signature: new Uint8Array(64).fill(2) },
    ],
    ...changes,
  };
}

describe("consensus block: encoding and digest", () => {
  it("round trip", () => {
    const block = codec.seal(unsigned(), noSignature);
    expect(codec.decode(block.bytes)).deep.equal(block);
  });

  it("any byte changed: refused, or another digest, or (signature bytes only) another signature of the same digest", () => {
    const block = codec.seal(unsigned(), noSignature);
    for (let i = 0; i < block.bytes.length; i++) {
      for (const flip of [1, 0x80, 0xff]) {
        const bytes = block.bytes.slice();
        bytes[i]! ^= flip;
        let decoded: VerifiedBlock | undefined;
        if (refusal(() => (decoded = codec.decode(bytes))) !== undefined) continue;
        if (i >= 18 && i < 83) {
          expect(decoded!.digest).equal(block.digest);
          expect(decoded!.signature).not.equal(block.signature);
        } else expect(decoded!.digest, `byte ${i}`).not.equal(block.digest);
      }
    }
  });

  it("truncated, extended or random bytes never decode to the same block and never throw anything untyped", () => {
    const block = codec.seal(unsigned(), noSignature);
    // The last field is a byte list, so a shorter or longer tail may be a block: another one.
    for (let size = 0; size <= block.bytes.length + 3; size++) {
      if (size === block.bytes.length) continue;
      const bytes = new Uint8Array(size);
      bytes.set(block.bytes.subarray(0, size));
      let decoded: VerifiedBlock | undefined;
      if (refusal(() => (decoded = codec.decode(bytes))) === undefined) expect(decoded!.digest).not.equal(block.digest);
      else if (size < 87) expect(decoded).equal(undefined);
    }
    const property = fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      refusal(() => codec.decode(bytes));
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it("is the library's SSZ of the container in block.ts: the same bytes are canonical, the same are not", () => {
    const uint64 = new UintNumberType(8);
    const bytes32 = new ByteVectorType(32);
    const reference = new ContainerType({
      epoch: new UintBigintType(8),
      round: uint64,
      author: new UintNumberType(2),
      signature: new ByteVectorType(65),
      body: new ContainerType({
        parents: new ListCompositeType(
          new ContainerType({ round: uint64, author: new UintNumberType(2), digest: bytes32 }),
          512,
        ),
        payload: new ByteListType(DEFAULT_CONSENSUS_LIMITS.maxPayloadBytes),
        coinShares: new ListCompositeType(new ContainerType({ round: uint64, signature: new ByteListType(96) }), 1024),
        partials: new ListCompositeType(
          new ContainerType({
            sequence: new UintBigintType(8),
            suite: new UintNumberType(1),
            digest: bytes32,
            signature: new ByteListType(96),
          }),
          512,
        ),
      }),
    });
    const isCanonical = (bytes: Uint8Array): boolean => {
      try {
        return bytesToHex(reference.serialize(reference.deserialize(bytes))) === bytesToHex(bytes);
      } catch {
        return false;
      }
    };
    const { bytes: good } = codec.seal(unsigned(), noSignature);
    expect(isCanonical(good)).equal(true);
    // Everything but parents, which other rules refuse: offsets, payload, coin shares and partials.
    const places = [...good.keys()].filter((at) => at >= 83 && (at < 103 || at >= 103 + 4 * 42));
    const change = fc.record({ at: fc.constantFrom(...places), to: fc.oneof(fc.nat(255), fc.constantFrom(...good)) });
    const property = fc.property(
      fc.array(change, { maxLength: 3 }),
      fc.integer({ min: -60, max: 60 }),
      (changes, longer) => {
        const bytes = new Uint8Array(good.length + longer);
        bytes.set(good.subarray(0, bytes.length));
        for (const { at, to } of changes) if (at < bytes.length) bytes[at] = to;
        const code = refusal(() => codec.decode(bytes));
        if (isCanonical(bytes)) expect(code === undefined || code === "malformed").equal(true);
        else expect(code).equal("malformed");
        // Canonical and refused all the same: only a suite that does not exist.
        if (isCanonical(bytes) && code === "malformed")
          expect(reference.deserialize(bytes).body.partials.some(({ suite }) => suite > 1)).equal(true);
      },
    );
    fc.assert(property, { numRuns: 3000 });
  });

  it("the digest binds committee, genesis, epoch, round and author", () => {
    const changed: readonly Partial<BlockRules>[] = [
      { committeeId: digestOf(1) },
      { genesisHash: digestOf(2) },
      { epoch: 2n },
      { members: [...rules.members].reverse() },
    ];
    const digests = changed.map(
      (change) => new BlockCodec({ ...rules, ...change }).seal(unsigned(), noSignature).digest,
    );
    digests.push(codec.seal(unsigned(), noSignature).digest);
    expect(new Set(digests).size).equal(5);
  });

  it("the digest is the EIP-712 hash that a contract would compute", () => {
    const block = codec.seal(unsigned(), noSignature);
    const word = (hex: string) => hex.replace("0x", "").padStart(64, "0");
    const hashText = (text: string) => word(keccak256Hex(utf8ToBytes(text)));
    const hash = (...words: string[]) => word(keccak256Hex(hexToBytes(`0x${words.join("")}`)));
    const domain = hash(
      hashText("EIP712Domain(string name,string version,bytes32 salt)"),
      hashText("Clockless"),
      hashText("1"),
      word(rules.committeeId),
    );
    const struct = hash(
      hashText("Block(bytes32 genesis,uint64 epoch,uint64 round,address author,bytes32 body)"),
      word(rules.genesisHash),
      word("1"),
      word("9"),
      word(rules.members[1]!),
      word(keccak256Hex(block.bytes.subarray(87))),
    );
    expect(block.digest).equal(`0x${hash("1901", domain, struct)}`);
  });
});

describe("consensus block: validity rules, one refusal each", () => {
  const base = unsigned();
  const [own, ...rest] = base.parents as [BlockRef, ...BlockRef[]];
  const cases: readonly (readonly [ConsensusErrorCode, string, Partial<UnsignedBlock>])[] = [
    ["badAuthor", "author out of range", { author: 4 }],
    ["badRound", "round 0", { round: 0 }],
    ["badRound", "round beyond the limit", { round: 2 ** 44 + 1 }],
    ["badOwnParent", "no parents", { parents: [] }],
    ["badOwnParent", "first parent of somebody else", { parents: [ref(8, 0), ref(8, 1), ref(8, 2)] }],
    ["badOwnParent", "first parent not older", { parents: [ref(9, 1), ...rest] }],
    ["badParent", "parent of the same round", { parents: [own, ref(9, 0), ...rest.slice(1)] }],
    ["badParent", "parent's author out of range", { parents: [own, ...rest.slice(0, 2), ref(7, 9)] }],
    ["badParent", "invented genesis", { parents: [own, ...rest.slice(0, 2), ref(0, 3)] }],
    [
      "duplicateParent",
      "twins as parents",
      { parents: [own, ref(8, 0), { ...ref(8, 0), digest: digestOf(999) }, ref(8, 2)] },
    ],
    ["unsortedParents", "authors out of order", { parents: [own, ref(8, 2), ref(8, 0)] }],
    ["unsortedParents", "rounds out of order", { parents: [own, ref(7, 3), ref(8, 0), ref(8, 2)] }],
    ["missingQuorum", "two strong parents", { parents: [own, ref(8, 0), ref(7, 2), ref(7, 3)] }],
    ["missingQuorum", "a gap in the own chain does not count", { parents: [ref(5, 1), ref(8, 0), ref(8, 2)] }],
  ];
  for (const [code, name, change] of cases) {
    it(`${code}: ${name}`, () => {
      expect(refusal(() => codec.seal(unsigned(change), noSignature))).equal(code);
    });
  }

  it("a gap in the own chain is fine with Q others", () => {
    const parents = [ref(5, 1), ref(8, 0), ref(8, 2), ref(8, 3)];
    expect(refusal(() => codec.seal(unsigned({ parents }), noSignature))).equal(undefined);
  });

  it("wrongEpoch", () => {
    const other = new BlockCodec({ ...rules, epoch: 2n }).seal(unsigned(), noSignature);
    expect(refusal(() => codec.decode(other.bytes))).equal("wrongEpoch");
  });

  it("oversize comes before anything is read", () => {
    const bytes = new Uint8Array(DEFAULT_CONSENSUS_LIMITS.maxBlockBytes + 1);
    expect(refusal(() => codec.decode(bytes))).equal("oversize");
  });

  it("malformed: an unknown suite", () => {
    const block = codec.seal(unsigned({ payload: new Uint8Array(0), coinShares: [] }), noSignature);
    const bytes = block.bytes.slice();
    // First partial: 8 bytes of sequence, then the suite.
    const at = bytes.findIndex((_, i) => i > 87 && bytes[i + 7] === 0x10 && bytes[i] === 0 && bytes[i + 8] === 0);
    bytes[at + 8] = 2;
    expect(refusal(() => codec.decode(bytes))).equal("malformed");
  });

  it("a bad coin share or partial does not make a block invalid (rule 5)", () => {
    const coinShares = [{ round: 9_999, signature: new Uint8Array(3) }];
    const block = codec.seal(unsigned({ coinShares }), noSignature);
    expect(codec.decode(block.bytes).coinShares).deep.equal(coinShares);
  });
});

describe("consensus block: secp256k1 signatures", () => {
  const secret = keccak256(utf8ToBytes("signer"));
  const address = addressOf(secret);
  const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

  it("with the cached key accepts and refuses exactly what recovery does", () => {
    const signer = createBlockSigner();
    const mutate = fc.record({
      message: fc.integer(),
      position: fc.integer({ min: 0, max: 64 }),
      flip: fc.constantFrom(0, 0, 1, 2, 128, 255),
    });
    const property = fc.property(mutate, ({ message, position, flip }) => {
      const digest = digestOf(message);
      const bytes = hexToBytes(signDigest(secret, digest));
      bytes[position]! ^= flip;
      const signature = bytesToHex(bytes);
      expect(signer.verify(digest, signature, address)).equal(isSignatureBy(address, digest, signature));
      expect(signer.verify(digest, signature, address)).equal(flip === 0);
    });
    fc.assert(property, { numRuns: 150 });
  });

  it("refuses high s, v outside 27 and 28, zero and oversized scalars, other lengths, other signers", () => {
    const signer = createBlockSigner();
    const digest = digestOf(1);
    const good = signDigest(secret, digest);
    expect(signer.verify(digest, good, address)).equal(true);
    const s = BigInt(`0x${good.slice(66, 130)}`);
    const v = good.slice(130);
    const hex = (value: bigint) => value.toString(16).padStart(64, "0");
    const bad: readonly string[] = [
      `${good.slice(0, 66)}${hex(ORDER - s)}${v === "1b" ? "1c" : "1b"}`,
      `${good.slice(0, 130)}${v === "1b" ? "1c" : "1b"}`,
      `${good.slice(0, 130)}00`,
      `0x${hex(0n)}${good.slice(66)}`,
      `${good.slice(0, 66)}${hex(0n)}${v}`,
      `0x${hex(ORDER)}${good.slice(66)}`,
      good.slice(0, 130),
      `${good}00`,
    ];
    for (const signature of bad) {
      expect(signer.verify(digest, signature as Hex, address)).equal(false); // CAST: built from hex above
    }
    expect(signer.verify(digest, signDigest(secretOf(1), digest), address)).equal(false);
    expect(signer.verify(digest, good, addressOf(secretOf(1)))).equal(false);
  });
});

describe("consensus wire", () => {
  const signature = new Uint8Array(48).fill(3);
  const messages: readonly ConsensusMessage[] = [
    { kind: "block", bytes: builderOf(4).block(0, 1).bytes },
    { kind: "coinShares", shares: [{ round: 5, signature }] },
    { kind: "coin", round: 7, signature },
    { kind: "coinRequest", round: 2 ** 40 },
    { kind: "fetch", refs: [ref(3, 1), ref(4, 2)], after: 2 },
    { kind: "fetched", blocks: [Uint8Array.of(1), Uint8Array.of(2, 3)], notFound: [ref(3, 3)], floor: 9 },
    { kind: "bundle", blocks: [Uint8Array.of(1), Uint8Array.of(2, 3)] },
    { kind: "wantBundles", until: 77 },
  ];
  for (const message of messages) {
    it(`${message.kind}: round trip; every change is refused or is another message`, () => {
      const bytes = encodeConsensusMessage(message);
      expect(decodeConsensusMessage(bytes)).deep.equal(message);
      for (let i = 0; i < bytes.length; i++) {
        const changed = bytes.slice();
        changed[i]! ^= 0xff;
        let decoded: ConsensusMessage | undefined;
        if (refusal(() => (decoded = decodeConsensusMessage(changed))) === undefined)
          expect(decoded).not.deep.equal(message);
      }
      let longer: ConsensusMessage | undefined;
      refusal(() => (longer = decodeConsensusMessage(new Uint8Array([...bytes, 0]))));
      expect(longer).not.deep.equal(message);
    });
  }

  it("a block message is the SSZ of a container with one byte list", () => {
    const type = new ContainerType({ bytes: new ByteListType(2 ** 20) });
    for (const bytes of [new Uint8Array(0), Uint8Array.of(7), new Uint8Array(1000).fill(9)]) {
      const encoded = encodeConsensusMessage({ kind: "block", bytes });
      expect(encoded).deep.equal(new Uint8Array([0, ...type.serialize({ bytes })]));
    }
    for (const bad of [[0], [0, 4, 0, 0], [0, 5, 0, 0, 0, 1], [0, 4, 0, 0, 1, 1]]) {
      expect(refusal(() => decodeConsensusMessage(Uint8Array.from(bad)))).equal("malformed");
    }
  });

  it("oversize, unknown kinds and empty messages are refused", () => {
    expect(refusal(() => decodeConsensusMessage(new Uint8Array(MAX_WIRE_MESSAGE_BYTES + 1)))).equal("oversize");
    expect(refusal(() => decodeConsensusMessage(Uint8Array.of(8, 0)))).equal("malformed");
    expect(refusal(() => decodeConsensusMessage(new Uint8Array(0)))).equal("malformed");
  });

  it("stored order of parents: newest round, then author, then digest", () => {
    const sorted = [ref(8, 0), ref(8, 2), ref(7, 0), ref(7, 3), ref(2, 1)];
    expect([...sorted].reverse().sort(compareParents)).deep.equal(sorted);
  });
});
