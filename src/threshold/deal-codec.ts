/**
 * Canonical bytes of a deal: the SSZ container
 *
 *   { commitments: Vector[Bytes96 or Bytes128, t]      C_j, encoded points of G2
 *     transcript:  Bytes32                             h
 *     chosen:      Vector[{ response: Vector[Bytes32, t], ephemeral: Bytes32, pads: Vector[Bytes32, n], seedCommitment: Bytes32 }, M]
 *     revealed:    Vector[{ seed: Bytes32, responseCommitment: Bytes32 }, N − M] }
 *
 * Everything has a fixed size, so SSZ is plain concatenation without offsets, the length follows from (suite, t, n, N, M),
 * and any other length is refused before anything is read. Rounds appear in ascending order of k; which k are chosen
 * follows from h.
 */
import { concatBytes } from "../lib/bytes.ts";
import type { DealInstance } from "./associated-data.ts";
import { BLS12381_PUBLIC_KEY_LENGTH } from "./bls12381-points.ts";
import { BN254_PUBLIC_KEY_LENGTH } from "./bn254-points.ts";
import type { Suite } from "./types.ts";

const WORD = 32;

const POINT_LENGTHS: Readonly<Record<Suite, number>> = {
  "bls12-381": BLS12381_PUBLIC_KEY_LENGTH,
  bn254: BN254_PUBLIC_KEY_LENGTH,
};

/** A round whose response the recipients open. */
export interface ChosenRound {
  /** w″ = w + w′: t scalars of 32 bytes, big-endian. */
  readonly response: Uint8Array;
  /** E: X25519 public key of the round. */
  readonly ephemeral: Uint8Array;
  /** w′(i) ⊕ pad, 32 bytes for each recipient. */
  readonly pads: Uint8Array;
  readonly seedCommitment: Uint8Array;
}

/** A round that everybody recomputes. */
export interface RevealedRound {
  readonly seed: Uint8Array;
  readonly responseCommitment: Uint8Array;
}

export interface Deal {
  readonly commitments: readonly Uint8Array[];
  readonly transcript: Uint8Array;
  readonly chosen: readonly ChosenRound[];
  readonly revealed: readonly RevealedRound[];
}

type Shape = Pick<DealInstance, "suite" | "threshold" | "rounds"> & {
  readonly encryptionKeys: { readonly length: number };
};

/** Exact length of every deal of this shape, in bytes. */
export function dealLength({ suite, threshold, rounds, encryptionKeys }: Shape): number {
  const chosen = WORD * (threshold + encryptionKeys.length + 2);
  const revealed = 2 * WORD;
  return threshold * POINT_LENGTHS[suite] + WORD + rounds.chosen * chosen + (rounds.total - rounds.chosen) * revealed;
}

export function encodeDeal(deal: Deal): Uint8Array {
  return concatBytes(
    ...deal.commitments,
    deal.transcript,
    ...deal.chosen.flatMap((round) => [round.response, round.ephemeral, round.pads, round.seedCommitment]),
    ...deal.revealed.flatMap((round) => [round.seed, round.responseCommitment]),
  );
}

/** Views into `bytes`, which must have `dealLength(shape)` bytes: check first. */
export function decodeDeal(shape: Shape, bytes: Uint8Array): Deal {
  const { suite, threshold, rounds, encryptionKeys } = shape;
  let offset = 0;
  const take = (length: number): Uint8Array => {
    offset += length;
    return bytes.subarray(offset - length, offset);
  };
  const times = <T>(count: number, read: () => T): T[] => Array.from({ length: count }, read);
  return {
    commitments: times(threshold, () => take(POINT_LENGTHS[suite])),
    transcript: take(WORD),
    chosen: times(rounds.chosen, () => ({
      response: take(WORD * threshold),
      ephemeral: take(WORD),
      pads: take(WORD * encryptionKeys.length),
      seedCommitment: take(WORD),
    })),
    revealed: times(rounds.total - rounds.chosen, () => ({ seed: take(WORD), responseCommitment: take(WORD) })),
  };
}
