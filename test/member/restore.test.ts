/** What a member gets back from its own disk is checked like anything foreign. */
import { expect } from "chai";
import type { Certificate } from "../../src/batch/types.ts";
import { ConsensusError } from "../../src/consensus/errors.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../src/member/limits.ts";
import { Member } from "../../src/member/member.ts";
import type { MemberConfig, MemberEffect, Recovered } from "../../src/member/types.ts";
import { createTestCommittee, createTestGenesis } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";

/** A committee of one certifies by itself. */
async function createLoner(changes: Partial<MemberConfig> = {}) {
  const test = await createTestCommittee(1, createRandom(3n), "stand-in");
  const config: MemberConfig = {
    committee: test.committee,
    genesis: createTestGenesis(test.committee),
    self: 0,
    secrets: test.secrets[0]!,
    engines: test.engines,
    createCoin: test.createCoin,
    identities: test.identities,
    blockSigner: test.identities,
    retainedRounds: 16,
    activityWindow: 4,
    checkpointRounds: 4,
    heartbeatRounds: 4,
    consensusLimits: DEFAULT_CONSENSUS_LIMITS,
    limits: DEFAULT_MEMBER_LIMITS,
    pacing: { busyIntervalMs: 1, idleIntervalMs: 1, retryMs: 500 },
    ...changes,
  };
  const log: { readonly kind: "block"; readonly bytes: Uint8Array; readonly digest: Hex }[] = [];
  const certificates: Certificate[] = [];
  const take = (effect: MemberEffect): void => {
    if (effect.kind !== "persist") return;
    for (const { bytes, digest } of effect.write.blocks) log.push({ kind: "block", bytes, digest });
    certificates.push(...effect.write.certificates);
  };
  const member = new Member(config);
  for (let nowMs = 0; nowMs < 40; nowMs++) for (const effect of member.step({ kind: "tick" }, nowMs)) take(effect);
  const again = (recovered: Partial<Recovered> = {}) => {
    const restored = new Member(config);
    const effects: MemberEffect[] = [];
    restored.restore({ log, certificates, registered: () => undefined, ...recovered }, (effect) =>
      effects.push(effect),
    );
    return { restored, effects };
  };
  return { member, log, certificates, again };
}

function flipped(signature: Hex): Hex {
  const bytes = hexToBytes(signature);
  bytes[5]! ^= 4;
  return bytesToHex(bytes);
}

describe("member: what it gets back from its disk", () => {
  it("is where it went on from", async () => {
    const { member, certificates, again } = await createLoner();
    const { restored, effects } = again();
    expect(restored.ledger.digest).to.equal(member.ledger.digest);
    expect(restored.certifiedSequence).to.equal(member.certifiedSequence);
    expect(certificates.length).to.be.greaterThan(4);
    // Certified already: nothing is certified or written again.
    expect(effects.filter(({ kind }) => kind !== "batch" && kind !== "ordered")).to.deep.equal([]);
  });

  it("is refused when a certificate is not what the committee signed, or is another batch's", async () => {
    const { certificates, again } = await createLoner();
    const at = 2;
    const { sequence } = certificates[at]!.header;
    const other = certificates.find(
      ({ header, suite }) => header.sequence !== sequence && suite === certificates[at]!.suite,
    )!;
    for (const signature of [flipped(certificates[at]!.signature), other.signature]) {
      const damaged = certificates.map((certificate, i) => (i === at ? { ...certificate, signature } : certificate));
      expect(() => again({ certificates: damaged }))
        .to.throw(ConsensusError)
        .with.property("code", "badCertificate");
    }
  });
});

describe("member: checkpoints without heartbeats", () => {
  it("are refused: an idle committee would certify nothing, and keep every block for those who are behind", async () => {
    let error: unknown;
    await createLoner({ heartbeatRounds: undefined }).catch((thrown: unknown) => {
      error = thrown;
    });
    expect(error).to.be.instanceOf(ConsensusError).with.property("code", "badConfig");
  });

  it("with them, rounds in which nothing happens leave nothing behind", async () => {
    const { member } = await createLoner();
    const sizes = (): Record<string, number> => ({ ...member.sizes });
    for (let nowMs = 100; nowMs < 300; nowMs++) member.step({ kind: "tick" }, nowMs);
    const { highestRound } = member.consensus;
    for (let nowMs = 300; nowMs < 1_000; nowMs++) member.step({ kind: "tick" }, nowMs);
    expect(member.consensus.highestRound).to.be.greaterThan(highestRound + 600);
    const { heldBytes, pendingBytes, ...counts } = sizes();
    for (const [name, size] of Object.entries(counts)) expect(size, name).to.be.at.most(3 * 16);
    expect([heldBytes! < 50_000, pendingBytes]).to.deep.equal([true, 0]);
  });
});
