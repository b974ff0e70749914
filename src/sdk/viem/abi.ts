import { settlementHubAbi } from "../../abi/settlement-hub.ts";
import { hubErrorsAbi } from "../hub.ts";

/** The hub's ABI with the errors of everything it calls, so that viem can name every revert. Types are the hub's own. */
// CAST: the errors added are for decoding at run time only; functions and events stay exactly those of the hub
export const hubAbi = [
  ...settlementHubAbi.filter((item) => item.type !== "error"),
  ...hubErrorsAbi,
] as unknown as typeof settlementHubAbi;
