/**
 * Where a member can go on from within an epoch, checked against one digest: that of the last commit, which the header of a certified
 * batch names (`BatchHeader.commit`). Commits chain by their digests, so the newest certifies all records before it; each commits to
 * whole references, which give the output set, and to what the rule read of the rounds before its own (`past`), which with the
 * last round's own commits gives who is active and the vector clock. Nothing is believed of whoever serves it.
 */
import {
  ByteVectorType,
  ContainerType,
  ListBasicType,
  ListCompositeType,
  UintBigintType,
  UintNumberType,
} from "@chainsafe/ssz";
import { assert } from "../lib/assert.ts";
import { equalBytes } from "../lib/bytes.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { quorumOf } from "../lib/math.ts";
import { Activity, pastDigest } from "./activity.ts";
import { blockRefType, compareBlocks, refFromSsz, refOf, refToSsz } from "./block.ts";
import { ConsensusError, refuse } from "./errors.ts";
import { MAX_MEMBERS } from "./limits.ts";
import { commitDigest } from "./linearizer.ts";
import type { BlockRef, ConsensusCheckpoint, OrderPast, OutputRound } from "./types.ts";

/** A commit as a checkpoint needs it; its index and the digest before it follow from the first record's. */
export interface CommitRecord {
  readonly leader: BlockRef;
  readonly blocks: readonly BlockRef[];
  readonly past: Hex;
}

/** What a checkpoint is derived from: the tail of the order up to the last commit of a round that a batch closed. */
export interface OrderTail {
  /** Index of the first record, and the digest of the commit before it. */
  readonly index: bigint;
  readonly previous: Hex;
  /** Oldest first: all commits with leaders above (last leader's round − K), and the one before these. */
  readonly records: readonly CommitRecord[];
  /** What the rule reads of the rounds before the last leader's. */
  readonly past: OrderPast;
}

/** The rules of the epoch that a tail is of: they decide what it must hold. */
export interface OrderRules {
  readonly members: number;
  readonly genesisHash: Hex;
  /** K. */
  readonly retainedRounds: number;
  /** A. */
  readonly activityWindow: number;
}

/** Blocks and commits are bounded by the bytes that hold them; these only keep the encoding's own arithmetic finite. */
const MAX_RECORDS = 2 ** 24;
const round64 = new UintNumberType(8);
const bytes32 = new ByteVectorType(32);
const tailType = new ContainerType({
  index: new UintBigintType(8),
  previous: bytes32,
  records: new ListCompositeType(
    new ContainerType({
      leader: blockRefType,
      past: bytes32,
      blocks: new ListCompositeType(blockRefType, MAX_RECORDS),
    }),
    MAX_RECORDS,
  ),
  standings: new ListCompositeType(new ContainerType({ seen: round64, until: round64, rounds: round64 }), MAX_MEMBERS),
  vectorClock: new ListBasicType(round64, MAX_MEMBERS),
});

/**
 * The state of the order after the round of the commit with digest `commit`: the only one there is. Throws ConsensusError
 * `badCheckpoint` when the tail is not that commit's, or does not reach back far enough.
 */
export function deriveCheckpoint(tail: OrderTail, commit: Hex, rules: OrderRules): ConsensusCheckpoint {
  const { index, previous, records, past } = tail;
  const { members, genesisHash, retainedRounds, activityWindow } = rules;
  const bad = (message: string): never => refuse("badCheckpoint", message, { commit });
  const last = records.at(-1) ?? bad("it has no commit");
  let digest = previous;
  for (const [i, record] of records.entries()) {
    digest = commitDigest({ index: index + BigInt(i), previous: digest, ...record });
  }
  if (digest !== commit) bad("its commits are not those that the batch was made of");
  if (pastDigest(past) !== last.past) bad("who was active is not what the last commit says");
  // From here on everything is what the committee's order says; what remains is whether it is enough, and no more.
  const round = last.leader.round;
  const floor = round - retainedRounds;
  const isWhole = index === 1n ? previous === genesisHash : records[0]!.leader.round <= floor;
  if (!isWhole) bad("it does not reach back to the floor");
  if ((records[1]?.leader.round ?? round) <= floor && records.length > 1) bad("it reaches back further than needed");
  // The digest says it is what that commit's members read; lengths are of their committee, which may be another.
  if (past.standings.length !== members || past.vectorClock.length !== members) bad("it is of another committee");
  const activity = new Activity(members, quorumOf(members), activityWindow, past);
  activity.record(
    round,
    records.filter(({ leader }) => leader.round === round),
  );
  const output = records.flatMap(({ blocks }) => blocks.filter((ref) => ref.round > floor));
  return {
    round,
    commitIndex: index + BigInt(records.length - 1),
    commitDigest: commit,
    committedRound: round,
    output: output.sort(compareBlocks),
    ...activity.past,
  };
}

