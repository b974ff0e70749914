/**
 * One member's view of the DAG, as a state machine without I/O: messages and times in, effects out. It trusts that `from` is
 * who it says (authenticated transport) and nothing else. Deterministic: the same calls give the same effects.
 */
import { assert } from "../lib/assert.ts";
import type { Hex } from "../lib/hex.ts";
import { quorumOf } from "../lib/math.ts";
import { Activity } from "./activity.ts";
import { BlockCodec, refOf, slotOfBytes } from "./block.ts";
import { Bundles } from "./bundles.ts";
import { highestQuorum } from "./clock.ts";
import { CoinPool } from "./coin-pool.ts";
import { Committer, type CommitterParts, type DecisionRule } from "./committer.ts";
import { Dag, type DagBlock } from "./dag.ts";
import { refuse } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { Exposure } from "./exposure.ts";
import { Fetcher } from "./fetcher.ts";
import { Intake } from "./intake.ts";
import { MAX_PARTIALS, RETRY_MAX_MS, RETRY_MIN_MS, validateConfig } from "./limits.ts";
import { Linearizer } from "./linearizer.ts";
import { OutputLog } from "./output-log.ts";
import { Pacing } from "./pacing.ts";
import { Peers } from "./peers.ts";
import { Pending } from "./pending.ts";
import { coinShares, Proposer } from "./proposer.ts";
import { createBlockSigner } from "./signer.ts";
import { createFind } from "./stored-block.ts";
import type {
  BlockRef,
  BlockSigner,
  ConsensusCheckpoint,
  ConsensusConfig,
  ConsensusEffect,
  ConsensusMessage,
  ProposalContent,
  SlotStatus,
  VerifiedBlock,
} from "./types.ts";
import { Votes } from "./votes.ts";

export type Proposal =
  | { readonly kind: "ready"; readonly round: number }
  /** Quorum is there, stragglers are worth waiting for: ask again at `untilMs` or after the next block. */
  | { readonly kind: "wait"; readonly untilMs: number };

export type CreateRule = (parts: CommitterParts) => DecisionRule;

export type RestoreRecord =
  /** `digest`: of a block that `readBlock` finds; without one its bytes stay in memory. */
  | { readonly kind: "block"; readonly bytes: Uint8Array; readonly digest?: Hex | undefined }
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array };

export class Consensus {
  readonly #config: ConsensusConfig;
  readonly #n: number;
  readonly #quorum: number;
  readonly #codec: BlockCodec;
  readonly #signer: BlockSigner;
  readonly #dag: Dag;
  readonly #votes: Votes;
  readonly #activity: Activity;
  readonly #linearizer: Linearizer;
  readonly #committer: DecisionRule;
  readonly #coins: CoinPool;
  readonly #exposure: Exposure;
  readonly #pending: Pending;
  readonly #fetcher: Fetcher;
  readonly #intake: Intake;
  readonly #proposer: Proposer;
  readonly #pacing: Pacing;
  readonly #peers: Peers;
  readonly #bundles: Bundles;
  readonly #exchange: Exchange;
  readonly #outputLog: OutputLog;
  #lastOwn: BlockRef | undefined;
  #finalFloor = Number.POSITIVE_INFINITY;
  /** It stays in memory: peers are reminded of it, and a log that is cut keeps it. */
  #lastOwnBlock: VerifiedBlock | undefined;

