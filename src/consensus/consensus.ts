/**
 * One member's view of the DAG, as a state machine without I/O: messages and times in, effects out. It trusts that `from` is
 * who it says (authenticated transport) and nothing else. Deterministic: the same calls give the same effects.
 */
import { assert } from "../lib/assert.ts";
import { Committer } from "./committer.ts";
import { refuse } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { Intake } from "./intake.ts";
import { validateConfig } from "./limits.ts";
import { OutputLog } from "./output-log.ts";
import { OwnBlocks, type Quorum } from "./own-blocks.ts";
import { type CreateRule, createParts, type Parts } from "./parts.ts";
import { type RestoreRecord, restoreRecord } from "./restore.ts";
import { observeQuorum, waitUntil } from "./stragglers.ts";
import type {
  BlockRef,
  ConsensusCheckpoint,
  ConsensusConfig,
  ConsensusEffect,
  ConsensusMessage,
  ProposalContent,
  SlotStatus,
  VerifiedBlock,
} from "./types.ts";

export type { CreateRule } from "./parts.ts";

export type Proposal =
  | { readonly kind: "ready"; readonly round: number }
  /** Quorum is there, stragglers are worth waiting for: ask again at `untilMs` or after the next block. */
  | { readonly kind: "wait"; readonly untilMs: number };

export class Consensus {
  readonly #parts: Parts;
  readonly #own: OwnBlocks;
  readonly #intake: Intake;
  readonly #exchange: Exchange;
  readonly #outputLog: OutputLog;
  #finalFloor = Number.POSITIVE_INFINITY;

