/** f members send the worst of every kind to a real member: what it holds stays within the formulas of docs/limits.md, and it goes on. */
import { expect } from "chai";
import { BlockCodec } from "../../src/consensus/block.ts";
import {
  DEFAULT_CONSENSUS_LIMITS,
  MAX_REFUSED,
  MAX_UNREQUESTED_TWINS,
  TWINS_PER_ROUND,
  twinBurst,
} from "../../src/consensus/limits.ts";
import type { BlockRef, ConsensusMessage } from "../../src/consensus/types.ts";
import { encodeConsensusMessage } from "../../src/consensus/wire.ts";
import { genesisHash } from "../../src/ledger/genesis.ts";
import { accountIdOf, instructionDigest } from "../../src/ledger/instruction.ts";
import type { SignedInstruction } from "../../src/ledger/types.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { maxFaulty } from "../../src/lib/math.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../src/member/limits.ts";
import { epochGenesis, Member } from "../../src/member/member.ts";
import type { MemberInput } from "../../src/member/types.ts";
import { encodeMessage } from "../../src/member/wire.ts";
import {
  createTestCommittee,
  createTestGenesis,
  TEST_ASSET,
  TEST_CHAIN_ID,
  TEST_TOKEN,
} from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { standInAddress } from "../../src/testing/stand-in.ts";
import { memberConfig } from "./support.ts";

const K = 64;
const consensusLimits = {
  ...DEFAULT_CONSENSUS_LIMITS,
  maxPendingPerPeer: 16,
  maxPendingBytesPerPeer: 20 * 1024,
  maxRequestedBytes: 32 * 1024,
  maxHeldBytes: 24 * 1024,
};
const limits = {
  ...DEFAULT_MEMBER_LIMITS,
  maxPendingInstructions: 70,
  maxFuturePartials: 32,
  maxPendingObservations: 64,
};
const TICKS = 80;
const TICK_MS = 50;

