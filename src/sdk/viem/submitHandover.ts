import type { Account, Address, Chain, Client, Hash, Transport } from "viem";
import { writeContract } from "viem/actions";
import type { SdkError } from "../errors.ts";
import { type HubError, handoverArguments } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";
import type { prepareHandover } from "./prepareHandover.ts";

/**
 * Sends `handover` from the client's account (or `account`) and returns the transaction hash. Anybody may: the old key has signed it.
 * @example
 * const { suite } = await client.getHubIdentity();
 * const { handovers: done } = await client.getHubHead();
 * for (const handover of await clockless.getHandovers())
 *   if (handover.statement.number > done)
 *     await waitForTransactionReceipt(client, { hash: await client.submitHandover({ handover, suite }) });
 */
export function submitHandover(
  client: Client<Transport, Chain | undefined, Account | undefined>,
  parameters: submitHandover.Parameters,
): Promise<submitHandover.ReturnType> {
  return withHubErrors(async () => {
    const args = handoverArguments(parameters, parameters);
    return writeContract(client, {
      abi: hubAbi,
      address: parameters.hub,
      functionName: "handover",
      args,
      account: parameters.account ?? client.account ?? null,
      chain: client.chain ?? null,
    });
  });
}

export declare namespace submitHandover {
  type Parameters = prepareHandover.Parameters & { readonly account?: Account | Address | undefined };
  type ReturnType = Hash;
  type ErrorType = SdkError | HubError | Error;
}
