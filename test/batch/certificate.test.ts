import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import fc from "fast-check";
import {
  certificateToJson,
  decodeCertificate,
  encodeCertificate,
  parseCertificate,
  requireCertificate,
  verifyCertificate,
} from "../../src/batch/certificate.ts";
import { decodeHeader, encodeHeader, HEADER_LENGTH, headerDigest } from "../../src/batch/header.ts";
import type { BatchHeader, Certificate } from "../../src/batch/types.ts";
import { bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import type { Suite } from "../../src/threshold/types.ts";

const COMMITTEE: Hex = `0x${"c0".repeat(32)}`;
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const hex32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex);
const headers: fc.Arbitrary<BatchHeader> = fc.record({
  sequence: fc.bigInt(2n, (1n << 64n) - 1n),
  epoch: fc.bigInt(0n, (1n << 64n) - 1n),
  previous: hex32.filter((hex) => hex !== ZERO_BYTES32),
  history: hex32,
  outboxes: hex32,
  state: hex32,
  commit: hex32,
});
const HEADER: BatchHeader = {
  sequence: 7n,
  epoch: 1n,
  previous: `0x${"11".repeat(32)}`,
  history: `0x${"22".repeat(32)}`,
  outboxes: `0x${"33".repeat(32)}`,
  state: `0x${"44".repeat(32)}`,
  commit: `0x${"55".repeat(32)}`,
};

