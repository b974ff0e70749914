/**
 * Operators of a run in which the committee changes: they propose what is planned, sign it, hand it in until it takes effect, and go on
 * to the next. They know who is to cheat or to sleep through which attempt.
 */
import { encodeTransaction } from "../../ledger/reconfiguration/codec.ts";
import { proposalDigest } from "../../ledger/reconfiguration/digests.ts";
import { makeApproval } from "../../ledger/reconfiguration/make.ts";
import type { Proposal } from "../../ledger/reconfiguration/types.ts";
import type { Hex } from "../../lib/hex.ts";
import type { Random } from "../random.ts";
import { makeStandInMember } from "../stand-in-reshare.ts";
import { UNIT_MS } from "./network.ts";
import type { ReshareConfig } from "./reshare.ts";
import type { Epochs } from "./reshare-epochs.ts";
import type { Surroundings } from "./reshare-node.ts";
import { CHANGE_KINDS, type ChangeKind, type DealerFault, type PlannedChange, planChange } from "./reshare-plan.ts";
import type { Workload } from "./workload.ts";

/** The largest committee there will be, unless the first one is larger. */
export const LARGEST = 7;
/** An attempt that has not completed this long after it took effect, and was to get stuck, is superseded. */
const STUCK_UNITS = 60;

interface Change {
  readonly plan: PlannedChange;
  readonly proposal: Proposal;
  readonly digest: Hex;
  readonly approvals: readonly Uint8Array[];
  readonly startedMs: number;
  /** Batches when it began: a stuck attempt must not stop them. */
  readonly applied: number;
}

type World = Pick<Surroundings, "cluster" | "test" | "random" | "config" | "identities" | "addresses" | "mix">;

export class Operators {
  readonly #world: World;
  readonly #epochs: Epochs;
  readonly #workload: Workload;
  readonly #plans: Random;
  readonly #largest: number;
  /** By `${epoch}/${attempt}/${person}`. */
  readonly #encryptionSecrets = new Map<string, Uint8Array>();
  /** By `${epoch}/${attempt}`: who sleeps through it. */
  readonly #sleepers = new Map<string, ReadonlySet<number>>();
  /** Still to be tried. */
  readonly #kinds: ChangeKind[] = [];
  #change: Change | undefined;
  /** Members of the newest committee that sleep: they count among its faulty. */
  #asleep = 0;