  /** `createRule`: for simulators. Throws ConsensusError `badConfig`. */
  constructor(config: ConsensusConfig, createRule: CreateRule = (parts) => new Committer(parts)) {
    validateConfig(config);
    const { self, retainedRounds, activityWindow, limits, checkpoint, readBlock } = config;
    const n = config.members.length;
    this.#config = config;
    this.#n = n;
    this.#quorum = quorumOf(n);
    this.#codec = config.createCodec?.(config) ?? new BlockCodec(config);
    this.#signer = config.signer ?? createBlockSigner();
    this.#linearizer = new Linearizer(retainedRounds, {
      index: checkpoint?.commitIndex ?? 0n,
      digest: checkpoint?.commitDigest ?? config.genesisHash,
      committedRound: checkpoint?.committedRound ?? 0,
    });
    const genesis = this.#codec.genesisBlocks();
    this.#dag = new Dag({
      n,
      self,
      retainedRounds,
      genesis,
      floor: this.#linearizer.floor,
      checkpoint,
      find: readBlock === undefined ? undefined : createFind(this.#codec, readBlock),
      budget: limits.maxHeldBytes,
    });
    this.#votes = new Votes(n, this.#quorum);
    this.#activity = new Activity(n, this.#quorum, activityWindow, checkpoint);
    this.#coins = new CoinPool(config.coin, this.#quorum);
    this.#committer = createRule({
      n,
      dag: this.#dag,
      votes: this.#votes,
      activity: this.#activity,
      linearizer: this.#linearizer,
      coinLeader: (round) => this.#coins.leader(round),
      round: (checkpoint?.round ?? 0) + 1,
    });
    this.#outputLog = new OutputLog(checkpoint);
    this.#exposure = new Exposure(this.#dag, n);
    this.#pending = new Pending(limits, n, (ref) => this.#fetcher.want(ref, ref.author, 0, false));
    this.#fetcher = new Fetcher(n, self, limits.maxFetchRefs, (ref) => this.#bundles.fetched(ref.author));
    this.#proposer = new Proposer(this.#dag, this.#exposure, limits);
    this.#pacing = new Pacing(n);
    this.#peers = new Peers(n, self);
    this.#bundles = new Bundles(this.#dag, n, n - this.#quorum);
    this.#exchange = new Exchange({
      config,
      dag: this.#dag,
      pending: this.#pending,
      fetcher: this.#fetcher,
      peers: this.#peers,
      bundles: this.#bundles,
      coins: this.#coins,
    });
    this.#intake = new Intake({
      config,
      codec: this.#codec,
      signer: this.#signer,
      dag: this.#dag,
      pending: this.#pending,
      fetcher: this.#fetcher,
      exposure: this.#exposure,
      coins: this.#coins,
      arrived: (from, author) => this.#bundles.arrived(from, author),
      behind: (round, nowMs, effects) => this.#exchange.reportBehind(round, nowMs, effects),
      accept: (block, nowMs, effects, isReadable) => {
        this.#enter(block, nowMs, isReadable);
        effects.push({ kind: "accepted", block });
      },
    });
    if (self !== undefined) this.#lastOwn = refOf(genesis[self]!);
  }

  get lastOwnRound(): number {
    return this.#lastOwn?.round ?? 0;
  }

  get lastOwnBlock(): BlockRef | undefined {
    return this.lastOwnRound === 0 ? undefined : this.#lastOwn;
  }

  /** Highest round of an accepted block. */
  get highestRound(): number {
    return this.#dag.highestRound;
  }

  /** Blocks at or below are dropped, and references to them count as satisfied. Negative at first. */
  get floor(): number {
    return this.#dag.floor;
  }

  /** Blocks at or below are not output any more. At or above `floor`. */
  get orderFloor(): number {
    return this.#linearizer.floor;
  }

  /** The first slot that is not decided. */
  get nextDecision(): { readonly round: number; readonly author: number } {
    return this.#committer.cursor;
  }

  /** Highest output round per author: the summary of everything the ledger has seen. */
  get vectorClock(): readonly number[] {
    return this.#activity.vectorClock;
  }

  get exposedAuthors(): ReadonlySet<number> {
    return this.#exposure.authors;
  }

  /** A valid block in our name that we never made was seen: this member must not propose any more in this epoch. */
  get isSignedElsewhere(): boolean {
    return this.#intake.isSignedElsewhere;
  }

  /** False while ordering lags so far behind that only payload-free blocks may be proposed. */
  get acceptsPayload(): boolean {
    return this.#dag.highestRound - this.#committer.cursor.round < this.#config.limits.maxUncommittedRounds;
  }

  /** Sizes of everything that others can make grow (docs/limits.md), for metrics and for tests of the bounds. */
  get sizes() {
    return {
      blocks: this.#dag.size,
      sunk: this.#dag.sunk,
      heldBytes: this.#dag.bytes,
      pending: this.#pending.size,
      pendingBytes: this.#pending.bytes,
      awaited: this.#pending.awaited,
      wanted: this.#fetcher.size,
      refused: this.#intake.refused,
      shares: this.#coins.size,
    };
  }

  /** A held block, also one that sank below the floor not long ago. Its content may have to be read back (stored-block.ts). */
  block(ref: Pick<BlockRef, "digest">): VerifiedBlock | undefined {
    return ref.digest === this.#lastOwnBlock?.digest ? this.#lastOwnBlock : this.#dag.lookup(ref.digest);
  }

  /** Accepted blocks of a round in order of acceptance. */
  blocksAt(round: number): readonly VerifiedBlock[] {
    return this.#dag.round(round).map((entry) => entry.block);
  }

  /** Status of any slot above the floor, whether or not its author is active. */
  status(round: number, author: number): SlotStatus {
    return this.#committer.status(round, author);
  }

  /** A message of a committee member. Bad input costs its sender a `punish` and changes nothing else. */
  receive(from: number, message: ConsensusMessage, nowMs: number): ConsensusEffect[] {
    assert(Number.isInteger(from) && from >= 0 && from < this.#n, "sender is not a member");
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
        this.#bundles.asked(from, message.until);
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
    const until = this.#bundles.request();
    if (until !== undefined) effects.push({ kind: "send", to: "all", message: { kind: "wantBundles", until } });
    return effects;
  }

  /** Whether a block may be proposed now; undefined while Q blocks are missing, for learners and after amnesia. */
  proposal(nowMs: number): Proposal | undefined {
    const quorum = this.#proposable();
    if (quorum === undefined) return undefined;
    const absent = this.#absentAt((author) => quorum.blocks[author] !== undefined);
    const untilMs = this.#bundles.isDisordered ? undefined : this.#pacing.waitUntil(quorum.round, absent, nowMs);
    return untilMs === undefined ? { kind: "ready", round: quorum.round + 1 } : { kind: "wait", untilMs };
  }

  /**
   * Builds, signs and accepts the own block of the round that `proposal` names (waiting for stragglers is advice, not a rule).
   * Beyond `maxUncommittedRounds` the payload is left out: ask `acceptsPayload` first.
   * Throws ConsensusError `notAMember`, `notReady`, `payloadTooLarge`.
   */
  propose(content: ProposalContent, secret: Uint8Array, nowMs: number): ConsensusEffect[] {
    const { self, limits } = this.#config;
    const last = this.#lastOwn;
    if (self === undefined || last === undefined) return refuse("notAMember", "a learner never proposes");
    if (content.payload.length > limits.maxPayloadBytes) refuse("payloadTooLarge", "payload exceeds the size limit");
    if (content.partials.length > MAX_PARTIALS)
      refuse("payloadTooLarge", `at most ${MAX_PARTIALS} partials fit a block`);
    const quorum = this.#proposable();
    if (quorum === undefined) return refuse("notReady", "no round has a quorum to build on");
    const round = quorum.round + 1;
    assert(round > last.round, "a round is signed once");
    const block = this.#codec.seal(
      {
        author: self,
        round,
        parents: this.#proposer.parents(last, quorum.round, quorum.blocks, this.orderFloor),
        payload: this.acceptsPayload ? content.payload : new Uint8Array(0),
        coinShares: coinShares(this.#config.coin, last.round, round, this.floor),
        partials: content.partials,
      },
      (digest) => this.#signer.sign(secret, digest),
    );
    const effects: ConsensusEffect[] = [{ kind: "accepted", block }];
    for (const share of block.coinShares) this.#coins.add(self, share);
    this.#pacing.proposed(round, nowMs);
    this.#enter(block, nowMs);
    this.#sendOwn(this.#dag.get(block.digest)!, nowMs, effects);
    this.#settle(nowMs, effects);
    return effects;
  }

  /** Retries: fetches, coins that an undecided slot waits for, the last own block to peers that seem not to know it. */
  tick(nowMs: number): ConsensusEffect[] {
    const effects: ConsensusEffect[] = [];
    this.#settle(nowMs, effects);
    this.#exchange.fetchDue(nowMs, effects);
    this.#exchange.requestCoins(nowMs, effects);
    if (this.#lastOwnBlock !== undefined) {
      const patienceMs = Math.min(Math.max(RETRY_MIN_MS, 4 * this.#pacing.delayMs), RETRY_MAX_MS);
      for (const peer of this.#peers.toRemind(this.lastOwnRound, patienceMs, nowMs)) {
        effects.push({ kind: "send", to: peer, message: { kind: "block", bytes: this.#lastOwnBlock.bytes } });
      }
    }
    return effects;
  }

  /** A peer (re)connected: it gets the last own block and asks for what it lacks below it. */
  connected(peer: number, nowMs: number): ConsensusEffect[] {
    if (peer === this.#config.self || this.#lastOwnBlock === undefined) return [];
    this.#peers.sentTo(peer, nowMs);
    return [{ kind: "send", to: peer, message: { kind: "block", bytes: this.#lastOwnBlock.bytes } }];
  }

  /**
   * Replays the log after a restart, in the order in which it was written. Delivers `output` and `exposed` again and nothing
   * else; afterwards the last own block is known, so that no round is signed twice. Signatures are checked again: a flipped
   * bit on disk must not enter the DAG. Throws ConsensusError when a record is not what was written.
   */
  restore(records: Iterable<RestoreRecord>, deliver: (effect: ConsensusEffect) => void = () => {}): void {
    for (const record of records) {
      const effects: ConsensusEffect[] = [];
      if (record.kind === "coin") {
        if (record.round > this.floor) this.#restoreCoin(record.round, record.signature);
      } else this.#restoreBlock(record, effects);
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
    this.#dag.shed();
  }

  /**
   * The state of the order after the last output round: what another member can start from, given the blocks above the floor
   * that it implies. All members that reach the round have the same one.
   */
  checkpoint(): ConsensusCheckpoint {
    const { index, digest, committedRound } = this.#committer.boundary;
    return {
      round: this.#committer.cursor.round - 1,
      commitIndex: index,
      commitDigest: digest,
      committedRound,
      output: this.#outputLog.above(committedRound - this.#config.retainedRounds),
      ...this.#activity.past,
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
    this.#dag.serveAbove(floor);
    this.#finalFloor = final;
    const effects: ConsensusEffect[] = [];
    this.#settle(nowMs, effects);
    return effects;
  }

  #proposable(): ReturnType<typeof highestQuorum> {
    if (this.#lastOwn === undefined || this.#intake.isSignedElsewhere) return undefined;
    const view = { n: this.#n, quorum: this.#quorum, dag: this.#dag, exposure: this.#exposure };
    return highestQuorum(view, this.#lastOwn.round);
  }

  /** A block enters the DAG: everything that is derived from it once. */
  #enter(block: VerifiedBlock, nowMs: number, isReadable = true): void {
    const entry = this.#dag.add(block, isReadable);
    this.#votes.observe(entry, Math.max(this.#dag.floor, this.#config.checkpoint?.round ?? 0));
    if (this.#dag.at(entry.round, entry.author).length > 1) this.#exposure.invalidate();
    this.#exposure.observe(entry);
    this.#proposer.observe(entry);
    this.#peers.knows(entry.author, entry.ownSeen);
    this.#pacing.blockAccepted(entry.author, entry.round, nowMs);
    this.#observeQuorum(entry.round, nowMs);
    if (entry.author === this.#config.self) this.#enterOwn(entry);
  }

  #observeQuorum(round: number, nowMs: number): void {
    if (round <= this.#pacing.quorumRound || this.#dag.authorsAt(round) < this.#quorum) return;
    const absent = this.#absentAt((author) => this.#dag.at(round, author).length > 0);
    this.#pacing.quorumReached(round, absent, round <= 3 || this.#isFirstWindow(round - 3), nowMs);
  }

  /** Whether the first window has committed all slots of a round by now: the order waits for the slowest. */
  #isFirstWindow(round: number): boolean {
    const active = this.#activity.isActive(this.#committer.cursor.round);
    return active.every(
      (isActive, author) => !isActive || this.#exposure.has(author) || this.#votes.isFirstWindow(round, author),
    );
  }

  /** Active members, not exposed and not we ourselves, of which the round has no block. */
  #absentAt(isPresent: (author: number) => boolean): readonly number[] {
    const active = this.#activity.isActive(this.#committer.cursor.round);
    const absent: number[] = [];
    for (let author = 0; author < this.#n; author++) {
      const isExpected = active[author] === true && author !== this.#config.self && !this.#exposure.has(author);
      if (isExpected && !isPresent(author)) absent.push(author);
    }
    return absent;
  }

  /** To each peer the new block, with what it lacks below if it asked for that or we bring it late. */
  #sendOwn(own: DagBlock, nowMs: number, effects: ConsensusEffect[]): void {
    this.#peers.sentToAll(nowMs);
    const message = { kind: "block", bytes: own.block.bytes } as const;
    const isWanted = (peer: number) => peer !== this.#config.self && this.#bundles.isWanted(peer, own.round);
    const peers = [...Array(this.#n).keys()];
    const { linked } = this.#proposer;
    const late = this.#bundles.late(own, linked);
    const isPlain = (peer: number) => !isWanted(peer) && !this.#bundles.isLacking(peer, own.round);
    if (late.length === 0 && peers.every(isPlain)) {
      effects.push({ kind: "send", to: "all", message });
      return;
    }
    for (const to of peers) {
      if (to === this.#config.self) continue;
      const blocks = isWanted(to) ? this.#bundles.bundle(to, own) : this.#bundles.withLate(to, own, late, linked);
      effects.push({ kind: "send", to, message: blocks.length > 1 ? { kind: "bundle", blocks } : message });
    }
  }

  #enterOwn(entry: DagBlock): void {
    if (entry.round <= this.lastOwnRound) return;
    this.#lastOwn = refOf(entry);
    this.#lastOwnBlock = entry.block;
    this.#proposer.link(entry);
    this.#exposure.invalidate();
  }

  /** Decides what can be decided; each output may raise the floor, which may free waiting blocks, which may decide more. */
  #settle(nowMs: number, effects: ConsensusEffect[]): void {
    for (;;) {
      this.#coins.clearWanted();
      const outputs = this.#committer.advance();
      this.#reportCoins(effects);
      for (const output of outputs) {
        this.#outputLog.add(output);
        for (const { blocks } of output.commits) for (const { digest } of blocks) this.#dag.spare(digest);
        effects.push({ kind: "output", output });
      }
      const before = this.#dag.floor;
      const floor = Math.min(this.#linearizer.floor, this.#finalFloor);
      if (floor <= before) return;
      this.#proposer.forget(this.#dag.sink(floor));
      this.#votes.forget(before + 1, floor);
      this.#committer.forget(before + 1, floor);
      this.#coins.forget(floor);
      // A round that is only partly decided may have raised the floor beyond what the checkpoint implies.
      this.#outputLog.forget(this.#committer.boundary.committedRound - this.#config.retainedRounds);
      this.#intake.raiseFloor(floor, nowMs, effects);
    }
  }

  #reportCoins(effects: ConsensusEffect[]): void {
    for (const event of this.#coins.takeEvents()) {
      effects.push(
        event.kind === "coin"
          ? { kind: "coin", round: event.round, signature: event.signature }
          : { kind: "punish", member: event.author, code: "badShare", details: { round: event.round } },
      );
    }
  }

  #restoreCoin(round: number, signature: Uint8Array): void {
    if (!this.#config.coin.verify(round, signature)) refuse("badCoin", "the log holds a wrong coin", { round });
    this.#coins.restore(round, signature);
  }

  #restoreBlock(record: RestoreRecord & { readonly kind: "block" }, effects: ConsensusEffect[]): void {
    const { self } = this.#config;
    const { bytes, digest } = record;
    const slot = slotOfBytes(bytes);
    const isSunk = slot !== undefined && slot.round <= this.floor;
    // Of what lies below a checkpoint only our own last block matters: the next one names it, and no round up to it is signed again.
    if (isSunk && (slot.author !== self || slot.round <= this.lastOwnRound)) return;
    const block = this.#codec.decode(bytes);
    if (!this.#signer.verify(block.digest, block.signature, this.#config.members[block.author]!)) {
      refuse("badSignature", "the log holds a block with a wrong signature", { digest: block.digest });
    }
    if (isSunk) {
      this.#lastOwn = refOf(block);
      this.#dag.keepSunk(block);
    } else this.#intake.restore(block, effects, digest === block.digest);
  }
}
