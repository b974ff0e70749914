/** Valid values to start from: what four real members say to each other, settle, certify and keep while users trade. */
import type { Certificate } from "../../src/batch/types.ts";
import type { VerifiedBlock } from "../../src/consensus/types.ts";
import { accountIdOf } from "../../src/ledger/instruction.ts";
import type { LedgerGenesis, SettledBatch, SignedInstruction } from "../../src/ledger/types.ts";
import { Member } from "../../src/member/member.ts";
import type { Checkpoint, MemberConfig, MemberInput } from "../../src/member/types.ts";
import {
  createTestCommitteeWith,
  createTestGenesis,
  TEST_CHAIN_ID,
  type TestCommittee,
} from "../../src/testing/committee.ts";
import { createRandom, type Random } from "../../src/testing/random.ts";
import { SIMULATED_MEMBER } from "../../src/testing/simulator/process.ts";
import { createWorkload } from "../../src/testing/simulator/workload.ts";
import { createStandInEngine, standInAddress } from "../../src/testing/stand-in.ts";
import { createStandInReshare } from "../../src/testing/stand-in-reshare.ts";

export interface World {
  readonly test: TestCommittee;
  readonly genesis: LedgerGenesis;
  readonly configOf: (self: number) => MemberConfig;
  readonly random: Random;
  readonly messages: readonly Uint8Array[];
  readonly blocks: readonly VerifiedBlock[];
  readonly instructions: readonly SignedInstruction[];
  readonly batches: readonly SettledBatch[];
  readonly certificates: readonly Certificate[];
  readonly checkpoints: readonly Checkpoint[];
  /** After everything. */
  readonly member: Member;
}

const N = 4;
const ROUNDS = 160;

export function createWorld(seed: number): World {
  const random = createRandom(BigInt(seed), "fuzz");
  const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
  const test = createTestCommitteeWith(N, random.stream("keys"), "stand-in", engines);
  const genesis = createTestGenesis(test.committee);
  const configOf = (self: number): MemberConfig => ({
    committee: test.committee,
    genesis,
    self,
    secrets: test.secrets[self]!,
    engines,
    createCoin: test.createCoin,
    identities: test.identities,
    blockSigner: test.identities,
    reshare: createStandInReshare(test.identities),
    ...SIMULATED_MEMBER,
    checkpointRounds: 8,
    heartbeatRounds: 8,
  });
  const members = Array.from({ length: N }, (_, self) => new Member(configOf(self)));
  const users = createWorkload(genesis, test.identities, standInAddress, 6, random.stream("users"), 6);
  const made = {
    messages: [] as Uint8Array[],
    blocks: [] as VerifiedBlock[],
    instructions: [] as SignedInstruction[],
    batches: [] as SettledBatch[],
    certificates: [] as Certificate[],
    checkpoints: [] as Checkpoint[],
  };
  const queue: { readonly from: number; readonly to: number; readonly bytes: Uint8Array }[] = [];
  let nowMs = 0;
  const step = (self: number, input: MemberInput): void => {
    for (const effect of members[self]!.step(input, nowMs)) {
      if (effect.kind === "send") {
        made.messages.push(effect.bytes);
        for (let to = 0; to < N; to++)
          if (to !== self && (effect.to === "all" || effect.to === to))
            queue.push({ from: self, to, bytes: effect.bytes });
      }
      if (self !== 0) continue;
      if (effect.kind === "persist") made.blocks.push(...effect.write.blocks);
      if (effect.kind === "batch") {
        made.batches.push(effect.batch);
        for (const receipt of effect.batch.receipts) users.settled(receipt);
      }
      if (effect.kind === "certificate") made.certificates.push(effect.certificate);
      if (effect.kind === "checkpoint") made.checkpoints.push(effect.checkpoint);
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    nowMs += 100;
    const batch = members[0]!.ledger.sequence;
    for (let self = 0; self < N; self++) {
      const time = { kind: "time", seconds: 1_000n + BigInt(round) } as const;
      const entries = users.deposits.slice(2 * (round >> 3), 2 * (round >> 3) + 2);
      const inbox = { kind: "inbox", chainId: TEST_CHAIN_ID, entries } as const;
      const prices = {
        kind: "prices",
        market: 1,
        firstSlotEnd: 6n * BigInt(170 + round),
        values: [2_000n + BigInt(round)],
      } as const;
      const observations = [time, prices, ...(entries.length === 0 ? [] : [inbox])];
      step(self, { kind: "observe", observations });
    }
    const instruction = round % 3 === 0 ? users.next(batch) : undefined;
    if (instruction !== undefined) {
      made.instructions.push(instruction);
      step(round % N, { kind: "submit", instructions: [instruction] });
    }
    // Now and then somebody misses what the others say, so that they ask each other for things.
    const deaf = round % 20 < 3 ? round % N : N;
    for (const { from, to, bytes } of queue.splice(0))
      if (to !== deaf && from !== deaf) step(to, { kind: "message", epoch: 0n, from, bytes });
    for (let self = 0; self < N; self++) step(self, { kind: "tick" });
  }
  return { test, genesis, configOf, random, ...made, member: members[0]! };
}

export const accountOf = (address: `0x${string}`): `0x${string}` => accountIdOf(address);

/** At most `count` of the items, spread over all of them. */
export function some<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, Math.floor(items.length / count));
  return items.filter((_, i) => i % step === 0).slice(0, count);
}
