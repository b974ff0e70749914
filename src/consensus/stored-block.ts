/**
 * An accepted block whose bytes left memory: what the graph and other members' questions need of it most is here, the rest is read back
 * from the log when somebody looks. Whoever can do without it asks `bytesOf`, which answers undefined where the log cannot be read.
 */
import { isClocklessError } from "../lib/errors.ts";
import type { Hex } from "../lib/hex.ts";
import type { BlockCodec } from "./block.ts";
import { refuse } from "./errors.ts";
import type { BatchPartial, BlockRef, CoinShare, ReadBlock, VerifiedBlock } from "./types.ts";

/**
 * Finds an accepted block and checks it against what is known of it; undefined when the log has lost it or cannot be read. Its digest does
 * not cover its signature: whoever served another one than it accepted would be blamed for it.
 */
export type FindBlock = (accepted: Pick<VerifiedBlock, "digest" | "signature">) => VerifiedBlock | undefined;

/** What comes back from the log is checked like anything foreign: it may have been damaged there. */
export function createFind(codec: Pick<BlockCodec, "decode">, read: ReadBlock): FindBlock {
  return ({ digest, signature }) => {
    const bytes = read(digest);
    if (bytes === undefined) return undefined;
    try {
      const block = codec.decode(bytes);
      return block.digest === digest && block.signature === signature ? block : undefined;
    } catch (error) {
      if (!isClocklessError(error)) throw error;
      return undefined;
    }
  };
}

export class StoredBlock implements VerifiedBlock {
  readonly epoch: bigint;
  readonly author: number;
  readonly round: number;
  readonly digest: Hex;
  readonly signature: Hex;
  /** parents[0]; genesis has none. */
  readonly previous: BlockRef | undefined;
  readonly #find: FindBlock;

  constructor({ epoch, author, round, digest, signature, parents }: VerifiedBlock, find: FindBlock) {
    this.epoch = epoch;
    this.author = author;
    this.round = round;
    this.digest = digest;
    this.signature = signature;
    this.previous = parents[0];
    this.#find = find;
  }

  /** The whole block, read anew each time. */
  find(): VerifiedBlock | undefined {
    return this.#find(this);
  }

  get parents(): readonly BlockRef[] {
    return this.#get().parents;
  }

  get payload(): Uint8Array {
    return this.#get().payload;
  }

  get coinShares(): readonly CoinShare[] {
    return this.#get().coinShares;
  }

  get partials(): readonly BatchPartial[] {
    return this.#get().partials;
  }

  get bytes(): Uint8Array {
    return this.#get().bytes;
  }

  /** For who cannot go on without it. Throws ConsensusError `blockLost`. */
  #get(): VerifiedBlock {
    const { round, author, digest } = this;
    return (
      this.find() ?? refuse("blockLost", "the log does not give back a block that it took", { round, author, digest })
    );
  }
}

export function bytesOf(block: VerifiedBlock): Uint8Array | undefined {
  return block instanceof StoredBlock ? block.find()?.bytes : block.bytes;
}

export function previousOf(block: VerifiedBlock): BlockRef | undefined {
  return block instanceof StoredBlock ? block.previous : block.parents[0];
}
