import type { BlockTag, Chain, Client, Transport } from "viem";
import { SdkError } from "../errors.ts";
import type { HubConfig, HubHead } from "../hub.ts";
import { poll, type WaitOptions } from "../instructions.ts";
import { getHubHead } from "./getHubHead.ts";

const DEFAULT_TIMEOUT_MS = 120_000;

/**
 * Waits until a hub has accepted a batch or a later one, and returns its head.
 * @throws SdkError timeout, aborted; errors of the client's transport are tried again until then
 */
export async function waitForAcceptance(
  client: Client<Transport, Chain | undefined>,
  parameters: waitForAcceptance.Parameters,
): Promise<waitForAcceptance.ReturnType> {
  const { sequence, timeoutMs = DEFAULT_TIMEOUT_MS } = parameters;
  let last: unknown;
  return poll(
    { pollingIntervalMs: client.pollingInterval, ...parameters },
    timeoutMs,
    () =>
      new SdkError("timeout", `the hub did not accept batch ${sequence} within ${timeoutMs} ms`, {
        details: { sequence, timeoutMs },
        cause: last,
      }),
    async () => {
      try {
        const head = await getHubHead(client, parameters);
        return head.sequence >= sequence ? head : undefined;
      } catch (error) {
        last = error; // an RPC that fails now may answer in a moment; the deadline bounds it
        return undefined;
      }
    },
  );
}

export declare namespace waitForAcceptance {
  type Parameters = Pick<HubConfig, "hub"> &
    WaitOptions & {
      readonly sequence: bigint;
      readonly blockTag?: BlockTag | undefined;
    };
  type ReturnType = HubHead;
  type ErrorType = SdkError;
}
