/** Makes the transactions of a change. Pure: whoever holds a key passes `sign`; bytes come from `encodeTransaction` (codec.ts). */
import type { Address, Hex } from "../../lib/hex.ts";
import { bytesToHex, hexToBytes } from "../../lib/hex.ts";
import type { DealContext } from "../../threshold/associated-data.ts";
import { dealBundleDigest } from "../../threshold/deal-select.ts";
import type { Engine, Suite } from "../../threshold/types.ts";
import { approvalDigest, proposalDigest, readySignatureDigest } from "./digests.ts";
import type { EpochTransaction, Proposal } from "./types.ts";

type Transaction<Kind extends EpochTransaction["kind"]> = Extract<EpochTransaction, { kind: Kind }>;

/** An identity: 32-byte digest to 65-byte signature. */
export type SignDigest = (digest: Hex) => Hex;

interface Scope {
  readonly epoch: bigint;
  readonly attempt: bigint;
}

/** An old member's approval. Throws LedgerError `malformedBytes` on a proposal that no transaction can carry. */
export function makeApproval(
  committeeId: Hex,
  proposal: Proposal,
  member: Address,
  sign: SignDigest,
): Transaction<"approve"> {
  const digest = approvalDigest(committeeId, proposalDigest(committeeId, proposal), member);
  return { kind: "approve", proposal, member, signature: sign(digest) };
}

/** A dealer's bundle, made with any of the attempt's contexts. Throws ThresholdError `invalidContext` for one who may not deal. */
export function makeDealTransaction(
  context: DealContext,
  dealer: Address,
  deals: Readonly<Record<Suite, Uint8Array>>,
  sign: SignDigest,
): Transaction<"deal"> {
  const { epoch, attempt } = context;
  const digest = dealBundleDigest(context, { dealer: context.dealers.indexOf(dealer), deals });
  return { kind: "deal", epoch, attempt, dealer, deals, signature: sign(digest) };
}

/** Partial signatures over one digest in both suites. `shares`: 32 bytes each. */
export function makePartials(
  engines: Readonly<Record<Suite, Engine>>,
  shares: Readonly<Record<Suite, Uint8Array>>,
  digest: Hex,
): Readonly<Record<Suite, Hex>> {
  const partial = (suite: Suite): Hex => bytesToHex(engines[suite].sign(shares[suite], hexToBytes(digest)));
  return { "bls12-381": partial("bls12-381"), bn254: partial("bn254") };
}

/** A new member's READY. `ready`: the attempt's `readyDigest`; `shares`: of the next epoch, stored before this leaves. */
export function makeReady(
  committeeId: Hex,
  engines: Readonly<Record<Suite, Engine>>,
  scope: Scope,
  ready: Hex,
  member: Address,
  shares: Readonly<Record<Suite, Uint8Array>>,
  sign: SignDigest,
): Transaction<"ready"> {
  const partials = makePartials(engines, shares, ready);
  const signature = sign(readySignatureDigest(committeeId, ready, member, partials));
  const { epoch, attempt } = scope;
  return { kind: "ready", epoch, attempt, member, partials, signature };
}

/** An old member's part of a handover. `digest`: the attempt's; register ("handover", number) → digest before this leaves. */
export function makeHandoverPartial(
  engines: Readonly<Record<Suite, Engine>>,
  { epoch, attempt }: Scope,
  digest: Hex,
  member: Address,
  shares: Readonly<Record<Suite, Uint8Array>>,
): Transaction<"handover"> {
  return { kind: "handover", epoch, attempt, member, partials: makePartials(engines, shares, digest) };
}
