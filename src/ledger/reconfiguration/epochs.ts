/**
 * The state machine of changing committees: folds ordered transactions, and turns the page when an epoch ends. Deterministic; whatever
 * strangers or members send ends in a step, or in nothing at all.
 */
import { assert } from "../../lib/assert.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";
import type { Committee } from "../../threshold/committee.ts";
import { MAX_EXAMINED_PER_EPOCH, MAX_EXAMINED_PER_ROUND, MAX_FAILED_CHECKS } from "../limits.ts";
import type { BatchItem, ReconfigurationEvent } from "../types.ts";
import { Approvals } from "./approvals.ts";
import { Attempt, type KeptDeal, type Outcome } from "./attempt.ts";
import { tryDecodeTransaction } from "./codec.ts";
import { approvalDigest, proposalDigest } from "./digests.ts";
import { contextsOf, faultOfProposal, type Holders, holdersOf, kindOf, remember } from "./proposal.ts";
import type {
  AttemptKind,
  EpochsView,
  EpochTransaction,
  OpenProposal,
  Proposal,
  ProposedMember,
  ReshareScheme,
  SignedHandover,
} from "./types.ts";

type Emit = (event: ReconfigurationEvent) => void;

/** How the current committee's shares were dealt, and all that the contexts of its deals follow from. */
export interface Dealt {
  readonly kind: AttemptKind;
  readonly attempt: bigint;
  readonly dealers: readonly Address[];
  readonly oldKeys: Committee["keys"];
  readonly qualified: readonly KeptDeal[];
}

/** What is counted within one round and then forgotten. */
interface Round {
  /** By carrier: checks that failed. Beyond a few its other transactions are left to honest carriers. */
  readonly failures: Map<number, number>;
  /** By member: proposals that were examined. */
  readonly examined: Map<Address, number>;
}

export class Epochs {
  readonly scheme: ReshareScheme;
  committee: Committee;
  peers: readonly ProposedMember[] = [];
  /** Of the current group key, before the current committee. */
  past: readonly Holders[] = [];
  /** Newest attempt that took effect in this epoch; 0 before the first. */
  lastAttempt = 0n;
  approvals = new Approvals();
  attempt: Attempt | undefined;
  handovers: readonly SignedHandover[] = [];
  dealt: Dealt | undefined;
  dirty = true;
  /** Transactions that changed nothing, since start; not part of the state. */
  dropped = 0;
  #view: EpochsView | undefined;

  constructor(committee: Committee, scheme: ReshareScheme) {
    this.committee = committee;
    this.scheme = scheme;
  }

  get nextEpoch(): bigint {
    return this.committee.epoch + 1n;
  }

  /** Call once per output round, before its transactions: true when this round ends the epoch. Then nothing is folded any more. */
  tick(): boolean {
    const { attempt } = this;
    if (attempt?.closesIn === undefined) return false;
    attempt.closesIn -= 1;
    this.touch();
    return attempt.closesIn === 0;
  }

  fold(items: readonly BatchItem[], emit: Emit): void {
    const round: Round = { failures: new Map(), examined: new Map() };
    for (const { author, transactions } of items) {
      for (const bytes of transactions) {
        if ((round.failures.get(author) ?? 0) >= MAX_FAILED_CHECKS) break;
        const transaction = tryDecodeTransaction(bytes);
        const outcome = transaction === undefined ? "unsigned" : this.take(transaction, round, emit);
        if (outcome === "unsigned") round.failures.set(author, (round.failures.get(author) ?? 0) + 1);
        if (outcome === "unsigned" || outcome === "ignored") this.dropped += 1;
      }
    }
  }

  private take(transaction: EpochTransaction, round: Round, emit: Emit): Outcome {
    if (transaction.kind === "approve") return this.takeApproval(transaction, round, emit);
    const { attempt } = this;
    if (attempt === undefined || !attempt.isScopeOf(transaction)) return "ignored";
    this.touch();
    switch (transaction.kind) {
      case "deal": {
        const outcome = attempt.takeDeal(transaction);
        this.report(emit, attempt, outcome, "dealt", transaction.dealer);
        if (outcome === "counted" && attempt.phase === "opening") this.step(emit, attempt, "keysMade");
        return outcome;
      }
      case "ready": {
        const outcome = attempt.takeReady(transaction);
        this.report(emit, attempt, outcome, "ready", transaction.member);
        if (attempt.isReadyQuorum) this.activate(attempt, emit);
        return outcome;
      }
      case "handover": {
        const outcome = attempt.takeHandover(transaction);
        this.report(emit, attempt, outcome, "handoverSigned", transaction.member);
        const signed = attempt.signHandover();
        if (signed !== undefined) {
          this.handovers = [...this.handovers, signed];
          this.step(emit, attempt, "handedOver");
          this.step(emit, attempt, "closing");
        }
        return outcome;
      }
    }
  }

