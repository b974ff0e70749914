/** Certificates as JSON and bytes, and their verification with a curve engine. */
import { concatBytes } from "../lib/bytes.ts";
import { bytesToHex, type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import type { Engine, Suite } from "../threshold/types.ts";
import { BatchError } from "./errors.ts";
import { decodeHeader, encodeHeader, HEADER_LENGTH, headerDigest, validateHeader } from "./header.ts";
import type { BatchHeader, Certificate } from "./types.ts";

/** First byte after the header; also decides the signature's length (threshold/types.ts). */
const SUITE_CODES: Readonly<Record<Suite, { readonly code: number; readonly length: number }>> = {
  "bls12-381": { code: 1, length: 48 },
  bn254: { code: 2, length: 64 },
};

/** A certificate as JSON carries it: integers as decimal strings. */
export interface CertificateJson {
  readonly header: Readonly<Record<keyof BatchHeader, string>>;
  readonly suite: string;
  readonly signature: string;
}

const HEADER_FIELDS = ["sequence", "epoch", "previous", "history", "outboxes", "state", "commit"] as const;
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/;

function malformed(message: string, details: Record<string, unknown> = {}): BatchError {
  return new BatchError("malformedCertificate", message, { details });
}

/** @throws BatchError malformedHeader, malformedCertificate */
export function validateCertificate(certificate: Certificate): void {
  validateHeader(certificate.header);
  const suite = SUITE_CODES[certificate.suite];
  if (suite === undefined) throw malformed("unknown suite", { suite: certificate.suite });
  if (!isHex(certificate.signature, suite.length))
    throw malformed(`a ${certificate.suite} signature has ${suite.length} bytes`, { suite: certificate.suite });
}

export function certificateToJson(certificate: Certificate): CertificateJson {
  const { header, suite, signature } = certificate;
  return {
    header: { ...header, sequence: header.sequence.toString(), epoch: header.epoch.toString() },
    suite,
    signature,
  };
}

/**
 * Parses a certificate from JSON text or an already parsed JSON value. Unknown and missing fields are refused; hex comes out lower case.
 * Says nothing about the signature: see {@link verifyCertificate}.
 * @throws BatchError malformedCertificate, malformedHeader
 */
export function parseCertificate(json: unknown): Certificate {
  let value = json;
  if (typeof json === "string") {
    try {
      value = JSON.parse(json);
    } catch (cause) {
      throw new BatchError("malformedCertificate", "not JSON", { cause });
    }
  }
  const certificate = record(value, "certificate", ["header", "suite", "signature"]);
  const fields = record(certificate.header, "header", HEADER_FIELDS);
  const { suite, signature } = certificate;
  if (suite !== "bls12-381" && suite !== "bn254")
    throw malformed("unknown suite", { suite: typeof suite === "string" ? suite.slice(0, 40) : typeof suite });
  const parsed: Certificate = {
    header: {
      sequence: decimal(fields.sequence, "sequence"),
      epoch: decimal(fields.epoch, "epoch"),
      previous: hex(fields.previous, "previous"),
      history: hex(fields.history, "history"),
      outboxes: hex(fields.outboxes, "outboxes"),
      state: hex(fields.state, "state"),
      commit: hex(fields.commit, "commit"),
    },
    suite,
    signature: hex(signature, "signature"),
  };
  validateCertificate(parsed);
  return parsed;
}

/** header (176 bytes) ‖ suite (1) ‖ signature (48 or 64). @throws BatchError malformedHeader, malformedCertificate */
export function encodeCertificate(certificate: Certificate): Uint8Array {
  validateCertificate(certificate);
  return concatBytes(
    encodeHeader(certificate.header),
    Uint8Array.of(SUITE_CODES[certificate.suite].code),
    hexToBytes(certificate.signature),
  );
}

/** Inverse of {@link encodeCertificate}; refuses every other byte string. @throws BatchError malformedHeader, malformedCertificate */
export function decodeCertificate(bytes: Uint8Array): Certificate {
  const code = bytes[HEADER_LENGTH];
  const suite: Suite | undefined = code === 1 ? "bls12-381" : code === 2 ? "bn254" : undefined;
  if (suite === undefined) throw malformed("too short, or an unknown suite", { length: bytes.length });
  if (bytes.length !== HEADER_LENGTH + 1 + SUITE_CODES[suite].length)
    throw malformed("wrong length for its suite", { length: bytes.length, suite });
  return {
    header: decodeHeader(bytes.subarray(0, HEADER_LENGTH)),
    suite,
    signature: bytesToHex(bytes.subarray(HEADER_LENGTH + 1)),
  };
}

/**
 * Whether the group key signed this header for this committee. False for every malformed or foreign value; never throws on them.
 * `groupKey` is the suite's canonical public key encoding.
 */
export function verifyCertificate(engine: Engine, groupKey: Hex, committeeId: Hex, certificate: Certificate): boolean {
  if (certificate.suite !== engine.suite || !isHex(groupKey, engine.publicKeyLength) || !isHex(committeeId, 32))
    return false;
  try {
    validateCertificate(certificate);
  } catch (error) {
    if (error instanceof BatchError) return false;
    throw error;
  }
  const digest = hexToBytes(headerDigest(certificate.header, committeeId));
  return engine.verify(hexToBytes(groupKey), digest, hexToBytes(certificate.signature));
}

/** {@link verifyCertificate} that says why not. @throws BatchError wrongSuite, malformedCertificate, malformedHeader, badSignature */
export function requireCertificate(engine: Engine, groupKey: Hex, committeeId: Hex, certificate: Certificate): void {
  validateCertificate(certificate);
  if (certificate.suite !== engine.suite)
    throw new BatchError("wrongSuite", `the certificate is ${certificate.suite}, the key is ${engine.suite}`, {
      details: { certificate: certificate.suite, key: engine.suite },
    });
  if (!verifyCertificate(engine, groupKey, committeeId, certificate))
    throw new BatchError("badSignature", "the committee's group key did not sign this header", {
      details: { sequence: certificate.header.sequence, committeeId, suite: engine.suite },
    });
}

function record(value: unknown, what: string, fields: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} is not an object`);
  const unknown = Object.keys(value).filter((key) => !fields.includes(key));
  if (unknown.length > 0) throw malformed(`${what} has unknown fields`, { unknown: unknown.slice(0, 8) });
  return value as Record<string, unknown>; // CAST: a non-null object; each field is checked where it is read
}

function decimal(value: unknown, field: string): bigint {
  if (typeof value !== "string" || !DECIMAL.test(value)) throw malformed(`${field} is not a decimal string`, { field });
  return BigInt(value);
}

function hex(value: unknown, field: string): Hex {
  if (!isHex(value)) throw malformed(`${field} is not hex`, { field });
  return value.toLowerCase() as Hex; // CAST: isHex, and lower-casing keeps it hex
}
