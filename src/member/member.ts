/**
 * One committee member through all its epochs: consensus orders, the ledger settles, the certifier signs, and when the committee
 * changes the same member goes on in the next epoch. A state machine without I/O; the simulator and the real node drive this same
 * object. Effects come out in the order in which they must be carried out: one durable write, then what may leave, then what may
 * be shown.
 */
import type { Consensus } from "../consensus/consensus.ts";
import type { ConsensusEffect, OutputRound, VerifiedBlock } from "../consensus/types.ts";
import { encodeConsensusMessage } from "../consensus/wire.ts";
import { encodeSignedInstruction } from "../ledger/codec.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { SettledBatch, SignedInstruction } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import { Admission } from "./admission.ts";
import { Certification } from "./certification.ts";
import { checkConfig } from "./check-config.ts";
import { EffectBuffer } from "./effect-buffer.ts";
import { enterEpoch, indexIn, signsIn } from "./enter-epoch.ts";
import { areSharesOf, type Epoch } from "./epoch.ts";
import { Lag } from "./lag.ts";
import { type Listening, listeningAfter } from "./listening.ts";
import { Mempool } from "./mempool.ts";
import { openLedger } from "./open-ledger.ts";
import { Proposing } from "./proposing.ts";
import { Reception } from "./reception.ts";
import { Reconfigurer } from "./reconfigurer.ts";
import { type SettleParts, settleOutput } from "./settle-output.ts";
import { SignOnce } from "./sign-once.ts";
import { SignatureCache } from "./signature-cache.ts";
import type { MemberConfig, MemberEffect, MemberInput, Recovered, Shares } from "./types.ts";
import { encodeMessage } from "./wire.ts";

export { epochGenesis } from "./enter-epoch.ts";

export class Member {
  readonly #config: MemberConfig;
  readonly #ledger: Ledger;
  readonly #mempool: Mempool;
  readonly #admission: Admission;
  readonly #reconfigurer: Reconfigurer | undefined;
  readonly #lag: Lag;
  readonly #certification: Certification;
  readonly #proposing: Proposing;
  readonly #reception: Reception;
  readonly #settleParts: SettleParts;
  readonly #out = new EffectBuffer();
  readonly #register = new SignOnce();
  /** Who we are, whatever the epoch; undefined for a learner. */
  readonly #address: Address | undefined;
  #epoch: Epoch;
  /** The batch that closes this epoch: nothing that the old order outputs after it is applied, and no content is proposed any more. */
  #closing: SettledBatch | undefined;
  /** The epoch closed and we are no member of the next: we serve this one and sign nothing new. */
  #isRetired = false;
  /**
   * Of the epoch. Register and log do not name the same last block of ours: one was lost, and another one of its round must never be
   * made; or the log has one that we never made, and whoever has our key may have signed more.
   */
  #isMute = false;
  #isReplaying = false;
  /** Of the newest batch; the ledger's own sequence, where there is one. */
  #settledSequence: bigint;
  /** A block of our own making is being accepted; others come from peers, who may know more of our past than we do. */
  #isProposing = false;
  #listening: Listening | undefined;
  /** The ledger went on, or something came that the reconfigurer must look at. */
  #isMoved = true;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  /** Round of our newest block when we retried last. */
  #roundAtRetry = -1;
  #wakeAtMs: number | undefined;

