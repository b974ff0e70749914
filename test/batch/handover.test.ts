import { expect } from "chai";
import fc from "fast-check";
import { hashTypedData } from "viem";
import { BatchError } from "../../src/batch/errors.ts";
import {
  createHandover,
  decodeHandover,
  encodeHandover,
  groupKeyHash,
  HANDOVER_LENGTH,
  type Handover,
  handoverArgument,
  handoverDigest,
  handoverToJson,
  parseHandover,
  validateHandover,
  verifyHandover,
} from "../../src/batch/handover.ts";
import { headerDigest } from "../../src/batch/header.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import { encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";

const COMMITTEE: Hex = `0x${"c1".repeat(32)}`;
const engines = { "bls12-381": createNobleEngine("bls12-381"), bn254: createNobleEngine("bn254") };
const secretOf = (k: number) => Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : i + k));
const keysOf = (k: number): Record<Suite, Hex> => ({
  "bls12-381": bytesToHex(engines["bls12-381"].publicKey(secretOf(k))),
  bn254: bytesToHex(engines.bn254.publicKey(secretOf(k))),
});
const OLD = keysOf(1);
const NEW = keysOf(2);
const STATEMENT = createHandover(1n, OLD, NEW);
const DIGEST = hexToBytes(handoverDigest(STATEMENT, COMMITTEE));

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BatchError) return error.code;
    throw error;
  }
  return "accepted";
}

const withKey = (suite: Suite, key: string): Handover => ({
  ...STATEMENT,
  newKeys: { ...STATEMENT.newKeys, [suite]: key as Hex }, // CAST: foreign text on purpose
});

describe("handover: digest", () => {
  it("is what any EIP-712 wallet library computes", () => {
    const expected = hashTypedData({
      domain: { name: "Clockless", version: "1", salt: COMMITTEE },
      types: {
        EIP712Domain: [
          { name: "name", type: "string" },
          { name: "version", type: "string" },
          { name: "salt", type: "bytes32" },
        ],
        Handover: [
          { name: "number", type: "uint64" },
          { name: "oldBls12381KeyHash", type: "bytes32" },
          { name: "oldBn254KeyHash", type: "bytes32" },
          { name: "newBls12381Key", type: "bytes" },
          { name: "newBn254Key", type: "bytes" },
        ],
      },
      primaryType: "Handover",
      message: handoverArgument(STATEMENT),
    });
    expect(bytesToHex(DIGEST)).to.equal(expected);
  });

  it("differs for every field and for every committee, and is no header's", () => {
    const other = createHandover(2n, NEW, keysOf(3));
    const digests = [
      STATEMENT,
      { ...STATEMENT, number: 2n },
      ...SUITES.map((suite) => ({
        ...STATEMENT,
        oldKeyHashes: { ...STATEMENT.oldKeyHashes, [suite]: other.oldKeyHashes[suite] },
      })),
      ...SUITES.map((suite) => withKey(suite, other.newKeys[suite])),
    ].map((statement) => handoverDigest(statement, COMMITTEE));
    const zero: Hex = `0x${"00".repeat(32)}`;
    const header = {
      sequence: 1n,
      epoch: 0n,
      previous: zero,
      history: zero,
      outboxes: zero,
      state: zero,
      commit: zero,
    };
    const all = [...digests, handoverDigest(STATEMENT, zero), headerDigest(header, COMMITTEE)];
    expect(new Set(all).size).to.equal(all.length);
  });
});

describe("handover: codecs", () => {
  it("lead back to the same statement, as bytes and as JSON", () => {
    expect(encodeHandover(STATEMENT)).to.have.length(HANDOVER_LENGTH);
    expect(decodeHandover(encodeHandover(STATEMENT))).to.deep.equal(STATEMENT);
    expect(parseHandover(JSON.stringify(handoverToJson(STATEMENT)))).to.deep.equal(STATEMENT);
    const shouting = JSON.stringify(handoverToJson(STATEMENT)).replaceAll(
      /0x[0-9a-f]+/g,
      (hex) => `0x${hex.slice(2).toUpperCase()}`,
    );
    expect(parseHandover(shouting)).to.deep.equal(STATEMENT);
  });

  it("take nothing else: a changed byte is refused or is another statement", () => {
    const bytes = encodeHandover(STATEMENT);
    const seed = 20261122;
    console.log(`      seed ${seed}`);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ mask : byte));
        const code = codeOf(() => {
          const statement = decodeHandover(changed);
          expect(encodeHandover(statement)).to.deep.equal(changed);
          expect(handoverDigest(statement, COMMITTEE)).to.not.equal(bytesToHex(DIGEST));
        });
        expect(code).to.be.oneOf(["accepted", "malformedHandover"]);
      }),
      { seed, numRuns: 40 },
    );
    for (const wrong of [bytes.subarray(1), new Uint8Array([...bytes, 0]), new Uint8Array(0)])
      expect(codeOf(() => decodeHandover(wrong))).to.equal("malformedHandover");
  });

  it("refuse JSON of another shape", () => {
    const json = handoverToJson(STATEMENT);
    for (const wrong of [
      "{",
      "null",
      [],
      { ...json, extra: 1 },
      { ...json, number: 1 },
      { ...json, number: "0" },
      { ...json, number: "01" },
      { ...json, number: "18446744073709551616" },
      { number: json.number, newKeys: json.newKeys },
      { ...json, newKeys: { bn254: json.newKeys.bn254 } },
      { ...json, newKeys: { ...json.newKeys, bls: "0x" } },
      { ...json, oldKeyHashes: { ...json.oldKeyHashes, bn254: "0x12" } },
      { ...json, oldKeyHashes: { ...json.oldKeyHashes, bn254: 5 } },
    ])
      expect(
        codeOf(() => parseHandover(wrong)),
        JSON.stringify(wrong),
      ).to.equal("malformedHandover");
  });
});

