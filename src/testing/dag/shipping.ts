/**
 * The shipping commit rule on sketches: Dag, Votes, Committer, Activity and Linearizer as they are, with blocks that have
 * references but no bytes. What `Consensus` does around them (pruning after each output) is done here in the same order.
 */
import { Activity } from "../../consensus/activity.ts";
import { BlockCodec } from "../../consensus/block.ts";
import { Committer } from "../../consensus/committer.ts";
import { Dag, type DagBlock } from "../../consensus/dag.ts";
import { ConsensusError } from "../../consensus/errors.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../consensus/limits.ts";
import { Linearizer } from "../../consensus/linearizer.ts";
import type { OutputRound, SlotStatus, VerifiedBlock } from "../../consensus/types.ts";
import { type DirectDecision, Votes } from "../../consensus/votes.ts";
import { assert } from "../../lib/assert.ts";
import { bigintToBytes } from "../../lib/bytes.ts";
import { bytesToHex, type Hex } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";
import type { OutputSketch, Status } from "./rule.ts";
import type { Sketch, SketchBlock } from "./sketch.ts";

const hexOf = (value: number, length: number): Hex => bytesToHex(bigintToBytes(BigInt(value), length));
const codecs = new Map<number, BlockCodec>();

function codecOf(n: number): BlockCodec {
  let codec = codecs.get(n);
  if (codec === undefined) {
    const members = Array.from({ length: n }, (_, index) => hexOf(index + 1, 20));
    const rules = { committeeId: hexOf(1, 32), epoch: 1n, genesisHash: hexOf(2, 32), members };
    codec = new BlockCodec({ ...rules, limits: DEFAULT_CONSENSUS_LIMITS });
    codecs.set(n, codec);
  }
  return codec;
}

const EMPTY = new Uint8Array(0);
const converted = new WeakMap<SketchBlock, VerifiedBlock>();

/** The sketched block as the shipping code sees it; digests order as ids do. Throws ConsensusError when it is not valid. */
function blockOf(n: number, sketched: SketchBlock): VerifiedBlock {
  const known = converted.get(sketched);
  if (known !== undefined) return known;
  const codec = codecOf(n);
  const digestOf = (block: SketchBlock): Hex =>
    block.round === 0 ? codec.genesis[block.author]!.digest : hexOf(block.id + 1, 32);
  const { author, round } = sketched;
  const block: VerifiedBlock = {
    epoch: 1n,
    author,
    round,
    parents: sketched.parents.map((parent) => ({
      round: parent.round,
      author: parent.author,
      digest: digestOf(parent),
    })),
    payload: EMPTY,
    coinShares: [],
    partials: [],
    signature: "0x",
    digest: digestOf(sketched),
    bytes: EMPTY,
  };
  codec.validate(block);
  converted.set(sketched, block);
  return block;
}

/** Whether the shipping code takes such a block; `parents` may be anything, in any order. */
export function isShippable(
  n: number,
  block: { readonly author: number; readonly round: number; readonly parents: readonly Omit<SketchBlock, "parents">[] },
): boolean {
  try {
    // CAST: only round, author and id of a parent are read
    blockOf(n, { ...block, id: 0xffff, parents: block.parents as readonly SketchBlock[] });
    return true;
  } catch (error) {
    if (error instanceof ConsensusError) return false;
    throw error;
  }
}

/** Votes with the decisions of some slots given: shows what the committer makes of an anchor before anybody commits it. */
class GivenVotes extends Votes {
  readonly given = new Map<string, DirectDecision | undefined>();

  override direct(round: number, author: number): DirectDecision | undefined {
    const key = `${round}/${author}`;
    return this.given.has(key) ? this.given.get(key) : super.direct(round, author);
  }
}

export class ShippingView {
  readonly #sketch: Sketch;
  readonly #dag: Dag;
  readonly #votes: GivenVotes;
  readonly #committer: Committer;
  readonly #linearizer: Linearizer;
  readonly #coin: (round: number) => number | undefined;
  readonly #outputs: OutputRound[] = [];

