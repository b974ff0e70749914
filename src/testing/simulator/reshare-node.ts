/**
 * What a node does around its member when committees change, without threads, sockets and files: it deals and opens, keeps what must
 * not be lost, makes a new transport, catches up from what its peers publish, and joins when somebody proposes it. Nothing it gets from
 * others is believed: certificates are verified with group keys that follow from the first one's by signed handovers.
 */

import { verifyCertificate } from "../../batch/certificate.ts";
import { handoverDigest } from "../../batch/handover.ts";
import { encodeTransaction } from "../../ledger/reconfiguration/codec.ts";
import { makeDealTransaction, makeReady } from "../../ledger/reconfiguration/make.ts";
import type { AttemptView, EpochsView } from "../../ledger/reconfiguration/types.ts";
import type { SignedInstruction } from "../../ledger/types.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import type { MemberConfig, MemberEffect, ReshareTask, Shares } from "../../member/types.ts";
import type { Committee } from "../../threshold/committee.ts";
import { SUITES } from "../../threshold/types.ts";
import type { TestCommittee } from "../committee.ts";
import type { Random } from "../random.ts";
import { makeStandInDeals, openStandInShare } from "../stand-in-reshare.ts";
import type { Cluster } from "./cluster.ts";
import type { StoredEpoch } from "./disk.ts";
import { UNIT_MS } from "./network.ts";
import { SIMULATED_MEMBER } from "./process.ts";
import type { ReshareMix } from "./reshare-mix.ts";
import type { DealerFault } from "./reshare-plan.ts";

/** What a node knows of the world outside: other nodes' APIs, its own keys, and how it is to misbehave. */
export interface Surroundings {
  readonly cluster: Cluster;
  readonly test: TestCommittee;
  readonly random: Random;
  readonly config: Pick<MemberConfig, "genesis" | "reshare" | "createCodec">;
  readonly identities: readonly Uint8Array[];
  readonly addresses: readonly Address[];
  /** The secret that a person announced the key of, for an attempt. */
  encryptionSecret(person: number, epoch: bigint, attempt: bigint): Uint8Array | undefined;
  dealerFault(person: number): DealerFault | undefined;
  /** It opens nothing yet. */
  sleeps(person: number, epoch: bigint, attempt: bigint): boolean;
  /** What a node's users handed in and nobody decided goes to a member of the new committee. */
  forward(instructions: readonly SignedInstruction[]): void;
  /** A person's watchers report what they have seen. */
  observe(person: number): void;
  /** A node says that its committee changed, or that it starts in a changed one. */
  entered(person: number, epoch: StoredEpoch): void;
  /** What else is wrong, and with whom. */
  readonly mix: ReshareMix;
  /** False where the operator says that the person lost what it signed in that epoch. */
  signsIn(person: number, epoch: bigint): boolean;
  /** A running process's committee changed. */
  turned(person: number): void;
}

const IDLE_UNITS = 6;

export const RESHARE_MEMBER = {
  ...SIMULATED_MEMBER,
  // As in production: whoever comes later than this into an epoch finds its first blocks nowhere.
  retainedRounds: 512,
  // Idle committees must change as well: whatever waits for rounds has to say so.
  pacing: { ...SIMULATED_MEMBER.pacing, idleIntervalMs: IDLE_UNITS * UNIT_MS },
};

/** How often a node that takes no part looks at what others publish. */
const POLL_UNITS = 8;
/** So many times in the same round, and a node that takes part looks as well (node/supervisor.ts: after a while without a new round). */
const STILL_POLLS = 6;

export class SimulatedNode {
  readonly #person: number;
  readonly #world: Surroundings;
  /** Sleeping, with what is to be opened then. */
  readonly #unopened: Extract<ReshareTask, { kind: "open" }>[] = [];
  /** It stopped because the committee went on without it, and is not only down. */
  #isOut = false;
  /** The newest round when it last looked around, and how often it has been that one. */
  #seen = { round: 0, times: 0 };

  constructor(person: number, world: Surroundings) {
    this.#person = person;
    this.#world = world;
  }

