/**
 * The hub as ethers sees it. Generated factories would add a file per contract for nine functions; this interface names exactly those
 * the SDK uses, and the ABI they are encoded with is the generated one.
 */
import { Contract, type ContractRunner, type ContractTransactionResponse, type Overrides } from "ethers";
import { settlementHubAbi } from "../../abi/settlement-hub.ts";
import type { acceptArguments, deliverArguments } from "../hub.ts";

type AcceptArguments = ReturnType<typeof acceptArguments>;
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
  readonly isDelivered: View<[index: bigint], boolean>;
  readonly accept: Method<AcceptArguments, bigint>;
  readonly deliver: Method<DeliverArguments, bigint>;
}

export function hubContract(hub: string, runner: ContractRunner): HubContract {
  // CAST: ethers builds the methods from the ABI at run time; the interface above is that ABI, written as types
  return new Contract(hub, settlementHubAbi, runner) as unknown as HubContract;
}
