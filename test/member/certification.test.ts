/** When and how partial signatures leave and arrive, among four members whose messages arrive in order. */
import { assert, expect } from "chai";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../src/member/limits.ts";
import { Member } from "../../src/member/member.ts";
import type { MemberEffect } from "../../src/member/types.ts";
import { decodeMessage, TAGS } from "../../src/member/wire.ts";
import { createTestCommittee, createTestGenesis, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";

const N = 4;
const ROUNDS = 20;
const tagOf = (bytes: Uint8Array): number => bytes[4]!;

describe("certification: partials of batches", () => {
  let test: TestCommittee;
  before(async () => {
    test = await createTestCommittee(N, createRandom(7n), "stand-in");
  });

  const createMembers = (): Member[] =>
    test.secrets.map(
      (secrets, self) =>
        new Member({
          committee: test.committee,
          genesis: createTestGenesis(test.committee),
          self,
          secrets,
          engines: test.engines,
          createCoin: test.createCoin,
          identities: test.identities,
          blockSigner: test.identities,
          retainedRounds: 64,
          activityWindow: 32,
          heartbeatRounds: 1,
          consensusLimits: DEFAULT_CONSENSUS_LIMITS,
          limits: DEFAULT_MEMBER_LIMITS,
          pacing: { busyIntervalMs: 0, idleIntervalMs: 0, retryMs: 500 },
        }),
    );

  /** All members until they have made so many rounds; `watch` sees every step, and what `isLost` says never arrives. */
  function run(watch: (member: Member, effects: readonly MemberEffect[]) => void, isLost: (tag: number) => boolean) {
    const members = createMembers();
    const queue: { readonly from: number; readonly to: number; readonly bytes: Uint8Array }[] = [];
    const perform = (self: number, effects: readonly MemberEffect[]): void => {
      watch(members[self]!, effects);
      for (const effect of effects) {
        if (effect.kind !== "send" || isLost(tagOf(effect.bytes))) continue;
        for (let to = 0; to < N; to++)
          if (to !== self && (effect.to === "all" || effect.to === to))
            queue.push({ from: self, to, bytes: effect.bytes });
      }
    };
    for (const [self, member] of members.entries()) perform(self, member.step({ kind: "tick" }, 0));
    for (const { from, to, bytes } of queue) {
      const member = members[to]!;
      if (member.consensus.lastOwnRound >= ROUNDS) continue;
      perform(to, member.step({ kind: "message", epoch: test.committee.epoch, from, bytes }, 0));
    }
    return members;
  }

  it("leave in the step of their batch's output, directly, and once more in a block made in that step or next", () => {
    const open = new Map<Member, Set<bigint>>();
    let batches = 0;
    run(
      (member, effects) => {
        const directly = effects.flatMap((effect) => {
          if (effect.kind !== "send" || effect.to !== "all" || tagOf(effect.bytes) !== TAGS.partials) return [];
          const message = decodeMessage(effect.bytes);
          assert(message.kind === "partials");
          return message.partials.map(({ sequence }) => sequence);
        });
        const uncarried = open.get(member) ?? new Set<bigint>();
        open.set(member, uncarried);
        const before = new Set(uncarried);
        for (const effect of effects) {
          if (effect.kind !== "batch") continue;
          batches++;
          expect(directly).include(effect.batch.header.sequence);
          uncarried.add(effect.batch.header.sequence);
        }
        // The newest own block, if this step made one, carries all of what was open before it.
        const { lastOwnRound } = member.consensus;
        const isNew = effects.some((effect) => effect.kind === "send" && tagOf(effect.bytes) === TAGS.consensus);
        const own = member.consensus.blocksAt(lastOwnRound).find(({ author }) => author === member.self);
        for (const { sequence } of own?.partials ?? []) uncarried.delete(sequence);
        if (isNew) for (const sequence of before) expect(uncarried.has(sequence), `batch ${sequence}`).equal(false);
      },
      () => false,
    );
    expect(batches).greaterThan(N * 10);
  });

  it("are enough for certificates where every direct copy is lost", () => {
    const members = run(
      () => {},
      (tag) => tag === TAGS.partials,
    );
    for (const member of members) {
      member.step({ kind: "tick" }, 0);
      expect(member.certifiedSequence > 10n).equal(true);
    }
  });

  it("are combined in a step that brings nothing, and under constant traffic 5 ms late", () => {
    const isCertificate = ({ kind }: MemberEffect) => kind === "certificate";
    let early = 0;
    const members = run(
      (_, effects) => {
        early += effects.filter(isCertificate).length;
      },
      () => false,
    );
    expect(early).equal(0);
    const [idle, busy] = members as [Member, Member];
    expect(idle.wakeAtMs).equal(0);
    expect(idle.step({ kind: "tick" }, 0).some(isCertificate)).equal(true);
    const message = { kind: "observe", observations: [] } as const;
    expect(busy.step(message, 4).some(isCertificate)).equal(false);
    expect(busy.step(message, 5).some(isCertificate)).equal(true);
  });
});
