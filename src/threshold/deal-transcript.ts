/** The hashes of a deal, in one place for dealer, verifier and recipient. `deal.ts` says why they are what they are. */
import type { DealInstance } from "./associated-data.ts";
import type { ChosenRound } from "./deal-codec.ts";
import type { DealEngine, GroupElement } from "./deal-engine.ts";
import { type KeyAgreement, X25519_BYTES } from "./key-agreement.ts";
import { SCALAR_BYTES, WIDE_SCALAR_BYTES } from "./scalar.ts";
import { evaluateAtMember, powersOf, writeScalar } from "./scalar-bytes.ts";
import { counter, wideScalars, xof, xofScalars, xofSubset } from "./xof.ts";

export const SEED_BYTES = 32;
const HASH_BYTES = 32;

/** What follows from a seed. */
export interface ExpandedRound {
  /** w′, t scalars. */
  readonly polynomial: readonly bigint[];
  readonly ephemeral: Uint8Array;
  readonly pads: Uint8Array;
  readonly seedCommitment: Uint8Array;
}

/** What the first hash of the transcript binds of a round, however it came about. */
export interface CommittedRound extends Pick<ChosenRound, "ephemeral" | "pads" | "seedCommitment"> {
  readonly responseCommitment: Uint8Array;
}

/** (e, w′) = XOF("expand", k, seed, ad) and the encryption of w′(1) … w′(n) under e. `isPublic`: the seed is revealed. */
export function expandRound(
  agreement: KeyAgreement,
  instance: DealInstance,
  order: bigint,
  k: number,
  seed: Uint8Array,
  isPublic: boolean,
): ExpandedRound {
  const { threshold, encryptionKeys, associatedData } = instance;
  const expanded = xof("expand", X25519_BYTES + threshold * WIDE_SCALAR_BYTES, counter(k), seed, associatedData);
  const secret = expanded.subarray(0, X25519_BYTES);
  const polynomial = wideScalars(expanded.subarray(X25519_BYTES), order);
  const ephemeral = agreement.publicKey(secret);
  const context = padContext(associatedData, k, ephemeral);
  const pads = new Uint8Array(encryptionKeys.length * SCALAR_BYTES);
  agreement.shared(secret, encryptionKeys, isPublic).forEach((shared, i) => {
    writeScalar(pads, i * SCALAR_BYTES, evaluateAtMember(polynomial, i + 1, order));
    xorInto(pads, i * SCALAR_BYTES, pad(context, i, shared));
    shared.fill(0);
  });
  expanded.fill(0);
  return { polynomial, ephemeral, pads, seedCommitment: commitToSeed(associatedData, k, seed) };
}

/** XOF("pad context", k, E, ad): once per round, so that each pad takes one permutation. ad binds every (i, ek_i). */
export function padContext(associatedData: Uint8Array, k: number, ephemeral: Uint8Array): Uint8Array {
  return xof("pad context", HASH_BYTES, counter(k), ephemeral, associatedData);
}

export function pad(context: Uint8Array, recipient: number, shared: Uint8Array): Uint8Array {
  return xof("pad", SCALAR_BYTES, context, counter(recipient), shared);
}

export function xorInto(bytes: Uint8Array, offset: number, mask: Uint8Array): void {
  for (let j = 0; j < mask.length; j++) bytes[offset + j] = bytes[offset + j]! ^ mask[j]!;
}

/** a = XOF("seed commitment", k, seed, ad). */
export function commitToSeed(associatedData: Uint8Array, k: number, seed: Uint8Array): Uint8Array {
  return xof("seed commitment", HASH_BYTES, counter(k), seed, associatedData);
}

/** b = XOF("response commitment", k, w″, ad), over the scalars' bytes. */
export function commitToResponse(associatedData: Uint8Array, k: number, response: Uint8Array): Uint8Array {
  return xof("response commitment", HASH_BYTES, counter(k), response, associatedData);
}

/** h₁ = XOF("rounds", C, (a, b, E) of every round, ad). */
export function hashRounds(
  associatedData: Uint8Array,
  commitments: readonly Uint8Array[],
  rounds: readonly CommittedRound[],
): Uint8Array {
  const parts = rounds.flatMap((round) => [
    round.seedCommitment,
    round.responseCommitment,
    round.ephemeral,
    round.pads,
  ]);
  return xof("rounds", HASH_BYTES, ...commitments, ...parts, associatedData);
}

/** γ: where all polynomials of the deal are compared. */
export function comparisonPoint(associatedData: Uint8Array, roundsHash: Uint8Array, order: bigint): bigint {
  return xofScalars("point", 1, order, roundsHash, associatedData)[0]!;
}

/** C(γ) = g^{w(γ)} from the commitments. */
export function commitmentAt(engine: DealEngine, commitments: readonly GroupElement[], point: bigint): GroupElement {
  return engine.combine(commitments, powersOf(point, commitments.length, engine.order));
}

/** h = XOF("transcript", h₁, D₁ … D_N, ad). */
export function hashTranscript(
  associatedData: Uint8Array,
  roundsHash: Uint8Array,
  values: readonly Uint8Array[],
): Uint8Array {
  return xof("transcript", HASH_BYTES, roundsHash, ...values, associatedData);
}

/** S as flags by round. */
export function challenge({ rounds, associatedData }: DealInstance, transcript: Uint8Array): boolean[] {
  return xofSubset("challenge", rounds.total, rounds.chosen, transcript, associatedData);
}