  constructor(
    sketch: Sketch,
    options: {
      readonly coin: (round: number) => number | undefined;
      readonly retainedRounds: number;
      readonly activityWindow: number;
    },
  ) {
    const { n } = sketch;
    const quorum = quorumOf(n);
    const { retainedRounds, activityWindow, coin } = options;
    this.#sketch = sketch;
    this.#coin = coin;
    const codec = codecOf(n);
    this.#linearizer = new Linearizer(retainedRounds, { index: 0n, digest: hexOf(2, 32), committedRound: 0 });
    const genesis = codec.genesisBlocks();
    this.#dag = new Dag({ n, self: undefined, retainedRounds, genesis, floor: this.#linearizer.floor });
    this.#votes = new GivenVotes(n, quorum);
    this.#committer = new Committer({
      n,
      dag: this.#dag,
      votes: this.#votes,
      activity: new Activity(n, quorum, activityWindow),
      linearizer: this.#linearizer,
      coinLeader: (round) => this.#coin(round),
      round: 1,
    });
  }

  /** Takes a block whose ancestors it has. Throws InvariantError when the rule says "stop". */
  add(block: SketchBlock): void {
    if (block.round === 0 || block.round <= this.#dag.floor) return;
    this.#votes.observe(this.#dag.add(blockOf(this.#sketch.n, block)), this.#dag.floor);
  }

  /** Decides and outputs what can be, drops what sank. */
  settle(): void {
    for (;;) {
      this.#outputs.push(...this.#committer.advance());
      const before = this.#dag.floor;
      const floor = this.#linearizer.floor;
      if (floor <= before) return;
      this.#dag.sink(floor);
      this.#votes.forget(before + 1, floor);
      this.#committer.forget(before + 1, floor);
    }
  }

  get floor(): number {
    return this.#dag.floor;
  }

  status(round: number, author: number): Status {
    return this.#sketched(this.#committer.status(round, author));
  }

  direct(round: number, author: number): Status | undefined {
    const decision = this.#votes.direct(round, author);
    if (decision === undefined) return undefined;
    return decision.kind === "skip" ? decision : { kind: "commit", block: this.#sketchedBlock(decision.block.digest) };
  }

  /** What a committed anchor would say about a slot, whether or not it is committed here. */
  byAnchor(anchor: SketchBlock, round: number, author: number): Status {
    const { given } = this.#votes;
    given.set(`${anchor.round}/${anchor.author}`, { kind: "commit", block: this.#held(anchor) });
    given.set(`${round}/${author}`, undefined);
    const committer = new Committer({
      n: this.#sketch.n,
      dag: this.#dag,
      votes: this.#votes,
      activity: new Activity(this.#sketch.n, quorumOf(this.#sketch.n), 2),
      linearizer: new Linearizer(this.#dag.highestRound + 1, { index: 0n, digest: hexOf(2, 32), committedRound: 0 }),
      coinLeader: () => anchor.author,
      round: 1,
    });
    const status = this.#sketched(committer.status(round, author));
    given.clear();
    return status;
  }

  /** The shipping tables of a block: what it supports and certifies `window` rounds further down. */
  support(block: SketchBlock, author: number, window: number): SketchBlock | undefined {
    const found = this.#held(block).support[window - 1]?.[author];
    return found === undefined || found.round === 0 ? undefined : this.#sketchedBlock(found.digest);
  }

  certified(block: SketchBlock, author: number, window: number): SketchBlock | undefined {
    const found = this.#held(block).certified[window - 1]?.[author];
    return found === undefined ? undefined : this.#sketchedBlock(found.digest);
  }

  output(): OutputSketch[] {
    const id = (digest: Hex) => this.#sketchedBlock(digest).id;
    return this.#outputs.map(({ round, commits }) => ({
      round,
      commits: commits.map(({ leader, blocks }) => ({
        leader: id(leader.digest),
        blocks: blocks.map((block) => id(block.digest)),
      })),
    }));
  }

  #held(block: SketchBlock): DagBlock {
    const held = this.#dag.get(blockOf(this.#sketch.n, block).digest);
    assert(held !== undefined, "the block is held");
    return held;
  }

  #sketched(status: SlotStatus): Status {
    return status.kind === "commit" ? { kind: "commit", block: this.#sketchedBlock(status.block.digest) } : status;
  }

  #sketchedBlock(digest: Hex): SketchBlock {
    const block = this.#sketch.blocks[Number.parseInt(digest.slice(-12), 16) - 1];
    assert(block !== undefined, "a digest names a block of the sketch");
    return block;
  }
}
