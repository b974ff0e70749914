/**
 * Deals: an encrypted Shamir sharing that anybody can verify, for key generation and for resharing.
 *
 * ## Construction
 *
 * Cut and choose over N rounds (verifiable encryption of a whole sharing; the construction of Chainlink's smdkg,
 * https://github.com/smartcontractkit/smdkg, internal/crypto/vess, in the line of Camenisch and Damgård, "Verifiable
 * encryption, group encryption, and their applications", ASIACRYPT 2000, eprint 1999/008). g generates G2, r its order,
 * H are calls of one XOF under different labels, each bound to ad (see `xof.ts`, `associated-data.ts`).
 *
 *   w(X) of degree t − 1, w(0) = the secret; C_j = g^{w_j}
 *   for k in 1 … N:  seed_k; (e_k, w′_k) = H("expand", k, seed_k);  E_k = (E^{e_k}, for each i: w′_k(i) ⊕ pad_{k,i})
 *                    w″_k = w + w′_k;  a_k = H("seed commitment", k, seed_k);  b_k = H("response commitment", k, w″_k)
 *   h₁ = H("rounds", C, all (a_k, b_k, E_k));   γ = H("point", h₁) in the field
 *   D_k = g^{w′_k(γ)};   h = H("transcript", h₁, all D_k);   S = H("challenge", h), M of N rounds
 *   deal = C, h, for k in S: (w″_k, E_k, a_k); for other k: (seed_k, b_k)
 *
 * The verifier recomputes, for k in S, b_k from w″_k and D_k = g^{w″_k(γ)} / C(γ); for other k everything from seed_k; and
 * compares h. The design page has t commitments per round, C′_k = g^{w′_k}, in h. Here hashes commit to both halves of a
 * round first, and one group element per round, at a point γ that nobody knew before, shows that they fit (a random
 * linear combination of the t checks). That is N·t group operations less N, at 32 bytes per round: at (31, 21) 141 instead
 * of 2961 exponentiations, 94 KB instead of 90 KB. What remains is X25519, (N − M)·n of them, which no batching removes:
 * shared secrets enter hashes, so that each is needed exactly (see `key-agreement.ts`).
 *
 * ## Assumed
 *
 * SHAKE256 behaves as a random oracle; X25519 as a hashed Diffie–Hellman key (gap CDH on Curve25519); discrete logarithms
 * in G2 are hard; at most f members are malicious and n − f ≥ t. Nothing about time, and no trusted setup.
 *
 * ## Soundness: why 2^−128
 *
 * Claim: if a deal verifies, then except with probability about Q/C(N, M) for a dealer who computes Q hashes, some k in S
 * opens to w(i) for every recipient i whose key was admitted, where g^w = C.
 *
 * Take the moment when H("point", h₁) is asked. C fixes w. Except for collisions (Q²/2^256), each a_k has at most one
 * preimage, which gives w′_k and the only E_k that verifies; each b_k at most one w″_k. Call k good if both exist, E_k is
 * the right one and w″_k = w + w′_k: then w″_k(i) − unpad(E_k[i]) = w(i) for everybody. If both exist and the polynomials
 * differ, then they agree at γ with probability at most (t − 1)/r < 2^−237 (degree below t ≤ 2^16, r > 2^253), over all k
 * still far below 2^−128; otherwise the only D_k accepted for k in S is another than for k not in S, and h fixes one. So a
 * round that is not good is acceptable in S or out of S, never both. A deal that verifies and has no good round in S has
 * all good rounds outside: S is exactly the set of rounds acceptable only inside, a single set, fixed before the
 * challenge. It is drawn with probability 1/C(N, M) ≤ 2^−128 per hash.
 *
 * Points of the subgroup only: a component of small order m in C would vanish from C(γ) whenever γ^j ≡ 0 mod m, which takes
 * m tries. Identities are refused: C_0 (a secret of zero) and C_{t−1} (lower degree) matter, the others never occur.
 *
 * ## Secrecy
 *
 * For k in S the adversary sees w + w′_k with w′_k uniform and its seed hidden behind H; for other k a hash of w″_k, which
 * is as hard to guess as w from C. Shares of honest recipients hide behind pads of fresh X25519 keys. What f recipients
 * and the public see can be simulated from C and f shares. Against adversaries who corrupt adaptively no claim is made
 * here beyond the usual one for BLS with t > f (Bacho and Loss, eprint 2022/534).
 *
 * ## What a rushing last dealer can and cannot do
 *
 * It sees all other deals first. In key generation it can choose among deals of its own, or not deal, and so bias a few
 * bits of the public key (Gennaro, Jarecki, Krawczyk, Rabin, "Secure distributed key generation for discrete-log based
 * cryptosystems", J. Cryptology 20, 2007). It cannot make the key one that it knows: whoever makes a valid deal knows its
 * secret (the deal opens at t honest recipients, whose keys an extractor has), so C_0 cannot be chosen to cancel those of
 * others without their logarithms. It cannot copy a deal: ad names the dealer. One honest dealer among f + 1 makes the
 * secret unpredictable, and a few bits of bias in a public key do not help against BLS (eprint 2022/534 proves threshold
 * BLS with such key generation). In a reshare it decides nothing: C_0 is given, the key stays, and the new polynomial is
 * uniform as soon as one of the t dealers is honest.
 *
 * ## What a stolen old share is worth
 *
 * Shares of different epochs lie on different random polynomials that agree only at 0: t − 1 of the old and t′ − 1 of the
 * new ones together determine nothing, and a mixture interpolates to a random value (Herzberg, Jarecki, Krawczyk, Yung,
 * "Proactive secret sharing", CRYPTO '95). Nothing helps once t shares of one epoch are exposed, however old: the key is
 * the same. An old *encryption* key opens the shares of its attempt, for ever, from public data; so does a dealer's seed
 * or polynomial, for all recipients. Hence keys fresh for each attempt, and everything erased when the epoch is active
 * (what erasing cannot do here: `scalar-bytes.ts`).
 */
