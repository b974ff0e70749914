import type { Account, Address, Chain, Client, Transport } from "viem";
import { simulateContract } from "viem/actions";
import type { SdkError } from "../errors.ts";
import { type HubError, handoverArguments } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";
import type { prepareHandover } from "./prepareHandover.ts";

/**
 * Whether `handover` would go through now, without sending it. Throws HubError where it would revert: `HandoverOutOfTurn` when the hub
 * has carried it out already, or lacks one before it.
 */
export async function simulateHandover(
  client: Client<Transport, Chain | undefined, Account | undefined>,
  parameters: simulateHandover.Parameters,
): Promise<simulateHandover.ReturnType> {
  const args = handoverArguments(parameters, parameters);
  await withHubErrors(() =>
    simulateContract(client, {
      abi: hubAbi,
      address: parameters.hub,
      functionName: "handover",
      args,
      account: parameters.account ?? client.account ?? null,
    }),
  );
  return { handovers: parameters.handover.statement.number };
}

export declare namespace simulateHandover {
  type Parameters = prepareHandover.Parameters & {
    /** Who would send it. Default: the client's account, or nobody. */
    readonly account?: Account | Address | undefined;
  };
  /** What the hub's count of handovers would be. */
  type ReturnType = { readonly handovers: bigint };
  type ErrorType = SdkError | HubError | Error;
}
