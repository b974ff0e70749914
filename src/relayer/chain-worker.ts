/**
 * Serves one hub: carries the newest certificate there, then delivers what the hub owes. Everything it decides comes from
 * the chain's own state (head, delivered bits) and the journal, so a restart at any point changes nothing.
 */
import type { BatchHeader, Certificate } from "../batch/types.ts";
import { nameRevert } from "../chain/hub-client.ts";
import { ChainError, type HubClient, type HubHead, type JournalRecord, type PreparedCall } from "../chain/port.ts";
import type { RpcPool } from "../chain/rpc-pool.ts";
import type { Quote, TransactionEvent, TransactionManager } from "../chain/transaction-manager.ts";
import { isClocklessError } from "../lib/errors.ts";
import { bytesToHex, hexToBytes } from "../lib/hex.ts";
import { compareBigint } from "../lib/math.ts";
import type { Logger } from "../telemetry/port.ts";
import { encodeProof } from "../threshold/evm.ts";
import type { RelayerChainConfig } from "./config.ts";
import { RelayerError } from "./errors.ts";
import { type Anchor, type CertificateSource, digestOf } from "./source.ts";
import type { ChainStatus, Cost, Plan, PlannedAction, Problem, RelayerEvent, Waiting } from "./types.ts";

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

/** Bits read per turn (64 words): a relayer that is new to a long outbox catches up over several turns. */
const SCAN_ENTRIES = 16_384n;
/** Everything delivered is looked at again this often: a reorg may have taken somebody else's delivery back. */
const RESCAN_MS = 10 * 60_000;
const RETRY_BASE_MS = 5_000;
const RETRY_MAX_MS = 60 * 60_000;

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
  #head: HubHead | undefined;
  #certified: bigint | undefined;
  #pending = 0;
  #lastProblem: Problem | undefined;
  #isBalanceLow = false;
  /** All entries below were delivered when last looked at. */
  #watermark = 0n;
  #scannedAtMs = 0;
  /** Head for which a newer certificate was first seen, and when. */
  #behind: { readonly sequence: bigint; readonly sinceMs: number } | undefined;
  /** When a pending entry was first seen. */
  readonly #seenAtMs = new Map<bigint, number>();
  /** Entries (by index) and `accept` whose simulation or transaction failed: not tried again before then. */
  readonly #blocked = new Map<bigint | "accept", { failures: number; untilMs: number }>();

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
      pendingEntries: this.#pending,
      inFlight: this.#manager.open(),
      isBalanceLow: this.#isBalanceLow,
      lastProblem: this.#lastProblem,
      endpoints: this.#options.pool.health(),
    };
  }

  /** Forgets why entries were put aside: they are tried again at once. */
  retry(): void {
    this.#blocked.clear();
    this.#watermark = 0n;
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
      this.#anchor ??= await this.#findAnchor(signal);
      const head = await this.#options.hub.getHead(signal);
      // A head that fell is a reorg: what it delivered may be gone with it.
      if (this.#head !== undefined && head.sequence < this.#head.sequence) this.#watermark = 0n;
      this.#head = head;
      const open = this.#manager.open().filter((record) => record.receipt?.succeeded !== false);
      // Deliveries do not wait for certificates and the other way round: each has its own way to fail.
      await this.#guard(turn, () => this.#accept(turn, head, open));
      await this.#guard(turn, () => this.#deliver(turn, head, open));
    } catch (error) {
      this.#note(turn, error);
    }
    this.#lastProblem = turn.problems.at(-1);
    return turn;
  }

  /** What happened to a transaction of ours. */
  #onTransaction(event: TransactionEvent): void {
    const { onEvent } = this.#options;
    const chainId = this.#chainId;
    if (event.kind === "balance") {
      this.#isBalanceLow = event.isLow;
      onEvent({ kind: "balance", chainId, balanceWei: event.balanceWei, isLow: event.isLow });
      return;
    }
    if (event.kind === "unmined") this.#watermark = 0n;
    const { receipt, purpose } = event.record;
    if (receipt === undefined || (event.kind !== "mined" && event.kind !== "final")) return;
    const { gasUsed, feeWei, hash: transaction } = receipt;
    const task = parsePurpose(purpose);
    if (event.kind === "final") {
      onEvent({ kind: "final", chainId, purpose, transaction });
    } else if (!receipt.succeeded) {
      for (const key of task.kind === "deliver" ? task.indices : (["accept"] as const)) this.#block(key);
      onEvent({ kind: "reverted", chainId, purpose, gasUsed, transaction });
    } else if (receipt.logCount === 0) {
      onEvent({ kind: "raceLost", chainId, gasUsed, transaction });
    } else if (task.kind === "deliver") {
      onEvent({ kind: "delivered", chainId, indices: task.indices, gasUsed, feeWei, transaction });
    } else {
      onEvent({ kind: "accepted", chainId, sequence: task.sequence, gasUsed, feeWei, transaction });
    }
  }

  async #findAnchor(signal: AbortSignal | undefined): Promise<Anchor> {
    const { config, hub, source } = this.#options;
    const identity = await hub.getIdentity(signal);
    if (identity.suite !== config.suite) {
      throw new RelayerError(
        "foreignHub",
        `the hub verifies ${identity.suite}, the configuration says ${config.suite}`,
      );
    }
    return source.getAnchor(identity, signal);
  }

  async #accept(turn: Turn, head: HubHead, open: readonly JournalRecord[]): Promise<void> {
    const anchor = this.#anchor;
    if (anchor === undefined) return;
    const certificate = await this.#options.source.getNewest(anchor, turn.signal);
    this.#certified = certificate?.header.sequence;
    if (certificate === undefined || certificate.header.sequence <= head.sequence) {
      this.#behind = undefined;
      return;
    }
    const wait = (reason: Waiting["reason"]) =>
      void turn.waiting.push({ chainId: this.#chainId, what: "accept", reason });
    if (open.some((record) => record.state !== "mined" && parsePurpose(record.purpose).kind === "accept")) {
      return wait("inFlight");
    }
    if (BigInt(Math.floor(this.#options.now() / 1000)) < head.pausedUntil) return wait("paused");
    if (this.#isBlocked("accept")) return wait("retry");
    if (!this.#isOurTurnToAccept(head)) return wait("backup");

    const { hub, source } = this.#options;
    const destination = await source.getDestination(certificate.header, this.#chainId, hub.hub, turn.signal);
    if (destination.destination.outboxSize === head.outboxSize && this.#isYoung(head)) return wait("idle");
    const call = hub.prepareAccept({
      header: certificate.header,
      destination,
      signature: this.#proof(certificate, anchor),
    });
    try {
      const status = await hub.simulateAccept(call, this.#manager.address, turn.signal);
      // Somebody was faster between our reading the head and now.
      if (status === "stale" || status === "repeated") return;
      const { cost, transaction } = await this.#send(turn, `accept:${certificate.header.sequence}`, call);
      this.#blocked.delete("accept");
      turn.actions.push({
        kind: "accept",
        chainId: this.#chainId,
        sequence: certificate.header.sequence,
        cost,
        transaction,
      });
    } catch (error) {
      if (isClocklessError(error, "callReverted")) this.#block("accept");
      throw error;
    }
  }

  async #deliver(turn: Turn, head: HubHead, open: readonly JournalRecord[]): Promise<void> {
    const { config, hub } = this.#options;
    const nowMs = this.#options.now();
    if (nowMs - this.#scannedAtMs > RESCAN_MS) {
      this.#watermark = 0n;
      this.#scannedAtMs = nowMs;
    }
    const scanEnd = minOf(head.outboxSize, this.#watermark + SCAN_ENTRIES);
    if (scanEnd <= this.#watermark) {
      this.#pending = 0;
      return;
    }
    const delivered = await hub.getDelivered(this.#watermark, scanEnd, turn.signal);
    const undelivered: bigint[] = [];
    for (let index = this.#watermark; index < scanEnd; index++) {
      if (!delivered.has(index)) undelivered.push(index);
      else {
        this.#seenAtMs.delete(index);
        this.#blocked.delete(index);
      }
    }
    this.#watermark = undelivered[0] ?? scanEnd;
    this.#pending = undelivered.length;

    const inFlight = new Set(open.flatMap((record) => deliveredBy(record)));
    const wait = (reason: Waiting["reason"]) =>
      void turn.waiting.push({ chainId: this.#chainId, what: "deliver", reason });
    const free = undelivered.filter((index) => !inFlight.has(index));
    if (free.length < undelivered.length) wait("inFlight");
    const tried = free.filter((index) => !this.#isBlocked(index));
    if (tried.length < free.length) wait("retry");
    const due = tried.filter((index) => this.#isOurTurnToDeliver(index, nowMs));
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
      const { cost, transaction } = await this.#send(turn, `deliver:${indices.join(",")}`, call);
      for (const index of indices) this.#blocked.delete(index);
      turn.actions.push({ kind: "deliver", chainId: this.#chainId, indices, cost, transaction });
    } catch (error) {
      if (!isClocklessError(error, "callReverted")) throw error;
      const middle = Math.ceil(indices.length / 2);
      if (indices.length === 1) {
        this.#block(indices[0]!);
        this.#note(turn, error, indices[0]);
        return;
      }
      await this.#deliverBatch(turn, indices.slice(0, middle), head);
      await this.#deliverBatch(turn, indices.slice(middle), head);
    }
  }

  async #send(turn: Turn, purpose: string, call: PreparedCall) {
    const request = { purpose, call, maxGas: this.#options.config.maxGas };
    try {
      const quote = await this.#manager.quote(request);
      const record = turn.dryRun ? undefined : await this.#manager.submit(request, quote);
      return { cost: costOf(quote), transaction: record?.attempts.at(-1)?.hash };
    } catch (error) {
      throw error instanceof ChainError ? nameRevert(error) : error;
    }
  }

  #proof(certificate: Certificate, anchor: Anchor) {
    const digest = hexToBytes(digestOf(certificate, anchor));
    return bytesToHex(encodeProof(certificate.suite, hexToBytes(certificate.signature), digest));
  }

  #isOurTurnToAccept(head: HubHead): boolean {
    const nowMs = this.#options.now();
    if (this.#behind?.sequence !== head.sequence) this.#behind = { sequence: head.sequence, sinceMs: nowMs };
    return nowMs - this.#behind.sinceMs >= this.#options.backupMs;
  }

  #isOurTurnToDeliver(index: bigint, nowMs: number): boolean {
    const seenAtMs = this.#seenAtMs.get(index) ?? nowMs;
    this.#seenAtMs.set(index, seenAtMs);
    return nowMs - seenAtMs >= this.#options.backupMs;
  }

  #isYoung(head: HubHead): boolean {
    return this.#options.now() - Number(head.acceptedAt) * 1000 < this.#options.config.idleAcceptIntervalMs;
  }

  #isBlocked(key: bigint | "accept"): boolean {
    return (this.#blocked.get(key)?.untilMs ?? 0) > this.#options.now();
  }

  #block(key: bigint | "accept"): void {
    const failures = (this.#blocked.get(key)?.failures ?? 0) + 1;
    const pauseMs = Math.min(RETRY_BASE_MS * 2 ** Math.min(failures - 1, 20), RETRY_MAX_MS);
    this.#blocked.set(key, { failures, untilMs: this.#options.now() + pauseMs });
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

type Task =
  | { readonly kind: "accept"; readonly sequence: BatchHeader["sequence"] }
  | { readonly kind: "deliver"; readonly indices: readonly bigint[] };

function parsePurpose(purpose: string): Task {
  const [kind, list = ""] = purpose.split(":");
  if (kind === "accept") return { kind, sequence: BigInt(list) };
  return { kind: "deliver", indices: list.split(",").map(BigInt).sort(compareBigint) };
}

function deliveredBy(record: JournalRecord): readonly bigint[] {
  const task = parsePurpose(record.purpose);
  return task.kind === "deliver" ? task.indices : [];
}

function costOf(quote: Quote): Cost {
  const { gasLimit, maxFeePerGasWei, expectedCostWei: expectedWei, maxCostWei: maxWei } = quote;
  return { gasLimit, maxFeePerGasWei, expectedWei, maxWei };
}

function minOf(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
