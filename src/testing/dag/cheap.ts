/**
 * Stand-ins that cost next to nothing, for runs of thousands of blocks in which nobody forges: signatures that anybody could
 * make, and a coin that exists only with Q shares.
 */
import { BlockCodec } from "../../consensus/block.ts";
import { DEFAULT_ACTIVITY_WINDOW, DEFAULT_CONSENSUS_LIMITS, DEFAULT_RETAINED_ROUNDS } from "../../consensus/limits.ts";
import type { BlockSigner, CoinScheme, ConsensusConfig, VerifiedBlock } from "../../consensus/types.ts";
import { bigintToBytes } from "../../lib/bytes.ts";
import { type Address, bytesToHex } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";

/** The digest and the address. */
export const cheapSigner: BlockSigner = {
  sign: (secret, digest) => `${digest}${bytesToHex(secret.subarray(12)).slice(2)}${"0".repeat(26)}`,
  verify: (digest, signature, author) => signature === `${digest}${author.slice(2)}${"0".repeat(26)}`,
};

export const secretOf = (author: number): Uint8Array => bigintToBytes(BigInt(author + 1), 32);
const addressOf = (author: number): Address => bytesToHex(secretOf(author).subarray(12));

/** `self` undefined: a learner, without shares. */
export function cheapCoin(n: number, self: number | undefined, leader: (round: number) => number): CoinScheme {
  const whole = (round: number): Uint8Array => bigintToBytes(BigInt(round), 8);
  return {
    share: (round) => (self === undefined ? undefined : whole(round)),
    combine: (round, shares) => ({ signature: shares.size >= quorumOf(n) ? whole(round) : undefined, bad: [] }),
    verify: () => true,
    leader,
  };
}

/** For members that share what they send: all of them get the very same bytes, which are decoded and hashed once. */
class SharedCodec extends BlockCodec {
  readonly #decoded = new WeakMap<Uint8Array, VerifiedBlock>();

  override seal(...content: Parameters<BlockCodec["seal"]>): VerifiedBlock {
    const block = super.seal(...content);
    this.#decoded.set(block.bytes, block);
    return block;
  }

  override decode(bytes: Uint8Array): VerifiedBlock {
    let block = this.#decoded.get(bytes);
    if (block === undefined) {
      block = super.decode(bytes);
      this.#decoded.set(bytes, block);
    }
    return block;
  }
}

export function createSharedCodec(n: number): BlockCodec {
  return new SharedCodec(
    cheapConfig({ n, self: undefined, activityWindow: DEFAULT_ACTIVITY_WINDOW, coinLeader: () => 0 }),
  );
}

export function cheapConfig(options: {
  readonly codec?: BlockCodec;
  readonly n: number;
  readonly self: number | undefined;
  readonly activityWindow: number;
  readonly coinLeader: (round: number) => number;
}): ConsensusConfig {
  const { n, self, activityWindow, coinLeader, codec } = options;
  return {
    createCodec: codec === undefined ? undefined : () => codec,
    committeeId: bytesToHex(bigintToBytes(1n, 32)),
    epoch: 1n,
    genesisHash: bytesToHex(bigintToBytes(2n, 32)),
    members: Array.from({ length: n }, (_, author) => addressOf(author)),
    self,
    coin: cheapCoin(n, self, coinLeader),
    retainedRounds: DEFAULT_RETAINED_ROUNDS,
    activityWindow,
    limits: DEFAULT_CONSENSUS_LIMITS,
    signer: cheapSigner,
  };
}
