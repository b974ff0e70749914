import { encodeFunctionData } from "viem";
import type { SdkError } from "../errors.ts";
import { type HandoverParameters, type HubConfig, handoverArguments, type PreparedCall } from "../hub.ts";
import { hubAbi } from "./abi.ts";

/** The call data of `handover`, for a Safe, a bundler or any other sender. Verified under the old key; nothing is sent. */
export function prepareHandover(parameters: prepareHandover.Parameters): prepareHandover.ReturnType {
  const args = handoverArguments(parameters, parameters);
  return { to: parameters.hub, data: encodeFunctionData({ abi: hubAbi, functionName: "handover", args }), value: 0n };
}

export declare namespace prepareHandover {
  type Parameters = HubConfig & HandoverParameters;
  type ReturnType = PreparedCall;
  type ErrorType = SdkError;
}
