/** Committees, contexts and dealers, honest and not, for the tests of deals. */

import { equalBytes } from "../../src/lib/bytes.ts";
import { addressOf } from "../../src/lib/ecdsa.ts";
import { type Address, bytesToHex, type Hex } from "../../src/lib/hex.ts";
import { aggregateKey, openShare } from "../../src/threshold/aggregate.ts";
import {
  type DealContext,
  type DealInstance,
  type DealKind,
  dealInstance,
  type Recipient,
  type Rounds,
} from "../../src/threshold/associated-data.ts";
import { makeDeal } from "../../src/threshold/deal.ts";
import { encodeDeal } from "../../src/threshold/deal-codec.ts";
import type { DealEngine, GroupElement } from "../../src/threshold/deal-engine.ts";
import { createDealEngines } from "../../src/threshold/deal-engines.ts";
import {
  type AttemptContexts,
  type DealBundle,
  type DealSelection,
  selectDeals,
} from "../../src/threshold/deal-select.ts";
import {
  challenge,
  commitToResponse,
  comparisonPoint,
  type ExpandedRound,
  expandRound,
  hashRounds,
  hashTranscript,
} from "../../src/threshold/deal-transcript.ts";
import { DEAL_CHECKS, type DealFault, faultOfDeal } from "../../src/threshold/deal-verify.ts";
import { createKeyAgreement, type KeyAgreement } from "../../src/threshold/key-agreement.ts";
import { encodeScalar, ORDERS, reduceWide } from "../../src/threshold/scalar.ts";
import { evaluateAt, scalarsToBytes } from "../../src/threshold/scalar-bytes.ts";
import { SUITES, type Suite, type ThresholdKey } from "../../src/threshold/types.ts";
import { seeded } from "./support.ts";

export const agreement = createKeyAgreement();

export interface DealEnginePair {
  readonly noble: DealEngine;
  readonly mcl: DealEngine;
}

let started: Promise<Record<Suite, DealEnginePair>> | undefined;

export function dealEngines(): Promise<Record<Suite, DealEnginePair>> {
  started ??= (async () => {
    const [fast, reference] = await Promise.all([createDealEngines("fast"), createDealEngines("reference")]);
    const pair = (suite: Suite): DealEnginePair => ({ noble: reference[suite], mcl: fast[suite] });
    return { "bls12-381": pair("bls12-381"), bn254: pair("bn254") };
  })();
  return started;
}

/** Unsound on purpose: 20 subsets. Only for tests of what does not depend on luck, and with `RELAXED_CHECKS`. */
export const FEW_ROUNDS: Rounds = { total: 6, chosen: 3 };
export const RELAXED_CHECKS = without("unsoundRounds");

/** All checks but some. */
export function without(...names: readonly DealFault[]) {
  return DEAL_CHECKS.filter(([name]) => !names.includes(name));
}

export function secretOf(label: string, suite: Suite): Uint8Array {
  return encodeScalar(reduceWide(seeded(`secret ${label}`, 48), ORDERS[suite]), ORDERS[suite]);
}

export interface TestRecipients {
  readonly recipients: readonly Recipient[];
  /** X25519, by index. */
  readonly secrets: readonly Uint8Array[];
}

const knownAddresses = new Map<string, Address>();

export function addressFor(label: string): Address {
  const address = knownAddresses.get(label) ?? addressOf(seeded(`identity ${label}`));
  knownAddresses.set(label, address);
  return address;
}

export function makeRecipients(label: string, n: number): TestRecipients {
  const secrets = Array.from({ length: n }, (_, i) => seeded(`encryption ${label} ${i}`));
  const recipients = secrets.map((secret, i) => ({
    address: addressFor(`${label} ${i}`),
    encryptionKey: bytesToHex(agreement.publicKey(secret)),
  }));
  return { recipients, secrets };
}

export const domain: Hex = bytesToHex(seeded("committee id"));

/** A first key among n new members. */
export function ceremonyContext(suite: Suite, n: number, t: number, rounds: Rounds, label = "ceremony"): DealContext {
  const { recipients } = makeRecipients(label, n);
  const dealers = recipients.map((recipient) => recipient.address);
  return { suite, kind: "ceremony", domain, epoch: 0n, attempt: 1n, dealers, recipients, threshold: t, rounds };
}

/** A committee with everything that its members hold. */
export interface TestCommittee {
  readonly label: string;
  readonly epoch: bigint;
  readonly members: readonly Address[];
  readonly keys: Readonly<Record<Suite, ThresholdKey>>;
  readonly shares: Readonly<Record<Suite, readonly Uint8Array[]>>;
}

export function contextsFor(
  kind: DealKind,
  old: TestCommittee | undefined,
  to: TestRecipients,
  t: number,
  attempt = 1n,
): Record<Suite, DealContext> {
  const dealers = old?.members ?? to.recipients.map((recipient) => recipient.address);
  const make = (suite: Suite): DealContext => ({
    suite,
    kind,
    domain,
    epoch: old === undefined ? 0n : old.epoch + 1n,
    attempt,
    dealers,
    ...(old === undefined ? {} : { oldKey: old.keys[suite] }),
    recipients: to.recipients,
    threshold: t,
    rounds: FEW_ROUNDS,
  });
  return { "bls12-381": make("bls12-381"), bn254: make("bn254") };
}

