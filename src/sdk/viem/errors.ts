import { BaseError, ContractFunctionRevertedError } from "viem";
import { HubError } from "../hub.ts";

/** A revert that the hub, its vault or its verifier names becomes a HubError; everything else goes through as viem's own error. */
export async function withHubErrors<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof BaseError) {
      const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
      if (revert instanceof ContractFunctionRevertedError && revert.data !== undefined)
        throw new HubError(revert.data.errorName, revert.data.args ?? [], { cause: error });
    }
    throw error;
  }
}
