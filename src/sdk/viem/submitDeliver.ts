import type { Account, Address, Chain, Client, Hash, Transport } from "viem";
import { writeContract } from "viem/actions";
import type { SdkError } from "../errors.ts";
import { deliverArguments, type HubError } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";
import type { prepareDeliver } from "./prepareDeliver.ts";

/** Sends `deliver` from the client's account (or `account`) and returns the transaction hash. Anybody may: nobody is trusted here. */
export function submitDeliver(
  client: Client<Transport, Chain | undefined, Account | undefined>,
  parameters: submitDeliver.Parameters,
): Promise<submitDeliver.ReturnType> {
  return withHubErrors(async () => {
    const args = deliverArguments(parameters, parameters.delivery, parameters.head);
    return writeContract(client, {
      abi: hubAbi,
      address: parameters.hub,
      functionName: "deliver",
      args,
      account: parameters.account ?? client.account ?? null,
      chain: client.chain ?? null,
    });
  });
}

export declare namespace submitDeliver {
  type Parameters = prepareDeliver.Parameters & { readonly account?: Account | Address | undefined };
  type ReturnType = Hash;
  type ErrorType = SdkError | HubError | Error;
}