async function createWorld(n: number) {
  const random = createRandom(5n, `flood/${n}`);
  const test = await createTestCommittee(n, random, "stand-in");
  const genesis = createTestGenesis(test.committee);
  const pacing = { busyIntervalMs: 0, idleIntervalMs: 0, retryMs: 250 };
  /** Everybody's log: what is in it is the same for all. */
  const log = new Map<string, Uint8Array>();
  const readBlock = (digest: string): Uint8Array | undefined => log.get(digest);
  const overrides = { genesis, retainedRounds: K, consensusLimits, limits, pacing, readBlock };
  const members = test.secrets.map((_, self) => new Member(memberConfig(test, self, overrides)));
  const codec = new BlockCodec({
    committeeId: test.committee.id,
    epoch: 0n,
    genesisHash: epochGenesis(test.committee.id, genesisHash(genesis)),
    members: test.committee.members.map(({ address }) => address),
    limits: consensusLimits,
  });
  const queue: { readonly from: number; readonly to: number; readonly bytes: Uint8Array }[] = [];
  let nowMs = 0;
  const punished = new Set<number>();
  const step = (self: number, input: MemberInput): void => {
    for (const effect of members[self]!.step(input, nowMs)) {
      if (effect.kind === "punish" && self === 0) punished.add(effect.member);
      if (effect.kind === "persist") for (const { digest, bytes } of effect.write.blocks) log.set(digest, bytes);
      if (effect.kind !== "send") continue;
      for (let to = 0; to < n; to++)
        if (to !== self && (effect.to === "all" || effect.to === to))
          queue.push({ from: self, to, bytes: effect.bytes });
    }
  };
  const user = new Uint8Array(32).fill(3);
  const account = accountIdOf(standInAddress(user));
  const instruction = (amount: bigint): SignedInstruction => {
    const head = { signer: standInAddress(user), lane: 0n, nonce: 0n, namedBatch: 1n };
    const signed = {
      head,
      body: {
        kind: "transfer",
        from: account,
        to: accountIdOf(standInAddress(user), 1n),
        asset: TEST_ASSET,
        amount,
      },
    } as const;
    return { instruction: signed, signature: test.identities.sign(user, instructionDigest(test.committee.id, signed)) };
  };
  const invented = (round: number, author: number): BlockRef => ({
    round,
    author,
    digest: bytesToHex(random.bytes(32)),
  });

  /** What a malicious member sends to member 0 at once. */
  function* flood(from: number, tick: number): Iterable<Uint8Array> {
    const { highestRound } = members[0]!.consensus;
    const consensus = (message: ConsensusMessage) =>
      encodeMessage(0n, { kind: "consensus", bytes: encodeConsensusMessage(message) });
    const parentsAt = (round: number): BlockRef[] => {
      const strong = Array.from({ length: n }, (_, author) =>
        round === 1 ? codec.genesis[author]! : invented(round - 1, author),
      );
      return [strong[from]!, ...strong.filter(({ author }) => author !== from)];
    };
    const sign = (digest: `0x${string}`) => test.identities.sign(test.secrets[from]!.identity, digest);
    for (let k = 0; k < 24; k++) {
      const round = 2 + Math.max(0, highestRound - 10) + random.below(30);
      const shares = Array.from({ length: 20 }, (_, i) => ({ round: i + 1, signature: random.bytes(48) }));
      const block = codec.seal(
        { author: from, round, parents: parentsAt(round), payload: random.bytes(64), coinShares: shares, partials: [] },
        sign,
      );
      yield consensus({ kind: "block", bytes: block.bytes });
      const forged = block.bytes.slice();
      forged[30]! ^= 1 + k;
      yield consensus({ kind: "block", bytes: forged });
    }
    const far = Array.from({ length: 64 }, (_, i) => ({ round: highestRound + i * 3, signature: random.bytes(48) }));
    yield consensus({ kind: "coinShares", shares: far });
    yield consensus({
      kind: "fetch",
      refs: Array.from({ length: 200 }, (_, i) => invented(1 + i, i % n)),
      after: 1,
      depth: 255,
    });
    yield consensus({ kind: "wantBundles", until: Number.MAX_SAFE_INTEGER });
    yield consensus({
      kind: "fetched",
      blocks: [],
      notFound: Array.from({ length: 50 }, () => invented(5, 0)),
      floor: 2 ** 40,
    });
    for (let k = 0; k < 20; k++) yield consensus({ kind: "coinRequest", round: highestRound - k });
    const partials = Array.from({ length: 200 }, (_, i) => ({
      sequence: 1_000_000n + BigInt(tick * 200 + i),
      suite: "bn254" as const,
      digest: bytesToHex(random.bytes(32)),
      signature: random.bytes(64),
    }));
    yield encodeMessage(0n, { kind: "partials", partials });
    const instructions = Array.from({ length: 20 }, (_, i) => instruction(BigInt(10 + tick * 20 + i)));
    yield encodeMessage(0n, { kind: "instructions", instructions });
    yield encodeMessage(7n, { kind: "certificatesWanted", from: 0n });
    yield random.bytes(200);
  }

  return {
    members,
    punished,
    bad: Array.from({ length: maxFaulty(n) }, (_, i) => n - 1 - i),
    tick(tick: number, isFlooded: boolean) {
      nowMs += TICK_MS;
      for (const { from, to, bytes } of queue.splice(0)) step(to, { kind: "message", epoch: 0n, from, bytes });
      const deposit = {
        kind: "deposit",
        index: 0n,
        token: TEST_TOKEN,
        amount: 1_000n,
        account,
        refundTo: standInAddress(user),
        total: 1_000n,
      } as const;
      for (let self = 0; self < n; self++) {
        if (tick === 0)
          step(self, {
            kind: "observe",
            observations: [{ kind: "inbox", chainId: TEST_CHAIN_ID, entries: [deposit] }],
          });
        step(self, { kind: "observe", observations: [{ kind: "time", seconds: 1_000n + BigInt(tick) }] });
        step(self, { kind: "tick" });
      }
      if (!isFlooded) return;
      for (let from = n - maxFaulty(n); from < n; from++)
        for (const bytes of flood(from, tick)) step(0, { kind: "message", epoch: 0n, from, bytes });
    },
  };
}

