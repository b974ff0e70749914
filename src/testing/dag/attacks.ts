/** What the malicious members of a latency run do instead of the protocol. */
import type { BlockCodec } from "../../consensus/block.ts";
import type { Consensus } from "../../consensus/consensus.ts";
import { coinShares } from "../../consensus/proposer.ts";
import type { BlockRef, ConsensusMessage, VerifiedBlock } from "../../consensus/types.ts";
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import { cheapCoin, cheapSigner, secretOf } from "./cheap.ts";

export interface Attacker {
  readonly index: number;
  readonly n: number;
  readonly honest: readonly number[];
  readonly consensus: Consensus;
  /** Sends as the network does; `isEarly`: this just before what everybody else sent at the same time. */
  readonly post: (to: number, message: ConsensusMessage, isEarly?: boolean) => void;
}

/** Takes the place of sending. */
export type Sending = (to: number, message: ConsensusMessage) => void;

/** Rounds that are handed out at once. */
const GIFT_ROUNDS = 3;

/** Blocks go to the first honest member alone, three rounds at once; answers to fetches to nobody else of the honest either. */
export function createWithholder({ honest, consensus, post }: Attacker): Sending {
  const favourite = honest[0];
  let withheld: ConsensusMessage[] = [];
  return (to, message) => {
    const isBlock = message.kind === "block" || message.kind === "bundle";
    if (!honest.includes(to) || (!isBlock && (message.kind !== "fetched" || to === favourite))) post(to, message);
    else if (isBlock && to === favourite) {
      withheld.push(ownBlock(message));
      if (consensus.lastOwnRound % GIFT_ROUNDS !== 0) return;
      for (const block of withheld) post(favourite, block);
      withheld = [];
    }
  };
}

/**
 * A withholder that is never left out. Its slot of r is open when the windows have closed, and an anchor *commits* it:
 *
 *   blocks of r, r + 1, r + 2   to all honest members but one, at once, so that they support the slot from r + 3 on, the last window:
 *                               with the withholder's own block n − f authors do
 *   block of r + 3              in time to n − 2f − 1 of those, which alone see all supporters: with blocks of r + 4 that is a
 *                               certificate in too few hands to commit, and in the cone of every anchor
 *
 * Then it begins again: every fourth round, each withholder (`rank` of them) in a round of its own.
 */
export function createFeeder({ n, honest, consensus, post }: Attacker, rank: number): Sending {
  const fed = honest.slice(1);
  const holders = fed.slice(0, n - 2 * maxFaulty(n) - 1);
  const period = GIFT_ROUNDS + 1;
  const blocks = new Map<number, ConsensusMessage>();
  return (to, message) => {
    if (message.kind !== "block" && message.kind !== "bundle") {
      post(to, message);
      return;
    }
    const round = consensus.lastOwnRound;
    const step = (round + period - (rank % period)) % period;
    blocks.set(round, ownBlock(message));
    blocks.delete(round - period);
    const given =
      step === GIFT_ROUNDS - 1 && fed.includes(to) ? GIFT_ROUNDS : step === GIFT_ROUNDS && holders.includes(to) ? 1 : 0;
    for (let at = round - given + 1; at <= round; at++) {
      const block = blocks.get(at);
      if (block !== undefined) post(to, block, true);
    }
  };
}

/**
 * Each block goes to one honest member in time, to another one every round: that one builds on it, and all others have to get it from
 * there before they can accept what was built.
 */
export function createHander({ honest, consensus, post }: Attacker, rank: number): Sending {
  return (to, message) => {
    if (message.kind !== "block" && message.kind !== "bundle") post(to, message);
    else if (to === honest[(consensus.lastOwnRound + rank) % honest.length]) post(to, ownBlock(message), true);
  };
}

/** Of a bundle its own block alone, which comes last. */
function ownBlock(message: ConsensusMessage & { readonly kind: "block" | "bundle" }): ConsensusMessage {
  return message.kind === "bundle" ? { kind: "block", bytes: message.blocks.at(-1)! } : message;
}

/**
 * Two blocks in every round, each on a chain of its own, to the even and the odd members. Takes the place of proposing; `take`: a
 * block of ours for our own DAG.
 */
export function createEquivocator(
  { index, n, honest, consensus, post }: Attacker,
  codec: BlockCodec,
  take: (message: ConsensusMessage) => void,
): () => void {
  const chains: BlockRef[] = [];
  const isHonest = (block: VerifiedBlock): boolean => honest.includes(block.author);
  const build = (round: number, chain: number, strong: readonly BlockRef[]): void => {
    const { genesis } = codec;
    const previous = chains[chain] ?? genesis[index]!;
    const rest = strong
      .map(({ round, author, digest }) => ({ round, author, digest }))
      .sort((a, b) => a.author - b.author);
    const coin = cheapCoin(n, index, () => 0);
    const block = codec.seal(
      {
        author: index,
        round: round + 1,
        parents: [previous, ...rest],
        payload: Uint8Array.of(chain),
        coinShares: coinShares(coin, previous.round, round + 1, -1),
        partials: [],
      },
      (digest) => cheapSigner.sign(secretOf(index), digest),
    );
    chains[chain] = block;
    const message = { kind: "block", bytes: block.bytes } as const;
    take(message);
    for (let to = chain; to < n; to += 2) if (to !== index) post(to, message);
  };
  return () => {
    for (let round = consensus.highestRound; round >= (chains[0]?.round ?? 0); round--) {
      const strong =
        round === 0 ? codec.genesis.filter((ref) => ref.author !== index) : consensus.blocksAt(round).filter(isHonest);
      if (strong.length < quorumOf(n)) continue;
      for (const chain of [0, 1]) build(round, chain, strong);
      return;
    }
  };
}
