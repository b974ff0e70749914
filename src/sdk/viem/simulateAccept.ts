import type { Account, Address, Chain, Client, Transport } from "viem";
import { simulateContract } from "viem/actions";
import type { SdkError } from "../errors.ts";
import { type AcceptStatus, acceptArguments, acceptStatusOf, type HubError } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";
import type { prepareAccept } from "./prepareAccept.ts";

/** What `accept` would do now, without sending it. Throws HubError with the contract's own error name where it would revert. */
export async function simulateAccept(
  client: Client<Transport, Chain | undefined, Account | undefined>,
  parameters: simulateAccept.Parameters,
): Promise<simulateAccept.ReturnType> {
  const args = acceptArguments(parameters, parameters.acceptance);
  const { result } = await withHubErrors(() =>
    simulateContract(client, {
      abi: hubAbi,
      address: parameters.hub,
      functionName: "accept",
      args,
      account: parameters.account ?? client.account ?? null,
    }),
  );
  return { status: acceptStatusOf(result) };
}

export declare namespace simulateAccept {
  type Parameters = prepareAccept.Parameters & {
    /** Who would send it. Default: the client's account, or nobody. */
    readonly account?: Account | Address | undefined;
  };
  type ReturnType = { readonly status: AcceptStatus };
  type ErrorType = SdkError | HubError | Error;
}
