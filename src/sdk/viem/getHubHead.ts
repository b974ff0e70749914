import type { BlockTag, Chain, Client, Transport } from "viem";
import { readContract } from "viem/actions";
import type { HubConfig, HubError, HubHead } from "../hub.ts";
import { hubHeadOf } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";

/**
 * How far a hub has got on its chain.
 * @example
 * const { sequence } = await getHubHead(client, { hub, committee, blockTag: "finalized" });
 */
export async function getHubHead(
  client: Client<Transport, Chain | undefined>,
  { hub, blockTag = "latest" }: getHubHead.Parameters,
): Promise<getHubHead.ReturnType> {
  const head = await withHubErrors(() =>
    readContract(client, { abi: hubAbi, address: hub, functionName: "head", blockTag }),
  );
  return hubHeadOf(head);
}

export declare namespace getHubHead {
  type Parameters = Pick<HubConfig, "hub"> & {
    /** As of which block; `finalized` survives a reorg. Default `latest`. */
    readonly blockTag?: BlockTag | undefined;
  };
  type ReturnType = HubHead;
  type ErrorType = HubError | Error;
}
