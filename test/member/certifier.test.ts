import { expect } from "chai";
import { headerDigest } from "../../src/batch/header.ts";
import type { BatchHeader } from "../../src/batch/types.ts";
import type { BatchPartial } from "../../src/consensus/types.ts";
import { hexToBytes, ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { Certifier, type CertifierFault, type CertifierResult } from "../../src/member/certifier.ts";
import { createTestCommittee, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";

const SUITE = "bls12-381";

function headerOf(sequence: bigint): BatchHeader {
  const zero = ZERO_BYTES32;
  return { sequence, epoch: 0n, previous: zero, history: zero, outboxes: zero, state: zero, commit: zero };
}

describe("certifier", () => {
  let test: TestCommittee;
  const partialOf = (author: number, sequence: bigint, message = headerOf(sequence)): BatchPartial => {
    const digest = headerDigest(message, test.committee.id);
    return {
      sequence,
      suite: SUITE,
      digest,
      signature: test.engines[SUITE].sign(test.secrets[author]!.shares[SUITE], hexToBytes(digest)),
    };
  };
  const create = (): Certifier => new Certifier({ ...test.committee, requiredSuites: [SUITE] }, test.engines, 4);
  /** What comes of it if everything is combined at once. */
  const combined = (certifier: Certifier, faults: readonly CertifierFault[]): CertifierResult => {
    const result = certifier.release(0, () => 0);
    return { ...result, faults: [...faults, ...result.faults] };
  };
  const settle = (certifier: Certifier, sequence: bigint, certified = false) => {
    const digest = headerDigest(headerOf(sequence), test.committee.id);
    return combined(
      certifier,
      certifier.settle(headerOf(sequence), digest, () => certified),
    );
  };
  const receive = (certifier: Certifier, author: number, partial: BatchPartial) =>
    combined(certifier, certifier.receive(author, partial));

  before(async () => {
    test = await createTestCommittee(4, createRandom(1), "stand-in");
  });

  it("makes a certificate of the first n − f partials, and of no fewer", () => {
    const certifier = create();
    settle(certifier, 1n);
    expect(receive(certifier, 0, partialOf(0, 1n)).certificates).to.deep.equal([]);
    expect(receive(certifier, 1, partialOf(1, 1n)).certificates).to.deep.equal([]);
    expect(certifier.certifiedSequence()).to.equal(0n);
    const [certificate] = receive(certifier, 3, partialOf(3, 1n)).certificates;
    const digest = hexToBytes(headerDigest(headerOf(1n), test.committee.id));
    expect(
      test.engines[SUITE].verify(
        hexToBytes(test.committee.keys[SUITE].groupKey),
        digest,
        hexToBytes(certificate!.signature),
      ),
    ).to.equal(true);
    expect(certifier.certifiedSequence()).to.equal(1n);
  });

  it("counts an author once, however often it sends", () => {
    const certifier = create();
    settle(certifier, 1n);
    for (let i = 0; i < 5; i++) expect(receive(certifier, 0, partialOf(0, 1n)).certificates).to.deep.equal([]);
  });

  it("keeps partials that come before the batch, bounded per author", () => {
    const certifier = create();
    for (const author of [0, 1, 2]) receive(certifier, author, partialOf(author, 1n));
    for (let sequence = 2n; sequence < 50n; sequence++) receive(certifier, 3, partialOf(3, sequence));
    expect(settle(certifier, 1n).certificates).to.have.length(1);
    // Only the first four of author 3's were kept: batches 2 to 5.
    for (let sequence = 2n; sequence <= 6n; sequence++) settle(certifier, sequence);
    expect(certifier.partialsOf(3, 0n, 100).map((partial) => partial.sequence)).to.deep.equal([2n, 3n, 4n, 5n]);
  });

  it("blames who signed another digest, and certifies without it", () => {
    const certifier = create();
    settle(certifier, 1n);
    const forged = partialOf(2, 1n, { ...headerOf(1n), epoch: 1n });
    expect(receive(certifier, 2, forged).faults.map(({ member, code }) => [member, code])).to.deep.equal([
      [2, "conflictingPartial"],
    ]);
    for (const author of [0, 1]) receive(certifier, author, partialOf(author, 1n));
    expect(receive(certifier, 3, partialOf(3, 1n)).certificates).to.have.length(1);
  });

  it("blames a wrong partial by name and never an honest one", () => {
    const certifier = create();
    settle(certifier, 1n);
    // The right digest with the signature of another batch.
    const bad: BatchPartial = { ...partialOf(1, 1n), signature: partialOf(1, 9n).signature };
    receive(certifier, 0, partialOf(0, 1n));
    receive(certifier, 1, bad);
    const result = receive(certifier, 2, partialOf(2, 1n));
    expect(result.certificates).to.deep.equal([]);
    expect(result.faults.map(({ member, code }) => [member, code])).to.deep.equal([[1, "badPartial"]]);
    // Dropped for good: its next one does not count either.
    receive(certifier, 1, partialOf(1, 1n));
    expect(receive(certifier, 3, partialOf(3, 1n)).certificates).to.have.length(1);
  });

  it("needs no partials for a batch whose certificate it has", () => {
    const certifier = create();
    settle(certifier, 1n, true);
    expect(certifier.certifiedSequence()).to.equal(1n);
    expect(receive(certifier, 0, partialOf(0, 1n)).certificates).to.deep.equal([]);
  });

  it("takes a whole certificate from a peer only if the group key says so", () => {
    const [source, certifier] = [create(), create()];
    settle(source, 1n);
    settle(certifier, 1n);
    let certificate = receive(source, 0, partialOf(0, 1n)).certificates[0];
    for (const author of [1, 2]) certificate = receive(source, author, partialOf(author, 1n)).certificates[0];
    const digest = headerDigest(headerOf(1n), test.committee.id);
    const flipped = certificate!.signature.endsWith("0") ? "1" : "0";
    const forged = { ...certificate!, signature: `${certificate!.signature.slice(0, -1)}${flipped}` as const };
    // CAST: still hex of the same length
    expect(certifier.receiveCertificate(forged as typeof forged & { signature: `0x${string}` }, digest)).to.equal(
      "invalid",
    );
    expect(certifier.receiveCertificate(certificate!, digest)).to.equal("closed");
    expect(certifier.receiveCertificate(certificate!, digest)).to.equal("known");
  });

  describe("waiting for the last partials", () => {
    const PATIENCE = 100;
    /** Counts pairings. */
    const counted = () => {
      const engine = { ...test.engines[SUITE], count: 0 };
      const { verify } = test.engines[SUITE];
      engine.verify = (...args: Parameters<typeof verify>) => {
        engine.count++;
        return verify(...args);
      };
      const engines = { ...test.engines, [SUITE]: engine };
      const certifier = new Certifier({ ...test.committee, requiredSuites: [SUITE] }, engines, 64);
      let now = 0;
      const release = (nowMs: number, patience = PATIENCE) => {
        now = nowMs;
        return certifier.release(nowMs, () => patience).certificates;
      };
      /** What is certified without waiting. */
      const give = (sequence: bigint, ...authors: number[]) => {
        for (const author of authors) certifier.receive(author, partialOf(author, sequence));
        return release(now);
      };
      return { certifier, engine, give, release };
    };
    /** With a first batch certified by pairing. */
    const anchored = () => {
      const all = counted();
      settle(all.certifier, 1n);
      expect(all.give(1n, 0, 1, 2)).to.have.length(1);
      expect(all.engine.count).to.equal(1);
      return all;
    };

    it("with everybody's partials no signature is verified, and it is the same one", () => {
      const { certifier, engine, give } = anchored();
      settle(certifier, 2n);
      expect(give(2n, 3, 1, 0)).to.deep.equal([]);
      expect(certifier.wakeAtMs).to.equal(PATIENCE);
      const [certificate] = give(2n, 2);
      expect(engine.count).to.equal(1);
      expect([certifier.wakeAtMs, certifier.certifiedSequence()]).to.deep.equal([undefined, 2n]);
      const other = create();
      settle(other, 2n);
      const pieces = [0, 1, 2].flatMap((author) => receive(other, author, partialOf(author, 2n)).certificates);
      expect(pieces).to.deep.equal([certificate]);
    });

    it("not before a signature was verified with the group key: all may share another one", () => {
      const { certifier, engine, give } = counted();
      settle(certifier, 1n);
      expect(give(1n, 0, 1, 2, 3)).to.have.length(1);
      expect(engine.count).to.equal(1);
      const keys = { ...test.committee.keys };
      keys[SUITE] = { ...keys[SUITE], groupKey: keys[SUITE].publicShares[0]! };
      const foreign = new Certifier({ ...test.committee, keys, requiredSuites: [SUITE] }, test.engines, 4);
      settle(foreign, 1n);
      expect(() => [0, 1, 2, 3].map((author) => receive(foreign, author, partialOf(author, 1n)))).to.throw(
        "the public shares do not belong to the group key",
      );
    });

    it("a peer's certificate shows as much", () => {
      const source = anchored();
      settle(source.certifier, 2n);
      source.give(2n, 0, 1, 2);
      const [certificate] = source.release(PATIENCE);
      const { certifier, engine, give } = counted();
      settle(certifier, 2n);
      const digest = headerDigest(headerOf(2n), test.committee.id);
      expect(certifier.receiveCertificate(certificate!, digest)).to.equal("closed");
      settle(certifier, 3n);
      expect(give(3n, 0, 1, 2)).to.deep.equal([]);
      expect(give(3n, 3)).to.have.length(1);
      expect(engine.count).to.equal(1);
    });

    it("no longer than patience lasts, and ever more rarely when it was in vain", () => {
      const { certifier, engine, give, release } = anchored();
      const waited: bigint[] = [];
      for (let sequence = 2n; sequence < 80n; sequence++) {
        const nowMs = 1000 * Number(sequence);
        release(nowMs);
        settle(certifier, sequence);
        if (give(sequence, 0, 1, 2).length > 0) continue;
        waited.push(sequence);
        expect(release(nowMs + PATIENCE - 1)).to.deep.equal([]);
        expect(release(nowMs + PATIENCE)).to.have.length(1);
      }
      expect(waited).to.deep.equal([2n, 4n, 8n, 16n, 32n, 48n, 64n]);
      expect([engine.count, certifier.certifiedSequence()]).to.deep.equal([79, 79n]);
      // As soon as the silent one is back, all is as before.
      for (let sequence = 80n; sequence < 84n; sequence++) {
        settle(certifier, sequence);
        expect(give(sequence, 0, 1, 2)).to.deep.equal([]);
        expect(give(sequence, 3)).to.have.length(1);
      }
      expect(engine.count).to.equal(79);
    });

    it("whoever is busy may be late by so much and no more, with everybody's partials as without", () => {
      const { certifier, engine } = anchored();
      const busy = (nowMs: number) => certifier.release(nowMs, () => 0, 5).certificates.length;
      for (const [sequence, ...authors] of [
        [2, 0, 1, 2],
        [3, 0, 1, 2, 3],
      ] as const) {
        settle(certifier, BigInt(sequence));
        for (const author of authors) certifier.receive(author, partialOf(author, BigInt(sequence)));
        const nowMs = 100 * sequence;
        expect([busy(nowMs), certifier.wakeAtMs, busy(nowMs + 4), busy(nowMs + 5)]).to.deep.equal([0, nowMs, 0, 1]);
      }
      expect(engine.count).to.equal(2);
    });

    it("without patience not at all", () => {
      const { certifier, release } = anchored();
      settle(certifier, 2n);
      for (const author of [0, 1, 2]) certifier.receive(author, partialOf(author, 2n));
      expect(release(5, 0)).to.have.length(1);
    });

    it("a peer's certificate ends it", () => {
      const { certifier, give, release } = anchored();
      settle(certifier, 2n);
      give(2n, 0, 1, 2);
      const source = create();
      settle(source, 2n);
      const [certificate] = [0, 1, 3].flatMap((author) => receive(source, author, partialOf(author, 2n)).certificates);
      expect(certifier.receiveCertificate(certificate!, headerDigest(headerOf(2n), test.committee.id))).to.equal(
        "closed",
      );
      expect([certifier.wakeAtMs, release(PATIENCE)]).to.deep.equal([undefined, []]);
    });

    it("who gives a wrong one is named, and nobody waits for anybody in this epoch again", () => {
      const { certifier, give } = anchored();
      settle(certifier, 2n);
      give(2n, 0, 1, 2);
      const bad = { ...partialOf(3, 2n), signature: partialOf(3, 9n).signature };
      const { certificates, faults } = receive(certifier, 3, bad);
      expect(certificates).to.have.length(1);
      expect(faults.map(({ member, code }) => [member, code])).to.deep.equal([[3, "badPartial"]]);
      settle(certifier, 3n);
      expect(give(3n, 0, 1, 2)).to.have.length(1);
    });
  });
});