/** Honest bundle of a dealer: its share in a reshare, a secret of its own otherwise. */
export function honestBundle(
  engines: Record<Suite, DealEnginePair>,
  contexts: Record<Suite, DealContext>,
  old: TestCommittee | undefined,
  dealer: number,
  seed = "honest",
): DealBundle & { deals: Record<Suite, Uint8Array> } {
  const deal = (suite: Suite): Uint8Array => {
    const context = contexts[suite];
    const secret =
      context.kind === "reshare" ? old!.shares[suite][dealer]! : secretOf(`${seed} ${context.epoch} ${dealer}`, suite);
    const randomness = seeded(`${seed} ${context.epoch} ${context.attempt} ${dealer}`);
    return makeDeal(engines[suite].mcl, agreement, dealInstance(context, dealer), secret, randomness);
  };
  return { dealer, deals: { "bls12-381": deal("bls12-381"), bn254: deal("bn254") } };
}

export function select(
  engines: Record<Suite, DealEnginePair>,
  contexts: AttemptContexts,
  bundles: readonly DealBundle[],
  wanted?: number,
): DealSelection {
  return selectDeals(
    contexts,
    bundles,
    (suite, dealer, bytes) =>
      faultOfDeal(engines[suite].mcl, agreement, dealInstance(contexts[suite]!, dealer), bytes, RELAXED_CHECKS),
    wanted,
  );
}

/** The committee that qualified deals make, with every member's opened share. */
export function activate(
  engines: Record<Suite, DealEnginePair>,
  contexts: Record<Suite, DealContext>,
  qualified: readonly DealBundle[],
  to: TestRecipients,
  label: string,
): TestCommittee {
  const made = SUITES.map((suite) => {
    const engine = engines[suite].mcl;
    const key = aggregateKey(engine, contexts[suite], qualified);
    const shares = to.secrets.map((secret, i) =>
      openShare(engine, agreement, contexts[suite], qualified, key, i, secret),
    );
    return { key, shares };
  });
  return {
    label,
    epoch: contexts.bn254.epoch,
    members: to.recipients.map((recipient) => recipient.address),
    keys: { "bls12-381": made[0]!.key, bn254: made[1]!.key },
    shares: { "bls12-381": made[0]!.shares, bn254: made[1]!.shares },
  };
}

/** Where a dishonest dealer may deviate; everything else is as `makeDeal` does it. */
export interface Deviation {
  /** Coefficients, secret first. */
  readonly polynomial: readonly bigint[];
  /** Replaces a commitment. */
  commitment?(j: number, engine: DealEngine): GroupElement | undefined;
  /** Changes what round k encrypts or claims, after it was expanded honestly. */
  round?(k: number, round: ExpandedRound): ExpandedRound;
  /** Changes the response's bytes before they are committed to. */
  response?(k: number, bytes: Uint8Array): Uint8Array;
}

export interface DishonestDeal {
  readonly bytes: Uint8Array;
  readonly isChosen: readonly boolean[];
  /** γ. */
  readonly point: bigint;
}

export function dishonestDeal(
  engine: DealEngine,
  instance: DealInstance,
  deviation: Deviation,
  label: string,
  using: KeyAgreement = agreement,
): DishonestDeal {
  const { associatedData, rounds } = instance;
  const { order } = engine;
  const commitments = deviation.polynomial.map((w, j) =>
    engine.encode(deviation.commitment?.(j, engine) ?? engine.commit(w)),
  );
  const made = Array.from({ length: rounds.total }, (_, k) => {
    const seed = seeded(`${label} ${k}`);
    const honest = expandRound(using, instance, order, k, seed, false);
    const round = deviation.round?.(k, honest) ?? honest;
    const bytes = scalarsToBytes(deviation.polynomial.map((w, j) => (w + round.polynomial[j]!) % order));
    const response = deviation.response?.(k, bytes) ?? bytes;
    return { ...round, seed, response, responseCommitment: commitToResponse(associatedData, k, response) };
  });
  const roundsHash = hashRounds(associatedData, commitments, made);
  const point = comparisonPoint(associatedData, roundsHash, order);
  const values = made.map((round) => engine.encode(engine.commit(evaluateAt(round.polynomial, point, order))));
  const transcript = hashTranscript(associatedData, roundsHash, values);
  const isChosen = challenge(instance, transcript);
  const bytes = encodeDeal({
    commitments,
    transcript,
    chosen: made.filter((_, k) => isChosen[k]),
    revealed: made.filter((_, k) => !isChosen[k]),
  });
  return { bytes, isChosen, point };
}

/** The engine of somebody who forgot to refuse certain encodings. */
export function lenient(
  engine: DealEngine,
  accepted: readonly { bytes: Uint8Array; element: GroupElement }[],
): DealEngine {
  return {
    ...engine,
    decode: (bytes) => accepted.find((entry) => equalBytes(entry.bytes, bytes))?.element ?? engine.decode(bytes),
  };
}
