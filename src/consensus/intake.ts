/**
 * From foreign bytes to accepted blocks: decode, verify once, expose twins, wait for ancestors, accept in causal order.
 */
import { equalBytes } from "../lib/bytes.ts";
import { isClocklessError } from "../lib/errors.ts";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import { maxFaulty } from "../lib/math.ts";
import { refKey, releasedShares, signatureOf, slotOfBytes } from "./block.ts";
import { refuse } from "./errors.ts";
import { MAX_REFUSED, MAX_UNREQUESTED_TWINS } from "./limits.ts";
import type { Parts } from "./parts.ts";
import { StoredBlock } from "./stored-block.ts";
import type { BlockRef, ConsensusEffect, VerifiedBlock } from "./types.ts";

export interface IntakeParts
  extends Pick<Parts, "config" | "codec" | "signer" | "dag" | "pending" | "fetcher" | "exposure" | "coins"> {
  /** The first copy of a signed block came from this member, unasked. */
  readonly arrived: (from: number, author: number) => void;
  /** At least one honest member is more than K rounds above our newest block. */
  readonly behind: (round: number, nowMs: number, effects: ConsensusEffect[]) => void;
  /** Puts a block whose ancestors are all there into the DAG. */
  readonly accept: (block: VerifiedBlock, nowMs: number, effects: ConsensusEffect[], isReadable: boolean) => void;
}