  /** Throws LedgerError `badGenesis`, `badSnapshot`; ConsensusError `badConfig`, `badCheckpoint`. */
  constructor(config: MemberConfig) {
    checkConfig(config);
    this.#config = config;
    const { committee, start, checkpoint, self, secrets, reshare } = config;
    const signatures = new SignatureCache(config.identities);
    this.#ledger = openLedger(config, signatures);
    this.#settledSequence = this.#ledger.sequence;
    this.#mempool = new Mempool(config.limits, config.retainedRounds, committee.members.length);
    this.#admission = new Admission(committee.id, this.#ledger, this.#mempool, signatures, this.#out);
    this.#address = self === undefined || secrets === undefined ? undefined : committee.members[self]?.address;
    const parts = { ledger: this.#ledger, out: this.#out, register: this.#register };
    this.#reconfigurer = reshare === undefined ? undefined : new Reconfigurer(config, reshare, this.#address, parts);
    this.#lag = new Lag(config.pacing.retryMs, start?.certificates ?? []);
    this.#proposing = new Proposing(config, this.#ledger, this.#mempool, this.#reconfigurer);
    this.#epoch = enterEpoch(config, this.#ledger, committee, self, secrets?.shares, checkpoint);
    this.#certification = new Certification(this.#epoch, config.pacing.retryMs, this.#out, this.#register);
    this.#certification.restore([...(start?.certificates ?? []), ...(checkpoint?.certificates ?? [])]);
    const admission = this.#admission;
    this.#reception = new Reception({ ...parts, admission, certification: this.#certification, lag: this.#lag });
    this.#settleParts = { ...parts, admission, mempool: this.#mempool, reconfigurer: this.#reconfigurer };
  }

  /** The settled ledger; read only. */
  get ledger(): Ledger {
    return this.#ledger;
  }

  /** The DAG of the current epoch; read only. */
  get consensus(): Consensus {
    return this.#epoch.consensus;
  }

  /** Of the current epoch. */
  get committee(): Committee {
    return this.#epoch.committee;
  }

  /** Own index in the current epoch; undefined for a learner. */
  get self(): number | undefined {
    return this.#epoch.self;
  }

  /** False without shares of the current epoch, and for a member that left. */
  get isSigner(): boolean {
    return this.#epoch.isSigner && !this.#isRetired;
  }

  /** The committee went on without this member: it settled so, or was told. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** Highest sequence certified without a gap in every required suite, since the epoch began. */
  get certifiedSequence(): bigint {
    return this.#epoch.certifier.certifiedSequence();
  }

  /** Sizes of everything that peers and users can make grow (docs/limits.md), for metrics and for tests of the bounds. */
  get sizes() {
    return { ...this.consensus.sizes, ...this.#epoch.certifier.sizes, ...this.#mempool.sizes };
  }

  get pendingInstructions(): number {
    return this.#mempool.size;
  }

  isPending(id: Hex): boolean {
    return this.#mempool.has(id);
  }

  /** What this member's users handed in and nobody decided: for whoever takes over from this object. */
  undecided(): readonly SignedInstruction[] {
    return this.#mempool.own();
  }

  /** When the next `tick` has something to do, if nothing else happens before. */
  get wakeAtMs(): number | undefined {
    return this.#wakeAtMs;
  }

  /**
   * Replays what the store kept; call once, before the first step. Delivers batches again (the ledger is rebuilt from the log)
   * and at the end a write for partials that were not registered before the crash. Nothing is sent: peers ask, or connect. If
   * the epoch closed before the crash, its `epoch` effect comes in the first step. Throws ConsensusError when what the store kept is not
   * what was written.
   */
  restore(recovered: Recovered, deliver: (effect: MemberEffect) => void): void {
    assert(this.consensus.lastOwnRound === 0, "restore comes before the first step");
    this.#register.restore((kind, position) => recovered.registered(kind, position));
    this.#certification.restore(recovered.certificates);
    const output = new Set<Hex>();
    this.#isReplaying = true;
    this.consensus.restore(recovered.log, (effect) => {
      if (effect.kind === "output")
        for (const { blocks } of effect.output.commits) for (const block of blocks) output.add(block.digest);
      this.#perform(effect);
      for (const shown of this.#out.drainShown()) deliver(shown);
    });
    this.#isReplaying = false;
    const { signedRound } = recovered;
    this.#isMute = signedRound !== undefined && signedRound !== this.consensus.lastOwnRound;
    this.#listening = listeningAfter(recovered, this.committee.members.length, this.#config.pacing.retryMs);
    this.#certification.trim();
    this.#epoch.findUnsettled(output);
    // The partials of the newest batches may not have left before the crash; peers that lack them get them again.
    for (const effect of this.#out.drain()) if (effect.kind !== "send") deliver(effect);
  }

  /**
   * Takes one input and says what to do, in this order: persist, send, show. Never throws on foreign input. `isMore`: the next step follows
   * at once, with an input that is there already. What is made of all that came (our block, certificates) waits for the last: a busy
   * member would otherwise leave blocks out of its parents that it had at hand. Whoever says so ends with a step without it.
   */
  step(input: MemberInput, nowMs: number, isMore = false): MemberEffect[] {
    // What the steps before asked to persist can be read back by now.
    this.consensus.shed();
    switch (input.kind) {
      case "message":
        if (input.epoch === this.#epoch.number) this.#receive(input.from, input.bytes, nowMs);
        break;
      case "connected":
        if (input.epoch === this.#epoch.number) this.#connected(input.peer, nowMs);
        break;
      case "submit":
        if (this.#isRetired) this.#admission.refuse(input.instructions, "retired");
        else this.#admission.submit(input.instructions, this.#epoch, nowMs);
        break;
      case "observe":
        if (!this.#isRetired) this.#mempool.observe(input.observations, this.#epoch.nextRound);
        break;
      case "transactions":
        this.#takeTransactions(input.transactions);
        break;
      case "shares":
        this.#takeShares(input.epoch, input.attempt, input.shares);
        break;
      case "leave":
        this.#leave(input.epoch);
        break;
      case "tick":
        break;
    }
    // Retries are due by time, not by silence: under traffic the next timer would always be put off.
    if (nowMs >= this.#retryAtMs) this.#retry(nowMs);
    if (!isMore) this.#certification.release(nowMs, input.kind === "tick");
    this.#reconfigure();
    if (!isMore) this.#propose(nowMs);
    const wakeAtMs = this.#certification.wakeAtMs;
    if (wakeAtMs !== undefined) this.#wakeAtMs = Math.min(this.#wakeAtMs ?? wakeAtMs, wakeAtMs);
    this.#reconfigure();
    this.#giveCheckpoint(nowMs);
    this.#turn(nowMs);
    return this.#out.drain();
  }

  /** Into the next epoch, once the closing batch is final in every required suite, and in no other way. */
  #turn(nowMs: number): void {
    const closing = this.#closing;
    if (closing?.closes === undefined || this.#isRetired) return;
    const { header, closes: change } = closing;
    const certificates = this.#certification.allOf(header);
    if (certificates === undefined) return;
    const old = this.#epoch;
    // Whoever lacks partials now would wait for ours in vain: we are about to forget them.
    this.#out.send("all", encodeMessage(old.number, { kind: "closed", certificates }));
    const self = indexIn(change.committee, this.#address);
    this.#isRetired = this.#address !== undefined && self === undefined;
    const undecided = this.#isRetired ? this.#mempool.own() : [];
    this.#out.show({ kind: "epoch", change, header, certificates, self, undecided });
    if (this.#isRetired) return;
    const shares = this.#reconfigurer?.shares;
    this.#closing = undefined;
    this.#listening = undefined;
    this.#isMute = false;
    this.#epoch = enterEpoch(this.#config, this.#ledger, change.committee, self, shares);
    this.#certification.enter(this.#epoch);
    const newIndex = new Map(change.committee.members.map(({ address }, index) => [address, index]));
    this.#mempool.renew(newIndex.size, (index) => newIndex.get(old.committee.members[index]!.address));
    this.#reconfigurer?.renew();
    this.#lag.renew(certificates);
    this.#isMoved = true;
    this.#proposing.renew();
    // The node makes a new transport first; the next step has work.
    this.#wakeAtMs = nowMs;
  }

  #leave(epoch: bigint): void {
    // Meanwhile we may have gone on by ourselves.
    if (epoch !== this.#epoch.number || this.#isRetired) return;
    this.#isRetired = true;
    this.#out.show({ kind: "left", undecided: this.#mempool.own() });
  }

  #giveCheckpoint(nowMs: number): void {
    const checkpoint = this.#epoch.checkpoints.take((header) => this.#certification.allOf(header));
    if (checkpoint === undefined) return;
    this.#out.show({ kind: "checkpoint", checkpoint });
    // The floor rises: what waited for blocks below it may be accepted now, and then the next step has work.
    const effects = this.#epoch.keepServable(nowMs);
    if (effects.length > 0) this.#wakeAtMs = nowMs;
    this.#performAll(effects);
  }

  #retry(nowMs: number): void {
    this.#retryAtMs = nowMs + this.#config.pacing.retryMs;
    this.#performAll(this.consensus.tick(nowMs));
    this.#certification.ask(this.#settledSequence, nowMs);
    const { lastOwnRound } = this.consensus;
    const isStuck = lastOwnRound === this.#roundAtRetry;
    this.#roundAtRetry = lastOwnRound;
    if (!this.#isRetired)
      this.#admission.gossip(this.#mempool.takeUngossiped(lastOwnRound, isStuck), this.#epoch.number);
    if (!this.#isRetired && this.#lag.isBehind(nowMs))
      this.#out.show({ kind: "behind", epoch: this.#epoch.number + 1n, round: 0 });
  }

  #connected(peer: number, nowMs: number): void {
    this.#listening?.connected(peer, nowMs);
    this.#performAll(this.consensus.connected(peer, nowMs));
    this.#certification.sendOpen(peer);
  }

  #receive(from: number, bytes: Uint8Array, nowMs: number): void {
    const standing = { epoch: this.#epoch, isRetired: this.#isRetired, settledSequence: this.#settledSequence };
    const message = this.#reception.receive(from, bytes, standing, nowMs);
    if (message === undefined) return;
    this.#performAll(this.consensus.receive(from, message, nowMs));
    this.#listening?.heard(from, message);
  }

  #performAll(effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ConsensusEffect): void {
    switch (effect.kind) {
      case "accepted":
        this.#accepted(effect.block);
        break;
      case "send": {
        const bytes = encodeConsensusMessage(effect.message);
        this.#out.send(effect.to, encodeMessage(this.#epoch.number, { kind: "consensus", bytes }));
        break;
      }
      case "coin":
        this.#out.persistCoin(effect.round, effect.signature);
        break;
      case "output":
        this.#settle(effect.output);
        break;
      case "exposed":
      case "punish":
        this.#out.show(effect);
        break;
      case "behind":
        this.#out.show({ ...effect, epoch: this.#epoch.number });
        break;
    }
  }

  #accepted(block: VerifiedBlock): void {
    const isOwn = block.author === this.self;
    this.#out.persistBlock(block, isOwn && this.#isProposing);
    this.#epoch.accepted(block);
    if (isOwn) return;
    this.#certification.receivePartials(block.author, block.partials);
    this.#reconfigurer?.lookAhead(block.payload);
  }

  #settle(output: OutputRound): void {
    // The epoch is over: what its order still says is not applied, and what it carried is proposed again.
    if (this.#closing !== undefined) return;
    this.#out.show({ kind: "ordered", output });
    this.#epoch.checkpoints.output(output);
    for (const { blocks } of output.commits) for (const { digest } of blocks) this.#epoch.settled(digest);
    this.#epoch.forgetSunk();
    const { opaque } = this.#config;
    const batch = opaque === undefined ? settleOutput(this.#settleParts, output, this.self) : opaque.settle(output);
    if (batch === undefined) return;
    this.#settledSequence = batch.header.sequence;
    for (const receipt of batch.receipts) this.#mempool.remove(receipt.instructionId);
    this.#isMoved ||= batch.events.some((event) => event.kind === "reconfiguration");
    this.#out.show({ kind: "batch", batch });
    if (batch.closes !== undefined) this.#close(batch);
    else if (!this.#isReplaying && opaque === undefined) this.#epoch.checkpoints.settled(batch.header, this.#ledger);
    this.#certification.settled(batch);
  }

  /** From here on nothing is applied until the batch is final. Who leaves says once more what it still holds for its users. */
  #close(batch: SettledBatch): void {
    this.#closing = batch;
    const isLeaving = batch.closes !== undefined && indexIn(batch.closes.committee, this.#address) === undefined;
    if (this.#address !== undefined && isLeaving)
      this.#admission.gossip(this.#mempool.own().map(encodeSignedInstruction), this.#epoch.number);
  }

  #takeTransactions(transactions: readonly Uint8Array[]): void {
    const isOpen = this.#closing === undefined;
    const codes = transactions.map((bytes) => (isOpen ? this.#reconfigurer?.offer(bytes) : undefined) ?? "unavailable");
    this.#out.show({ kind: "taken", codes });
  }

  #takeShares(epoch: bigint, attempt: bigint, shares: Shares): void {
    const reconfigurer = this.#reconfigurer;
    if (reconfigurer === undefined || this.#isRetired) return;
    reconfigurer.opened(epoch, attempt, shares);
    this.#isMoved = true;
    const { self, isSigner, number } = this.#epoch;
    if (self === undefined || isSigner || epoch !== number || !signsIn(this.#config, number)) return;
    // Judged by our own epoch's keys: the ledger may be in the next one already, and our node may have opened that one's shares first.
    if (!areSharesOf(this.#config, this.#epoch.committee, self, shares)) return;
    this.#epoch.take(shares);
    this.#certification.sharesTaken();
  }

  /** After the ledger went on: what that asks of us. Not after its closing batch: it speaks of the next epoch then. */
  #reconfigure(): void {
    if (!this.#isMoved || this.#closing !== undefined) return;
    this.#isMoved = false;
    this.#reconfigurer?.refresh(this.#epoch);
  }

  /** Proposes as often as consensus allows and pacing wants: at once while anything waits to be ordered, else now and then. */
  #propose(nowMs: number): void {
    const { secrets } = this.#config;
    this.#wakeAtMs = this.#retryAtMs;
    if (secrets === undefined || !this.isSigner || this.#isMute) return;
    if (this.#listening?.isOver(this.consensus, nowMs) === true) this.#listening = undefined;
    if (this.#listening !== undefined) return;
    for (;;) {
      const next = this.#proposing.next(this.#epoch, this.#closing !== undefined, nowMs);
      if (next === undefined) return;
      if (next.kind === "wait") {
        this.#wakeAtMs = Math.min(this.#wakeAtMs, next.untilMs);
        return;
      }
      this.#isProposing = true;
      this.#performAll(this.consensus.propose(next.content, secrets.identity, nowMs));
      this.#isProposing = false;
    }
  }
}
