import type { Account, Address, Chain, Client, Hash, Transport } from "viem";
import { writeContract } from "viem/actions";
import type { SdkError } from "../errors.ts";
import { acceptArguments, type HubError } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";
import type { prepareAccept } from "./prepareAccept.ts";

/** Sends `accept` from the client's account (or `account`) and returns the transaction hash. Anybody may: nobody is trusted here. */
export function submitAccept(
  client: Client<Transport, Chain | undefined, Account | undefined>,
  parameters: submitAccept.Parameters,
): Promise<submitAccept.ReturnType> {
  return withHubErrors(async () => {
    const args = acceptArguments(parameters, parameters.acceptance);
    return writeContract(client, {
      abi: hubAbi,
      address: parameters.hub,
      functionName: "accept",
      args,
      account: parameters.account ?? client.account ?? null,
      chain: client.chain ?? null,
    });
  });
}

export declare namespace submitAccept {
  type Parameters = prepareAccept.Parameters & { readonly account?: Account | Address | undefined };
  type ReturnType = Hash;
  type ErrorType = SdkError | HubError | Error;
}