  get #process() {
    return this.#world.cluster.processes[this.#person]!;
  }

  get #address(): Address {
    return this.#world.addresses[this.#person]!;
  }

  boot(): { readonly config: MemberConfig; readonly peers: readonly number[] } | undefined {
    const stored = this.#process.disk.epoch;
    if (stored === undefined) return undefined;
    const { test, identities, config, mix } = this.#world;
    const { committee, start } = stored;
    const found = committee.members.findIndex(({ address }) => address === this.#address);
    const shares = this.sharesIn(committee);
    const isFollower = mix.isFollower(this.#person);
    return {
      config: {
        committee,
        start,
        self: isFollower ? undefined : found,
        secrets: isFollower ? undefined : { identity: identities[this.#person]!, shares },
        signsIn: (epoch) => this.#world.signsIn(this.#person, epoch),
        engines: test.engines,
        createCoin: test.createCoin,
        identities: test.identities,
        blockSigner: test.identities,
        ...config,
        ...RESHARE_MEMBER,
      },
      peers: this.#personsOf(committee),
    };
  }

  booted(): void {
    this.#isOut = false;
    const { cluster } = this.#world;
    this.#world.observe(this.#person);
    // What was opened for an attempt that is not over yet.
    const next = (this.#process.member?.committee.epoch ?? 0n) + 1n;
    for (const { attempt, shares } of this.#process.disk.sharesFor(next))
      cluster.push(this.#person, 0, { kind: "shares", epoch: next, attempt, shares });
  }

  shown(effect: Exclude<MemberEffect, { kind: "persist" | "send" }>): void {
    switch (effect.kind) {
      case "task":
        this.#take(effect.task);
        break;
      case "epoch":
        this.#turn(effect);
        break;
      case "behind":
        if (effect.epoch > this.#process.member!.committee.epoch)
          this.#world.cluster.after(this.#delay(5), () => this.#catchUp());
        break;
    }
  }

  /** Starts looking around. */
  watch(): void {
    this.#world.cluster.after(POLL_UNITS * UNIT_MS + this.#delay(POLL_UNITS), () => {
      this.#poll();
      this.watch();
    });
  }

  /** Opens what it slept through. */
  wake(): void {
    for (const task of this.#unopened.splice(0)) this.#open(task);
  }

  /** The newest epoch that anybody who is up publishes, if everything about it verifies. */
  newestPublished(): StoredEpoch | undefined {
    let newest: StoredEpoch | undefined;
    for (const { member, disk } of this.#world.cluster.processes) {
      const last = member === undefined ? undefined : disk.epochs.at(-1);
      if (last !== undefined && last.committee.epoch > (newest?.committee.epoch ?? -1n)) newest = last;
    }
    return newest;
  }

  #turn({ change, header, certificates, self, undecided }: Extract<MemberEffect, { kind: "epoch" }>): void {
    const { cluster } = this.#world;
    const { disk } = this.#process;
    const stored: StoredEpoch = {
      committee: change.committee,
      start: { header, certificates, snapshot: change.snapshot },
    };
    this.#world.entered(this.#person, stored);
    // A member that only follows is nobody to itself.
    const isFollower = this.#world.mix.isFollower(this.#person);
    const isIn = isFollower
      ? change.committee.members.some(({ address }) => address === this.#address)
      : self !== undefined;
    if (!isIn) {
      disk.publish(stored);
      this.#world.forward(undecided);
      if (!isFollower) return;
      // It would follow, too; as everybody else it looks whether it is in again.
      cluster.stop(this.#person);
      this.#isOut = true;
      return;
    }
    disk.begin(stored);
    this.#process.peers = this.#personsOf(change.committee);
    this.#world.turned(this.#person);
    cluster.links.connect(this.#person, true);
    this.#world.observe(this.#person);
  }

  /** Whoever takes no part looks whether it should. */
  #poll(): void {
    const { member } = this.#process;
    const newest = this.newestPublished();
    const isOut = newest?.committee.members.every(({ address }) => address !== this.#address) === true;
    const isActive = member !== undefined && !member.isRetired && !isOut;
    const round = member?.consensus.highestRound ?? 0;
    this.#seen = { round, times: round === this.#seen.round ? this.#seen.times + 1 : 0 };
    // Whoever its peers were may be in no committee any more, and whoever is does not know it: then nobody tells it.
    const isAlone = this.#seen.times > 0 && this.#seen.times % STILL_POLLS === 0;
    if ((!isActive || isAlone) && newest !== undefined) this.#catchUp();
    if (!isActive) this.#join();
  }

  /** From the newest published epoch: into it when it is ours, otherwise out of service. */
  #catchUp(): void {
    const { cluster } = this.#world;
    const { disk, member } = this.#process;
    const newest = this.newestPublished();
    if (newest?.start === undefined) return;
    const own = disk.epoch?.committee.epoch ?? -1n;
    if (newest.committee.epoch <= own || !this.#isVerified(newest)) return;
    // A process that is down wakes up in the old epoch and finds out.
    if (disk.epoch !== undefined && member === undefined && !this.#isOut) return;
    const isIn = newest.committee.members.some(({ address }) => address === this.#address);
    if (!isIn) {
      if (member === undefined || member.isRetired) return;
      disk.publish(newest);
      this.#world.forward(member.undecided());
      cluster.stop(this.#person);
      this.#isOut = true;
      return;
    }
    const undecided = member?.undecided() ?? [];
    disk.begin(newest);
    cluster.stop(this.#person);
    cluster.boot(this.#person);
    this.#world.entered(this.#person, newest);
    cluster.push(this.#person, 0, { kind: "submit", instructions: undecided });
  }

  /** Not a member yet: opens what is dealt to it and hands its READY to members. */
  #join(): void {
    const { cluster, test, identities, config } = this.#world;
    const host = this.#someHost();
    if (host === undefined) return;
    const attempt = this.epochsOf(host)?.attempt;
    const index = attempt?.proposal.members.findIndex(({ address }) => address === this.#address) ?? -1;
    if (attempt?.keys === undefined || attempt.readyDigest === undefined || index < 0) return;
    if (attempt.phase !== "opening" || attempt.ready.includes(this.#address)) return;
    const { epoch, attempt: number } = attempt.proposal;
    const shares = this.#process.disk.shares(epoch, number);
    if (shares === undefined) {
      const { contexts, qualified, keys } = attempt;
      this.#open({ kind: "open", epoch, attempt: number, contexts, qualified, index, keys });
      return;
    }
    const identity = identities[this.#person]!;
    const { committeeId } = config.genesis;
    const sign = (digest: Hex): Hex => test.identities.sign(identity, digest);
    const { engines } = test;
    const ready = makeReady(committeeId, engines, attempt.proposal, attempt.readyDigest, this.#address, shares, sign);
    cluster.push(host, this.#delay(2), { kind: "transactions", transactions: [encodeTransaction(ready)] });
  }

  /** What a node's API says about changes. */
  epochsOf(person: number): EpochsView | undefined {
    return this.#world.cluster.processes[person]!.member?.ledger.epochs;
  }

  #someHost(): number | undefined {
    const hosts = this.#world.cluster.processes.flatMap(({ member }, person) =>
      member !== undefined && !member.isRetired && person !== this.#person ? [person] : [],
    );
    return hosts.length === 0 ? undefined : this.#world.random.pick(hosts);
  }

  #take(task: ReshareTask): void {
    const { cluster } = this.#world;
    if (task.kind === "deal") cluster.after(this.#delay(20), () => this.#deal(task.attempt, task.dealer));
    if (task.kind === "open") cluster.after(this.#delay(20), () => this.#open(task));
  }

  #deal(attempt: AttemptView, dealer: number): void {
    const { cluster, random } = this.#world;
    const { disk, member } = this.#process;
    const fault = this.#world.dealerFault(this.#person);
    if (member === undefined || fault === "silent") return;
    const known = disk.deal(attempt.digest);
    const bytes = known ?? this.#makeDeal(attempt, dealer, fault);
    if (bytes === undefined) return;
    disk.keepDeal(attempt.digest, bytes);
    cluster.step(this.#person, { kind: "transactions", transactions: [bytes] });
    if (fault !== "twice" || known !== undefined) return;
    const other = this.#makeDeal(attempt, dealer, undefined);
    if (other !== undefined)
      cluster.push(random.pick(this.#process.peers), 0, { kind: "transactions", transactions: [other] });
  }

  #makeDeal(attempt: AttemptView, dealer: number, fault: DealerFault | undefined): Uint8Array | undefined {
    const { identities, test, random } = this.#world;
    const { disk, member } = this.#process;
    const identity = identities[this.#person]!;
    if (fault === "stale") return disk.oldestDeal();
    const own = member === undefined ? undefined : this.sharesIn(member.committee);
    const fresh = (): Uint8Array => Uint8Array.from([0, ...random.bytes(31)]);
    if (own === undefined) return undefined;
    const secrets =
      attempt.kind === "reshare" && fault !== "wrongSecret" ? own : { "bls12-381": fresh(), bn254: fresh() };
    const deals = makeStandInDeals(attempt.contexts, dealer, secrets, (length) => random.bytes(length));
    const sent = fault === "garbage" ? { ...deals, bn254: random.bytes(deals.bn254.length) } : deals;
    const sign = (digest: Hex): Hex => test.identities.sign(identity, digest);
    return encodeTransaction(makeDealTransaction(attempt.contexts["bls12-381"], this.#address, sent, sign));
  }

  #open(task: Extract<ReshareTask, { kind: "open" }>): void {
    const { cluster } = this.#world;
    const { epoch, attempt, contexts, qualified, index } = task;
    if (this.#world.sleeps(this.#person, epoch, attempt)) {
      this.#unopened.push(task);
      return;
    }
    const secret = this.#world.encryptionSecret(this.#person, epoch, attempt);
    if (secret === undefined) return;
    const open = (suite: (typeof SUITES)[number]): Uint8Array =>
      openStandInShare(contexts[suite], qualified, index, secret);
    const shares: Shares = { "bls12-381": open("bls12-381"), bn254: open("bn254") };
    this.#process.disk.keepShares(epoch, attempt, shares);
    cluster.step(this.#person, { kind: "shares", epoch, attempt, shares });
  }

  /** Those of our stored shares that belong to our place in a committee. */
  sharesIn({ epoch, keys, members }: Committee): Shares | undefined {
    const index = members.findIndex(({ address }) => address === this.#address);
    const { engines } = this.#world.test;
    const fits = (shares: Shares): boolean =>
      SUITES.every((suite) => bytesToHex(engines[suite].publicKey(shares[suite])) === keys[suite].publicShares[index]);
    return this.#process.disk.sharesFor(epoch).find(({ shares }) => fits(shares))?.shares;
  }

  #personsOf({ members }: Committee): number[] {
    return members.map(({ address }) => this.#world.addresses.indexOf(address));
  }

  /** By the group key of the epoch before, which follows from the first committee's by the handovers that its snapshot holds. */
  #isVerified({ start }: StoredEpoch): boolean {
    if (start === undefined) return false;
    const { test, config } = this.#world;
    const { committeeId } = config.genesis;
    // Every epoch's committee is published by whoever was in it; each hop is signed by the key before.
    const keys = new Map(SUITES.map((suite) => [suite, test.committee.keys[suite].groupKey]));
    for (const { statement, signatures, epoch, groupKeys } of this.#handovers()) {
      if (epoch > start.header.epoch) break;
      const digest = hexToBytes(handoverDigest(statement, committeeId));
      for (const suite of SUITES) {
        const engine = test.engines[suite];
        if (!engine.verify(hexToBytes(keys.get(suite)!), digest, hexToBytes(signatures[suite]))) return false;
        keys.set(suite, groupKeys[suite]);
      }
    }
    return SUITES.every((suite) => {
      const certificate = start.certificates.find((candidate) => candidate.suite === suite);
      if (certificate === undefined) return false;
      return verifyCertificate(test.engines[suite], keys.get(suite)!, committeeId, certificate);
    });
  }

  #handovers() {
    let longest: EpochsView["handovers"] = [];
    for (const { member } of this.#world.cluster.processes) {
      const known = member?.ledger.epochs?.handovers ?? [];
      if (known.length > longest.length) longest = known;
    }
    return longest;
  }

  #delay(units: number): number {
    return 1 + this.#world.random.below(units * UNIT_MS);
  }
}
