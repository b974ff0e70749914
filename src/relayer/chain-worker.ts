/**
 * Serves one hub: brings it the handovers it lacks, carries the newest certificate there, then delivers what the hub owes.
 * Everything it decides comes from the chain's own state (key, head, delivered bits) and the journal, so a restart at any
 * point changes nothing.
 */
import type { Certificate } from "../batch/types.ts";
import { nameRevert } from "../chain/hub-client.ts";
import {
  ChainError,
  type HubClient,
  type HubHead,
  type JournalRecord,
  type PreparedCall,
  type ProvenDestination,
} from "../chain/port.ts";
import type { RpcPool } from "../chain/rpc-pool.ts";
import type { TransactionEvent, TransactionManager } from "../chain/transaction-manager.ts";
import type { SignedHandover } from "../ledger/reconfiguration/types.ts";
import { isClocklessError } from "../lib/errors.ts";
import type { Logger } from "../telemetry/port.ts";
import { Backlog, Failures } from "./backlog.ts";
import { acceptCall, costOf, handoverCall } from "./calls.ts";
import type { RelayerChainConfig } from "./config.ts";
import { RelayerError } from "./errors.ts";
import type { Anchor } from "./key-path.ts";
import { outcomeOf, type RevertedEvent } from "./outcome.ts";
import { deliveredBy, parsePurpose, purposeOf, type Task } from "./purpose.ts";
import type { CertificateSource } from "./source.ts";
import type { ChainStatus, Plan, PlannedAction, Problem, RelayerEvent, Waiting } from "./types.ts";

export interface ChainWorkerOptions {
  readonly config: RelayerChainConfig;
  readonly pool: RpcPool;
  readonly hub: HubClient;
  readonly source: CertificateSource;
  /** Called once; what the manager reports goes to the callback. */
  readonly createManager: (onEvent: (event: TransactionEvent) => void) => TransactionManager;
  readonly logger: Logger;
  readonly onEvent: (event: RelayerEvent) => void;
  readonly now: () => number;
  /** How long those of lower rank are given before we act. */
  readonly backupMs: number;
}

interface Turn {
  readonly actions: PlannedAction[];
  readonly waiting: Waiting[];
  readonly problems: Problem[];
  readonly dryRun: boolean;
  readonly signal: AbortSignal | undefined;
}

export class ChainWorker {
  readonly #options: ChainWorkerOptions;
  readonly #chainId: bigint;
  readonly #manager: TransactionManager;
  #anchor: Anchor | undefined;
  /** The hub was seen to believe a committee that members' APIs belong to; its committee never changes. */
  #isOurs = false;
  #head: HubHead | undefined;
  #certified: bigint | undefined;
  #pending = 0;
  #lastProblem: Problem | undefined;
  #isBalanceLow = false;
  readonly #backlog = new Backlog();
  readonly #failures = new Failures<"accept" | "handover">();
  #pendingHandovers = 0;
  /** Handovers of ours that reverted: lost to a faster relayer if the hub has them, failed if not. */
  readonly #revertedHandovers: (RevertedEvent & { readonly number: bigint })[] = [];
  /** When we first saw the head that the hub has. */
  #headSeen: { readonly sequence: bigint; readonly atMs: number } | undefined;
  /** Head and key for which something newer was first seen, and when. */
  #behind: { readonly sequence: bigint; readonly keyNumber: bigint; readonly sinceMs: number } | undefined;
  constructor(options: ChainWorkerOptions) {
    this.#options = options;
    this.#chainId = options.config.chainId;
    this.#manager = options.createManager((event) => this.#onTransaction(event));
  }

  status(): ChainStatus {
    return {
      chainId: this.#chainId,
      hub: this.#options.hub.hub,
      sender: this.#manager.address,
      headSequence: this.#head?.sequence,
      certifiedSequence: this.#certified,
      handovers: this.#head?.keyNumber,
      pendingHandovers: this.#pendingHandovers,
      pendingEntries: this.#pending,
      inFlight: this.#manager.open(),
      isBalanceLow: this.#isBalanceLow,
      lastProblem: this.#lastProblem,
      endpoints: this.#options.pool.health(),
    };
  }

