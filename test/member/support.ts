/** For tests of members. */
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../src/member/limits.ts";
import type { MemberConfig } from "../../src/member/types.ts";
import { createTestGenesis, type TestCommittee } from "../../src/testing/committee.ts";

/** A member of a committee with stand-in cryptography that never waits; `overrides` is what the test is about. */
export function memberConfig(test: TestCommittee, self: number, overrides: Partial<MemberConfig> = {}): MemberConfig {
  return {
    committee: test.committee,
    genesis: createTestGenesis(test.committee),
    self,
    secrets: test.secrets[self]!,
    engines: test.engines,
    createCoin: test.createCoin,
    identities: test.identities,
    blockSigner: test.identities,
    retainedRounds: 64,
    activityWindow: 32,
    consensusLimits: DEFAULT_CONSENSUS_LIMITS,
    limits: DEFAULT_MEMBER_LIMITS,
    pacing: { busyIntervalMs: 0, idleIntervalMs: 0, retryMs: 500 },
    ...overrides,
  };
}