  private takeApproval(
    { proposal, member, signature }: Extract<EpochTransaction, { kind: "approve" }>,
    round: Round,
    emit: Emit,
  ): Outcome {
    const { committee, approvals, scheme } = this;
    const isSettled = this.attempt?.phase === "handover" || this.attempt?.phase === "closing";
    if (isSettled || proposal.epoch !== this.nextEpoch || proposal.attempt <= this.lastAttempt) return "ignored";
    if (!committee.members.some(({ address }) => address === member)) return "ignored";
    const digest = proposalDigest(committee.id, proposal);
    const standing = approvals.standing(member, proposal.attempt, digest);
    if (standing === "stale" || standing === "repeated") return "ignored";
    const isKnown = approvals.proposals.has(digest);
    if (standing === "new" && !isKnown && !this.mayPropose(member, round)) return "ignored";
    if (!scheme.isSignedBy(member, approvalDigest(committee.id, digest, member), signature)) return "unsigned";
    this.touch();
    const about = {
      kind: "reconfiguration",
      epoch: proposal.epoch,
      attempt: proposal.attempt,
      proposal: digest,
    } as const;
    if (standing === "twice") {
      approvals.blame(member);
      const fault = { member, code: "approvedTwice" } as const;
      emit({ ...about, step: "blamed", member, fault });
      return { fault };
    }
    if (!isKnown) {
      round.examined.set(member, (round.examined.get(member) ?? 0) + 1);
      approvals.examined.set(member, (approvals.examined.get(member) ?? 0) + 1);
      const code = faultOfProposal(scheme, committee, proposal);
      if (code !== undefined) {
        approvals.refuse(member, digest, proposal.attempt);
        emit({ ...about, step: "refused", member, code });
        return "counted";
      }
    }
    approvals.count(member, digest, proposal);
    emit({ ...about, step: isKnown ? "approved" : "proposed", member });
    if (approvals.of(digest).length >= quorumOf(committee.members.length)) this.start(proposal, digest, emit);
    return "counted";
  }

  private mayPropose(member: Address, round: Round): boolean {
    const inEpoch = this.approvals.examined.get(member) ?? 0;
    return inEpoch < MAX_EXAMINED_PER_EPOCH && (round.examined.get(member) ?? 0) < MAX_EXAMINED_PER_ROUND;
  }

  /** A proposal takes effect; an earlier attempt is over with everything it had. */
  private start(proposal: Proposal, digest: Hex, emit: Emit): void {
    const { committee, attempt: previous } = this;
    if (previous !== undefined) this.step(emit, previous, "superseded");
    const kind = kindOf(proposal, [...this.past, holdersOf(committee)]);
    const attempt = new Attempt(committee, this.scheme, proposal, digest, kind);
    for (const member of this.approvals.settle(proposal.attempt))
      attempt.faults.push({ member, code: "approvedTwice" });
    this.lastAttempt = proposal.attempt;
    this.attempt = attempt;
    this.step(emit, attempt, "tookEffect");
  }

  private activate(attempt: Attempt, emit: Emit): void {
    const outcome = attempt.activate(BigInt(this.handovers.length) + 1n);
    if (outcome === "counted") this.step(emit, attempt, attempt.phase === "closing" ? "closing" : "handover");
    else this.report(emit, attempt, outcome, "failed");
  }

  /** The page is turned: the proposed members are the committee, and nothing of the change is left but how to open its shares. */
  advance(emit: Emit): void {
    const { committee, attempt } = this;
    assert(attempt?.closesIn === 0 && attempt.keys !== undefined, "an epoch ends when its change is complete");
    const { proposal, kind, keys, contexts } = attempt;
    const { dealers } = contexts["bls12-381"];
    this.step(emit, attempt, "closed");
    this.past = kind === "generation" ? [] : remember(this.past, holdersOf(committee));
    this.dealt = {
      kind,
      attempt: proposal.attempt,
      dealers,
      oldKeys: committee.keys,
      qualified: [...attempt.qualified],
    };
    this.peers = proposal.members;
    this.committee = {
      id: committee.id,
      epoch: proposal.epoch,
      members: proposal.members.map(({ address }) => ({ address })),
      keys,
      requiredSuites: committee.requiredSuites,
    };
    this.approvals = new Approvals();
    this.lastAttempt = 0n;
    this.attempt = undefined;
    this.touch();
  }

  get view(): EpochsView {
    this.#view ??= {
      committee: this.committee,
      peers: this.peers,
      open: this.openProposals(),
      attempt: this.attempt?.view(),
      handovers: this.handovers,
      dealt: this.dealtView(),
    };
    return this.#view;
  }

  private openProposals(): OpenProposal[] {
    const approvalsNeeded = quorumOf(this.committee.members.length);
    return [...this.approvals.proposals].map(([digest, proposal]) => {
      return { proposal, digest, approvals: this.approvals.of(digest), approvalsNeeded };
    });
  }

  private dealtView(): EpochsView["dealt"] {
    const { committee, dealt, peers } = this;
    if (dealt === undefined) return undefined;
    const { dealers, oldKeys, kind, attempt, qualified } = dealt;
    const proposal = { epoch: committee.epoch, attempt, members: peers };
    return { contexts: contextsOf(committee.id, dealers, oldKeys, proposal, kind), qualified };
  }

  private report(
    emit: Emit,
    attempt: Attempt,
    outcome: Outcome,
    counted: ReconfigurationEvent["step"],
    member?: Address,
  ): void {
    if (outcome === "counted") this.step(emit, attempt, counted, member);
    if (typeof outcome === "string") return;
    if ("fault" in outcome) {
      const { fault } = outcome;
      emit({ ...scopeOf(attempt), step: "blamed", member: fault.member, fault });
      return;
    }
    emit({ ...scopeOf(attempt), step: "failed", code: outcome.failed });
    this.attempt = undefined;
  }

  private step(emit: Emit, attempt: Attempt, step: ReconfigurationEvent["step"], member?: Address): void {
    emit({ ...scopeOf(attempt), step, ...(member === undefined ? {} : { member }) });
  }

  private touch(): void {
    this.dirty = true;
    this.#view = undefined;
  }
}

function scopeOf({ proposal, digest }: Attempt) {
  const { epoch, attempt } = proposal;
  return { kind: "reconfiguration", epoch, attempt, proposal: digest } as const;
}
