/**
 * Blocks that travel together with their ancestors. Where messages overtake each other by rounds, most blocks arrive before
 * some ancestor and wait for a fetch, a round trip and more; a member that sees this asks the others to send with each block
 * the ancestors it has not shown to know. Costs bandwidth, saves delays: performance only, off on a network that keeps order.
 *
 * There, one case is left: ancestors that our own block brings into our cone rounds late, because their author withheld them
 * and handed them to us alone. Nobody could accept our block before fetching them, a round trip for each withheld round, so
 * they travel with it.
 */
import type { Dag, DagBlock } from "./dag.ts";
import { bytesOf } from "./stored-block.ts";
import type { BlockRef } from "./types.ts";

/** Weight of one block in an author's share of late ones. */
const SMOOTHING = 1 / 16;
/**
 * An author is late if more than this share of its blocks has to be fetched or comes through others first: one in a dozen or
 * so. Where it starts, too, so that what goes wrong at first is noticed at once. Jitter of half a delay stays below it.
 */
const LATE_SHARE = 0.05;
/** Rounds one request lasts, and how long before its end it is renewed. */
const LEASE_ROUNDS = 32;
const RENEW_ROUNDS = 8;
/** Rounds below an own block that a bundle reaches; what is older is fetched. */
const DEPTH_ROUNDS = 10;
/** Ancestors in one bundle: whoever asks costs us at most this much a round, and large blocks are not sent n times. */
const MAX_BUNDLE_BYTES = 256 * 1024;
const MAX_BUNDLE_BLOCKS = 256;
/**
 * Whoever asks for bundles gets a lacking block from everybody who has it. For larger ones two senders have to do: under load members fall
 * behind for want of time, take that for disorder, and n copies of every payload would leave them less of it for ever.
 */
const SMALL_BLOCK_BYTES = 2 * 1024;
const SENDERS_OF_LARGE = 2;
/** A block that many rounds below ours that was not in our cone before is late: jitter of half a delay makes none so old. */
const LATE_ROUNDS = 3;
/** Of whom brought such a block lately, a block that only missed being a strong parent of ours is as suspicious. */
const LATE_AGAIN_ROUNDS = 2;
/**
 * Late ancestors with one own block. Whoever hands late blocks to all of us at once makes everybody send them to everybody:
 * larger ones are fetched as ever, and n² times this is what a round can cost the committee.
 */
const MAX_LATE_BYTES = 64 * 1024;
const MAX_LATE_BLOCKS = 64;
/**
 * What a peer had to ask us for, its author may hand to one of us after the other, so that every round waits for somebody's fetch: for a
 * lease, its blocks go to that peer with ours. Each relapse makes the lease so many times as long, up to these rounds.
 */
const RELAPSE_FACTOR = 4;
const MAX_LACKING_ROUNDS = 2048;

interface Lease {
  readonly until: number;
  readonly rounds: number;
}

export class Bundles {
  readonly #dag: Dag;
  readonly #n: number;
  readonly #faulty: number;
  readonly #lateShare: number[];
  /** Round of ours up to which a peer wants bundles. */
  readonly #until: number[];
  /** Round of ours up to which an author is expected to bring more blocks late. */
  readonly #lateUntil: number[];
  /** By peer and author: round of ours up to which the peer is expected not to get the author's blocks from the author. */
  readonly #lacking: readonly Lease[][];
  #askedUntil = -1;

  constructor(dag: Dag, n: number, faulty: number) {
    this.#dag = dag;
    this.#n = n;
    this.#faulty = faulty;
    this.#lateShare = new Array<number>(n).fill(LATE_SHARE);
    this.#until = new Array<number>(n).fill(0);
    this.#lateUntil = new Array<number>(n).fill(0);
    this.#lacking = Array.from({ length: n }, () => new Array<Lease>(n).fill({ until: 0, rounds: 0 }));
  }

