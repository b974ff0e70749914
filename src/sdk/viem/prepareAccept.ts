import { encodeFunctionData } from "viem";
import type { SdkError } from "../errors.ts";
import { acceptArguments, type HubConfig, type PreparedCall } from "../hub.ts";
import type { Acceptance } from "../reads.ts";
import { hubAbi } from "./abi.ts";

/** The call data of `accept`, for a Safe, a bundler or any other sender. Verified against the committee; nothing is sent. */
export function prepareAccept(parameters: prepareAccept.Parameters): prepareAccept.ReturnType {
  const args = acceptArguments(parameters, parameters.acceptance);
  return { to: parameters.hub, data: encodeFunctionData({ abi: hubAbi, functionName: "accept", args }), value: 0n };
}

export declare namespace prepareAccept {
  type Parameters = HubConfig & { readonly acceptance: Acceptance };
  type ReturnType = PreparedCall;
  type ErrorType = SdkError;
}
