import { encodeFunctionData } from "viem";
import type { SdkError } from "../errors.ts";
import { deliverArguments, type HubConfig, type HubHead, type PreparedCall } from "../hub.ts";
import type { Delivery } from "../reads.ts";
import { hubAbi } from "./abi.ts";

/** The call data of `deliver`, for a Safe, a bundler or any other sender. Verified against the committee; nothing is sent. */
export function prepareDeliver(parameters: prepareDeliver.Parameters): prepareDeliver.ReturnType {
  const args = deliverArguments(parameters, parameters.delivery, parameters.head);
  return { to: parameters.hub, data: encodeFunctionData({ abi: hubAbi, functionName: "deliver", args }), value: 0n };
}

export declare namespace prepareDeliver {
  type Parameters = HubConfig & {
    readonly delivery: Delivery;
    /** The hub's head at whose sequence the delivery was read. */
    readonly head: Pick<HubHead, "sequence" | "slot">;
  };
  type ReturnType = PreparedCall;
  type ErrorType = SdkError;
}
