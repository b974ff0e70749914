/** Members whose messages all take one round, and none is lost. For claims about single steps. */

import { encodeTransaction } from "../../src/ledger/reconfiguration/codec.ts";
import { makeApproval, makeDealTransaction, makeReady } from "../../src/ledger/reconfiguration/make.ts";
import type { Proposal } from "../../src/ledger/reconfiguration/types.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { Member } from "../../src/member/member.ts";
import type { MemberConfig, MemberEffect, MemberInput, ReshareTask, Shares } from "../../src/member/types.ts";
import { createTestCommitteeWith, createTestGenesis } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { SIMULATED_MEMBER } from "../../src/testing/simulator/process.ts";
import { createStandInEngine, standInAddress } from "../../src/testing/stand-in.ts";
import {
  createStandInReshare,
  makeStandInDeals,
  makeStandInMember,
  openStandInShare,
} from "../../src/testing/stand-in-reshare.ts";

const PEOPLE = 12;

export type Logged = { readonly person: number; readonly effects: readonly MemberEffect[] };

export function createWorld(n = 4) {
  const random = createRandom(9n);
  const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
  const test = createTestCommitteeWith(n, random.stream("keys"), "stand-in", engines);
  const genesis = createTestGenesis(test.committee);
  const identities = Array.from({ length: PEOPLE }, (_, i) => test.secrets[i]?.identity ?? random.bytes(32));
  const addresses = identities.map(standInAddress);
  const configOf = (person: number): MemberConfig => ({
    committee: test.committee,
    genesis,
    self: person,
    secrets: test.secrets[person]!,
    engines,
    createCoin: test.createCoin,
    identities: test.identities,
    blockSigner: test.identities,
    reshare: createStandInReshare(test.identities),
    ...SIMULATED_MEMBER,
  });
  const members = new Map<number, Member>();
  const shares = new Map<number, Shares>(test.secrets.map((secret, person) => [person, secret.shares]));
  const log: Logged[] = [];
  const queue: { readonly from: number; readonly to: number; readonly bytes: Uint8Array }[] = [];
  let nowMs = 0;
  /** Who deals and opens on demand; the others' tasks stay undone. */
  const diligent = new Set(Array.from({ length: PEOPLE }, (_, person) => person));
  /** Nobody hears these. */
  const cut = new Set<number>();
  /** Nobody hears these, but they hear everybody. */
  const muted = new Set<number>();

  const step = (person: number, input: MemberInput): readonly MemberEffect[] => {
    const member = members.get(person)!;
    const peers = member.committee.members.map(({ address }) => addresses.indexOf(address));
    const effects = member.step(input, nowMs);
    log.push({ person, effects });
    for (const effect of effects) {
      if (effect.kind === "send") {
        for (const to of effect.to === "all" ? peers : [peers[effect.to]!])
          if (to !== person && !muted.has(person) && !cut.has(person) && !cut.has(to))
            queue.push({ from: person, to, bytes: effect.bytes });
      }
      if (effect.kind === "task" && diligent.has(person)) work(person, effect.task);
    }
    return effects;
  };
  const work = (person: number, task: ReshareTask): void => {
    const secrets = shares.get(person);
    if (task.kind === "deal") {
      const { contexts } = task.attempt;
      const fresh = { "bls12-381": random.bytes(31), bn254: random.bytes(31) };
      const padded = (bytes: Uint8Array): Uint8Array => Uint8Array.from([0, ...bytes]);
      const dealt =
        task.attempt.kind === "reshare"
          ? secrets!
          : { "bls12-381": padded(fresh["bls12-381"]), bn254: padded(fresh.bn254) };
      const deals = makeStandInDeals(contexts, task.dealer, dealt, (length) => random.bytes(length));
      const sign = (digest: Hex): Hex => test.identities.sign(identities[person]!, digest);
      const transaction = makeDealTransaction(contexts["bls12-381"], addresses[person]!, deals, sign);
      step(person, { kind: "transactions", transactions: [encodeTransaction(transaction)] });
    }
    if (task.kind === "open") {
      const open = (suite: "bls12-381" | "bn254"): Uint8Array =>
        openStandInShare(task.contexts[suite], task.qualified, task.index, encryptionSecret(person));
      const opened = { "bls12-381": open("bls12-381"), bn254: open("bn254") };
      shares.set(person, opened);
      step(person, { kind: "shares", epoch: task.epoch, attempt: task.attempt, shares: opened });
    }
  };
  const deliver = (): void => {
    for (const next of queue.splice(0)) {
      const member = members.get(next.to);
      if (member === undefined) continue;
      const from = member.committee.members.findIndex(({ address }) => address === addresses[next.from]);
      if (from >= 0) step(next.to, { kind: "message", epoch: member.committee.epoch, from, bytes: next.bytes });
    }
  };
  const encryptionSecret = (person: number): Uint8Array => new Uint8Array(32).fill(person + 1);

  for (let person = 0; person < n; person++) members.set(person, new Member(configOf(person)));
  return {
    test,
    addresses,
    identities,
    members,
    log,
    diligent,
    cut,
    muted,
    configOf,
    step,
    /** Deals or opens, as a diligent person would have. */
    work,
    /** Runs until something is the case, a round at a time. */
    run(isDone: () => boolean, most = 400): void {
      for (let i = 0; !isDone(); i++) {
        if (i === most) throw new Error(`not the case after ${most} rounds`);
        nowMs += 100;
        for (const person of members.keys()) step(person, { kind: "tick" });
        deliver();
      }
    },
    wait(ms: number): void {
      nowMs += ms;
    },
    propose(persons: readonly number[], attempt = 1n, epoch = 1n): Proposal {
      const scope = { domain: test.committee.id, epoch, attempt };
      const proposed = persons.map((person) =>
        makeStandInMember(scope, addresses[person]!, identities[person]!, encryptionSecret(person), test.identities),
      );
      return { epoch, attempt, members: proposed };
    },
    approvals(proposal: Proposal, persons: readonly number[]): Uint8Array[] {
      return persons.map((person) => {
        const sign = (digest: Hex): Hex => test.identities.sign(identities[person]!, digest);
        return encodeTransaction(makeApproval(test.committee.id, proposal, addresses[person]!, sign));
      });
    },
    /** Somebody who has no member yet opens what is dealt to it, and hands its READY to one. */
    ready(person: number, host: number): readonly MemberEffect[] {
      const attempt = members.get(host)!.ledger.epochs!.attempt!;
      const { proposal, contexts, qualified, readyDigest } = attempt;
      const index = proposal.members.findIndex(({ address }) => address === addresses[person]);
      const open = (suite: "bls12-381" | "bn254"): Uint8Array =>
        openStandInShare(contexts[suite], qualified, index, encryptionSecret(person));
      const opened = { "bls12-381": open("bls12-381"), bn254: open("bn254") };
      const sign = (digest: Hex): Hex => test.identities.sign(identities[person]!, digest);
      const { id } = test.committee;
      const ready = makeReady(id, engines, proposal, readyDigest!, addresses[person]!, opened, sign);
      return step(host, { kind: "transactions", transactions: [encodeTransaction(ready)] });
    },
    /** All effects of one kind of a person, in order. */
    effectsOf<Kind extends MemberEffect["kind"]>(person: number, kind: Kind): Extract<MemberEffect, { kind: Kind }>[] {
      // CAST: filtered by kind
      return log
        .filter((entry) => entry.person === person)
        .flatMap(({ effects }) => effects.filter((effect) => effect.kind === kind)) as Extract<
        MemberEffect,
        { kind: Kind }
      >[];
    },
  };
}
