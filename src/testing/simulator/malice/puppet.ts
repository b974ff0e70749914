/**
 * A malicious member that makes its blocks by hand: its member only follows (a learner knows the DAG and what is settled), and the
 * puppeteer signs whatever it likes with the keys that it has, in as many chains as it likes.
 */
import { BlockCodec, compareParents, refOf } from "../../../consensus/block.ts";
import { coinShares } from "../../../consensus/proposer.ts";
import type {
  BatchPartial,
  BlockRef,
  CoinScheme,
  CoinShare,
  ConsensusMessage,
  VerifiedBlock,
} from "../../../consensus/types.ts";
import { encodeConsensusMessage } from "../../../consensus/wire.ts";
import { hexToBytes } from "../../../lib/hex.ts";
import type { Member } from "../../../member/member.ts";
import type { MemberEffect, MemberMessage } from "../../../member/types.ts";
import { encodeMessage } from "../../../member/wire.ts";
import { SUITES } from "../../../threshold/types.ts";
import { relay, type World } from "./world.ts";

/** Partials in one block: what a round or two settle. */
const MAX_CARRIED = 16;
/** A block is made so long after it could be, at most. */
const THINKING_MS = 40;

export class Puppet {
  readonly person: number;
  /** Its index, and so the author of its blocks. */
  readonly self: number;
  readonly codec: BlockCodec;
  /** Highest round that has a block of ours. */
  lastRound = 0;
  readonly #world: World;
  readonly #coin: CoinScheme;
  readonly #carried: BatchPartial[] = [];
  #isThinking = false;

  constructor(world: World, person: number) {
    this.#world = world;
    this.person = person;
    this.self = world.indexOf(person);
    const { committee, createCoin } = world.test;
    this.#coin = createCoin(committee, world.keysOf(person).shares?.["bls12-381"]);
    this.codec = new BlockCodec({
      committeeId: committee.id,
      epoch: committee.epoch,
      genesisHash: world.genesisHash,
      members: committee.members.map(({ address }) => address),
      limits: world.rules.consensusLimits,
    });
  }

  get member(): Member | undefined {
    return this.#world.cluster.processes[this.person]!.member;
  }

  /** Does what the learner wants, signs what it settled, and calls `propose` a moment later if a round can be built on. */
  follow(effects: readonly MemberEffect[], propose: (round: number) => void): void {
    const { cluster, random, test } = this.#world;
    relay(this.#world, this.person, this.person, effects, () => true);
    // The committee changed; whoever drives it there is another one.
    if (this.member?.committee.epoch !== test.committee.epoch) return;
    for (const effect of effects)
      if (effect.kind === "batch") this.#sign(effect.batch.header.sequence, effect.batch.digest);
    if (this.#isThinking || this.#ready() === undefined) return;
    this.#isThinking = true;
    cluster.after(1 + random.below(THINKING_MS), () => {
      this.#isThinking = false;
      const round = this.#ready();
      if (round !== undefined) propose(round);
    });
  }

  /** The round that our next blocks may have. */
  #ready(): number | undefined {
    const consensus = this.member?.consensus;
    if (consensus === undefined) return undefined;
    for (let round = consensus.highestRound; round >= this.lastRound; round--) {
      const others = new Set(consensus.blocksAt(round).map(({ author }) => author));
      others.delete(this.self);
      const mine = round === this.lastRound ? 1 : 0;
      if (round === 0 || others.size + mine >= this.codec.quorum) return round + 1;
    }
    return undefined;
  }

  /** Own last block first, then a block of each other author, now and then without those that are not needed. */
  parents(round: number, own: BlockRef): readonly BlockRef[] {
    const { random } = this.#world;
    const at = round - 1;
    if (at === 0) return [own, ...this.codec.genesis.filter(({ author }) => author !== this.self)].sort(ownFirst(own));
    const byAuthor = new Map<number, VerifiedBlock[]>();
    for (const block of this.member?.consensus.blocksAt(at) ?? []) {
      if (block.author === this.self) continue;
      const known = byAuthor.get(block.author);
      if (known === undefined) byAuthor.set(block.author, [block]);
      else known.push(block);
    }
    const rest = [...byAuthor.values()].map((blocks) => refOf(random.pick(blocks)));
    const needed = this.codec.quorum - (own.round === at ? 1 : 0);
    while (rest.length > needed && random.chance(300)) rest.splice(random.below(rest.length), 1);
    return [own, ...rest].sort(ownFirst(own));
  }

  /** Undefined when the parents are too few, or the DAG does not bear it otherwise. */
  seal(
    round: number,
    parents: readonly BlockRef[],
    content: { payload?: Uint8Array; coinShares?: readonly CoinShare[]; partials?: readonly BatchPartial[] } = {},
  ): VerifiedBlock | undefined {
    const { test, acted, keysOf } = this.#world;
    const { identity } = keysOf(this.person);
    const {
      payload = new Uint8Array(0),
      coinShares: shares = this.shares(round),
      partials = this.partials(),
    } = content;
    try {
      const block = this.codec.seal(
        { author: this.self, round, parents, payload, coinShares: shares, partials },
        (digest) => test.identities.sign(identity, digest),
      );
      acted();
      return block;
    } catch {
      return undefined;
    }
  }

  /** What an honest block of this round carries. */
  shares(round: number): readonly CoinShare[] {
    return coinShares(this.#coin, this.lastRound, round, this.member?.consensus.floor ?? 0);
  }

  partials(): readonly BatchPartial[] {
    return this.#carried.slice(-MAX_CARRIED);
  }

  /** Some content that others made: what it orders is ordered twice. */
  stolenPayload(round: number): Uint8Array {
    const blocks = this.member?.consensus.blocksAt(Math.max(1, round - 1)) ?? [];
    return blocks.length === 0 ? new Uint8Array(0) : this.#world.random.pick(blocks).payload;
  }

  /** We know our own blocks, so that we can answer for them. */
  keep(block: VerifiedBlock): void {
    const { cluster, test } = this.#world;
    const bytes = this.encode({ kind: "block", bytes: block.bytes });
    cluster.push(this.person, 0, { kind: "message", epoch: test.committee.epoch, from: this.self, bytes });
  }

  encode(message: ConsensusMessage): Uint8Array {
    return this.encodeMember({ kind: "consensus", bytes: encodeConsensusMessage(message) });
  }

  encodeMember(message: MemberMessage): Uint8Array {
    return encodeMessage(this.#world.test.committee.epoch, message);
  }

  send(to: number, message: ConsensusMessage): void {
    this.#world.cluster.links.send(this.person, to, this.encode(message));
  }

  #sign(sequence: bigint, digest: `0x${string}`): void {
    const { test, keysOf } = this.#world;
    const { shares } = keysOf(this.person);
    if (shares === undefined) return;
    for (const suite of SUITES) {
      const signature = test.engines[suite].sign(shares[suite], hexToBytes(digest));
      this.#carried.push({ sequence, suite, digest, signature });
    }
  }
}

const ownFirst =
  (own: BlockRef) =>
  (a: BlockRef, b: BlockRef): number =>
    a === own ? -1 : b === own ? 1 : compareParents(a, b);