function codeOf(f: () => unknown): string | undefined {
  try {
    f();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

function certify(suite: Suite, header = HEADER): Certificate {
  const signature = createNobleEngine(suite).sign(SECRET, hexToBytes(headerDigest(header, COMMITTEE)));
  return { header, suite, signature: bytesToHex(signature) };
}

describe("batch: header", () => {
  it("has the EIP-712 digest that ethers computes", () => {
    const uint = (name: string) => ({ name, type: "uint64" });
    const hash = (name: string) => ({ name, type: "bytes32" });
    const types = {
      BatchHeader: [
        uint("sequence"),
        uint("epoch"),
        ...["previous", "history", "outboxes", "state", "commit"].map(hash),
      ],
    };
    fc.assert(
      fc.property(headers, hex32, (header, salt) => {
        const expected = TypedDataEncoder.hash({ name: "Clockless", version: "1", salt }, types, header);
        expect(headerDigest(header, salt)).to.equal(expected);
      }),
    );
  });

  it("has one encoding, and every other byte string is refused or another header", () => {
    fc.assert(
      fc.property(headers, fc.nat(HEADER_LENGTH - 1), fc.integer({ min: 1, max: 255 }), (header, at, flip) => {
        const bytes = encodeHeader(header);
        expect(bytes.length).to.equal(HEADER_LENGTH);
        expect(decodeHeader(bytes)).to.deep.equal(header);
        bytes[at]! ^= flip;
        try {
          expect(decodeHeader(bytes)).to.not.deep.equal(header);
        } catch (error) {
          expect((error as { code?: string }).code).to.equal("malformedHeader");
        }
        expect(codeOf(() => decodeHeader(bytes.subarray(1)))).to.equal("malformedHeader");
      }),
    );
  });

  it("refuses what no committee signs", () => {
    const bad = (change: object) =>
      expect(codeOf(() => encodeHeader({ ...HEADER, ...change }))).to.equal("malformedHeader");
    bad({ sequence: 0n });
    bad({ sequence: 1n });
    bad({ sequence: -1n });
    bad({ sequence: 1n << 64n });
    bad({ sequence: 7 });
    bad({ epoch: 1n << 64n });
    bad({ previous: ZERO_BYTES32 });
    bad({ state: "0x12" });
    bad({ commit: undefined });
    expect(codeOf(() => headerDigest({ ...HEADER, history: "0x" }, COMMITTEE))).to.equal("malformedHeader");
    expect(encodeHeader({ ...HEADER, sequence: 1n, previous: ZERO_BYTES32 }).length).to.equal(HEADER_LENGTH);
  });
});

for (const suite of ["bls12-381", "bn254"] as const)
  describe(`batch: certificate with ${suite}`, () => {
    const certificate = certify(suite);
    const engine = createNobleEngine(suite);
    const groupKey = bytesToHex(engine.publicKey(SECRET));

    it("survives JSON and bytes and verifies with its key", () => {
      expect(parseCertificate(JSON.stringify(certificateToJson(certificate)))).to.deep.equal(certificate);
      expect(decodeCertificate(encodeCertificate(certificate))).to.deep.equal(certificate);
      expect(verifyCertificate(engine, groupKey, COMMITTEE, certificate)).to.equal(true);
      requireCertificate(engine, groupKey, COMMITTEE, certificate);
    });

    it("verifies with no other key, committee, header or signature", () => {
      const other = bytesToHex(engine.publicKey(SECRET.map((x) => x ^ 1)));
      const verify = (change: Partial<Certificate>, key = groupKey, committee = COMMITTEE) =>
        verifyCertificate(engine, key, committee, { ...certificate, ...change });
      expect(verify({}, other)).to.equal(false);
      expect(verify({}, groupKey, ZERO_BYTES32)).to.equal(false);
      expect(verify({}, "0x12")).to.equal(false);
      expect(verify({ header: { ...HEADER, state: ZERO_BYTES32 } })).to.equal(false);
      expect(verify({ header: { ...HEADER, sequence: 8n } })).to.equal(false);
      expect(verify({ header: { ...HEADER, sequence: 0n } })).to.equal(false);
      expect(verify({ signature: `0x${"00".repeat(engine.signatureLength)}` })).to.equal(false);
      expect(verify({ signature: certificate.signature.slice(0, -2) as Hex })).to.equal(false);
      expect(codeOf(() => requireCertificate(engine, other, COMMITTEE, certificate))).to.equal("badSignature");
      const wrong = createNobleEngine(suite === "bn254" ? "bls12-381" : "bn254");
      expect(verifyCertificate(wrong, groupKey, COMMITTEE, certificate)).to.equal(false);
      expect(codeOf(() => requireCertificate(wrong, groupKey, COMMITTEE, certificate))).to.equal("wrongSuite");
    });

    it("is refused with a code when a field is missing, unknown, or not canonical", () => {
      const json = certificateToJson(certificate);
      const code = (value: unknown) => codeOf(() => parseCertificate(value));
      for (const value of [
        "",
        "{",
        "null",
        "[]",
        null,
        7,
        {},
        { ...json, extra: 1 },
        { ...json, suite: "p256" },
        { ...json, suite: { toString: 1 } },
      ])
        expect(code(value)).to.equal("malformedCertificate");
      for (const sequence of ["07", "-7", "7.0", "0x7", " 7", "", "1e3", 7, "1".repeat(30)])
        expect(code({ ...json, header: { ...json.header, sequence } })).to.equal("malformedCertificate");
      expect(code({ ...json, header: { ...json.header, sequence: "18446744073709551616" } })).to.equal(
        "malformedHeader",
      );
      expect(code({ ...json, header: { ...json.header, state: "0x1" } })).to.equal("malformedCertificate");
      expect(code({ ...json, header: { ...json.header, state: "0x11" } })).to.equal("malformedHeader");
      expect(code({ ...json, signature: `${json.signature}00` })).to.equal("malformedCertificate");
      const bytes = encodeCertificate(certificate);
      for (const wrong of [bytes.subarray(1), bytes.subarray(0, -1), Uint8Array.of(...bytes, 0), new Uint8Array()])
        expect(codeOf(() => decodeCertificate(wrong))).to.be.oneOf(["malformedCertificate", "malformedHeader"]);
    });

    it("never makes a decoder throw anything but its own errors", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
          const code = codeOf(() => decodeCertificate(bytes));
          expect(code).to.be.oneOf(["malformedCertificate", "malformedHeader", undefined]);
        }),
        { numRuns: 500 },
      );
      fc.assert(
        fc.property(fc.jsonValue(), (value) => {
          expect(codeOf(() => parseCertificate(value as unknown))).to.equal("malformedCertificate");
        }),
      );
    });
  });