  /** Forgets why entries were put aside: they are tried again at once. */
  retry(): void {
    this.#failures.clearAll();
    this.#backlog.retry();
  }

  /** Abandons what is under way; the journal knows how far it came. */
  close(): void {
    this.#options.pool.close();
  }

  /** One turn. Never throws for what chain or members do: that ends in `problems`. A dry run sends and journals nothing. */
  async turn(dryRun: boolean, signal?: AbortSignal): Promise<Plan> {
    const turn: Turn = { actions: [], waiting: [], problems: [], dryRun, signal };
    try {
      if (!dryRun) await this.#manager.tend();
      const head = await this.#options.hub.getHead(signal);
      // A head that fell is a reorg: what it delivered may be gone with it.
      if (this.#head !== undefined && head.sequence < this.#head.sequence) this.#backlog.rescan();
      this.#head = head;
      if (this.#headSeen?.sequence !== head.sequence) {
        this.#headSeen = { sequence: head.sequence, atMs: this.#options.now() };
      }
      this.#settleReverted(head);
      // Another number is another key: a handover, or a reorg that took one back.
      if (this.#anchor?.handovers !== head.keyNumber) await this.#guard(turn, () => this.#findAnchor(signal));
      const open = this.#manager.open().filter((record) => record.receipt?.succeeded !== false);
      // Deliveries do not wait for certificates and the other way round: each has its own way to fail.
      await this.#guard(turn, () => this.#advance(turn, head, open));
      if (this.#isOurs) await this.#guard(turn, () => this.#deliver(turn, head, open));
    } catch (error) {
      this.#note(turn, error);
    }
    this.#lastProblem = turn.problems.at(-1);
    return turn;
  }

  /** What happened to a transaction of ours. */
  #onTransaction(event: TransactionEvent): void {
    if (event.kind === "balance") this.#isBalanceLow = event.isLow;
    if (event.kind === "unmined") this.#backlog.rescan();
    const outcome = outcomeOf(this.#chainId, event);
    if (outcome === undefined) return;
    if (outcome.kind === "reverted") {
      const task = parsePurpose(outcome.purpose);
      const nowMs = this.#options.now();
      // Whether somebody was faster, the next look at the hub tells.
      if (task.kind === "handover") return void this.#revertedHandovers.push({ ...outcome, number: task.number });
      if (task.kind === "accept") this.#failures.add("accept", nowMs);
      else for (const index of task.indices) this.#backlog.fail(index, nowMs);
    }
    this.#options.onEvent(outcome);
  }

  #settleReverted(head: HubHead): void {
    for (const { number, ...outcome } of this.#revertedHandovers.splice(0)) {
      const { chainId, gasUsed, transaction } = outcome;
      const isLost = head.keyNumber >= number;
      if (!isLost) this.#failures.add("handover", this.#options.now());
      this.#options.onEvent(isLost ? { kind: "raceLost", chainId, gasUsed, transaction } : outcome);
    }
  }

  async #findAnchor(signal: AbortSignal | undefined): Promise<void> {
    this.#anchor = undefined;
    const { config, hub, source } = this.#options;
    const identity = await hub.getIdentity(signal);
    if (identity.suite !== config.suite) {
      throw new RelayerError(
        "foreignHub",
        `the hub verifies ${identity.suite}, the configuration says ${config.suite}`,
      );
    }
    this.#anchor = await source.getAnchor(identity, signal);
    this.#isOurs = true;
  }

  /** One step towards the newest head: a handover that it needs first, or the head itself. */
  async #advance(turn: Turn, head: HubHead, open: readonly JournalRecord[]): Promise<void> {
    const anchor = this.#anchor;
    if (anchor === undefined) return;
    const { hub, source, now } = this.#options;
    const lead = await source.getLead(anchor, turn.signal);
    this.#certified = lead?.certificate.header.sequence;
    this.#pendingHandovers = lead?.handovers.length ?? 0;
    if (lead === undefined || (lead.handovers.length === 0 && lead.certificate.header.sequence <= head.sequence)) {
      this.#behind = undefined;
      return;
    }
    const what = lead.handovers.length > 0 ? "handover" : "accept";
    const wait = (reason: Waiting["reason"]) => void turn.waiting.push({ chainId: this.#chainId, what, reason });
    const sent = open.filter((record) => record.state !== "mined").map((record) => parsePurpose(record.purpose).kind);
    // A head waits for the handover that it needs, and never the other way round.
    if (sent.includes("handover") || (what === "accept" && sent.includes("accept"))) return wait("inFlight");
    if (BigInt(Math.floor(now() / 1000)) < head.pausedUntil) return wait("paused");
    const isStuck = this.#failures.isPaused(what, now());
    if (isStuck && what === "accept") return wait("retry");
    if (!this.#isOurTurnToAccept(head)) return wait("backup");

    const { header } = lead.certificate;
    const destination = await source.getDestination(header, this.#chainId, hub.hub, turn.signal);
    if (destination.destination.outboxSize === head.outboxSize && this.#isYoung(head)) return wait("idle");
    const [next] = lead.handovers;
    if (next === undefined) return this.#carry(turn, lead.certificate, destination, anchor);
    if (!isStuck) return this.#handOver(turn, next, anchor);
    wait("retry");
    if (sent.includes("accept")) return;
    // Money that the old key has certified need not wait until somebody finds out why.
    const own = await source.getOwn(anchor, next, turn.signal);
    if (own === undefined || own.header.sequence <= head.sequence || this.#failures.isPaused("accept", now())) return;
    const leaf = await source.getDestination(own.header, this.#chainId, hub.hub, turn.signal);
    await this.#carry(turn, own, leaf, anchor);
  }

  /** Brings the hub one certificate that its present key signed. */
  async #carry(turn: Turn, certificate: Certificate, destination: ProvenDestination, anchor: Anchor): Promise<void> {
    const { hub } = this.#options;
    const call = acceptCall(hub, anchor, certificate, destination);
    try {
      const status = await hub.simulateAccept(call, this.#manager.address, turn.signal);
      // Somebody was faster between our reading the head and now.
      if (status === "stale" || status === "repeated") return;
      const { sequence } = certificate.header;
      const { cost, transaction } = await this.#send(turn, { kind: "accept", sequence }, call);
      this.#failures.clear("accept");
      turn.actions.push({ kind: "accept", chainId: this.#chainId, sequence, cost, transaction });
    } catch (error) {
      if (isClocklessError(error, "callReverted")) {
        this.#failures.add("accept", this.#options.now());
        // The hub may believe another key by now: ask it again.
        this.#anchor = undefined;
      }
      throw error;
    }
  }

  /** Brings the hub the next handover; the head comes in a later turn, when this one is on chain. */
  async #handOver(turn: Turn, handover: SignedHandover, anchor: Anchor): Promise<void> {
    const { hub } = this.#options;
    const { number } = handover.statement;
    const call = handoverCall(hub, anchor, handover);
    try {
      await hub.simulateHandover(call, this.#manager.address, turn.signal);
      const { cost, transaction } = await this.#send(turn, { kind: "handover", number }, call);
      this.#failures.clear("handover");
      turn.actions.push({ kind: "handover", chainId: this.#chainId, number, cost, transaction });
    } catch (error) {
      if (!isClocklessError(error, "callReverted")) throw error;
      this.#anchor = undefined;
      // Somebody was faster between our reading the head and now.
      if (error.details.errorName === "HandoverOutOfTurn") return;
      this.#failures.add("handover", this.#options.now());
      throw error;
    }
  }

  async #deliver(turn: Turn, head: HubHead, open: readonly JournalRecord[]): Promise<void> {
    const { config, hub } = this.#options;
    const nowMs = this.#options.now();
    const undelivered = await this.#backlog.scan(hub, head.outboxSize, nowMs, turn.signal);
    this.#pending = undelivered.length;

    const inFlight = new Set(open.flatMap((record) => deliveredBy(record)));
    const wait = (reason: Waiting["reason"]) =>
      void turn.waiting.push({ chainId: this.#chainId, what: "deliver", reason });
    const free = undelivered.filter((index) => !inFlight.has(index));
    if (free.length < undelivered.length) wait("inFlight");
    const tried = free.filter((index) => !this.#backlog.isPaused(index, nowMs));
    if (tried.length < free.length) wait("retry");
    const due = tried.filter((index) => this.#backlog.ageMs(index, nowMs) >= this.#options.backupMs);
    if (due.length < tried.length) wait("backup");
    // One batch per turn: the next one is priced and simulated against what this one left.
    const batch = due.slice(0, config.maxEntries);
    if (batch.length > 0) await this.#deliverBatch(turn, batch, head);
  }

  /** Delivers a batch, or, when it cannot go through as one, its halves: an entry that fails does not hold up the others. */
  async #deliverBatch(turn: Turn, indices: readonly bigint[], head: HubHead): Promise<void> {
    const { hub, source } = this.#options;
    const { entries, proof } = await source.getEntries(this.#chainId, hub.hub, indices, head, turn.signal);
    const call = hub.prepareDeliver({ entries, proof, head });
    try {
      const sender = this.#manager.address;
      if ((await hub.simulateDeliver(call, sender, turn.signal)) === 0n) return; // delivered by others meanwhile
      const { cost, transaction } = await this.#send(turn, { kind: "deliver", indices }, call);
      turn.actions.push({ kind: "deliver", chainId: this.#chainId, indices, cost, transaction });
    } catch (error) {
      if (!isClocklessError(error, "callReverted")) throw error;
      const middle = Math.ceil(indices.length / 2);
      if (indices.length === 1) {
        this.#backlog.fail(indices[0]!, this.#options.now());
        this.#note(turn, error, indices[0]);
        return;
      }
      await this.#deliverBatch(turn, indices.slice(0, middle), head);
      await this.#deliverBatch(turn, indices.slice(middle), head);
    }
  }

  async #send(turn: Turn, task: Task, call: PreparedCall) {
    const request = { purpose: purposeOf(task), call, maxGas: this.#options.config.maxGas };
    try {
      const quote = await this.#manager.quote(request);
      const record = turn.dryRun ? undefined : await this.#manager.submit(request, quote);
      return { cost: costOf(quote), transaction: record?.attempts.at(-1)?.hash };
    } catch (error) {
      throw error instanceof ChainError ? nameRevert(error) : error;
    }
  }

  #isOurTurnToAccept(head: HubHead): boolean {
    const nowMs = this.#options.now();
    const { sequence, keyNumber } = head;
    if (this.#behind?.sequence !== sequence || this.#behind.keyNumber !== keyNumber)
      this.#behind = { sequence, keyNumber, sinceMs: nowMs };
    return nowMs - this.#behind.sinceMs >= this.#options.backupMs;
  }

  #isYoung(head: HubHead): boolean {
    // By our own clock: a chain's may run ahead (one second a block on a busy development chain), and a negative age is young.
    const seenAtMs = this.#headSeen?.sequence === head.sequence ? this.#headSeen.atMs : this.#options.now();
    return this.#options.now() - seenAtMs < this.#options.config.idleAcceptIntervalMs;
  }

  async #guard(turn: Turn, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#note(turn, error);
    }
  }

  /** Records a foreseen failure; anything else is a bug and goes up. */
  #note(turn: Turn, error: unknown, index?: bigint): void {
    if (!isClocklessError(error) || error.code === "journalFailure" || turn.signal?.aborted) throw error;
    const { code, shortMessage: message, isTransient } = error;
    const problem: Problem = { chainId: this.#chainId, code, message, isTransient, index };
    turn.problems.push(problem);
    this.#options.logger.warn("could not serve a chain fully; trying again", {
      chainId: this.#chainId.toString(),
      code,
      message,
      ...(index === undefined ? {} : { index: index.toString() }),
    });
    this.#options.onEvent({ kind: "error", problem });
  }
}
