import type { Account, Address, Chain, Client, Transport } from "viem";
import { simulateContract } from "viem/actions";
import type { SdkError } from "../errors.ts";
import { deliverArguments, type HubError } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";
import type { prepareDeliver } from "./prepareDeliver.ts";

/** What `deliver` would do now, without sending it. Throws HubError with the contract's own error name where it would revert. */
export async function simulateDeliver(
  client: Client<Transport, Chain | undefined, Account | undefined>,
  parameters: simulateDeliver.Parameters,
): Promise<simulateDeliver.ReturnType> {
  const args = deliverArguments(parameters, parameters.delivery, parameters.head);
  const { result } = await withHubErrors(() =>
    simulateContract(client, {
      abi: hubAbi,
      address: parameters.hub,
      functionName: "deliver",
      args,
      account: parameters.account ?? client.account ?? null,
    }),
  );
  return { delivered: result };
}

export declare namespace simulateDeliver {
  type Parameters = prepareDeliver.Parameters & {
    /** Who would send it. Default: the client's account, or nobody. */
    readonly account?: Account | Address | undefined;
  };
  type ReturnType = { readonly delivered: bigint };
  type ErrorType = SdkError | HubError | Error;
}
