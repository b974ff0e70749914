/**
 * The hub as ethers sees it. Generated factories would add thousands of lines for a dozen functions; this interface names exactly those
 * the SDK uses, and the ABI they are encoded with is the generated one.
 */
import { Contract, type ContractRunner, type ContractTransactionResponse, type Overrides } from "ethers";
import { bn254VerifierAbi } from "../../abi/bn254-verifier.ts";
import { settlementHubAbi } from "../../abi/settlement-hub.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import type { acceptArguments, deliverArguments, handoverArguments } from "../hub.ts";

type AcceptArguments = ReturnType<typeof acceptArguments>;
type HandoverArguments = ReturnType<typeof handoverArguments>;
type DeliverArguments = ReturnType<typeof deliverArguments>;

/** ethers answers every integer as bigint. */
export interface RawHead {
  readonly sequence: bigint;
  readonly epoch: bigint;
  readonly inboxCursor: bigint;
  readonly outboxSize: bigint;
  readonly acceptedAt: bigint;
  readonly acceptedBlock: bigint;
  readonly pausedUntil: bigint;
  readonly slot: bigint;
  readonly keyNumber: bigint;
}

interface Method<A extends readonly unknown[], R> {
  (...args: [...A, overrides?: Overrides]): Promise<ContractTransactionResponse>;
  staticCall(...args: [...A, overrides?: Overrides]): Promise<R>;
}

interface View<A extends readonly unknown[], R> {
  staticCall(...args: [...A, overrides?: Overrides]): Promise<R>;
}

export interface HubContract {
  readonly interface: Contract["interface"];
  readonly head: View<[], RawHead>;
  readonly committeeId: View<[], Hex>;
  readonly verifier: View<[], Address>;
  readonly isDelivered: View<[index: bigint], boolean>;
  readonly accept: Method<AcceptArguments, bigint>;
  readonly handover: Method<HandoverArguments, void>;
  readonly deliver: Method<DeliverArguments, bigint>;
}

export interface VerifierContract {
  readonly suite: View<[], string>;
  readonly groupKey: View<[], Hex>;
}

export function verifierContract(verifier: string, runner: ContractRunner): VerifierContract {
  // CAST: as below; both suites' verifiers have these two functions
  return new Contract(verifier, bn254VerifierAbi, runner) as unknown as VerifierContract;
}

export function hubContract(hub: string, runner: ContractRunner): HubContract {
  // CAST: ethers builds the methods from the ABI at run time; the interface above is that ABI, written as types
  return new Contract(hub, settlementHubAbi, runner) as unknown as HubContract;
}
