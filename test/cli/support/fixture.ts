/** A real committee in a temporary folder: committee file, certificates in both suites, a user's key. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateToJson } from "../../../src/batch/certificate.ts";
import { headerDigest } from "../../../src/batch/header.ts";
import type { BatchHeader, Certificate } from "../../../src/batch/types.ts";
import { keccak256Hex } from "../../../src/lib/hash.ts";
import { bytesToHex, hexToBytes, ZERO_BYTES32 } from "../../../src/lib/hex.ts";
import { quorumOf } from "../../../src/lib/math.ts";
import { encodeCommitteeFile } from "../../../src/node/committee-file.ts";
import { createTestCommittee, createTestGenesis, type TestCommittee } from "../../../src/testing/committee.ts";
import { createRandom } from "../../../src/testing/random.ts";
import { SUITES, type Suite } from "../../../src/threshold/types.ts";

export interface Fixture {
  readonly directory: string;
  readonly test: TestCommittee;
  readonly committeeFile: string;
  readonly certificates: Readonly<Record<Suite, Certificate>>;
  /** The same as JSON files. */
  readonly files: Readonly<Record<Suite, string>>;
  readonly keyFile: string;
  write(name: string, text: string, mode?: number): string;
  remove(): void;
}

export async function createFixture(seed: bigint): Promise<Fixture> {
  const directory = mkdtempSync(join(tmpdir(), "clockless-cli-"));
  const random = createRandom(seed);
  const test = await createTestCommittee(4, random, "real");
  const write = (name: string, text: string, mode = 0o600): string => {
    const file = join(directory, name);
    writeFileSync(file, text, { mode });
    return file;
  };
  const word = (k: number) => keccak256Hex(Uint8Array.of(k));
  const header: BatchHeader = {
    sequence: 1n,
    epoch: 0n,
    previous: ZERO_BYTES32,
    history: word(1),
    outboxes: word(2),
    state: word(3),
    commit: word(4),
  };
  const certify = (suite: Suite): Certificate => {
    const digest = hexToBytes(headerDigest(header, test.committee.id));
    const engine = test.engines[suite];
    const partials = test.secrets
      .slice(0, quorumOf(4))
      .map(({ shares }, index) => ({ x: index + 1, signature: engine.sign(shares[suite], digest) }));
    return { header, suite, signature: bytesToHex(engine.interpolate(partials)) };
  };
  const certificates = { "bls12-381": certify("bls12-381"), bn254: certify("bn254") };
  const file = (suite: Suite): string =>
    write(`certificate-${suite}.json`, JSON.stringify(certificateToJson(certificates[suite])));
  return {
    directory,
    test,
    committeeFile: write("committee.json", encodeCommitteeFile(test.committee, createTestGenesis(test.committee))),
    certificates,
    files: Object.fromEntries(SUITES.map((suite) => [suite, file(suite)])) as Record<Suite, string>, // CAST: one per suite
    keyFile: write("user.key", `${bytesToHex(random.bytes(32))}\n`),
    write,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
