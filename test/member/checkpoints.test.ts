import { expect } from "chai";
import type { BatchHeader } from "../../src/batch/types.ts";
import type { OutputRound, VerifiedBlock } from "../../src/consensus/types.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { type CheckpointPace, Checkpoints, checkpointAfter, leadsFurther } from "../../src/member/checkpoints.ts";

const hashOf = (value: number): Hex => `0x${value.toString(16).padStart(64, "0")}`;
const rules = { members: 1, genesisHash: hashOf(0), retainedRounds: 64, activityWindow: 2 };

/** Rounds of one member's blocks; tells in which of them a checkpoint was made. */
function run(pace: CheckpointPace, options: { payload: number; snapshot: number; rounds: number; final: number }) {
  const checkpoints = new Checkpoints(rules, pace, undefined);
  let snapshots = 0;
  // CAST: all that is asked of a ledger here
  const ledger = { snapshot: () => new Uint8Array(++snapshots && options.snapshot) } as unknown as Ledger;
  const made: number[] = [];
  let finalRound = 0;
  for (let round = 1; round <= options.rounds; round++) {
    const leader = { round, author: 0, digest: hashOf(round) };
    // CAST: what is read of a block here
    const block = { ...leader, payload: new Uint8Array(options.payload) } as unknown as VerifiedBlock;
    const commit = { leader, blocks: [block], past: hashOf(0), index: BigInt(round), previous: hashOf(round - 1) };
    const output: OutputRound = { round, commits: [{ ...commit, digest: hashOf(round) }] };
    checkpoints.output(output);
    const before = snapshots;
    checkpoints.settled({ sequence: BigInt(round) } as BatchHeader, ledger); // CAST: kept, not read
    if (snapshots > before) {
      made.push(round);
      finalRound = round + options.final;
    }
    if (round >= finalRound) checkpoints.take(() => []);
  }
  return made;
}

describe("member: when a checkpoint is made", () => {
  const load = { payload: 1_000, snapshot: 10, rounds: 40, final: 0 };

  it("is after so many rounds, or before them after so many bytes of payload", () => {
    expect(run({ rounds: 16 }, load)).to.deep.equal([16, 32]);
    expect(run({ rounds: 16, bytes: 10_000 }, load)).to.deep.equal([10, 20, 30, 40]);
    expect(run({ rounds: 16, bytes: 10_000 }, { ...load, payload: 0 })).to.deep.equal([16, 32]);
  });

  it("is not oftener than a snapshot's own bytes: making one costs as it is large", () => {
    expect(run({ rounds: 64, bytes: 4_000 }, { ...load, snapshot: 12_000 })).to.deep.equal([4, 16, 28, 40]);
  });

  it("is never before the one before is final, and never at all without a number of rounds", () => {
    expect(run({ rounds: 16, bytes: 2_000 }, { ...load, final: 12 })).to.deep.equal([2, 15, 28]);
    expect(run({ rounds: undefined, bytes: 2_000 }, load)).to.deep.equal([]);
  });
});

describe("member: which checkpoint of others helps one that is behind", () => {
  // CAST: kept, not read
  const made = (sequence: bigint) => ({ header: { sequence } as BatchHeader });

  it("is one after what it has settled, as long as it settles anything", () => {
    expect(checkpointAfter(9n, undefined, made(4n))).to.equal(9n);
    expect(checkpointAfter(9n, 8n, made(4n))).to.equal(9n);
  });

  it("is one after its own newest once it stands still, even of a batch that it has settled", () => {
    expect(checkpointAfter(9n, 9n, made(4n))).to.equal(4n);
    expect(checkpointAfter(9n, 9n, undefined)).to.equal(0n);
  });

  it("is never one that is no newer than its own", () => {
    expect(leadsFurther(made(5n), made(4n))).to.equal(true);
    expect(leadsFurther(made(4n), made(4n))).to.equal(false);
    expect(leadsFurther(made(1n), undefined)).to.equal(true);
  });
});