/** Follows the order and keeps its tail: bounded by the commits of K rounds. */
export class OrderRecorder {
  readonly #retainedRounds: number;
  readonly #activity: Activity;
  #records: CommitRecord[];
  #index: bigint;
  #previous: Hex;
  #past: OrderPast;

  /** `tail`: where the order goes on from, checked before; undefined at the epoch's beginning. */
  constructor(rules: OrderRules, tail?: OrderTail) {
    const { members, retainedRounds, activityWindow, genesisHash } = rules;
    this.#retainedRounds = retainedRounds;
    this.#activity = new Activity(members, quorumOf(members), activityWindow, tail?.past);
    this.#index = tail?.index ?? 1n;
    this.#previous = tail?.previous ?? genesisHash;
    this.#records = [...(tail?.records ?? [])];
    this.#past = this.#activity.past;
    const last = this.#records.at(-1);
    if (last === undefined) return;
    const { round } = last.leader;
    this.#activity.record(
      round,
      this.#records.filter(({ leader }) => leader.round === round),
    );
  }

  /** Rounds come in order, none left out. */
  add({ round, commits }: OutputRound): void {
    if (commits.length > 0) this.#past = this.#activity.past;
    this.#activity.record(round, commits);
    for (const { leader, blocks, past } of commits) this.#records.push({ leader, blocks: blocks.map(refOf), past });
    // The newest record at or below the floor stays: it shows that nothing above is missing.
    const floor = (this.#records.at(-1)?.leader.round ?? 0) - this.#retainedRounds;
    let spare = 0;
    while ((this.#records[spare + 1]?.leader.round ?? Number.POSITIVE_INFINITY) <= floor) spare++;
    for (const record of this.#records.splice(0, spare)) {
      this.#previous = commitDigest({ index: this.#index, previous: this.#previous, ...record });
      this.#index++;
    }
  }

  /** The tail as it is now; a value. */
  tail(): OrderTail {
    assert(this.#records.length > 0, "nothing is committed yet");
    return { index: this.#index, previous: this.#previous, records: [...this.#records], past: this.#past };
  }
}

export function encodeOrderTail({ index, previous, records, past }: OrderTail): Uint8Array {
  return tailType.serialize({
    index,
    previous: hexToBytes(previous),
    records: records.map((record) => ({
      leader: refToSsz(record.leader),
      past: hexToBytes(record.past),
      blocks: record.blocks.map(refToSsz),
    })),
    standings: [...past.standings],
    vectorClock: [...past.vectorClock],
  });
}

/** Throws ConsensusError `badCheckpoint`. What it returns is only as good as `deriveCheckpoint` finds it. */
export function decodeOrderTail(bytes: Uint8Array): OrderTail {
  try {
    const { index, previous, records, standings, vectorClock } = tailType.deserialize(bytes);
    const tail: OrderTail = {
      index,
      previous: bytesToHex(previous),
      records: records.map((record) => ({
        leader: refFromSsz(record.leader),
        past: bytesToHex(record.past),
        blocks: record.blocks.map(refFromSsz),
      })),
      past: { standings, vectorClock },
    };
    if (!equalBytes(encodeOrderTail(tail), bytes)) refuse("badCheckpoint", "not the one encoding of an order's tail");
    return tail;
  } catch (cause) {
    if (cause instanceof ConsensusError) throw cause;
    throw new ConsensusError("badCheckpoint", "not the encoding of an order's tail", { cause });
  }
}
