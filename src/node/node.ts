/**
 * Runs one member with real transport, storage, chains and API. All inputs go through one queue; a drain steps the member with
 * everything that waits, makes one durable write, and only then lets messages out: persist before send, one fsync for many.
 */

import type { EpochChange } from "../ledger/reconfiguration/types.ts";
import type { SignedInstruction } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { Member } from "../member/member.ts";
import type { Checkpoint, MemberEffect, MemberInput, SubmitVerdict, TransactionCode } from "../member/types.ts";
import type { Committee } from "../threshold/committee.ts";
import type { Transport, TransportHandlers } from "../transport/port.ts";
import { Answers } from "./answers.ts";
import type { NodeEvent } from "./api/view.ts";
import { floorOf, requireCertified } from "./checkpoint-record.ts";
import { Conduct } from "./conduct.ts";
import { staleStore } from "./errors.ts";
import { Feeds } from "./feeds.ts";
import type { NodeParts, NodeResharer } from "./node-parts.ts";
import { WriteCollector } from "./records.ts";
import { restoreMember } from "./replay.ts";
import { reportEffect, reportRefused } from "./report.ts";
import { type Session, sendTo } from "./session.ts";
import { Turns, UNITS_PER_DRAIN } from "./turns.ts";

export type { InboxStart } from "./feeds.ts";