  /** `createRule`: for simulators. Throws ConsensusError `badConfig`. */
  constructor(config: ConsensusConfig, createRule: CreateRule = (parts) => new Committer(parts)) {
    validateConfig(config);
    const parts = createParts(config, createRule);
    this.#parts = parts;
    this.#own = new OwnBlocks(parts);
    this.#exchange = new Exchange(parts);
    this.#outputLog = new OutputLog(config.checkpoint);
    this.#intake = new Intake({
      ...parts,
      arrived: (from, author) => parts.bundles.arrived(from, author),
      behind: (round, nowMs, effects) => this.#exchange.reportBehind(round, nowMs, effects),
      accept: (block, nowMs, effects, isReadable) => {
        this.#enter(block, nowMs, isReadable);
        effects.push({ kind: "accepted", block });
      },
    });
  }

  get lastOwnRound(): number {
    return this.#own.lastRound;
  }

  get lastOwnBlock(): BlockRef | undefined {
    return this.#own.last;
  }

  /** Highest round of an accepted block. */
  get highestRound(): number {
    return this.#parts.dag.highestRound;
  }

  /** Blocks at or below are dropped, and references to them count as satisfied. Negative at first. */
  get floor(): number {
    return this.#parts.dag.floor;
  }

  /** Blocks at or below are not output any more. At or above `floor`. */
  get orderFloor(): number {
    return this.#parts.linearizer.floor;
  }

  /** The first slot that is not decided. */
  get nextDecision(): { readonly round: number; readonly author: number } {
    return this.#parts.committer.cursor;
  }

  /** Highest output round per author: the summary of everything the ledger has seen. */
  get vectorClock(): readonly number[] {
    return this.#parts.activity.vectorClock;
  }

  get exposedAuthors(): ReadonlySet<number> {
    return this.#parts.exposure.authors;
  }

  /** A valid block in our name that we never made was seen: this member must not propose any more in this epoch. */
  get isSignedElsewhere(): boolean {
    return this.#intake.isSignedElsewhere;
  }

  /** False while ordering lags so far behind that only payload-free blocks may be proposed. */
  get acceptsPayload(): boolean {
    const { config, dag, committer } = this.#parts;
    return dag.highestRound - committer.cursor.round < config.limits.maxUncommittedRounds;
  }

  /** Sizes of everything that others can make grow (docs/limits.md), for metrics and for tests of the bounds. */
  get sizes() {
    const { dag, pending, fetcher, coins } = this.#parts;
    return {
      blocks: dag.size,
      sunk: dag.sunk,
      heldBytes: dag.bytes,
      pending: pending.size,
      pendingBytes: pending.bytes,
      awaited: pending.awaited,
      wanted: fetcher.size,
      refused: this.#intake.refused,
      shares: coins.size,
    };
  }

  /** A held block, also one that sank below the floor not long ago. Its content may have to be read back (stored-block.ts). */
  block(ref: Pick<BlockRef, "digest">): VerifiedBlock | undefined {
    const { lastBlock } = this.#own;
    return ref.digest === lastBlock?.digest ? lastBlock : this.#parts.dag.lookup(ref.digest);
  }

  /** Accepted blocks of a round in order of acceptance. */
  blocksAt(round: number): readonly VerifiedBlock[] {
    return this.#parts.dag.round(round).map((entry) => entry.block);
  }

  /** Status of any slot above the floor, whether or not its author is active. */
  status(round: number, author: number): SlotStatus {
    return this.#parts.committer.status(round, author);
  }

  /** A message of a committee member. Bad input costs its sender a `punish` and changes nothing else. */
  receive(from: number, message: ConsensusMessage, nowMs: number): ConsensusEffect[] {
    const { n, bundles } = this.#parts;
    assert(Number.isInteger(from) && from >= 0 && from < n, "sender is not a member");
    const effects: ConsensusEffect[] = [];
    switch (message.kind) {
      case "block":
        this.#intake.receive(from, message.bytes, nowMs, effects);
        break;
      case "fetch":
        return this.#exchange.serveBlocks(from, message, nowMs);
      case "fetched":
        for (const bytes of message.blocks) this.#intake.receive(from, bytes, nowMs, effects);
        this.#exchange.takeNotFound(from, message, nowMs, effects);
        break;
      case "bundle":
        for (const bytes of message.blocks) this.#intake.receive(from, bytes, nowMs, effects);
        break;
      case "wantBundles":
        bundles.asked(from, message.until);
        return [];
      case "coinRequest":
        return this.#exchange.serveCoin(from, message.round, this.lastOwnRound);
      case "coinShares":
        this.#exchange.takeShares(from, message.shares);
        break;
      case "coin":
        this.#exchange.takeCoin(from, message.round, message.signature, effects);
        break;
    }
    this.#settle(nowMs, effects);
    this.#exchange.fetchDue(nowMs, effects);
    const until = bundles.request();
    if (until !== undefined) effects.push({ kind: "send", to: "all", message: { kind: "wantBundles", until } });
    return effects;
  }

  /** Whether a block may be proposed now; undefined while Q blocks are missing, for learners and after amnesia. */
  proposal(nowMs: number): Proposal | undefined {
    const quorum = this.#proposable();
    if (quorum === undefined) return undefined;
    const untilMs = this.#parts.bundles.isDisordered ? undefined : waitUntil(this.#parts, quorum, nowMs);
    return untilMs === undefined ? { kind: "ready", round: quorum.round + 1 } : { kind: "wait", untilMs };
  }

  /**
   * Builds, signs and accepts the own block of the round that `proposal` names (waiting for stragglers is advice, not a rule).
   * Beyond `maxUncommittedRounds` the payload is left out: ask `acceptsPayload` first.
   * Throws ConsensusError `notAMember`, `notReady`, `payloadTooLarge`.
   */
  propose(content: ProposalContent, secret: Uint8Array, nowMs: number): ConsensusEffect[] {
    const { dag, coins, pacing } = this.#parts;
    this.#own.check(content);
    const quorum = this.#proposable();
    if (quorum === undefined) return refuse("notReady", "no round has a quorum to build on");
    const payload = this.acceptsPayload ? content.payload : new Uint8Array(0);
    const block = this.#own.seal({ ...content, payload }, quorum, secret);
    const effects: ConsensusEffect[] = [{ kind: "accepted", block }];
    for (const share of block.coinShares) coins.add(block.author, share);
    pacing.proposed(block.round, nowMs);
    this.#enter(block, nowMs);
    this.#own.send(dag.get(block.digest)!, nowMs, effects);
    this.#settle(nowMs, effects);
    return effects;
  }

  /** Retries: fetches, coins that an undecided slot waits for, the last own block to peers that seem not to know it. */
  tick(nowMs: number): ConsensusEffect[] {
    const effects: ConsensusEffect[] = [];
    this.#settle(nowMs, effects);
    this.#exchange.fetchDue(nowMs, effects);
    this.#exchange.requestCoins(nowMs, effects);
    this.#own.remind(nowMs, effects);
    return effects;
  }

  /** A peer (re)connected: it gets the last own block and asks for what it lacks below it. */
  connected(peer: number, nowMs: number): ConsensusEffect[] {
    return this.#own.sendLast(peer, nowMs);
  }

  /**
   * Replays the log after a restart, in the order in which it was written. Delivers `output` and `exposed` again and nothing
   * else; afterwards the last own block is known, so that no round is signed twice. Signatures are checked again: a flipped
   * bit on disk must not enter the DAG. Throws ConsensusError when a record is not what was written.
   */
  restore(records: Iterable<RestoreRecord>, deliver: (effect: ConsensusEffect) => void = () => {}): void {
    const parts = { ...this.#parts, intake: this.#intake, own: this.#own };
    for (const record of records) {
      const effects: ConsensusEffect[] = [];
      restoreRecord(parts, record, effects);
      this.#settle(0, effects);
      for (const effect of effects) if (effect.kind === "output" || effect.kind === "exposed") deliver(effect);
      this.shed();
    }
  }

  /**
   * Lets go of the bytes of blocks beyond `maxHeldBytes`. To be called before a step, when all that was accepted before can be read back;
   * whoever never calls it holds all.
   */
  shed(): void {
    this.#parts.dag.shed();
  }

  /**
   * The state of the order after the last output round: what another member can start from, given the blocks above the floor
   * that it implies. All members that reach the round have the same one.
   */
  checkpoint(): ConsensusCheckpoint {
    const { config, committer, activity } = this.#parts;
    const { index, digest, committedRound } = committer.boundary;
    return {
      round: committer.cursor.round - 1,
      commitIndex: index,
      commitDigest: digest,
      committedRound,
      output: this.#outputLog.above(committedRound - config.retainedRounds),
      ...activity.past,
    };
  }

  /**
   * Blocks above `floor` stay servable, also longer than K rounds: whoever is behind has no later certified cut to start from. `final` is
   * the floor of the newest such cut. What lies between it and the order's floor stays in the graph: a reference to a block that was
   * never here must not count as satisfied because this member alone has committed so much, perhaps by a block that a malicious
   * author gave to nobody else. Whoever builds on such a reference shuts out all members with a lower floor, and where these are needed
   * they stay there for ever. At or below `final` the cut is their way on.
   */
  serveAbove(floor: number, final: number, nowMs: number): ConsensusEffect[] {
    this.#parts.dag.serveAbove(floor);
    this.#finalFloor = final;
    const effects: ConsensusEffect[] = [];
    this.#settle(nowMs, effects);
    return effects;
  }

  #proposable(): Quorum | undefined {
    return this.#intake.isSignedElsewhere ? undefined : this.#own.quorum();
  }

  /** A block enters the DAG: everything that is derived from it once. */
  #enter(block: VerifiedBlock, nowMs: number, isReadable = true): void {
    const { config, dag, votes, exposure, proposer, peers, pacing } = this.#parts;
    const entry = dag.add(block, isReadable);
    votes.observe(entry, Math.max(dag.floor, config.checkpoint?.round ?? 0));
    if (dag.at(entry.round, entry.author).length > 1) exposure.invalidate();
    exposure.observe(entry);
    proposer.observe(entry);
    peers.knows(entry.author, entry.ownSeen);
    pacing.blockAccepted(entry.author, entry.round, nowMs);
    observeQuorum(this.#parts, entry.round, nowMs);
    if (entry.author === config.self) this.#own.enter(entry);
  }

  /** Decides what can be decided; each output may raise the floor, which may free waiting blocks, which may decide more. */
  #settle(nowMs: number, effects: ConsensusEffect[]): void {
    const { config, dag, votes, linearizer, committer, coins, proposer } = this.#parts;
    for (;;) {
      coins.clearWanted();
      const outputs = committer.advance();
      this.#reportCoins(effects);
      for (const output of outputs) {
        this.#outputLog.add(output);
        for (const { blocks } of output.commits) for (const { digest } of blocks) dag.spare(digest);
        effects.push({ kind: "output", output });
      }
      const before = dag.floor;
      const floor = Math.min(linearizer.floor, this.#finalFloor);
      if (floor <= before) return;
      proposer.forget(dag.sink(floor));
      votes.forget(before + 1, floor);
      committer.forget(before + 1, floor);
      coins.forget(floor);
      // A round that is only partly decided may have raised the floor beyond what the checkpoint implies.
      this.#outputLog.forget(committer.boundary.committedRound - config.retainedRounds);
      this.#intake.raiseFloor(floor, nowMs, effects);
    }
  }

  #reportCoins(effects: ConsensusEffect[]): void {
    for (const event of this.#parts.coins.takeEvents()) {
      effects.push(
        event.kind === "coin"
          ? { kind: "coin", round: event.round, signature: event.signature }
          : { kind: "punish", member: event.author, code: "badShare", details: { round: event.round } },
      );
    }
  }
}
