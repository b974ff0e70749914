/**
 * Writes DAGs down by hand: real blocks, really encoded and signed, with the parents you name. For tests of the decision rule
 * and for anybody who wants to show one. No block leaves here that is not valid; twins, jumps and weak links are.
 *
 *   const dag = new DagBuilder({ rules, sign });
 *   dag.fullRounds(1, 4);                                   // everybody links everybody
 *   const twin = dag.block(0, 5, { salt: 1 });              // a second block of (round 5, author 0)
 */
import { BlockCodec, type BlockRules, compareParents, refOf } from "../consensus/block.ts";
import type { BlockRef, CoinShare, VerifiedBlock } from "../consensus/types.ts";
import type { Hex } from "../lib/hex.ts";

export interface BlockOptions {
  /** Strong parents by author (their newest block at round − 1) or by reference; default: every author's. */
  readonly strong?: readonly (number | BlockRef)[] | undefined;
  readonly weak?: readonly BlockRef[] | undefined;
  /** Own previous block; default: the author's newest below the round. */
  readonly previous?: BlockRef | undefined;
  /** Goes into the payload: another salt, another block. */
  readonly salt?: number | undefined;
  readonly payload?: Uint8Array | undefined;
}

export interface DagBuilderOptions {
  readonly rules: BlockRules;
  readonly sign: (author: number, digest: Hex) => Hex;
  /** The coin share of an author; blocks then carry the shares an honest author releases. */
  readonly share?: ((author: number, round: number) => Uint8Array | undefined) | undefined;
}

export class DagBuilder {
  readonly codec: BlockCodec;
  /** In order of creation, which is a causal order. */
  readonly blocks: VerifiedBlock[] = [];
  readonly #options: DagBuilderOptions;
  readonly #bySlot = new Map<string, VerifiedBlock[]>();

  constructor(options: DagBuilderOptions) {
    this.#options = options;
    this.codec = new BlockCodec(options.rules);
  }

  get n(): number {
    return this.codec.n;
  }

  /** Blocks of (round, author) in order of creation; the genesis block at round 0. */
  at(round: number, author: number): readonly BlockRef[] {
    if (round === 0) return [this.codec.genesis[author]!];
    return this.#bySlot.get(`${round}/${author}`) ?? [];
  }

  /** The author's newest block below a round. */
  last(author: number, below: number): BlockRef {
    for (let round = below - 1; round > 0; round--) {
      const block = this.at(round, author).at(-1);
      if (block !== undefined) return refOf(block);
    }
    return this.codec.genesis[author]!;
  }

  /** Makes one block. Throws ConsensusError when it would not be valid. */
  block(author: number, round: number, options: BlockOptions = {}): VerifiedBlock {
    const previous = options.previous ?? this.last(author, round);
    const strong = (options.strong ?? this.#authorsAt(round - 1)).map((parent) =>
      typeof parent === "number" ? this.#newest(round - 1, parent) : parent,
    );
    const rest = [...strong, ...(options.weak ?? [])]
      .filter((parent) => !(parent.author === author && parent.round === previous.round))
      .map(refOf)
      .sort(compareParents);
    const salt = options.salt === undefined ? new Uint8Array(0) : Uint8Array.of(options.salt);
    const block = this.codec.seal(
      {
        author,
        round,
        parents: [refOf(previous), ...rest],
        payload: options.payload ?? salt,
        coinShares: this.#shares(author, previous.round, round),
        partials: [],
      },
      (digest) => this.#options.sign(author, digest),
    );
    this.adopt(block);
    return block;
  }

  /** Adds a block that somebody else made, so that others can link it. */
  adopt(block: VerifiedBlock): void {
    const key = `${block.round}/${block.author}`;
    this.#bySlot.set(key, [...(this.#bySlot.get(key) ?? []), block]);
    this.blocks.push(block);
  }

  /** One block of each author, all with the same options. */
  round(round: number, authors: readonly number[] = this.#everybody(), options: BlockOptions = {}): VerifiedBlock[] {
    // Built before any is registered for the next round: blocks of one round never see each other.
    return authors.map((author) => this.block(author, round, options));
  }

  /** Rounds in which the given authors all link each other's newest blocks. */
  fullRounds(from: number, to: number, authors: readonly number[] = this.#everybody()): void {
    for (let round = from; round <= to; round++) this.round(round, authors);
  }

  #everybody(): readonly number[] {
    return Array.from({ length: this.n }, (_, author) => author);
  }

  #authorsAt(round: number): readonly number[] {
    return this.#everybody().filter((author) => this.at(round, author).length > 0);
  }

  #newest(round: number, author: number): BlockRef {
    const block = this.at(round, author).at(-1);
    if (block === undefined) throw new RangeError(`author ${author} has no block at round ${round}`);
    return block;
  }

  #shares(author: number, previousRound: number, round: number): readonly CoinShare[] {
    const shares: CoinShare[] = [];
    for (let q = Math.max(1, previousRound - 3); q + 4 <= round; q++) {
      const signature = this.#options.share?.(author, q);
      if (signature !== undefined) shares.push({ round: q, signature });
    }
    return shares;
  }
}
