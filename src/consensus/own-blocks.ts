/** The chain of own blocks: from what the next one is made, and how the last one reaches everybody. */
import { assert } from "../lib/assert.ts";
import { refOf } from "./block.ts";
import { highestQuorum } from "./clock.ts";
import type { DagBlock } from "./dag.ts";
import { refuse } from "./errors.ts";
import { MAX_PARTIALS, RETRY_MAX_MS, RETRY_MIN_MS } from "./limits.ts";
import type { Parts } from "./parts.ts";
import { coinShares } from "./proposer.ts";
import type { BlockRef, ConsensusEffect, ProposalContent, VerifiedBlock } from "./types.ts";

/** A round with enough blocks that count to build on, and those by author. */
export type Quorum = NonNullable<ReturnType<typeof highestQuorum>>;

export class OwnBlocks {
  readonly #parts: Parts;
  /** Genesis at first; undefined for a learner. */
  #last: BlockRef | undefined;
  /** It stays in memory: peers are reminded of it, and a log that is cut keeps it. */
  #lastBlock: VerifiedBlock | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { self } = parts.config;
    if (self !== undefined) this.#last = refOf(parts.genesis[self]!);
  }

  get lastRound(): number {
    return this.#last?.round ?? 0;
  }

  get last(): BlockRef | undefined {
    return this.lastRound === 0 ? undefined : this.#last;
  }

  /** Undefined as well when the last one lies below a checkpoint that this member started from. */
  get lastBlock(): VerifiedBlock | undefined {
    return this.#lastBlock;
  }

  /** What the next block can be built on; undefined while Q blocks are missing, and for learners. */
  quorum(): Quorum | undefined {
    if (this.#last === undefined) return undefined;
    return highestQuorum(this.#parts, this.#last.round);
  }

  /** Throws ConsensusError `notAMember`, `payloadTooLarge`. */
  check(content: ProposalContent): void {
    const { self, limits } = this.#parts.config;
    if (self === undefined) refuse("notAMember", "a learner never proposes");
    if (content.payload.length > limits.maxPayloadBytes) refuse("payloadTooLarge", "payload exceeds the size limit");
    if (content.partials.length > MAX_PARTIALS)
      refuse("payloadTooLarge", `at most ${MAX_PARTIALS} partials fit a block`);
  }

  /** Builds and signs the next block. */
  seal({ payload, partials }: ProposalContent, quorum: Quorum, secret: Uint8Array): VerifiedBlock {
    const { config, codec, signer, dag, linearizer, proposer } = this.#parts;
    const last = this.#last;
    assert(config.self !== undefined && last !== undefined, "a learner never proposes");
    const round = quorum.round + 1;
    assert(round > last.round, "a round is signed once");
    return codec.seal(
      {
        author: config.self,
        round,
        parents: proposer.parents(last, quorum.round, quorum.blocks, linearizer.floor),
        payload,
        coinShares: coinShares(config.coin, last.round, round, dag.floor),
        partials,
      },
      (digest) => signer.sign(secret, digest),
    );
  }

  /** An own block entered the DAG: new, or from the log. */
  enter(entry: DagBlock): void {
    if (entry.round <= this.lastRound) return;
    this.#last = refOf(entry);
    this.#lastBlock = entry.block;
    this.#parts.proposer.link(entry);
    this.#parts.exposure.invalidate();
  }

  /** An own block of the log lies below a checkpoint: the next one names it, and no round up to it is signed again. */
  restoreSunk(block: VerifiedBlock): void {
    this.#last = refOf(block);
    this.#parts.dag.keepSunk(block);
  }

  /** To each peer the new block, with what it lacks below if it asked for that or we bring it late. */
  send(own: DagBlock, nowMs: number, effects: ConsensusEffect[]): void {
    const { config, n, peers, bundles, proposer } = this.#parts;
    peers.sentToAll(nowMs);
    const message = { kind: "block", bytes: own.block.bytes } as const;
    const isWanted = (peer: number) => peer !== config.self && bundles.isWanted(peer, own.round);
    const members = [...Array(n).keys()];
    const { linked } = proposer;
    const late = bundles.late(own, linked);
    const isPlain = (peer: number) => !isWanted(peer) && !bundles.isLacking(peer, own.round);
    if (late.length === 0 && members.every(isPlain)) {
      effects.push({ kind: "send", to: "all", message });
      return;
    }
    for (const to of members) {
      if (to === config.self) continue;
      const blocks = isWanted(to) ? bundles.bundle(to, own) : bundles.withLate(to, own, late, linked);
      effects.push({ kind: "send", to, message: blocks.length > 1 ? { kind: "bundle", blocks } : message });
    }
  }

  /** The last one again to peers that seem not to know it. */
  remind(nowMs: number, effects: ConsensusEffect[]): void {
    if (this.#lastBlock === undefined) return;
    const { peers, pacing } = this.#parts;
    const patienceMs = Math.min(Math.max(RETRY_MIN_MS, 4 * pacing.delayMs), RETRY_MAX_MS);
    for (const peer of peers.toRemind(this.lastRound, patienceMs, nowMs)) {
      effects.push({ kind: "send", to: peer, message: { kind: "block", bytes: this.#lastBlock.bytes } });
    }
  }

  /** A peer (re)connected: it gets the last one and asks for what it lacks below it. */
  sendLast(peer: number, nowMs: number): ConsensusEffect[] {
    const { config, peers } = this.#parts;
    if (peer === config.self || this.#lastBlock === undefined) return [];
    peers.sentTo(peer, nowMs);
    return [{ kind: "send", to: peer, message: { kind: "block", bytes: this.#lastBlock.bytes } }];
  }
}