  constructor(
    world: World,
    epochs: Epochs,
    workload: Workload,
    plans: Random,
    options: Pick<ReshareConfig, "members" | "changes">,
  ) {
    this.#world = world;
    this.#epochs = epochs;
    this.#workload = workload;
    this.#plans = plans;
    this.#largest = Math.max(LARGEST, options.members);
    const changes = options.changes ?? defaultChanges(options.members);
    for (let i = 0; i < changes; i++) {
      if (this.#plans.chance(200)) this.#kinds.push("stuck");
      this.#kinds.push(this.#plans.pick(CHANGE_KINDS.filter((kind) => kind !== "stuck")));
    }
  }

  /** Everything that was planned was tried, and completed unless it was to get stuck. */
  get isDone(): boolean {
    return this.#kinds.length === 0 && this.#change === undefined;
  }

  /** That somebody may be in, or about to enter: what an operator who lost a disk finds out from the others. */
  get lastPossibleEpoch(): bigint {
    return this.#change === undefined ? this.#epochs.newest : this.#change.proposal.epoch;
  }

  /** The secret that a person announced the key of, for an attempt. */
  encryptionSecret(person: number, epoch: bigint, attempt: bigint): Uint8Array | undefined {
    return this.#encryptionSecrets.get(`${epoch}/${attempt}/${person}`);
  }

  dealerFault(person: number): DealerFault | undefined {
    return this.#change?.plan.badDealers.get(person);
  }

  sleeps(person: number, epoch: bigint, attempt: bigint): boolean {
    return this.#sleepers.get(`${epoch}/${attempt}`)?.has(person) ?? false;
  }

  /** From now on nobody sleeps. */
  wakeAll(): void {
    this.#sleepers.clear();
  }

  /** Now and from time to time from now on. */
  operate(): void {
    const { cluster } = this.#world;
    cluster.after((4 + this.#plans.below(4)) * UNIT_MS, () => this.operate());
    const actives = this.#actives();
    if (actives.length === 0) return;
    const change = this.#change;
    if (change === undefined) {
      const kind = this.#kinds[0];
      if (kind === undefined) return;
      this.#kinds.shift();
      this.#change = this.#propose(kind, actives);
      return;
    }
    if (this.#epochs.newest >= change.proposal.epoch) {
      this.#asleep = change.plan.sleepers.size;
      this.#change = undefined;
      return;
    }
    const view = this.#newestView(actives);
    const isCurrent = view?.attempt?.digest === change.digest;
    if (!isCurrent) {
      for (const bytes of change.approvals)
        cluster.push(this.#plans.pick(actives), this.#plans.below(UNIT_MS), {
          kind: "transactions",
          transactions: [bytes],
        });
    }
    const isOver = change.plan.kind === "stuck" && cluster.nowMs > change.startedMs + STUCK_UNITS * UNIT_MS;
    if (!isOver || !isCurrent) return;
    // L3: while nobody opened, the old committee worked on. (A partition of the network may stop everything for a while.)
    if (this.#workload.applied === change.applied) return;
    this.#change = undefined;
  }

  #propose(kind: ChangeKind, actives: readonly number[]): Change {
    const { cluster, test, config, identities, addresses, mix } = this.#world;
    const committee = this.#epochs.committee;
    const outsiders = [...addresses.keys()].filter((person) => !committee.includes(person) && !mix.twins.has(person));
    const plan = planChange(kind, committee, outsiders, this.#asleep, mix.bad, this.#largest, this.#plans);
    const view = this.#newestView(actives);
    const attempts = [
      view?.attempt?.proposal.attempt ?? 0n,
      ...(view?.open ?? []).map((open) => open.proposal.attempt),
    ];
    const attempt = attempts.reduce((a, b) => (a > b ? a : b)) + 1n;
    const proposal = this.#proposal(plan.members, attempt);
    if (plan.sleepers.size > 0 && !cluster.isHealed) this.#sleepers.set(`${proposal.epoch}/${attempt}`, plan.sleepers);
    const { committeeId } = config.genesis;
    const junk = this.#proposal(outsiders.slice(0, 4), attempt);
    const approvals = committee.map((person) => {
      const sign = (digest: Hex): Hex => test.identities.sign(identities[person]!, digest);
      const wanted = plan.traitors.has(person) ? junk : proposal;
      return encodeTransaction(makeApproval(committeeId, wanted, addresses[person]!, sign));
    });
    cluster.trace.add(`${cluster.nowMs} ${kind} ${plan.members}`);
    return {
      plan,
      proposal,
      digest: proposalDigest(committeeId, proposal),
      approvals,
      startedMs: cluster.nowMs,
      applied: this.#workload.applied,
    };
  }

  #proposal(persons: readonly number[], attempt: bigint): Proposal {
    const { test, random, config, identities, addresses } = this.#world;
    const epoch = this.#epochs.newest + 1n;
    const scope = { domain: config.genesis.committeeId, epoch, attempt };
    const members = persons.map((person) => {
      const key = `${epoch}/${attempt}/${person}`;
      const secret = this.#encryptionSecrets.get(key) ?? random.bytes(32);
      this.#encryptionSecrets.set(key, secret);
      return makeStandInMember(scope, addresses[person]!, identities[person]!, secret, test.identities);
    });
    return { epoch, attempt, members };
  }

  #newestView(actives: readonly number[]) {
    const newest = actives
      .map((person) => this.#world.cluster.processes[person]!.member!)
      .reduce((a, b) => (b.ledger.sequence > a.ledger.sequence ? b : a));
    return newest.ledger.epochs;
  }

  /** Members of the newest committee that are there, and up to date. */
  #actives(): number[] {
    return this.#epochs.committee.filter((person) => {
      const { member, driver } = this.#world.cluster.processes[person]!;
      if (member === undefined || driver !== undefined) return false;
      return !member.isRetired && member.committee.epoch === this.#epochs.newest;
    });
  }

  /** For whoever has to find out why a run did not end. */
  whatIsMissing(): string {
    const change = this.#change;
    if (change === undefined) return `${this.#kinds.length} changes were not begun`;
    const where = this.#epochs.committee.map((person) => {
      const { member } = this.#world.cluster.processes[person]!;
      const attempt = member?.ledger.epochs?.attempt;
      const now = `${attempt?.proposal.attempt}:${attempt?.phase} dealt ${attempt?.dealt.length} ready ${attempt?.ready.length}`;
      return `${person} ${member?.isSigner === true ? "signs" : "follows"} in ${member?.committee.epoch} round ${member?.consensus.highestRound}, ${now}`;
    });
    const { kind, badDealers, sleepers } = change.plan;
    const who = `bad dealers ${[...badDealers].join(" ")}; asleep ${[...sleepers]}`;
    return `${kind} to epoch ${change.proposal.epoch} in attempt ${change.proposal.attempt} is not done; ${who}; ${where.join("; ")}`;
  }
}

function defaultChanges(members: number): number {
  if (members > 10) return 1;
  return members > LARGEST ? 2 : 4;
}
