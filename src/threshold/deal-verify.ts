/** Is this deal what `deal.ts` promises? Anybody can tell, from public data alone; nobody has to answer. */
import { equalBytes } from "../lib/bytes.ts";
import { type DealInstance, isSound } from "./associated-data.ts";
import { type Deal, dealLength, decodeDeal } from "./deal-codec.ts";
import type { DealEngine, GroupElement } from "./deal-engine.ts";
import {
  type CommittedRound,
  challenge,
  commitmentAt,
  commitToResponse,
  comparisonPoint,
  expandRound,
  hashRounds,
  hashTranscript,
} from "./deal-transcript.ts";
import type { KeyAgreement } from "./key-agreement.ts";
import { evaluateAt, scalarsFromBytes } from "./scalar-bytes.ts";

export type DealFault =
  /** Not the length that the suite, t, n, N and M give. */
  | "wrongLength"
  /** C(N, M) < 2^128: nobody should have dealt with these parameters. */
  | "unsoundRounds"
  /** A scalar that is not below r: a second encoding of the same deal. */
  | "nonCanonicalScalar"
  /**
   * A commitment that is not the one encoding of a point of the subgroup, or is the identity: a secret of zero, or a
   * polynomial of lower degree, which fewer than t members could recover.
   */
  | "invalidCommitment"
  /** In a reshare, another secret than the dealer's share. */
  | "wrongSecret"
  /** Some round is not what was hashed: tampered with, made for something else, or dishonestly dealt. */
  | "wrongTranscript";

/** What the checks share; `elements` holds the decoded commitments, in order, when all of them decode. */
export interface DealUnderTest {
  readonly engine: DealEngine;
  readonly agreement: KeyAgreement;
  readonly instance: DealInstance;
  readonly bytes: Uint8Array;
  readonly deal: Deal;
  readonly elements: readonly GroupElement[] | undefined;
}

type Check = (deal: DealUnderTest) => boolean;

/** Each answers true when all is well. In order, cheapest first; the first that fails names the fault. */
export const DEAL_CHECKS: readonly (readonly [DealFault, Check])[] = [
  ["wrongLength", ({ instance, bytes }) => bytes.length === dealLength(instance)],
  ["unsoundRounds", ({ instance }) => isSound(instance.rounds)],
  [
    "wrongSecret",
    ({ instance: { expected }, deal }) => expected === undefined || equalBytes(deal.commitments[0]!, expected),
  ],
  [
    "nonCanonicalScalar",
    ({ engine, deal }) =>
      deal.chosen.every(({ response }) => scalarsFromBytes(response).every((scalar) => scalar < engine.order)),
  ],
  ["invalidCommitment", ({ elements }) => elements !== undefined],
  ["wrongTranscript", isTranscriptRight],
];

/**
 * Undefined when the deal is valid for the instance, otherwise what is wrong with it: always the dealer's doing, because
 * honest dealers sign what they deal. Never throws on foreign bytes. The same answer on every machine and engine.
 *
 * Takes a quarter of a second at (4, 3) and seconds at (100, 67). It needs nothing but its arguments, and instance and
 * bytes can be posted as they are: run it on a worker thread where blocking would hurt.
 */
export function faultOfDeal(
  engine: DealEngine,
  agreement: KeyAgreement,
  instance: DealInstance,
  bytes: Uint8Array,
  checks = DEAL_CHECKS,
): DealFault | undefined {
  const deal = decodeDeal(instance, bytes);
  let decoded: readonly GroupElement[] | undefined | "unread" = "unread";
  const state: DealUnderTest = {
    engine,
    agreement,
    instance,
    bytes,
    deal,
    // Half a millisecond each: not before the cheap checks have passed.
    get elements() {
      if (decoded === "unread") decoded = decodeCommitments(engine, deal.commitments);
      return decoded;
    },
  };
  return checks.find(([, isFine]) => !isFine(state))?.[0];
}

/** The commitments as group elements; undefined unless every one is valid. */
export function decodeCommitments(
  engine: DealEngine,
  commitments: readonly Uint8Array[],
): readonly GroupElement[] | undefined {
  const elements: GroupElement[] = [];
  for (const bytes of commitments) {
    const element = engine.decode(bytes);
    if (element === undefined) return undefined;
    elements.push(element);
  }
  return elements;
}

/** Recomputes h: revealed rounds from their seeds, chosen ones from their responses. */
function isTranscriptRight({ engine, agreement, instance, deal, elements }: DealUnderTest): boolean {
  if (elements === undefined) return false;
  const { associatedData } = instance;
  const { order } = engine;
  const chosen = deal.chosen.values();
  const revealed = deal.revealed.values();
  const committed: CommittedRound[] = [];
  /** By round: w″ of a chosen one, w′ of a revealed one. */
  const polynomials: (readonly bigint[])[] = [];
  const isChosen = challenge(instance, deal.transcript);

  for (let k = 0; k < isChosen.length; k++) {
    if (isChosen[k]) {
      const round = chosen.next().value!;
      committed.push({ ...round, responseCommitment: commitToResponse(associatedData, k, round.response) });
      polynomials.push(scalarsFromBytes(round.response));
    } else {
      const { seed, responseCommitment } = revealed.next().value!;
      const expanded = expandRound(agreement, instance, order, k, seed, true);
      committed.push({ ...expanded, responseCommitment });
      polynomials.push(expanded.polynomial);
    }
  }

  const roundsHash = hashRounds(associatedData, deal.commitments, committed);
  const point = comparisonPoint(associatedData, roundsHash, order);
  const secretAtPoint = commitmentAt(engine, elements, point);
  const values = polynomials.map((polynomial, k) => {
    const value = engine.commitPublic(evaluateAt(polynomial, point, order));
    return engine.encode(isChosen[k] ? engine.subtract(value, secretAtPoint) : value);
  });
  return equalBytes(hashTranscript(associatedData, roundsHash, values), deal.transcript);
}