  /** The first copy of a block came from this member, unasked. */
  arrived(from: number, author: number): void {
    this.#sample(author, from === author ? 0 : 1);
  }

  /** A block of this author had to be asked for. */
  fetched(author: number): void {
    this.#sample(author, 1);
  }

  /**
   * Up to which round to ask for bundles now; undefined when there is no need or the last request still holds. More than f
   * authors must be late: a few that withhold their blocks must not make everybody send everything n times.
   */
  request(): number | undefined {
    const round = this.#dag.highestRound;
    if (round + RENEW_ROUNDS < this.#askedUntil) return undefined;
    let late = 0;
    for (const share of this.#lateShare) if (share > LATE_SHARE) late++;
    if (late <= this.#faulty) return undefined;
    this.#askedUntil = round + LEASE_ROUNDS;
    return this.#askedUntil;
  }

  /** A peer had to ask us for these. Of old ones nothing follows: it is catching up. */
  served(peer: number, refs: readonly BlockRef[]): void {
    const round = this.#dag.highestRound;
    for (const { author, round: asked } of refs) {
      if (asked + LATE_ROUNDS <= round || author >= this.#n) continue;
      const { until, rounds } = this.#lacking[peer]![author]!;
      if (until >= round) continue;
      const isRelapse = rounds > 0 && round < until + RELAPSE_FACTOR * rounds;
      const lease = isRelapse ? Math.min(RELAPSE_FACTOR * rounds, MAX_LACKING_ROUNDS) : LEASE_ROUNDS;
      this.#lacking[peer]![author] = { until: round + lease, rounds: lease };
    }
  }

  /** Whether a peer lately had to ask us for what it could not accept our blocks without. */
  isLacking(peer: number, round: number): boolean {
    return !this.isDisordered && this.#lacking[peer]!.some(({ until }) => until >= round);
  }

  /** What arrives is out of order by rounds, here or for at least one honest member: waiting a little makes nothing full. */
  get isDisordered(): boolean {
    return this.#dag.highestRound <= this.#askedUntil || this.#isCommon(this.#dag.highestRound);
  }

  /** A peer asks. It decides for how long, within one lease. */
  asked(peer: number, until: number): void {
    this.#until[peer] = Math.min(until, this.#dag.highestRound + LEASE_ROUNDS);
  }

  /** Once more than f ask, everybody gets bundles: the others' requests are late like everything else. */
  isWanted(peer: number, round: number): boolean {
    return this.#until[peer]! >= round || this.#isCommon(round);
  }

  #isCommon(round: number): boolean {
    let asking = 0;
    for (const until of this.#until) if (until >= round) asking++;
    return asking > this.#faulty;
  }

  #sample(author: number, value: number): void {
    this.#lateShare[author]! += SMOOTHING * (value - this.#lateShare[author]!);
  }

  /** What goes to a peer with an own block, which comes last: ancestors first, so that each can be accepted when it is read. */
  bundle(peer: number, own: DagBlock): readonly Uint8Array[] {
    const lowest = Math.max(0, own.round - DEPTH_ROUNDS);
    this.#learn(peer, own.round, lowest);
    const blocks: Uint8Array[] = [];
    let size = 0;
    const ancestors = unknownBelow(own, peer, lowest).filter((entry) => entry !== own && entry.author !== peer);
    for (const entry of ancestors.sort((a, b) => a.round - b.round)) {
      if (!this.#isSender(own.author, entry, peer)) continue;
      size += entry.size;
      if (size > MAX_BUNDLE_BYTES || blocks.length >= MAX_BUNDLE_BLOCKS) break;
      const bytes = bytesOf(entry.block);
      // Who lacks it fetches it, from others if our log has lost it.
      if (bytes === undefined) break;
      know(entry, peer);
      blocks.push(bytes);
    }
    blocks.push(own.block.bytes);
    return blocks;
  }

  /** Whether it falls to us to send a peer this block; other members reckon alike, so that all take turns. */
  #isSender(self: number, { size, round, author }: DagBlock, peer: number): boolean {
    if (size <= SMALL_BLOCK_BYTES) return true;
    return (self + this.#n - ((round + author + peer) % this.#n)) % this.#n < SENDERS_OF_LARGE;
  }

  /**
   * Of the blocks that an own block has newly brought into our cone, those that are late and what their authors built on them,
   * oldest first and bounded. Empty where messages overtake each other by rounds: there, being late is what all blocks are.
   */
  late(own: DagBlock, linked: readonly DagBlock[]): readonly DagBlock[] {
    if (this.isDisordered) return [];
    const late = new Set<DagBlock>();
    const relayed = new Set<DagBlock>();
    for (const entry of [...linked].sort((a, b) => a.round - b.round)) {
      if (entry.author === own.author || entry.round === 0) continue;
      const age = own.round - entry.round;
      if (age >= LATE_ROUNDS) this.#lateUntil[entry.author] = own.round + LEASE_ROUNDS;
      const isExpected = this.#lateUntil[entry.author]! >= own.round;
      const previous = entry.voters[0];
      const isOnLate = previous?.author === entry.author && late.has(previous);
      if (age >= (isExpected ? LATE_AGAIN_ROUNDS : LATE_ROUNDS) || isOnLate) late.add(entry);
      else relayed.add(entry);
    }
    // Whoever made a block in time that builds on a late one has sent that with it.
    for (const entry of relayed) for (const parent of entry.parents) if (late.has(parent)) relayed.add(parent);
    return [...late].filter((entry) => !relayed.has(entry));
  }

  /**
   * The own block, and before it, ancestors first and bounded, of what it has newly brought into our cone (`linked`) what the peer is
   * not known to have: the late ones, and those of authors whose blocks it had to ask us for. Once only.
   */
  withLate(peer: number, own: DagBlock, late: readonly DagBlock[], linked: readonly DagBlock[]): readonly Uint8Array[] {
    const leases = this.#lacking[peer]!;
    const isLacking = this.isLacking(peer, own.round);
    const lacking = linked.filter((entry) => isLacking && entry.round > 0 && leases[entry.author]!.until >= own.round);
    const candidates = [...new Set([...late, ...lacking])].sort((a, b) => a.round - b.round);
    const blocks: Uint8Array[] = [];
    let size = 0;
    if (candidates.length > 0) this.#learn(peer, own.round, Math.max(0, candidates[0]!.round - 1));
    for (const entry of candidates) {
      if (entry.author === peer || entry.author === own.author || entry.knownBy?.[peer] === 1) continue;
      size += entry.size;
      if (size > MAX_LATE_BYTES || blocks.length >= MAX_LATE_BLOCKS) break;
      const bytes = bytesOf(entry.block);
      if (bytes === undefined) continue;
      know(entry, peer);
      blocks.push(bytes);
    }
    return [...blocks, own.block.bytes];
  }

  /** What a peer's newest block shows that it has, above `lowest`. */
  #learn(peer: number, from: number, lowest: number): void {
    for (let round = from; round > lowest; round--) {
      const shown = this.#dag.at(round, peer)[0];
      if (shown === undefined) continue;
      for (const entry of unknownBelow(shown, peer, lowest)) know(entry, peer);
      return;
    }
  }
}

/** The part of a cone above `lowest` that a peer is not known to have. Who has a block has its cone. */
function unknownBelow(top: DagBlock, peer: number, lowest: number): DagBlock[] {
  const found = new Set<DagBlock>([top]);
  for (const entry of found) {
    for (const parent of entry.parents) if (parent.round > lowest && parent.knownBy?.[peer] !== 1) found.add(parent);
  }
  return [...found];
}

function know(entry: DagBlock, peer: number): void {
  entry.knownBy ??= [];
  entry.knownBy[peer] = 1;
}