describe("handover: what may follow", () => {
  it("not the same key, in any suite", () => {
    for (const suite of SUITES)
      expect(codeOf(() => createHandover(1n, OLD, { ...NEW, [suite]: OLD[suite] }))).to.equal("sameKey");
  });

  it("not the identity, a coordinate beyond the field, a point off the curve or outside the subgroup", () => {
    for (const suite of SUITES) {
      const key = STATEMENT.newKeys[suite];
      const length = (key.length - 2) / 2;
      const limb = length / 4;
      const p = 2n ** BigInt(8 * limb) - 1n;
      for (const wrong of [
        `0x${"00".repeat(length)}`,
        `0x${"ff".repeat(length)}`,
        `0x${p.toString(16)}${key.slice(2 + 2 * limb)}`,
        `${key.slice(0, -2)}${key.endsWith("00") ? "01" : "00"}`,
        key.slice(0, -2),
        `${key}00`,
        "0x",
        "nothing",
      ])
        expect(
          codeOf(() => validateHandover(withKey(suite, wrong))),
          wrong,
        ).to.equal("malformedHandover");
    }
    expect(codeOf(() => validateHandover({ ...STATEMENT, number: 0n }))).to.equal("malformedHandover");
    expect(codeOf(() => validateHandover({ ...STATEMENT, number: 2n ** 64n }))).to.equal("malformedHandover");
  });

  it("names keys as the verifiers take them", () => {
    for (const suite of SUITES) {
      expect(STATEMENT.newKeys[suite]).to.equal(bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(NEW[suite]))));
      expect(STATEMENT.oldKeyHashes[suite]).to.equal(groupKeyHash(suite, OLD[suite]));
      expect(codeOf(() => groupKeyHash(suite, "0x1234"))).to.equal("malformedHandover");
    }
  });
});

for (const suite of SUITES) {
  describe(`handover: verification with ${suite}`, () => {
    const engine = engines[suite];
    const sign = (digest: Uint8Array, k = 1) => bytesToHex(engine.sign(secretOf(k), digest));
    const good = sign(DIGEST);

    it("accepts what the old key signed", () => {
      expect(verifyHandover(engine, OLD[suite], COMMITTEE, STATEMENT, good)).to.equal(true);
    });

    it("refuses another signer, key, committee, statement, and everything malformed, without throwing", () => {
      const verify = (key: Hex, committee: Hex, statement: Handover, signature: string) =>
        verifyHandover(engine, key, committee, statement, signature as Hex); // CAST: foreign text on purpose
      expect(verify(OLD[suite], COMMITTEE, STATEMENT, sign(DIGEST, 2))).to.equal(false);
      // The new key cannot vouch for itself.
      expect(verify(NEW[suite], COMMITTEE, STATEMENT, sign(DIGEST, 2))).to.equal(false);
      expect(verify(OLD[suite], `0x${"c2".repeat(32)}`, STATEMENT, good)).to.equal(false);
      expect(verify(OLD[suite], COMMITTEE, { ...STATEMENT, number: 2n }, good)).to.equal(false);
      expect(verify(OLD[suite], COMMITTEE, { ...STATEMENT, number: 0n }, good)).to.equal(false);
      for (const each of SUITES)
        expect(
          verify(OLD[suite], COMMITTEE, withKey(each, createHandover(1n, OLD, keysOf(3)).newKeys[each]), good),
        ).to.equal(false);
      for (const signature of [
        "0x",
        good.slice(0, -2),
        `${good}00`,
        `0x${"00".repeat(engine.signatureLength)}`,
        "junk",
      ])
        expect(verify(OLD[suite], COMMITTEE, STATEMENT, signature)).to.equal(false);
      expect(verify("0x12", COMMITTEE, STATEMENT, good)).to.equal(false);
      expect(verify(OLD[suite], "0x12", STATEMENT, good)).to.equal(false);
    });
  });
}
