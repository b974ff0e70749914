/**
 * From committed slots to the total order (consensus.md, "Order"): the cone of each committed block that is not yet output,
 * above the floor (round of the committed slot before it − K), sorted by (round, author, digest).
 */
import { assert } from "../lib/assert.ts";
import { concatBytes } from "../lib/bytes.ts";
import { typeHash, word } from "../lib/eip712.ts";
import { keccak256, keccakOfHex } from "../lib/hash.ts";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import { compareBlocks, refOf } from "./block.ts";
import type { DagBlock } from "./dag.ts";
import type { BlockRef, Commit } from "./types.ts";

const COMMIT_TYPE = typeHash(
  "Commit(uint64 index,bytes32 previous,uint64 round,uint64 author,bytes32 leader,bytes32 blocks)",
);

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

  commit(leader: DagBlock): Commit {
    assert(leader.round >= this.#state.committedRound, "slots are committed in order");
    // Cones reach strictly lower rounds, and slots come round by round: nothing has output this block before its own commit.
    assert(!leader.isOutput, "a leader is output by its own commit");
    const blocks = this.#collect(leader).sort((a, b) => compareBlocks(a, b));
    const index = this.#state.index + 1n;
    const previous = this.#state.digest;
    const digest = commitDigest({ index, previous, leader, blocks });
    this.#state = { index, digest, committedRound: leader.round };
    return { index, leader: refOf(leader), blocks: blocks.map((entry) => entry.block), previous, digest };
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

/** keccak256 over fixed words: type, index, previous digest, leader (round, author, digest), keccak256 of all block digests. */
export function commitDigest(commit: {
  readonly index: bigint;
  readonly previous: Hex;
  readonly leader: BlockRef;
  readonly blocks: readonly { readonly digest: Hex }[];
}): Hex {
  const { leader } = commit;
  return bytesToHex(
    keccak256(
      concatBytes(
        COMMIT_TYPE,
        word(commit.index),
        word(commit.previous),
        word(leader.round),
        word(leader.author),
        word(leader.digest),
        word(keccakOfHex(...commit.blocks.map((block) => block.digest))),
      ),
    ),
  );
}
