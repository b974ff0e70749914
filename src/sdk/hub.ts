/**
 * A hub's calls as plain values, shared by the viem and ethers entry points: same arguments, same codecs, same errors. Nothing here
 * talks to a chain.
 */

import { bn254VerifierAbi } from "../abi/bn254-verifier.ts";
import { collateralVaultAbi } from "../abi/collateral-vault.ts";
import { settlementHubAbi } from "../abi/settlement-hub.ts";
import { destinationArgument, entryArguments, headerArgument, outboxProofArgument } from "../batch/calls.ts";
import { groupKeyHash, handoverArgument, handoverDigest, verifyHandover } from "../batch/handover.ts";
import { headerDigest } from "../batch/header.ts";
import type { GroupKeys, KeyLink } from "../batch/key-chain.ts";
import { ClocklessError, type ClocklessErrorOptions } from "../lib/errors.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { encodeProof, encodePublicKeyForVerifier } from "../threshold/evm.ts";
import { SUITES, type Suite } from "../threshold/types.ts";
import { requireCertificate } from "./certificates.ts";
import type { TrustedCommittee } from "./committee.ts";
import { SdkError } from "./errors.ts";
import type { HandoverFault } from "./handovers.ts";
import type { Acceptance, Delivery } from "./reads.ts";
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
  /** Handovers to a new group key that the hub has carried out. */
  readonly handovers: bigint;
}

/** Who a hub obeys, as the chain says. */
export interface HubIdentity {
  readonly committeeId: Hex;
  /** Which suite its certificates must be of: pass it to `getAcceptance`. */
  readonly suite: Suite;
  /** The group key as the verifier's constructor took it. */
  readonly groupKey: Hex;
  readonly verifier: Address;
  /**
   * Whether committee id and key are those of the pinned committee, after all handovers followed. If not, money sent there is not
   * under its control.
   */
  readonly isOurs: boolean;
  /**
   * How many handovers the hub lacks to have that key; 0 when it has it, undefined for a key unknown here (a stranger's, or one that
   * this side has yet to follow). Anybody can bring them: `Clockless.getHandovers`, `submitHandover`.
   */
  readonly handoversBehind: number | undefined;
}

/** Compares what a hub says about itself with the pinned committee. @throws SdkError contradiction for a suite unknown here */
export function hubIdentityOf(
  config: Pick<HubConfig, "committee">,
  raw: { readonly committeeId: Hex; readonly suite: string; readonly groupKey: Hex; readonly verifier: Address },
): HubIdentity {
  const suite = SUITES.find((known) => known === raw.suite);
  if (suite === undefined)
    throw new SdkError("contradiction", "the hub's verifier is of an unknown suite", { details: { suite: raw.suite } });
  const committee = committeeOf(config);
  const has = (keys: GroupKeys): boolean => {
    const key = keys[suite];
    return (
      key !== undefined && raw.groupKey.toLowerCase() === bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(key)))
    );
  };
  const isSameId = raw.committeeId.toLowerCase() === committee.committeeId;
  const newestFirst = isSameId ? [committee.groupKeys, ...[...committee.formerKeys].reverse()] : [];
  const behind = newestFirst.findIndex(has);
  return { ...raw, suite, isOurs: behind === 0, handoversBehind: behind < 0 ? undefined : behind };
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

/** Which hub, and whose. Everything handed to `accept`, `deliver` and `handover` is checked against this committee first. */
export interface HubConfig {
  readonly hub: Address;
  /** A function is asked at every call: `() => clockless.committee` stays right after a handover. */
  readonly committee: TrustedCommittee | (() => TrustedCommittee);
}

function committeeOf({ committee }: Pick<HubConfig, "committee">): TrustedCommittee {
  return typeof committee === "function" ? committee() : committee;
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
export function acceptArguments(config: HubConfig, acceptance: Acceptance) {
  const { hub } = config;
  const committee = committeeOf(config);
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

/**
 * Arguments of `handover(statement, signature)` for a hub of this suite. The old key has to be one that is pinned or was followed from
 * there; a hub takes handovers one by one, from its own `handovers` + 1 on.
 * @throws SdkError badHandover
 */
export function handoverArguments(config: Pick<HubConfig, "committee">, { handover, suite }: HandoverParameters) {
  const { committeeId, groupKeys, formerKeys, engine } = committeeOf(config);
  const { statement, signatures } = handover;
  const { number } = statement;
  const refuse = (reason: HandoverFault, message: string): never => {
    throw new SdkError("badHandover", message, { details: { reason, number } });
  };
  const oldKey = [groupKeys, ...formerKeys]
    .map((keys) => keys[suite])
    .find((key) => key !== undefined && groupKeyHash(suite, key) === statement.oldKeyHashes[suite].toLowerCase());
  if (oldKey === undefined) return refuse("anotherKey", `handover ${number} is from no ${suite} key known here`);
  const signature = signatures[suite];
  if (signature === undefined || !verifyHandover(engine(suite), oldKey, committeeId, statement, signature))
    return refuse("notSigned", `the old key did not sign handover ${number}`);
  const digest = hexToBytes(handoverDigest(statement, committeeId));
  return [handoverArgument(statement), bytesToHex(encodeProof(suite, hexToBytes(signature), digest))] as const;
}

/** One handover, for a hub that has carried out all before it. */
export interface HandoverParameters {
  readonly handover: KeyLink;
  /** The hub's (`getHubIdentity`). */
  readonly suite: Suite;
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
  readonly keyNumber: number | bigint;
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
    handovers: BigInt(head.keyNumber),
  };
}
