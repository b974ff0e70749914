/** A committee with stand-in cryptography that changes: everybody's keys in one place, and a ledger that folds what they send. */
import type { Handover } from "../../../src/batch/handover.ts";
import { Ledger, type LedgerOptions } from "../../../src/ledger/ledger.ts";
import { encodeTransaction } from "../../../src/ledger/reconfiguration/codec.ts";
import {
  makeApproval,
  makeDealTransaction,
  makeHandoverPartial,
  makeReady,
} from "../../../src/ledger/reconfiguration/make.ts";
import type {
  AttemptView,
  EpochsView,
  EpochTransaction,
  Proposal,
  ProposedMember,
  ReshareScheme,
} from "../../../src/ledger/reconfiguration/types.ts";
import type { BatchItem, LedgerGenesis, ReconfigurationEvent, SettledBatch } from "../../../src/ledger/types.ts";
import { concatBytes, utf8ToBytes } from "../../../src/lib/bytes.ts";
import { keccak256, keccak256Hex } from "../../../src/lib/hash.ts";
import type { Address, Hex } from "../../../src/lib/hex.ts";
import { quorumOf } from "../../../src/lib/math.ts";
import { createRandom, type Random } from "../../../src/testing/random.ts";
import { createStandInEngine, dealStandIn, standInAddress, standInIdentities } from "../../../src/testing/stand-in.ts";
import {
  createStandInReshare,
  makeStandInDeals,
  makeStandInMember,
  openStandInShare,
} from "../../../src/testing/stand-in-reshare.ts";
import type { Committee } from "../../../src/threshold/committee.ts";
import { SUITES, type Suite } from "../../../src/threshold/types.ts";
import { genesis as plain } from "../fixtures.ts";

export const ENGINES = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };

export type Shares = Readonly<Record<Suite, Uint8Array>>;

/** Somebody, by name: the same identity in every world. */
export interface Person {
  readonly name: string;
  readonly secret: Uint8Array;
  readonly address: Address;
}

export function person(name: string): Person {
  const secret = keccak256(utf8ToBytes(`member ${name}`));
  return { name, secret, address: standInAddress(secret) };
}

export function people(names: string): Person[] {
  return [...names].map(person);
}

const perSuite = <T>(of: (suite: Suite) => T): Record<Suite, T> => ({
  "bls12-381": of("bls12-381"),
  bn254: of("bn254"),
});

export class World {
  readonly genesis: LedgerGenesis;
  readonly first: Committee;
  readonly scheme: ReshareScheme;
  readonly random: Random;
  ledger: Ledger;
  /** Of the current committee, by address; `next`: of the attempt's. */
  shares: Map<Address, Shares>;
  /** Every input that was applied, for those who repeat it. */
  readonly inputs: { commit: Hex; items: BatchItem[] }[] = [];
  readonly batches: SettledBatch[] = [];

  constructor(members: readonly Person[], options: { scheme?: ReshareScheme; ledger?: LedgerOptions } = {}) {
    this.random = createRandom(1, "reconfiguration");
    this.scheme = options.scheme ?? createStandInReshare();
    const n = members.length;
    const dealt = perSuite((suite) => dealStandIn(suite, n, quorumOf(n), (length) => this.random.bytes(length)));
    this.genesis = { ...plain, epoch: 0n, members: n };
    this.first = {
      id: this.genesis.committeeId,
      epoch: 0n,
      members: members.map(({ address }) => ({ address })),
      keys: perSuite((suite) => {
        const { groupKey, publicShares } = dealt[suite];
        return { suite, threshold: quorumOf(n), groupKey, publicShares };
      }),
      requiredSuites: SUITES,
    };
    this.shares = new Map(members.map(({ address }, i) => [address, perSuite((suite) => dealt[suite].shares[i]!)]));
    this.ledger = new Ledger(this.genesis, {
      verify: () => true,
      ...options.ledger,
      committee: this.first,
      reshare: this.scheme,
    });
  }

  get epochs(): EpochsView {
    return this.ledger.epochs!;
  }

  get attempt(): AttemptView {
    const { attempt } = this.epochs;
    if (attempt === undefined) throw new Error("no attempt is under way");
    return attempt;
  }

  apply(items: readonly BatchItem[]): SettledBatch | undefined {
    const input = { commit: keccak256Hex(utf8ToBytes(`commit ${this.inputs.length}`)), items: [...items] };
    this.inputs.push(input);
    const batch = this.ledger.apply(input);
    if (batch !== undefined) this.batches.push(batch);
    return batch;
  }

