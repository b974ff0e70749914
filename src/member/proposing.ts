/** When to propose and what: as often as consensus allows and pacing wants, at once while anything waits to be ordered. */
import type { ProposalContent } from "../consensus/types.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Epoch } from "./epoch.ts";
import type { Mempool } from "./mempool.ts";
import type { Reconfigurer } from "./reconfigurer.ts";
import type { MemberConfig } from "./types.ts";

/** A transaction's deals fill a block: some room is left for what else waits. */
const PAYLOAD_RESERVE_BYTES = 64 * 1024;

export type NextProposal =
  | { readonly kind: "ready"; readonly content: ProposalContent }
  | { readonly kind: "wait"; readonly untilMs: number };

export class Proposing {
  readonly #config: MemberConfig;
  readonly #ledger: Ledger;
  readonly #mempool: Mempool;
  readonly #reconfigurer: Reconfigurer | undefined;
  #lastProposalMs = Number.NEGATIVE_INFINITY;

  constructor(config: MemberConfig, ledger: Ledger, mempool: Mempool, reconfigurer: Reconfigurer | undefined) {
    this.#config = config;
    this.#ledger = ledger;
    this.#mempool = mempool;
    this.#reconfigurer = reconfigurer;
  }

  /** A new epoch began: its first block comes at once. */
  renew(): void {
    this.#lastProposalMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * The next block's content, taken from what waits: it is proposed now. Undefined while consensus cannot have one. `isClosing`: the
   * epoch is over, and its rounds only make the closing batch final.
   */
  next(epoch: Epoch, isClosing: boolean, nowMs: number): NextProposal | undefined {
    const { pacing } = this.#config;
    const proposal = epoch.consensus.proposal(nowMs);
    if (proposal === undefined || proposal.kind === "wait") return proposal;
    const isBusy = isClosing || this.#isBusy(epoch, proposal.round);
    const dueMs = this.#lastProposalMs + (isBusy ? pacing.busyIntervalMs : pacing.idleIntervalMs);
    if (nowMs < dueMs) return { kind: "wait", untilMs: dueMs };
    this.#lastProposalMs = nowMs;
    const payload = isClosing ? new Uint8Array(0) : this.#payload(epoch, proposal.round);
    return { kind: "ready", content: epoch.content(payload) };
  }

  /** Something waits for rounds to go on. */
  #isBusy(epoch: Epoch, round: number): boolean {
    if (epoch.hasUnsettled) return true;
    if (this.#reconfigurer?.isClosing === true || this.#reconfigurer?.hasDue(round) === true) return true;
    return this.#config.opaque?.hasWork(round) ?? this.#mempool.hasWork(round);
  }

  /** Nothing while ordering lags too far behind. */
  #payload(epoch: Epoch, round: number): Uint8Array {
    if (!epoch.consensus.acceptsPayload || this.#isFarFromFinal(epoch)) return new Uint8Array(0);
    const { maxPayloadBytes } = this.#config.consensusLimits;
    const { opaque } = this.#config;
    if (opaque !== undefined) return opaque.take(round, maxPayloadBytes);
    const transactions = this.#reconfigurer?.due(round, maxPayloadBytes - PAYLOAD_RESERVE_BYTES) ?? [];
    return this.#mempool.take(round, maxPayloadBytes, transactions);
  }

  /** So long without a certificate that what waits for one must not grow by more than references (`Epoch.keepServable`). */
  #isFarFromFinal({ checkpoints, certifier, consensus }: Epoch): boolean {
    const floor = checkpoints.servedFloor;
    const { retainedRounds, consensusLimits } = this.#config;
    if (floor === undefined || certifier.certifiedSequence() >= this.#ledger.sequence) return false;
    return consensus.highestRound - floor > 2 * retainedRounds + consensusLimits.maxUncommittedRounds;
  }
}
