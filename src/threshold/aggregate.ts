/**
 * Qualified deals to the new key, and each recipient's opened shares to its share of it.
 *
 *   generation:  C_j = Σ_d C_{d,j}            share_i = Σ_d w_d(i)             over the qualified dealers d
 *   reshare:     C_j = Σ_d λ_d·C_{d,j}        share_i = Σ_d λ_d·w_d(i)         λ at zero over the dealers' x = index + 1
 *
 * In a reshare w_d(0) is the dealer's old share, so that Σ λ_d·w_d(0) is the old secret: the group key stays.
 */
import { assert } from "../lib/assert.ts";
import { equalBytes } from "../lib/bytes.ts";
import { bytesToHex, hexToBytes } from "../lib/hex.ts";
import type { DealContext } from "./associated-data.ts";
import { dealInstance } from "./associated-data.ts";
import { decodeDeal } from "./deal-codec.ts";
import type { DealEngine, GroupElement } from "./deal-engine.ts";
import { openDeal, unanimousShare } from "./deal-open.ts";
import { type DealBundle, dealersNeeded } from "./deal-select.ts";
import { decodeCommitments } from "./deal-verify.ts";
import { ThresholdError } from "./errors.ts";
import type { KeyAgreement } from "./key-agreement.ts";
import { lagrangeAtZero, SCALAR_BYTES } from "./scalar.ts";
import { erase, scalarFromBytes, writeScalar } from "./scalar-bytes.ts";
import type { ThresholdKey } from "./types.ts";

/**
 * The public half of the key that the qualified bundles make in the context's suite.
 * Throws invalidDeal when there are too few of them, a dealer comes twice, or the sum is not a usable key: a zero secret or
 * leading coefficient, or in a reshare another group key, which valid deals under a right old key never give.
 */
export function aggregateKey(engine: DealEngine, context: DealContext, qualified: readonly DealBundle[]): ThresholdKey {
  const { suite, threshold, recipients, oldKey, kind } = context;
  const weights = weightsOf(engine, context, qualified);
  const commitments = qualified.map(({ dealer, deals }) => {
    const deal = decodeDeal(dealInstance(context, dealer), deals[suite]!);
    const elements = decodeCommitments(engine, deal.commitments);
    if (elements === undefined) throw unusable(context, "a commitment is no public key");
    return elements;
  });
  const polynomial = Array.from({ length: threshold }, (_, j) => {
    const column = commitments.map((elements) => elements[j]!);
    return weights === undefined ? column.reduce((a, b) => engine.add(a, b)) : engine.combine(column, weights);
  });
  const groupKey = encodeKey(engine, context, polynomial[0]!);
  // Fewer than t shares would make the key.
  encodeKey(engine, context, polynomial.at(-1)!);
  if (kind === "reshare" && !equalBytes(groupKey, hexToBytes(oldKey!.groupKey))) {
    throw unusable(context, "the deals do not add up to the group key");
  }
  return {
    suite,
    threshold,
    groupKey: bytesToHex(groupKey),
    publicShares: recipients.map((_, i) => bytesToHex(encodeKey(engine, context, engine.evaluate(polynomial, i + 1)))),
  };
}

/**
 * Recipient `index` opens its deals and adds them up: its 32-byte share of `key`, checked against its public share.
 * `secret` is its X25519 secret of the attempt; to be erased once the share is stored and the epoch active.
 * Throws cannotOpen; invalidDeal as `aggregateKey` does.
 */
export function openShare(
  engine: DealEngine,
  agreement: KeyAgreement,
  context: DealContext,
  qualified: readonly DealBundle[],
  key: ThresholdKey,
  index: number,
  secret: Uint8Array,
): Uint8Array {
  const { order, suite } = engine;
  assert(key.suite === suite && context.suite === suite, "key, context and engine of one suite");
  const weights = weightsOf(engine, context, qualified);
  const sumOf = (opened: readonly bigint[]): bigint =>
    opened.reduce((sum, value, d) => (sum + (weights?.[d] ?? 1n) * value) % order, 0n);
  const publicShare = key.publicShares[index];
  const isShare = (sum: bigint): boolean =>
    publicShare !== undefined && equalBytes(engine.encode(engine.commit(sum)), hexToBytes(publicShare));

  // One multiplication where nobody spoilt anything, instead of fifty for each dealer. A dealer can see by the time whether
  // all it sent was right, which X25519 is assumed to bear (gap CDH, `deal.ts`); not which of it, when not all was.
  const unanimous = qualified.flatMap(
    ({ dealer, deals }) =>
      unanimousShare(order, agreement, dealInstance(context, dealer), deals[suite]!, index, secret) ?? [],
  );
  let sum = sumOf(unanimous);
  if (unanimous.length < qualified.length || !isShare(sum)) {
    const opened = qualified.map(({ dealer, deals }) => {
      const bytes = openDeal(engine, agreement, dealInstance(context, dealer), deals[suite]!, index, secret);
      const value = scalarFromBytes(bytes);
      erase(bytes);
      return value;
    });
    sum = sumOf(opened);
    if (!isShare(sum)) {
      throw new ThresholdError("cannotOpen", "the opened shares do not make this member's share of the key");
    }
  }
  const share = new Uint8Array(SCALAR_BYTES);
  writeScalar(share, 0, sum);
  return share;
}

/** λ of each dealer in a reshare; undefined: all count alike. */
function weightsOf(
  engine: DealEngine,
  context: DealContext,
  qualified: readonly DealBundle[],
): readonly bigint[] | undefined {
  assert(engine.suite === context.suite, "context and engine of one suite");
  const dealers = qualified.map(({ dealer }) => dealer);
  const needed = dealersNeeded(context);
  const isCount = context.kind === "reshare" ? dealers.length === needed : dealers.length >= needed;
  if (!isCount) throw unusable(context, "not the number of deals that makes a key");
  if (new Set(dealers).size !== dealers.length) throw unusable(context, "a dealer counts once");
  if (context.kind !== "reshare") return undefined;
  return lagrangeAtZero(
    dealers.map((dealer) => dealer + 1),
    engine.order,
  );
}

function encodeKey(engine: DealEngine, context: DealContext, element: GroupElement): Uint8Array {
  const bytes = engine.encode(element);
  if (engine.decode(bytes) === undefined) throw unusable(context, "the deals cancel out");
  return bytes;
}

function unusable({ kind, suite }: DealContext, reason: string): ThresholdError {
  return new ThresholdError("invalidDeal", `no ${suite} key from this ${kind}: ${reason}`, {
    details: { kind, suite },
  });
}
