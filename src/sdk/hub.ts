/**
 * A hub's calls as plain values, shared by the viem and ethers entry points: same arguments, same codecs, same errors. Nothing here
 * talks to a chain.
 */

import { bn254VerifierAbi } from "../abi/bn254-verifier.ts";
import { collateralVaultAbi } from "../abi/collateral-vault.ts";
import { settlementHubAbi } from "../abi/settlement-hub.ts";
import { destinationArgument, entryArguments, headerArgument, outboxProofArgument } from "../batch/calls.ts";
import { headerDigest } from "../batch/header.ts";
import { ClocklessError, type ClocklessErrorOptions } from "../lib/errors.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { encodeProof, encodePublicKeyForVerifier } from "../threshold/evm.ts";
import { SUITES, type Suite } from "../threshold/types.ts";
import type { TrustedCommittee } from "./committee.ts";
import { SdkError } from "./errors.ts";
import type { Acceptance, Delivery } from "./reads.ts";
import { requireCertificate } from "./reads.ts";
import { verifyDestination, verifyEntries } from "./verify.ts";

/** How far a hub has got. */
export interface HubHead {
  /** 0: nothing accepted yet. */
  readonly sequence: bigint;
  readonly epoch: bigint;
  readonly inboxCursor: bigint;
  readonly outboxSize: bigint;
  /** Seconds, the chain's clock. */
  readonly acceptedAt: bigint;
  readonly acceptedBlock: bigint;
  /** `accept` is refused before this time; 2^32 − 1: for ever, after a proven conflict. */
  readonly pausedUntil: bigint;
  readonly slot: number;
}

/** Who a hub obeys, as the chain says. */
export interface HubIdentity {
  readonly committeeId: Hex;
  /** Which suite its certificates must be of: pass it to `getAcceptance`. */
  readonly suite: Suite;
  /** The group key as the verifier's constructor took it. */
  readonly groupKey: Hex;
  readonly verifier: Address;
  /** Whether committee id and key are those of the pinned committee. If not, money sent there is not under its control. */
  readonly isOurs: boolean;
}

/** Compares what a hub says about itself with the pinned committee. @throws SdkError contradiction for a suite unknown here */
export function hubIdentityOf(
  committee: TrustedCommittee,
  raw: { readonly committeeId: Hex; readonly suite: string; readonly groupKey: Hex; readonly verifier: Address },
): HubIdentity {
  const suite = SUITES.find((known) => known === raw.suite);
  if (suite === undefined)
    throw new SdkError("contradiction", "the hub's verifier is of an unknown suite", { details: { suite: raw.suite } });
  const pinned = committee.groupKeys[suite];
  const isOurs =
    raw.committeeId.toLowerCase() === committee.committeeId &&
    pinned !== undefined &&
    raw.groupKey.toLowerCase() === bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(pinned)));
  return { ...raw, suite, isOurs };
}

/** What `accept` did; only `accepted` and `conflicting` mean that a signature was verified. */
export const ACCEPT_STATUSES = ["accepted", "repeated", "stale", "conflicting"] as const;
export type AcceptStatus = (typeof ACCEPT_STATUSES)[number];

/** A transaction for any sender: a wallet, a Safe, an account-abstraction bundler. */
export interface PreparedCall {
  readonly to: Address;
  readonly data: Hex;
  readonly value: bigint;
}

/** Which hub, and whose. Everything handed to `accept` and `deliver` is checked against this committee first. */
export interface HubConfig {
  readonly hub: Address;
  readonly committee: TrustedCommittee;
}

/** Errors of the hub and of what it calls: the ABI to decode reverts with. */
export const hubErrorsAbi = [...settlementHubAbi, ...collateralVaultAbi, ...bn254VerifierAbi].filter(
  (item) => item.type === "error",
);

/** A revert of the hub, its vault or its verifier: `code` is the Solidity error's name, `details.args` its arguments. */
export class HubError extends ClocklessError {
  override readonly name = "HubError";

