/**
 * The blocks this member has accepted, as a graph above the floor. Every ancestor of a held block is held, or at or below
 * the floor, or output before the checkpoint that this member started from. Blocks that sank below the floor stay servable for another K
 * rounds, for members that are behind. Where their bytes are is another matter (block-memory.ts).
 */
import { assert } from "../lib/assert.ts";
import type { Hex } from "../lib/hex.ts";
import { isNamed, slotKey } from "./block.ts";
import { BlockMemory } from "./block-memory.ts";
import type { FindBlock } from "./stored-block.ts";
import type { BlockRef, ConsensusCheckpoint, VerifiedBlock } from "./types.ts";

/** How many rounds above a slot its windows reach: v ∈ {r+1, r+2, r+3}. */
export const WINDOWS = 3;

/** An accepted block with what was derived from its ancestors once. */
export interface DagBlock {
  /** A StoredBlock when its bytes left memory. */
  block: VerifiedBlock;
  /** Bytes of the block, wherever they are. */
  readonly size: number;
  /** The log finds it by its digest. */
  readonly isReadable: boolean;
  readonly round: number;
  readonly author: number;
  readonly digest: Hex;
  /** Held parents in stored order; those at or below the floor at acceptance are left out. Emptied when this block sinks. */
  parents: readonly DagBlock[];
  /** Of these, what support walks: the own previous block, then the strong parents. */
  voters: readonly DagBlock[];
  /** support(this, author, round − k) at [k − 1][author]. */
  readonly support: readonly (DagBlock | undefined)[][];
  /** certificates held: [k − 1][author] is the block of round v − k certified by this block's parents at v = round − 1. */
  certified: readonly (DagBlock | undefined)[][];
  /** Highest own round in this block's cone: what its author has shown to know of us. */
  readonly ownSeen: number;
  /**
   * Highest round of what its cone (outside our own and outside the output) names at or below our floor and was never held here;
   * −1 without such. Possibly invented, and a member with a lower floor would wait for it: see `isTainted`.
   */
  readonly unknownBelow: number;
  isOutput: boolean;
  isInOwnCone: boolean;
  /** An ancestor of (or itself) an accepted block of a non-exposed author; maintained only once somebody is exposed. */
  isVouched: boolean;
  /** By member: 1 when it has shown to have the block or we have sent it with one of ours (bundles.ts). */
  knownBy: number[] | undefined;
}

const NONE: readonly DagBlock[] = [];

export class Dag {
  readonly #n: number;
  readonly #retainedRounds: number;
  readonly #self: number | undefined;
  readonly #byDigest = new Map<Hex, DagBlock>();
  readonly #bySlot = new Map<number, DagBlock[]>();
  readonly #byRound = new Map<number, DagBlock[]>();
  /** Sunk blocks: servable, otherwise forgotten. */
  readonly #sunk = new Map<Hex, DagBlock>();
  readonly #sunkByRound = new Map<number, DagBlock[]>();
  readonly #memory: BlockMemory;
  /** Rounds in which somebody has twins. */
  readonly #exposedRounds = new Set<number>();
  /** Rounds of blocks that a checkpoint says are output: need not be held. Above the floor. */
  readonly #outputBefore: Map<Hex, BlockRef>;
  /** Highest round of an accepted block, by author. */
  readonly #newest: number[];
  #floor: number;
  #lowestHeld: number;
  /** Sunk blocks of lower rounds are forgotten. */
  #lowestSunk: number;
  #servedFloor = Number.POSITIVE_INFINITY;
  #highestRound: number;

  constructor(options: {
    readonly n: number;
    readonly self: number | undefined;
    readonly retainedRounds: number;
    readonly genesis: readonly VerifiedBlock[];
    readonly floor: number;
    /** A checkpoint's last round and output blocks, where one is started from. */
    readonly checkpoint?: Pick<ConsensusCheckpoint, "round" | "output"> | undefined;
    /** Where a block is read from whose bytes left memory; without it none leave. */
    readonly find?: FindBlock | undefined;
    /** Bytes of blocks that stay in memory. */
    readonly budget?: number;
  }) {
    this.#n = options.n;
    this.#self = options.self;
    this.#retainedRounds = options.retainedRounds;
    this.#floor = options.floor;
    this.#lowestHeld = Math.max(0, options.floor + 1);
    this.#lowestSunk = this.#lowestHeld;
    this.#memory = new BlockMemory(options.budget ?? Number.POSITIVE_INFINITY, options.find);
    this.#highestRound = Math.max(0, options.floor, options.checkpoint?.round ?? 0);
    this.#newest = new Array<number>(options.n).fill(0);
    this.#outputBefore = new Map(options.checkpoint?.output.map((ref) => [ref.digest, ref]));
    if (options.floor < 0) for (const block of options.genesis) this.add(block, false);
  }

