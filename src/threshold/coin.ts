/**
 * The common coin: a threshold signature that nobody can know before n − f members released their shares, and that
 * names one member of the committee per round. It signs (committee, epoch, round) under its own EIP-712 type, so that a
 * coin share is never a partial signature on anything else. Suite bls12-381 only.
 */
import { concatBytes } from "../lib/bytes.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash, word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { type Hex, hexToBytes } from "../lib/hex.ts";
import { combinePartials } from "./combine.ts";
import { ThresholdError } from "./errors.ts";
import type { Combined, Engine, ThresholdKey } from "./types.ts";

export const COIN_TYPE = "Coin(uint64 epoch,uint64 round)";
const COIN_TYPE_HASH = typeHash(COIN_TYPE);

const WORD_BYTES = 4;
const WORD_VALUES = 2 ** (8 * WORD_BYTES);

export interface CoinOptions {
  readonly engine: Engine;
  /** The committee's bls12-381 key. */
  readonly key: ThresholdKey;
  readonly committeeId: Hex;
  readonly epoch: bigint;
  /** This member's share of that key; absent for learners. */
  readonly secretShare?: Uint8Array;
}

/** What consensus asks of a coin; structurally its `CoinScheme`. */
export interface Coin {
  share(round: number): Uint8Array | undefined;
  combine(round: number, shares: ReadonlyMap<number, Uint8Array>): Combined;
  verify(round: number, signature: Uint8Array): boolean;
  leader(round: number, signature: Uint8Array): number;
}

/** Digest whose signature is the coin of a round. */
export function coinDigest(committeeId: Hex, epoch: bigint, round: number): Hex {
  return typedDigest(domainSeparator(committeeId), hashStruct(COIN_TYPE_HASH, word(epoch), word(round)));
}

/** The coin of one committee and epoch. Throws keyMismatch unless engine and key are bls12-381. */
export function createCoin({ engine, key, committeeId, epoch, secretShare }: CoinOptions): Coin {
  if (engine.suite !== "bls12-381" || key.suite !== "bls12-381") {
    throw new ThresholdError("keyMismatch", "the coin uses the bls12-381 key", {
      details: { engine: engine.suite, key: key.suite },
    });
  }
  const separator = domainSeparator(committeeId);
  const groupKey = hexToBytes(key.groupKey);
  const message = (round: number) =>
    hexToBytes(typedDigest(separator, hashStruct(COIN_TYPE_HASH, word(epoch), word(round))));

  return {
    share: (round) => (secretShare === undefined ? undefined : engine.sign(secretShare, message(round))),
    combine: (round, shares) => combinePartials(engine, key, message(round), shares),
    verify: (round, signature) => engine.verify(groupKey, message(round), signature),
    // The signature is unique per message, so whoever combines, in whatever order, elects the same member.
    leader: (round, signature) =>
      uniformBelow(keccak256(concatBytes(message(round), signature)), key.publicShares.length),
  };
}

/**
 * A uniform integer in [0, bound) from a 32-byte seed: consecutive 32-bit words of keccak(seed ‖ counter); words at or
 * above the largest multiple of `bound` are rejected, because a plain remainder would favour low indices.
 */
export function uniformBelow(seed: Uint8Array, bound: number): number {
  if (!Number.isInteger(bound) || bound < 1 || bound > WORD_VALUES) throw new RangeError("bound outside [1, 2^32]");
  const limit = WORD_VALUES - (WORD_VALUES % bound);
  for (let counter = 0; ; counter++) {
    const block = keccak256(concatBytes(seed, word(counter)));
    const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    for (let offset = 0; offset < block.length; offset += WORD_BYTES) {
      const value = view.getUint32(offset);
      if (value < limit) return value % bound;
    }
  }
}
