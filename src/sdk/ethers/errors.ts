import { Interface, isCallException } from "ethers";
import { HubError, hubErrorsAbi } from "../hub.ts";

const ERRORS = new Interface(hubErrorsAbi);

/** A revert that the hub, its vault or its verifier names becomes a HubError; everything else goes through as ethers' own error. */
export async function withHubErrors<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (isCallException(error) && error.data) {
      const parsed = ERRORS.parseError(error.data);
      if (parsed !== null) throw new HubError(parsed.name, parsed.args.toArray(), { cause: error });
    }
    throw error;
  }
}
