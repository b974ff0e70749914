/**
 * From committed slots to the total order (consensus.md, "Order"): the cone of each committed block that is not yet output,
 * above the floor (round of the committed slot before it − K), sorted by (round, author, digest).
 */
import { assert } from "../lib/assert.ts";
import { concatBytes } from "../lib/bytes.ts";
import { typeHash, word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { compareBlocks, refOf } from "./block.ts";
import type { DagBlock } from "./dag.ts";
import type { BlockRef, Commit } from "./types.ts";

const COMMIT_TYPE = typeHash(
  "Commit(uint64 index,bytes32 previous,bytes32 past,uint64 round,uint64 author,bytes32 leader,bytes blocks)",
);
/** Of a block reference: round uint64, author uint16, digest, big-endian. */
const REF_BYTES = 42;

/** Where the order stands: part of a checkpoint. */
export interface OrderState {
  /** Index of the last commit; 0 before the first. */
  readonly index: bigint;
  /** Digest of the last commit; the genesis hash before the first. */
  readonly digest: Hex;
  /** Round of the last committed slot; 0 before the first. */
  readonly committedRound: number;
}

export class Linearizer {
  readonly #retainedRounds: number;
  #state: OrderState;

  constructor(retainedRounds: number, state: OrderState) {
    this.#retainedRounds = retainedRounds;
    this.#state = state;
  }

  get state(): OrderState {
    return this.#state;
  }

  /** One floor serves dropping and ordering: a function of the order alone. Negative at first: nothing is below. */
  get floor(): number {
    return this.#state.committedRound - this.#retainedRounds;
  }

  /** `past`: digest of what the rule reads of the rounds before the leader's. */
  commit(leader: DagBlock, past: Hex): Commit {
    assert(leader.round >= this.#state.committedRound, "slots are committed in order");
    // Cones reach strictly lower rounds, and slots come round by round: nothing has output this block before its own commit.
    assert(!leader.isOutput, "a leader is output by its own commit");
    const blocks = this.#collect(leader).sort((a, b) => compareBlocks(a, b));
    const index = this.#state.index + 1n;
    const previous = this.#state.digest;
    const digest = commitDigest({ index, previous, past, leader, blocks });
    this.#state = { index, digest, committedRound: leader.round };
    return { index, leader: refOf(leader), blocks: blocks.map((entry) => entry.block), previous, past, digest };
  }

  /** An output block's cone above the floor is output already (floors never fall), so the walk stops there. */
  #collect(leader: DagBlock): DagBlock[] {
    const floor = Math.max(0, this.floor);
    const collected: DagBlock[] = [];
    const stack: DagBlock[] = [leader];
    while (stack.length > 0) {
      const entry = stack.pop()!;
      if (entry.isOutput || entry.round <= floor) continue;
      entry.isOutput = true;
      collected.push(entry);
      stack.push(...entry.parents);
    }
    return collected;
  }
}

/**
 * keccak256 over fixed words: type, index, previous digest, digest of the past, leader (round, author, digest), keccak256 of all
 * block references. References whole: whoever gets them without the blocks must be able to believe round and author.
 */
export function commitDigest(commit: {
  readonly index: bigint;
  readonly previous: Hex;
  readonly past: Hex;
  readonly leader: BlockRef;
  readonly blocks: readonly BlockRef[];
}): Hex {
  const { leader, blocks } = commit;
  const refs = new Uint8Array(REF_BYTES * blocks.length);
  const view = new DataView(refs.buffer);
  for (const [i, { round, author, digest }] of blocks.entries()) {
    view.setBigUint64(REF_BYTES * i, BigInt(round));
    view.setUint16(REF_BYTES * i + 8, author);
    refs.set(hexToBytes(digest), REF_BYTES * i + 10);
  }
  return bytesToHex(
    keccak256(
      concatBytes(
        COMMIT_TYPE,
        word(commit.index),
        word(commit.previous),
        word(commit.past),
        word(leader.round),
        word(leader.author),
        word(leader.digest),
        keccak256(refs),
      ),
    ),
  );
}