for (const n of [4, 7]) {
  describe(`member: ${maxFaulty(n)} of ${n} members flood with the worst of every kind`, () => {
    it("holds no more than the formulas say, and settles on", async () => {
      const world = await createWorld(n);
      const f = maxFaulty(n);
      const member = world.members[0]!;
      for (let tick = 0; tick < 20; tick++) world.tick(tick, false);
      expect(member.ledger.sequence > 0n).to.equal(true);
      const decided = member.consensus.nextDecision.round;
      const seen: Record<string, number> = {};
      for (let tick = 20; tick < TICKS; tick++) {
        world.tick(tick, true);
        const { sizes, consensus } = member;
        const { highestRound, floor } = consensus;
        const held = highestRound - Math.max(0, floor) + K;
        const tokens = f * (twinBurst(n) + TWINS_PER_ROUND * highestRound + (tick * TICK_MS) / 250);
        const pendingBytes = n * consensusLimits.maxPendingBytesPerPeer + consensusLimits.maxRequestedBytes;
        const bounds = {
          pendingBytes,
          // A step accepts what waited for one message; a reference counts for 5 times its 42 bytes once it is read.
          heldBytes: consensusLimits.maxHeldBytes + 6 * pendingBytes,
          blocks: n + held * (n + f * (MAX_UNREQUESTED_TWINS - 1)) + tokens,
          sunk: K * (n + f) + tokens,
          pending: n * consensusLimits.maxPendingPerPeer + f * held + tokens,
          awaited:
            n * Math.max(consensusLimits.maxPendingPerPeer * n, 1024) +
            (f * held + tokens) * consensusLimits.maxParents,
          wanted:
            n * Math.max(consensusLimits.maxPendingPerPeer * n, 1024) +
            (f * held + tokens) * consensusLimits.maxParents,
          refused: MAX_REFUSED,
          shares: n * (held + K),
          open: 2 * TICKS,
          future: n * limits.maxFuturePartials,
          instructions: f * Math.max(1, limits.maxPendingInstructions / (2 * n)),
          instructionBytes: f * (limits.maxPendingBytes / (2 * n)),
          observations: limits.maxPendingObservations,
        };
        for (const [name, bound] of Object.entries(bounds)) {
          // CAST: the same names
          const size = sizes[name as keyof typeof sizes];
          seen[name] = Math.max(seen[name] ?? 0, size);
          expect(size, `${name} at tick ${tick}`).to.be.at.most(bound);
        }
      }
      // The flood does reach the limits that it is about.
      expect(seen.pending, "pending").to.be.at.least(consensusLimits.maxPendingPerPeer / 2);
      expect(seen.pendingBytes, "pendingBytes").to.be.greaterThan(consensusLimits.maxPendingBytesPerPeer - 4096);
      // Between steps, so that only the budget counts.
      expect(seen.heldBytes, "heldBytes").to.be.within(
        consensusLimits.maxHeldBytes / 2,
        consensusLimits.maxHeldBytes + 32 * 1024,
      );
      expect(seen.future, "future").to.equal(f * limits.maxFuturePartials);
      expect(seen.instructions, "instructions").to.be.at.least(1);
      expect(seen.refused, "refused").to.be.greaterThan(500);
      expect(member.consensus.nextDecision.round - decided).to.be.greaterThan(TICKS - 40);
      expect(member.ledger.sequence > 1n).to.equal(true);
      expect([...world.punished].sort((a, b) => a - b)).to.deep.equal([...world.bad].sort((a, b) => a - b));
    });
  });
}
