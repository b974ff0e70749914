import type { BlockTag, Chain, Client, Transport } from "viem";
import { readContract } from "viem/actions";
import type { HubConfig, HubError } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";

/** Whether an outbox entry was carried out (a failed call counts: it is up to `retryCall` then). */
export function isDelivered(
  client: Client<Transport, Chain | undefined>,
  { hub, index, blockTag = "latest" }: isDelivered.Parameters,
): Promise<isDelivered.ReturnType> {
  return withHubErrors(() =>
    readContract(client, { abi: hubAbi, address: hub, functionName: "isDelivered", args: [index], blockTag }),
  );
}

export declare namespace isDelivered {
  type Parameters = Pick<HubConfig, "hub"> & {
    readonly index: bigint;
    readonly blockTag?: BlockTag | undefined;
  };
  type ReturnType = boolean;
  type ErrorType = HubError | Error;
}