  constructor(errorName: string, args: readonly unknown[], options: ClocklessErrorOptions = {}) {
    super(errorName, `the contract refuses: ${errorName}(${args.map(String).join(", ")})`, {
      docsPath: `errors#hub-${errorName}`,
      ...options,
      // Pauses end and deadlines pass; every other refusal stays one.
      isTransient: errorName === "AcceptPaused",
      details: { errorName, args },
    });
  }
}

/**
 * Arguments of `accept(header, destination, signature)`. The certificate and the destination are verified first: whoever pays for a
 * transaction should not pay for somebody's lie.
 * @throws SdkError unknownSuite, badCertificate, badDestinationProof
 */
export function acceptArguments({ hub, committee }: HubConfig, acceptance: Acceptance) {
  const { certificate, destination, proof } = acceptance;
  requireCertificate(committee, certificate);
  const { header, suite, signature } = certificate;
  requireHub(hub, destination.hub);
  if (!verifyDestination(header, destination, proof))
    throw new SdkError("badDestinationProof", "the destination is not in the certified header", {
      details: { sequence: header.sequence },
    });
  const digest = hexToBytes(headerDigest(header, committee.committeeId));
  // bn254 proofs carry hints that save the contract the square roots of hashing to the curve.
  const onChain = bytesToHex(encodeProof(suite, hexToBytes(signature), digest));
  return [headerArgument(header), destinationArgument(destination, proof), onChain] as const;
}

/**
 * Arguments of `deliver(payouts, calls, proof)` against a hub's head. The delivery must have been read at exactly that head's sequence.
 * @throws SdkError badParameters, badEntryProof
 */
export function deliverArguments({ hub }: HubConfig, delivery: Delivery, head: Pick<HubHead, "sequence" | "slot">) {
  const { at, destination, entries, proof } = delivery;
  requireHub(hub, destination.hub);
  if (at.header.sequence !== head.sequence)
    throw new SdkError("badParameters", "read the delivery at the hub's head: getDelivery(chainId, { sequence })", {
      details: { delivery: at.header.sequence, head: head.sequence },
    });
  if (!verifyEntries(destination, entries, proof))
    throw new SdkError("badEntryProof", "the entries are not in the destination's outbox");
  const { payouts, calls } = entryArguments(entries);
  return [payouts, calls, outboxProofArgument(head.slot, at.digest, proof)] as const;
}

function requireHub(expected: Address, actual: Address): void {
  if (expected.toLowerCase() !== actual.toLowerCase())
    throw new SdkError("badParameters", "this is for another hub", { details: { expected, actual } });
}

/** Names a status of `accept` by its number in the contract. */
export function acceptStatusOf(value: number | bigint): AcceptStatus {
  const status = ACCEPT_STATUSES[Number(value)];
  if (status === undefined)
    throw new SdkError("contradiction", "the hub answered an unknown status", { details: { value: String(value) } });
  return status;
}

/** The hub's `head()` with all counters as bigint. */
export function hubHeadOf(head: {
  readonly sequence: number | bigint;
  readonly epoch: number | bigint;
  readonly inboxCursor: number | bigint;
  readonly outboxSize: number | bigint;
  readonly acceptedAt: number | bigint;
  readonly acceptedBlock: number | bigint;
  readonly pausedUntil: number | bigint;
  readonly slot: number | bigint;
}): HubHead {
  return {
    sequence: BigInt(head.sequence),
    epoch: BigInt(head.epoch),
    inboxCursor: BigInt(head.inboxCursor),
    outboxSize: BigInt(head.outboxSize),
    acceptedAt: BigInt(head.acceptedAt),
    acceptedBlock: BigInt(head.acceptedBlock),
    pausedUntil: BigInt(head.pausedUntil),
    slot: Number(head.slot),
  };
}