import { equalBytes } from "../lib/bytes.ts";
import type { DealInstance } from "./associated-data.ts";
import { encodeDeal } from "./deal-codec.ts";
import type { DealEngine } from "./deal-engine.ts";
import {
  challenge,
  commitToResponse,
  comparisonPoint,
  expandRound,
  hashRounds,
  hashTranscript,
  SEED_BYTES,
} from "./deal-transcript.ts";
import { ThresholdError } from "./errors.ts";
import type { KeyAgreement } from "./key-agreement.ts";
import { decodeSecret } from "./scalar.ts";
import { evaluateAt, scalarsToBytes } from "./scalar-bytes.ts";
import { xof, xofScalars } from "./xof.ts";

/** Random bytes of one deal. */
export const DEAL_RANDOMNESS = 32;

/**
 * Deals `secret` (32 bytes in [1, r)) to the recipients of the instance; the bytes are `dealLength(instance)` long.
 * `randomness` is 32 uniform bytes; it, the secret and the instance give all coefficients and seeds, so that the same
 * randomness by mistake with another secret or instance gives unrelated ones instead of revealing w. Persist the result
 * whole before any byte leaves, and send the same bytes after a restart.
 * Throws invalidSecret, invalidRandomness, keyMismatch (the secret is not the share that has to be dealt).
 */
export function makeDeal(
  engine: DealEngine,
  agreement: KeyAgreement,
  instance: DealInstance,
  secret: Uint8Array,
  randomness: Uint8Array,
): Uint8Array {
  const { associatedData, threshold, rounds, expected } = instance;
  const { order } = engine;
  if (engine.suite !== instance.suite) {
    throw new ThresholdError("keyMismatch", `a ${instance.suite} deal with a ${engine.suite} engine`);
  }
  if (randomness.length !== DEAL_RANDOMNESS) {
    throw new ThresholdError("invalidRandomness", "a deal takes 32 random bytes");
  }
  const polynomial = [
    decodeSecret(secret, order),
    ...xofScalars("polynomial", threshold - 1, order, randomness, secret, associatedData),
  ];
  const commitments = polynomial.map((coefficient) => engine.encode(engine.commit(coefficient)));
  if (expected !== undefined && !equalBytes(commitments[0]!, expected)) {
    // Everybody would refuse the deal and blame this member: its keystore holds another share.
    throw new ThresholdError("keyMismatch", "this is not the share that has to be dealt");
  }

  const seeds = xof("seed", SEED_BYTES * rounds.total, randomness, secret, associatedData);
  const made = Array.from({ length: rounds.total }, (_, k) => {
    const seed = seeds.slice(k * SEED_BYTES, (k + 1) * SEED_BYTES);
    const expanded = expandRound(agreement, instance, order, k, seed, false);
    const response = scalarsToBytes(polynomial.map((w, j) => (w + expanded.polynomial[j]!) % order));
    return { ...expanded, seed, response, responseCommitment: commitToResponse(associatedData, k, response) };
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
  // With a chosen round's seed, or a revealed round's response, anybody reads the polynomial.
  seeds.fill(0);
  for (const round of made) {
    round.seed.fill(0);
    round.response.fill(0);
  }
  return bytes;
}
