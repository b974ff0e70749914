/** A recipient takes its share out of a valid deal. */
import { assert } from "../lib/assert.ts";
import type { DealInstance } from "./associated-data.ts";
import { type Deal, decodeDeal } from "./deal-codec.ts";
import type { DealEngine } from "./deal-engine.ts";
import { challenge, pad, padContext, xorInto } from "./deal-transcript.ts";
import { decodeCommitments } from "./deal-verify.ts";
import { ThresholdError } from "./errors.ts";
import { type KeyAgreement, X25519_BYTES } from "./key-agreement.ts";
import { SCALAR_BYTES } from "./scalar.ts";
import { evaluateAtMember, scalarFromBytes, scalarsFromBytes, writeScalar } from "./scalar-bytes.ts";

/**
 * The share w(i + 1) of recipient i, 32 bytes, from a deal that `faultOfDeal` found valid for this instance. `secret` is
 * the X25519 secret of the recipient's encryption key in it. Only the sum over all dealers is a key share: this one may be anything, even zero.
 *
 * A dealer may have spoilt all chosen rounds but one, differently for each recipient, hoping to learn something from who
 * complains. So every round is tried, always all of them, and nothing tells which was good: not the result, not the error.
 * Throws cannotOpen when none is: the secret is not the key's, or the deal was not valid.
 */
export function openDeal(
  engine: DealEngine,
  agreement: KeyAgreement,
  instance: DealInstance,
  bytes: Uint8Array,
  recipient: number,
  secret: Uint8Array,
): Uint8Array {
  const { order } = engine;
  const deal = decodeDeal(instance, bytes);
  const elements = decodeCommitments(engine, deal.commitments);
  assert(elements !== undefined, "only valid deals are opened");
  const publicShare = engine.evaluate(elements, recipient + 1);

  let share: bigint | undefined;
  for (const candidate of candidatesOf(agreement, instance, order, deal, recipient, secret)) {
    const isRight = engine.equals(engine.commit(candidate ?? 0n), publicShare);
    if (isRight && candidate !== undefined) share = candidate;
  }
  if (share === undefined) throw new ThresholdError("cannotOpen", "the deal does not open with this key");
  const out = new Uint8Array(SCALAR_BYTES);
  writeScalar(out, 0, share);
  return out;
}

/**
 * What all chosen rounds of a deal agree that recipient i's share is, not compared with anything: undefined as soon as one
 * says otherwise. Fifty times cheaper than `openDeal`, and all there is to do when the dealer was honest; whoever uses it
 * checks the sum over all dealers. Arguments as there.
 */
export function unanimousShare(
  order: bigint,
  agreement: KeyAgreement,
  instance: DealInstance,
  bytes: Uint8Array,
  recipient: number,
  secret: Uint8Array,
): bigint | undefined {
  const candidates = candidatesOf(agreement, instance, order, decodeDeal(instance, bytes), recipient, secret);
  return candidates.every((candidate) => candidate === candidates[0]) ? candidates[0] : undefined;
}

/** What each chosen round says that the share is; undefined where the shared secret is zero: that pad everybody knows, and no honest round has one. */
function candidatesOf(
  agreement: KeyAgreement,
  instance: DealInstance,
  order: bigint,
  deal: Deal,
  recipient: number,
  secret: Uint8Array,
): (bigint | undefined)[] {
  if (secret.length !== X25519_BYTES) throw new ThresholdError("invalidSecret", "an X25519 secret has 32 bytes");
  const { associatedData, encryptionKeys } = instance;
  assert(recipient >= 0 && recipient < encryptionKeys.length, "a recipient of the deal");
  const masked = new Uint8Array(SCALAR_BYTES);
  const rounds = deal.chosen.values();
  const candidates: (bigint | undefined)[] = [];
  challenge(instance, deal.transcript).forEach((isChosen, k) => {
    if (!isChosen) return;
    const { response, ephemeral, pads } = rounds.next().value!;
    masked.set(pads.subarray(recipient * SCALAR_BYTES, (recipient + 1) * SCALAR_BYTES));
    const shared = agreement.sharedWithForeign(secret, ephemeral);
    xorInto(masked, 0, pad(padContext(associatedData, k, ephemeral), recipient, shared ?? masked));
    const blinding = scalarFromBytes(masked);
    const value = evaluateAtMember(scalarsFromBytes(response), recipient + 1, order);
    candidates.push(shared === undefined ? undefined : (value + order - (blinding % order)) % order);
    shared?.fill(0);
  });
  masked.fill(0);
  return candidates;
}
