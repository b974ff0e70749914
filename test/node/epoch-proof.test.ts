import { expect } from "chai";
import type { EpochAnswer } from "../../src/api/reconfiguration.ts";
import { createHandover, handoverDigest } from "../../src/batch/handover.ts";
import { headerDigest } from "../../src/batch/header.ts";
import type { BatchHeader, Certificate } from "../../src/batch/types.ts";
import type { SignedHandover } from "../../src/ledger/reconfiguration/types.ts";
import { bigintToBytes } from "../../src/lib/bytes.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import { keccak256Hex } from "../../src/lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { committeeAnswerOf } from "../../src/node/committee-file.ts";
import { keysAt, type Trust, verifyBeginning } from "../../src/node/epoch-proof.ts";
import { createTestGenesis } from "../../src/testing/committee.ts";
import type { Committee } from "../../src/threshold/committee.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { type Engine, SUITES, type Suite } from "../../src/threshold/types.ts";

const ID: Hex = `0x${"c1".repeat(32)}`;
const word = (n: number): Hex => keccak256Hex(bigintToBytes(BigInt(n), 32));

/** Group keys are signed with directly: what is shared among members is not the question here. */
describe("the proof of how an epoch began", () => {
  let engines: Record<Suite, Engine>;

  before(async () => {
    engines = await createEngines("fast");
  });

  const secretOf = (key: number): Uint8Array => bigintToBytes(BigInt(1000 + key), 32);
  const keysOf = (key: number): Record<Suite, Hex> => {
    const of = (suite: Suite): Hex => bytesToHex(engines[suite].publicKey(secretOf(key)));
    return { "bls12-381": of("bls12-381"), bn254: of("bn254") };
  };
  const signed = (suite: Suite, key: number, digest: Hex): Hex =>
    bytesToHex(engines[suite].sign(secretOf(key), hexToBytes(digest)));

  function committeeOf(key: number, epoch: bigint, requiredSuites: readonly Suite[] = SUITES): Committee {
    const members = [1, 2, 3, 4].map((n) => ({ address: `0x${`0${n}`.repeat(20)}` as Hex })); // CAST: starts with 0x
    const of = (suite: Suite) => ({ suite, threshold: 3, groupKey: keysOf(key)[suite], publicShares: [] });
    return { id: ID, epoch, members, keys: { "bls12-381": of("bls12-381"), bn254: of("bn254") }, requiredSuites };
  }
  const trusting = (key: number, epoch: bigint, requiredSuites?: readonly Suite[]): Trust => ({
    committee: committeeOf(key, epoch, requiredSuites),
    engines,
  });

  /** From key `from` to key `to`, signed by `by`; `epoch` is the first of the new key. */
  function handover(number: bigint, from: number, to: number, epoch: bigint, by = from): SignedHandover {
    const statement = createHandover(number, keysOf(from), keysOf(to));
    const digest = handoverDigest(statement, ID);
    const signatures = { "bls12-381": signed("bls12-381", by, digest), bn254: signed("bn254", by, digest) };
    return { statement, signatures, epoch, groupKeys: keysOf(to) };
  }

  /** Begins `epoch`: the header of the epoch before, certified with a key. */
  function beginning(epoch: bigint, key: number, suites: readonly Suite[] = SUITES): EpochAnswer {
    const fields = { previous: word(1), history: word(2), outboxes: word(3), state: word(4), commit: word(5) };
    const header: BatchHeader = { sequence: 90n, epoch: epoch - 1n, ...fields };
    const certificates: Certificate[] = suites.map((suite) => {
      return { header, suite, signature: signed(suite, key, headerDigest(header, ID)) };
    });
    const committee = committeeOf(key, epoch);
    return { committee: committeeAnswerOf(committee, createTestGenesis(committee)), peers: [], header, certificates };
  }

  function codeOf(run: () => unknown): string {
    try {
      run();
      return "believed";
    } catch (error) {
      if (!isClocklessError(error)) throw error;
      return error.code;
    }
  }

  it("follows handovers to the key of any epoch", () => {
    const chain = [handover(1n, 0, 1, 3n), handover(2n, 1, 2, 4n), handover(3n, 2, 0, 9n)];
    for (const [epoch, key] of [
      [0n, 0],
      [2n, 0],
      [3n, 1],
      [4n, 2],
      [8n, 2],
      [9n, 0],
      [100n, 0],
    ] as const)
      expect(keysAt(trusting(0, 0n), chain, epoch), `epoch ${epoch}`).to.deep.equal(keysOf(key));
    // Whoever trusts a later key passes over what led to it.
    expect(keysAt(trusting(1, 3n), chain, 5n)).to.deep.equal(keysOf(2));
    expect(keysAt(trusting(2, 6n), chain, 8n)).to.deep.equal(keysOf(2));
    expect(keysAt(trusting(0, 0n), [], 5n)).to.deep.equal(keysOf(0));
  });

  it("believes no handover that the key before did not sign, or that does not come next", () => {
    const good = handover(1n, 0, 1, 3n);
    const second = handover(2n, 1, 2, 4n);
    const at = (handovers: readonly SignedHandover[], trust = trusting(0, 0n)): string =>
      codeOf(() => keysAt(trust, handovers, 9n));
    expect(at([good, second])).to.equal("believed");
    expect(at([handover(1n, 0, 1, 3n, 7)]), "signed by a stranger").to.equal("badHandover");
    for (const suite of SUITES) {
      const signatures = { ...good.signatures, [suite]: signed(suite, 7, word(1)) };
      expect(at([{ ...good, signatures }]), `${suite} not signed`).to.equal("badHandover");
      const groupKeys = { ...good.groupKeys, [suite]: keysOf(5)[suite] };
      expect(at([{ ...good, groupKeys }]), `${suite} key is not the one in the statement`).to.equal("badHandover");
      expect(at([{ ...good, groupKeys: { ...good.groupKeys, [suite]: "0x01" } }])).to.equal("badHandover");
    }
    expect(at([good, handover(3n, 1, 2, 4n)]), "a number left out").to.equal("badHandover");
    expect(at([good, handover(2n, 0, 2, 4n)]), "from a key that is over").to.equal("badHandover");
    expect(at([good, good]), "twice").to.equal("badHandover");
    expect(at([good], trusting(0, 3n)), "from before an epoch that had the old key").to.equal("badHandover");
    const otherCommittee = { ...good, statement: { ...good.statement, number: 5n } };
    expect(at([otherCommittee]), "the statement was changed").to.equal("badHandover");
  });

  it("believes a header of the epoch before, certified by the key of that epoch in every required suite", () => {
    const chain = [handover(1n, 0, 1, 3n), handover(2n, 1, 2, 5n)];
    const check = (answer: EpochAnswer, handovers = chain, trust = trusting(0, 0n)): string =>
      codeOf(() => verifyBeginning(trust, answer, handovers));
    // The old key closes the epoch after which the new one signs.
    expect(check(beginning(3n, 0))).to.equal("believed");
    expect(check(beginning(3n, 1))).to.equal("badCertificate");
    expect(check(beginning(4n, 1))).to.equal("believed");
    expect(check(beginning(5n, 1))).to.equal("believed");
    expect(check(beginning(6n, 2))).to.equal("believed");
    // A key that was handed over is worth nothing any more, whoever has got hold of it.
    for (const old of [0, 1]) expect(check(beginning(6n, old))).to.equal("badCertificate");
    // Without the handovers that led to it nobody is believed who has the new key.
    expect(check(beginning(6n, 2), [])).to.equal("badCertificate");
    expect(check(beginning(6n, 2), chain.slice(0, 1))).to.equal("badCertificate");

    expect(check(beginning(3n, 0, ["bn254"]))).to.equal("badCertificate");
    expect(check(beginning(3n, 0, ["bn254"]), chain, trusting(0, 0n, ["bn254"]))).to.equal("believed");
    expect(check(beginning(3n, 0), chain, trusting(0, 3n))).to.equal("staleEpoch");
    const { header: _, ...first } = beginning(3n, 0);
    expect(check(first)).to.equal("staleEpoch");
    const other = beginning(3n, 0);
    expect(check({ ...other, committee: { ...other.committee, committeeId: word(9) } })).to.equal("wrongCommittee");
    expect(check({ ...other, committee: { ...other.committee, epoch: 4n } })).to.equal("badCertificate");
    expect(check({ ...other, header: { ...other.header!, commit: word(8) } })).to.equal("badCertificate");
  });

  it("keeps one certificate for each required suite, whatever else is served", () => {
    const answer = beginning(3n, 0);
    const [bls, bn] = answer.certificates as [Certificate, Certificate];
    const trust = trusting(0, 0n, ["bn254"]);
    const { certificates } = verifyBeginning(trust, { ...answer, certificates: [bls, bls, bn] }, []);
    expect(certificates).to.deep.equal([bn]);
  });
});