export class Intake {
  readonly #parts: IntakeParts;
  readonly #faulty: number;
  /** (digest, signature) pairs whose signature is wrong; by pair, so that a bad signature does not poison a good digest. */
  readonly #refused = new Set<string>();
  /** Highest round of a signed block per author, accepted or not: f + 1 far ahead mean that we are behind. */
  readonly #seenRound: number[];
  #isSignedElsewhere = false;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#faulty = maxFaulty(parts.config.members.length);
    this.#seenRound = new Array<number>(parts.config.members.length).fill(0);
  }

  /** A valid block in our name that we do not know: our register was lost or our key is used elsewhere. Never propose again. */
  get isSignedElsewhere(): boolean {
    return this.#isSignedElsewhere;
  }

  /** Wrong signatures that are remembered. */
  get refused(): number {
    return this.#refused.size;
  }

  /**
   * What somebody waits for is outside the sender's quota; nothing else is, not even in an answer to a fetch of ours: whoever
   * leaves questions open could fill our memory with answers.
   */
  receive(from: number, bytes: Uint8Array, nowMs: number, effects: ConsensusEffect[]): void {
    const { dag, pending, fetcher, coins, exposure } = this.#parts;
    if (this.#isHeld(bytes)) return;
    const block = this.#decode(from, ownMemory(bytes), effects);
    if (block === undefined) return;
    if (block.round <= dag.floor || dag.get(block.digest) !== undefined || pending.has(block)) return;
    const isAwaited = fetcher.isWanted(block) || pending.isAwaited(block);
    const held = this.#held(block).length;
    // A twin that somebody's block names takes a token, like one that we ask for: whoever names it could send any number.
    const isWanted = isAwaited && (held === 0 || fetcher.admits(block, from, dag.highestRound, nowMs));
    // Two prove the offence; before the signature is checked, or an exposed author could keep us busy with more.
    if (!isWanted && held >= MAX_UNREQUESTED_TWINS) return;
    if (!this.#isSigned(from, block, effects)) return;
    this.#seenRound[block.author] = Math.max(this.#seenRound[block.author]!, block.round);
    if (block.author === this.#parts.config.self) this.#isSignedElsewhere = true;
    if (this.#isTooFar(block, nowMs, effects) && !isWanted) return;
    if (!fetcher.isAsked(block)) this.#parts.arrived(from, block.author);
    // Rule 5: shares count as soon as a signed block carries them, whether or not its ancestors are here.
    for (const share of releasedShares(block)) if (share.round > dag.floor) coins.add(block.author, share);
    this.#exposeTwins(block, effects);
    const missing = distinct(block.parents.filter((ref) => !dag.isSatisfied(ref)));
    if (missing.length === 0) {
      this.#acceptAll([block], nowMs, effects);
      return;
    }
    if (!pending.add(block, isWanted ? undefined : from, missing)) return;
    // Nobody needs a block of an exposed author until somebody else's names it: until then nothing is fetched for its sake.
    const needing = exposure.has(block.author) && !isAwaited ? [] : [from, ...fetcher.namedBy(block)];
    fetcher.drop(block);
    for (const member of needing) this.#fetchFor(block.digest, member, nowMs);
  }

  /**
   * What a waiting block lacks is fetched, on account of a member whose blocks need it, and so is what those lack that wait here
   * already: else twins that a malicious sender brought first would cost its tokens alone, of which it has none left.
   */
  #fetchFor(digest: Hex, member: number, nowMs: number): void {
    const { dag, pending, fetcher } = this.#parts;
    const refs = pending.need(digest, member);
    for (const ref of refs) {
      if (pending.has(ref)) refs.push(...pending.need(ref.digest, member));
      else if (!dag.isSatisfied(ref)) fetcher.want(ref, member, nowMs, ref.round >= dag.highestRound - 1);
    }
  }

  /** A block of the own log, signature checked: written in causal order, so its ancestors are here or below the floor. */
  restore(block: VerifiedBlock, effects: ConsensusEffect[], isReadable: boolean): void {
    const { dag, coins } = this.#parts;
    if (block.round <= dag.floor || dag.get(block.digest) !== undefined) return;
    const lacking = block.parents.find((ref) => !dag.isSatisfied(ref));
    if (lacking !== undefined)
      refuse("badParent", "the log holds a block before its ancestors", { digest: lacking.digest });
    this.#seenRound[block.author] = Math.max(this.#seenRound[block.author]!, block.round);
    for (const share of releasedShares(block)) if (share.round > dag.floor) coins.add(block.author, share);
    this.#exposeTwins(block, effects);
    this.#acceptAll([block], 0, effects, isReadable);
  }

  /** The floor rose: some blocks wait for nothing any more. */
  raiseFloor(floor: number, nowMs: number, effects: ConsensusEffect[]): void {
    const { pending, fetcher } = this.#parts;
    this.#acceptAll(pending.raiseFloor(floor), nowMs, effects);
    fetcher.retain((ref) => pending.isAwaited(ref));
  }

  #acceptAll(blocks: readonly VerifiedBlock[], nowMs: number, effects: ConsensusEffect[], isReadable = true): void {
    const { dag, pending, fetcher, accept } = this.#parts;
    const queue = [...blocks];
    for (const block of queue) {
      if (block.round <= dag.floor || dag.get(block.digest) !== undefined) continue;
      accept(block, nowMs, effects, isReadable);
      fetcher.drop(block);
      queue.push(...pending.resolve(block));
    }
  }

  /** The very same bytes are here: blocks come many times (bundles, reminders), and decoding is what costs. */
  #isHeld(bytes: Uint8Array): boolean {
    const slot = slotOfBytes(bytes);
    if (slot === undefined) return false;
    const { dag, pending } = this.#parts;
    return (
      dag.at(slot.round, slot.author).some(({ block }) => isSame(block, bytes)) ||
      pending.at(slot.round, slot.author).some((block) => equalBytes(block.bytes, bytes))
    );
  }

  #decode(from: number, bytes: Uint8Array, effects: ConsensusEffect[]): VerifiedBlock | undefined {
    try {
      return this.#parts.codec.decode(bytes);
    } catch (error) {
      if (!isClocklessError(error)) throw error;
      effects.push({ kind: "punish", member: from, code: error.code, details: error.details });
      return undefined;
    }
  }

  #isSigned(from: number, block: VerifiedBlock, effects: ConsensusEffect[]): boolean {
    const { signer, config } = this.#parts;
    const pair = `${block.digest}${block.signature}`;
    const isBad =
      this.#refused.has(pair) || !signer.verify(block.digest, block.signature, config.members[block.author]!);
    if (!isBad) return true;
    if (this.#refused.size >= MAX_REFUSED)
      for (const oldest of this.#refused) {
        this.#refused.delete(oldest);
        break;
      }
    this.#refused.add(pair);
    const details = { round: block.round, author: block.author, digest: block.digest };
    effects.push({ kind: "punish", member: from, code: "badSignature", details });
    return false;
  }

  /** Blocks of the same slot, accepted or waiting. */
  #held(block: VerifiedBlock): readonly VerifiedBlock[] {
    const { dag, pending } = this.#parts;
    return [...dag.at(block.round, block.author).map((entry) => entry.block), ...pending.at(block.round, block.author)];
  }

  /** Reports the first pair of twins of an author. */
  #exposeTwins(block: VerifiedBlock, effects: ConsensusEffect[]): void {
    const first = this.#held(block)[0];
    if (first !== undefined && this.#parts.exposure.expose(block.author)) {
      effects.push({ kind: "exposed", author: block.author, first, second: block });
    }
  }

  /**
   * More than K rounds above what at least one honest author has reached: nothing to fetch for. One far-future block must not
   * trigger catch-up, f + 1 authors far ahead do.
   */
  #isTooFar(block: VerifiedBlock, nowMs: number, effects: ConsensusEffect[]): boolean {
    const { dag, config, behind } = this.#parts;
    const reach = dag.highestRound + config.retainedRounds;
    if (block.round <= reach) return false;
    const witnessed = [...this.#seenRound].sort((a, b) => b - a)[this.#faulty]!;
    if (witnessed > reach) behind(witnessed, nowMs, effects);
    return block.round > witnessed + config.retainedRounds;
  }
}

/** Not a view of a larger message, which would stay in memory with it and be counted nowhere. What surrounds a lone block is no more than this. */
function ownMemory(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > bytes.length + 1_024 ? bytes.slice() : bytes;
}

/** One signature is good for one block, so that what left memory is told by its own; a forgery that borrows it is ignored like a copy. */
function isSame(block: VerifiedBlock, bytes: Uint8Array): boolean {
  return block instanceof StoredBlock
    ? block.signature === bytesToHex(signatureOf(bytes))
    : equalBytes(block.bytes, bytes);
}

function distinct(refs: readonly BlockRef[]): readonly BlockRef[] {
  const byKey = new Map<string, BlockRef>();
  for (const ref of refs) byKey.set(refKey(ref), ref);
  return [...byKey.values()];
}