export class Node {
  readonly #parts: NodeParts;
  readonly #member: Member;
  readonly #turns: Turns;
  readonly #writes = new WriteCollector();
  readonly #listeners = new Set<(event: NodeEvent) => void>();
  readonly #answers = new Answers();
  readonly #conduct: Conduct;
  readonly #feeds: Feeds;
  readonly #resharer: NodeResharer | undefined;
  /** Of the newest epoch that is written down; the transport follows when everything of the one before has been sent. */
  #session: Session;
  #draining = false;
  #stopped = false;
  #hasLeft = false;
  /** The newest two of the epoch. */
  #checkpoints: readonly Checkpoint[];
  #fatal: unknown;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    const { member, createResharer, store, nowMs } = parts;
    const { committee, self } = member;
    assert(self !== undefined, "a node runs a member of the committee it starts in");
    requireCertified(member);
    this.#session = { committee, self };
    this.#checkpoints = member.checkpoint === undefined ? [] : [member.checkpoint];
    this.#member = new Member({
      ...member,
      readBlock: (digest) => this.#writes.block(digest) ?? store.block(digest),
    });
    this.#conduct = new Conduct(parts);
    this.#turns = new Turns((peer, isHeld) => this.#hold(peer, isHeld));
    this.#feeds = new Feeds({
      ...parts,
      store,
      nowMs,
      markets: member.genesis.markets,
      ledger: this.#member.ledger,
      observe: (observations) => this.#push({ kind: "observe", observations }),
      keep: (key, value) => this.#writes.meta(key, value),
    });
    this.#resharer = createResharer?.({
      push: (input) => this.#push(input),
      onFatal: (error) => this.#fail(error),
    });
  }

  get member(): Member {
    return this.#member;
  }

  /** Committee of the newest epoch that we are or were a member of. */
  get committee(): Committee {
    return this.#session.committee;
  }

  /** Own index in it. */
  get self(): number {
    return this.#session.self;
  }

  /** True when the committee went on without us, for good. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** One of the newest two of the epoch, for members that are behind in it; the newest without a sequence. */
  checkpoint(sequence?: bigint): Checkpoint | undefined {
    if (sequence === undefined) return this.#checkpoints.at(-1);
    return this.#checkpoints.find(({ header }) => header.sequence === sequence);
  }

  get transport(): Transport {
    return this.#parts.transport;
  }

  /** Messages of a peer of the current epoch that no honest member sends. */
  faultsOf(peer: number): number {
    return this.#conduct.faultsOf(peer);
  }

  get isHealthy(): boolean {
    return this.#fatal === undefined && !this.#stopped;
  }

  get feeds(): Pick<Feeds, "inboxSeen" | "inboxStatus"> {
    return this.#feeds;
  }

  /** Replays the store, then opens the doors. */
  async start(): Promise<void> {
    restoreMember(this.#parts, this.#member, {
      collect: (effect) => this.#collect(effect),
      write: () => {
        if (!this.#writes.isEmpty) this.#parts.store.write(this.#writes.take());
      },
      settled: (events) => this.#feeds.settled(events),
      task: (task) => this.#resharer?.take(task),
    });
    // What a crash left to be erased.
    this.#resharer?.began(this.committee, this.self);
    await this.#parts.transport.start(this.#handlersOf(this.#session));
    this.#feeds.start();
    this.#push({ kind: "tick" });
  }

  /** Closes the doors. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#feeds.stop();
    await this.#parts.transport.stop();
  }

  /** Gives instructions to the member; resolves when it has answered for each, after what it promised is on disk and sent. */
  submit(instructions: readonly SignedInstruction[]): Promise<readonly SubmitVerdict[]> {
    const verdicts = this.#answers.submitted(instructions.length);
    this.#push({ kind: "submit", instructions });
    return verdicts;
  }

  /** Gives encoded EpochTransactions to the member; resolves with a code for each. */
  submitTransactions(transactions: readonly Uint8Array[]): Promise<readonly TransactionCode[]> {
    if (!this.isHealthy) return Promise.resolve(transactions.map(() => "unavailable"));
    return new Promise((resolve) => {
      this.#answers.sent(resolve);
      this.#queueInput({ kind: "transactions", transactions });
    });
  }

  /** Members' APIs proved that our epoch is over and that we are in no later one yet: users are told so from now on. */
  leave(): void {
    this.#push({ kind: "leave", epoch: this.committee.epoch });
  }

  subscribe(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #handlersOf({ committee }: Session): TransportHandlers {
    const { logger, metrics } = this.#parts;
    const { epoch } = committee;
    return {
      onMessage: (from, bytes) => this.#push({ kind: "message", epoch, from, bytes }),
      onPeer: (peer, connected) => {
        logger.info(connected ? "peer connected" : "peer lost; dialling again", { peer, epoch });
        if (connected) this.#push({ kind: "connected", epoch, peer });
      },
      onFault: (peer, code, details) => {
        logger.warn("a peer breaks the framing", { peer, address: committee.members[peer]?.address, code, ...details });
        metrics.faults.add({ peer, code });
      },
      onStranger: (peerId) => logger.warn("somebody who is no committee member was turned away", { peerId }),
    };
  }

  /** From whoever does not wait for an answer. */
  #push(input: MemberInput): void {
    if (input.kind === "transactions") this.#answers.sent((codes) => reportRefused(this.#parts, codes));
    this.#queueInput(input);
  }

  #queueInput(input: MemberInput): void {
    if (this.#stopped || this.#fatal !== undefined) return;
    this.#turns.push(input);
    this.#drainSoon();
  }

  #drainSoon(): void {
    if (this.#draining) return;
    this.#draining = true;
    setImmediate(() => this.#drain());
  }

  #drain(): void {
    this.#draining = false;
    if (this.#fatal !== undefined || this.#stopped) return;
    try {
      this.#stepAll();
    } catch (error) {
      this.#fail(error);
    }
  }

  #stepAll(): void {
    const { store, transport, nowMs } = this.#parts;
    /** With the session in which it was said: indices are of its committee. */
    const later: { readonly session: Session; readonly effect: MemberEffect }[] = [];
    let units = 0;
    while (units < UNITS_PER_DRAIN) {
      const next = this.#turns.next();
      if (next === undefined) break;
      units += next.units;
      const session = this.#session;
      const isMore = units < UNITS_PER_DRAIN && !this.#turns.isEmpty;
      for (const effect of this.#member.step(next.input, nowMs(), isMore)) {
        this.#collect(effect);
        if (effect.kind !== "persist") later.push({ session, effect });
      }
    }
    this.#requireMemory();
    if (!this.#writes.isEmpty) store.write(this.#writes.take());
    for (const { session, effect } of later) {
      if (effect.kind === "send") sendTo(transport, session, effect.to, effect.bytes);
      if (effect.kind === "epoch" && effect.self !== undefined) this.#enter(effect.change, effect.self);
    }
    for (const { session, effect } of later) this.#show(session, effect);
    if (later.some(({ effect }) => effect.kind === "batch")) this.#feeds.report();
    this.#answers.give();
    this.#schedule();
    if (!this.#turns.isEmpty) this.#drainSoon();
  }

  /** Before anything of the step is written or sent. A learner's past does not matter. */
  #requireMemory(): void {
    const { consensus, isSigner, committee } = this.#member;
    if (isSigner && consensus.isSignedElsewhere) throw staleStore(committee.epoch, consensus.lastOwnRound);
  }

  /** What has to be on disk before anything of the step leaves, and what the member's next step counts on. */
  #collect(effect: MemberEffect): void {
    if (effect.kind === "persist") this.#writes.persist(effect.write);
    if (effect.kind === "batch") this.#writes.batch(effect.batch);
    if (effect.kind === "checkpoint") this.#collectCheckpoint(effect.checkpoint);
    if (effect.kind !== "epoch") return;
    const { change, header, certificates, self } = effect;
    this.#writes.epoch({ ...change, header, certificates }, self !== undefined);
    if (self === undefined) this.#hasLeft = true;
    else this.#session = { committee: change.committee, self };
  }

  /** A restart goes on from here; whoever began to fetch the one before may still ask for what lies above its floor. */
  #collectCheckpoint(checkpoint: Checkpoint): void {
    this.#writes.checkpoint(checkpoint);
    const before = this.#checkpoints.at(-1);
    const { consensus } = this.#member;
    const { lastOwnBlock } = consensus;
    if (before === undefined) return;
    const floor = floorOf(before, this.#parts.member.retainedRounds);
    this.#writes.truncate(floor, lastOwnBlock === undefined ? undefined : consensus.block(lastOwnBlock));
  }

  /** What was said in the epoch before has gone to the transport: from here on it is among the new members. */
  #enter({ committee, peers }: EpochChange, self: number): void {
    const { transport, peersOf } = this.#parts;
    this.#turns.forgetPeers();
    this.#conduct.reset();
    transport.change(peersOf(peers), self, this.#handlersOf({ committee, self }));
  }

  #show(session: Session, effect: MemberEffect): void {
    reportEffect(this.#parts, effect, session.committee);
    switch (effect.kind) {
      case "batch":
        this.#feeds.settled(effect.batch.events);
        this.#notify({ kind: "batch", sequence: effect.batch.header.sequence });
        break;
      case "certificate":
        this.#notify({
          kind: "certificate",
          sequence: effect.certificate.header.sequence,
          suite: effect.certificate.suite,
        });
        break;
      case "verdict":
        this.#answers.verdict(effect.verdict);
        break;
      case "punish":
        this.#conduct.punish(session, this.#session, effect.member);
        break;
      case "checkpoint":
        this.#checkpoints = [...this.#checkpoints.slice(-1), effect.checkpoint];
        break;
      case "behind":
        this.#conduct.behind(session, effect.epoch, this.#hasLeft);
        break;
      case "taken":
        this.#answers.taken(effect.codes);
        break;
      case "task":
        this.#resharer?.take(effect.task);
        break;
      case "left":
        this.#hasLeft = true;
        this.#parts.onLeft?.(effect.undecided);
        break;
      case "epoch":
        this.#changeEpoch(effect);
        break;
    }
  }

  #changeEpoch({ change, self, undecided }: MemberEffect & { readonly kind: "epoch" }): void {
    this.#resharer?.began(change.committee, self);
    // Of the epoch before: nobody goes on from there.
    if (self !== undefined) this.#checkpoints = [];
    if (self === undefined) {
      this.#parts.onLeft?.(undecided);
      return;
    }
    this.#feeds.reset();
    this.#feeds.report();
  }

  /** A peer that is ahead of what we can work off waits in its own memory. */
  #hold(peer: number, isHeld: boolean): void {
    this.#parts.transport.hold(peer, isHeld);
  }

  #notify(event: NodeEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const wakeAtMs = this.#member.wakeAtMs;
    if (wakeAtMs === undefined) return;
    this.#timer = setTimeout(() => this.#push({ kind: "tick" }), Math.max(1, wakeAtMs - this.#parts.nowMs()));
  }

  /** Fail-stop: a member whose disk or invariants are broken must not say another word. */
  #fail(error: unknown): void {
    if (this.#fatal !== undefined || this.#stopped) return;
    this.#fatal = error;
    clearTimeout(this.#timer);
    this.#parts.logger.error("the node stops: it cannot go on safely", { error });
    this.#parts.onFatal(error);
  }
}