  /** One round in which member `author` carries these. */
  carry(author: number, ...transactions: readonly (EpochTransaction | Uint8Array)[]): ReconfigurationEvent[] {
    const bytes = transactions.map((each) => (each instanceof Uint8Array ? each : encodeTransaction(each)));
    const batch = this.apply([{ author, instructions: [], observations: [], transactions: bytes }]);
    return (batch?.events ?? []).filter((event) => event.kind === "reconfiguration");
  }

  send(...transactions: readonly (EpochTransaction | Uint8Array)[]): ReconfigurationEvent[] {
    return this.carry(0, ...transactions);
  }

  idle(rounds = 1): SettledBatch | undefined {
    let batch: SettledBatch | undefined;
    for (let i = 0; i < rounds; i++) batch = this.apply([]);
    return batch;
  }

  scope(attempt: bigint) {
    return { domain: this.genesis.committeeId, epoch: this.ledger.epoch + 1n, attempt };
  }

  encryptionSecret(who: Person, attempt: bigint): Uint8Array {
    return keccak256(concatBytes(who.secret, utf8ToBytes(`${this.ledger.epoch} ${attempt}`)));
  }

  member(who: Person, attempt: bigint): ProposedMember {
    return makeStandInMember(this.scope(attempt), who.address, who.secret, this.encryptionSecret(who, attempt));
  }

  proposal(members: readonly Person[], attempt = 1n): Proposal {
    const { epoch } = this.scope(attempt);
    return { epoch, attempt, members: members.map((who) => this.member(who, attempt)) };
  }

  approve(proposal: Proposal, who: Person) {
    return makeApproval(this.genesis.committeeId, proposal, who.address, signer(who));
  }

  /** n − f approvals: the proposal takes effect. */
  agree(proposal: Proposal, by: readonly Person[]): ReconfigurationEvent[] {
    const { length } = this.epochs.committee.members;
    return this.send(...by.slice(0, quorumOf(length)).map((who) => this.approve(proposal, who)));
  }

  /** An honest dealer's transaction in the current attempt; `salt` for another deal of the same. */
  deal(who: Person, salt = "") {
    const { contexts, kind } = this.attempt;
    const dealer = contexts["bls12-381"].dealers.indexOf(who.address);
    const random = createRandom(2, `${who.name} ${this.attempt.proposal.attempt} ${salt}`);
    const own = kind === "reshare" ? this.shares.get(who.address)! : perSuite(() => random.bytes(31));
    const secrets = perSuite((suite) => concatBytes(new Uint8Array(32 - own[suite].length), own[suite]));
    const deals = makeStandInDeals(contexts, dealer, secrets, (length) => random.bytes(length));
    return makeDealTransaction(contexts["bls12-381"], who.address, deals, signer(who));
  }

  /** A new member's shares of the attempt's keys. */
  open(who: Person): Shares {
    const { contexts, qualified, proposal } = this.attempt;
    const index = proposal.members.findIndex(({ address }) => address === who.address);
    const secret = this.encryptionSecret(who, proposal.attempt);
    return perSuite((suite) => openStandInShare(contexts[suite], qualified, index, secret));
  }

  ready(who: Person, shares: Shares = this.open(who)) {
    const { proposal, readyDigest } = this.attempt;
    return makeReady(this.genesis.committeeId, ENGINES, proposal, readyDigest!, who.address, shares, signer(who));
  }

  handover(who: Person, shares: Shares = this.shares.get(who.address)!) {
    const { proposal, handover } = this.attempt;
    return makeHandoverPartial(ENGINES, proposal, handover!.digest, who.address, shares);
  }

  get statement(): Handover {
    return this.attempt.handover!.statement;
  }

  /** From an agreed proposal to READYs of all. `by`: who deals. */
  prepare(to: readonly Person[], by: readonly Person[], attempt = 1n): ReconfigurationEvent[] {
    const events = this.agree(this.proposal(to, attempt), by);
    events.push(...this.send(...by.map((who) => this.deal(who))));
    events.push(...this.send(...to.map((who) => this.ready(who))));
    return events;
  }

  /** A whole change; returns the closing batch. */
  change(from: readonly Person[], to: readonly Person[], attempt = 1n): SettledBatch {
    this.prepare(to, from, attempt);
    const next = new Map(to.map((who) => [who.address, this.open(who)]));
    if (this.attempt.phase === "handover") this.send(...from.map((who) => this.handover(who)));
    for (;;) {
      const batch = this.idle();
      if (batch?.closes === undefined) continue;
      this.shares = next;
      return batch;
    }
  }
}

export function signer(who: Person): (digest: Hex) => Hex {
  return (digest) => standInIdentities.sign(who.secret, digest);
}

export function steps(events: readonly ReconfigurationEvent[]): string[] {
  return events.map(({ step }) => step);
}
