import type { Chain, Client, Transport } from "viem";
import { readContract } from "viem/actions";
import { bn254VerifierAbi } from "../../abi/bn254-verifier.ts";
import type { SdkError } from "../errors.ts";
import { type HubConfig, type HubError, type HubIdentity, hubIdentityOf } from "../hub.ts";
import { hubAbi } from "./abi.ts";
import { withHubErrors } from "./errors.ts";

/**
 * Which committee and suite a hub obeys. Look before the first deposit: `isOurs` is false for a hub of anybody else's key.
 * @example
 * const { suite, isOurs } = await getHubIdentity(client, { hub, committee });
 */
export function getHubIdentity(
  client: Client<Transport, Chain | undefined>,
  { hub, committee }: getHubIdentity.Parameters,
): Promise<getHubIdentity.ReturnType> {
  return withHubErrors(async () => {
    const [committeeId, verifier] = await Promise.all([
      readContract(client, { abi: hubAbi, address: hub, functionName: "committeeId" }),
      readContract(client, { abi: hubAbi, address: hub, functionName: "verifier" }),
    ]);
    // Both suites' verifiers have the same two functions.
    const [suite, groupKey] = await Promise.all([
      readContract(client, { abi: bn254VerifierAbi, address: verifier, functionName: "suite" }),
      readContract(client, { abi: bn254VerifierAbi, address: verifier, functionName: "groupKey" }),
    ]);
    return hubIdentityOf({ committee }, { committeeId, verifier, suite, groupKey });
  });
}

export declare namespace getHubIdentity {
  type Parameters = HubConfig;
  type ReturnType = HubIdentity;
  type ErrorType = SdkError | HubError | Error;
}