  get floor(): number {
    return this.#floor;
  }

  get highestRound(): number {
    return this.#highestRound;
  }

  /** Highest round of an accepted block of an author; 0 before the first. */
  newest(author: number): number {
    return this.#newest[author]!;
  }

  get size(): number {
    return this.#byDigest.size;
  }

  /** Sunk blocks that are servable. */
  get sunk(): number {
    return this.#sunk.size;
  }

  /** Bytes of held and sunk blocks in memory. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  get(digest: Hex): DagBlock | undefined {
    return this.#byDigest.get(digest);
  }

  /** All accepted blocks of (round, author): one, or the twins of an equivocator in order of acceptance. */
  at(round: number, author: number): readonly DagBlock[] {
    return this.#bySlot.get(slotKey(round, author)) ?? NONE;
  }

  /** Accepted blocks of a round in order of acceptance. */
  round(round: number): readonly DagBlock[] {
    return this.#byRound.get(round) ?? NONE;
  }

  /** Number of distinct authors with an accepted block at a round. */
  authorsAt(round: number): number {
    const blocks = this.round(round);
    return this.#exposedRounds.has(round) ? new Set(blocks.map((entry) => entry.author)).size : blocks.length;
  }

  /** Held or sunk: what a fetch can be answered with. */
  lookup(digest: Hex): VerifiedBlock | undefined {
    return (this.#byDigest.get(digest) ?? this.#sunk.get(digest))?.block;
  }

  /**
   * True when an ancestor need not be waited for. What a checkpoint says is output has only output below it, and no slot that is
   * still to be decided reads it: cones end there, and its round is at most the checkpoint's.
   *
   * A reference with the digest of a block that we hold, and another round or author, is to nothing that will ever come: whoever took it
   * for that block would count a parent of the round below that is none, and certificates with it. At or below the floor it makes no
   * difference, and everybody passes it over.
   */
  isSatisfied(ref: BlockRef): boolean {
    return (
      ref.round <= this.#floor ||
      isNamed(this.#byDigest.get(ref.digest), ref) ||
      isNamed(this.#outputBefore.get(ref.digest), ref)
    );
  }

  /** Of rounds below nothing can be served. */
  get lowestServed(): number {
    return this.#lowestSunk;
  }

  /** Held or sunk blocks of a round. */
  servable(round: number): readonly VerifiedBlock[] {
    return (this.#sunkByRound.get(round) ?? this.round(round)).map((entry) => entry.block);
  }

  /**
   * Sunk blocks above this round stay servable, also longer than K rounds. Whoever is behind can start at a certified cut only; while
   * nothing new is certified, because it is missing at that, its way forward is what lies between.
   */
  serveAbove(floor: number): void {
    this.#servedFloor = floor;
  }

  /** A block at or below the floor that others may still ask us for: our own last one, from before a checkpoint. */
  keepSunk(block: VerifiedBlock): void {
    this.#sunk.set(block.digest, leafOf(block));
  }

  /** A block was output: its bytes are the first to leave memory. */
  spare(digest: Hex): void {
    const entry = this.get(digest) ?? this.#sunk.get(digest);
    if (entry !== undefined) this.#memory.spare(entry);
  }

  /** Lets go of bytes beyond the budget. Not in the middle of a step: what was just accepted must be readable first. */
  shed(): void {
    this.#memory.shed();
  }

  /**
   * Adds a block all of whose parents are satisfied; never one that is known or at or below the floor. `isReadable`: false for a block
   * that the log does not find by its digest.
   */
  add(block: VerifiedBlock, isReadable = true): DagBlock {
    const isOutput = this.#outputBefore.has(block.digest);
    assert(!this.#byDigest.has(block.digest), "block added twice");
    assert(block.round > this.#floor, "block at or below the floor");
    const parents: DagBlock[] = [];
    const voters: DagBlock[] = [];
    let unknownBelow = -1;
    let ownSeen = block.author === this.#self ? block.round : 0;
    for (const [i, ref] of block.parents.entries()) {
      const parent = this.#byDigest.get(ref.digest);
      if (parent === undefined || !isNamed(parent, ref)) {
        assert(this.isSatisfied(ref), "block added before its ancestors");
        const isKnown = isNamed(this.#sunk.get(ref.digest), ref) || isNamed(this.#outputBefore.get(ref.digest), ref);
        if (!isKnown) unknownBelow = Math.max(unknownBelow, ref.round);
        continue;
      }
      if (!parent.isInOwnCone && !parent.isOutput) unknownBelow = Math.max(unknownBelow, parent.unknownBelow);
      ownSeen = Math.max(ownSeen, parent.ownSeen);
      parents.push(parent);
      if (i === 0 || ref.round === block.round - 1) voters.push(parent);
    }
    const added: DagBlock = {
      ...leafOf(block),
      isReadable,
      parents,
      voters,
      support: supportTable(this.#n, block.round, voters),
      ownSeen,
      unknownBelow: isOutput ? -1 : unknownBelow,
      isOutput,
    };
    this.#byDigest.set(block.digest, added);
    this.#memory.hold(added);
    if (this.at(block.round, block.author).length > 0) this.#exposedRounds.add(block.round);
    push(this.#bySlot, slotKey(block.round, block.author), added);
    push(this.#byRound, block.round, added);
    this.#highestRound = Math.max(this.#highestRound, block.round);
    this.#newest[block.author] = Math.max(this.#newest[block.author]!, block.round);
    return added;
  }

  /**
   * We would rather not pass it on: a member with a lower floor may wait for what it names. Only for K rounds: whoever is further
   * behind than that needs a certificate anyway, and an honest member that nobody heard for K rounds builds on blocks that
   * nobody else ever held; for ever would silence it for ever.
   */
  isTainted({ unknownBelow }: DagBlock): boolean {
    return unknownBelow >= 0 && unknownBelow > this.#floor - this.#retainedRounds;
  }

  /** Raises the floor: blocks at or below it are dropped from the graph. Returns them. */
  sink(floor: number): readonly DagBlock[] {
    const dropped: DagBlock[] = [];
    for (; this.#lowestHeld <= floor; this.#lowestHeld++) {
      for (const entry of this.round(this.#lowestHeld)) {
        dropped.push(entry);
        this.#byDigest.delete(entry.digest);
        this.#bySlot.delete(slotKey(entry.round, entry.author));
        this.#sunk.set(entry.digest, entry);
        this.#memory.spare(entry);
        push(this.#sunkByRound, entry.round, entry);
        // Blocks above still point here; cut what is below, or the whole history would stay reachable.
        entry.parents = NONE;
        entry.voters = NONE;
        entry.certified = [];
        for (const row of entry.support) row.length = 0;
        entry.knownBy = undefined;
      }
      this.#byRound.delete(this.#lowestHeld);
      this.#exposedRounds.delete(this.#lowestHeld);
    }
    const forgotten = Math.min(this.#lowestHeld - 1 - this.#retainedRounds, this.#servedFloor);
    for (; this.#lowestSunk <= forgotten; this.#lowestSunk++) this.#forgetSunk(this.#lowestSunk);
    for (const [digest, { round }] of this.#outputBefore) if (round <= floor) this.#outputBefore.delete(digest);
    this.#floor = Math.max(this.#floor, floor);
    return dropped;
  }

  #forgetSunk(round: number): void {
    for (const entry of this.#sunkByRound.get(round) ?? []) {
      this.#memory.forget(entry);
      this.#sunk.delete(entry.digest);
    }
    this.#sunkByRound.delete(round);
  }

  /** Every held block, oldest round first. */
  *blocks(): IterableIterator<DagBlock> {
    for (let round = this.#lowestHeld; round <= this.#highestRound; round++) yield* this.round(round);
  }
}

/** A block as it is without its ancestors. */
function leafOf(block: VerifiedBlock): DagBlock {
  const { round, author, digest } = block;
  return {
    block,
    size: block.bytes.length,
    isReadable: true,
    round,
    author,
    digest,
    parents: NONE,
    voters: NONE,
    support: [],
    certified: [],
    ownSeen: 0,
    unknownBelow: -1,
    isOutput: false,
    isInOwnCone: false,
    isVouched: false,
    knownBy: undefined,
  };
}

/**
 * support(b, author, r) = depth-first over parents[0] and strong parents in stored order, first block of (author, r) found.
 * Depth-first search visits the whole sub-graph of the first parent before the second, so the answer is the first parent's
 * answer if it has one, else the second's, …: a table per block, filled from the parents' tables, no search at all.
 */
function supportTable(n: number, round: number, voters: readonly DagBlock[]): (DagBlock | undefined)[][] {
  const table: (DagBlock | undefined)[][] = [];
  for (let k = 1; k <= WINDOWS; k++) {
    const row = new Array<DagBlock | undefined>(n).fill(undefined);
    let open = n;
    for (const voter of voters) {
      const below = voter.round - (round - k);
      if (below < 0) continue;
      if (below === 0) {
        if (row[voter.author] === undefined) {
          row[voter.author] = voter;
          open--;
        }
        continue;
      }
      const answers = voter.support[below - 1]!;
      for (let author = 0; author < n; author++) {
        if (row[author] === undefined && answers[author] !== undefined) {
          row[author] = answers[author];
          open--;
        }
      }
      if (open === 0) break;
    }
    table.push(row);
  }
  return table;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
