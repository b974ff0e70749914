/** `import … from "clockless/viem"`: actions on the user's own viem client. */
export {
  ACCEPT_STATUSES,
  type AcceptStatus,
  type HandoverParameters,
  type HubConfig,
  HubError,
  type HubHead,
  type HubIdentity,
  type PreparedCall,
} from "../hub.ts";
export { hubAbi } from "./abi.ts";
export { type ClocklessActions, clocklessActions } from "./clocklessActions.ts";
export { getHubHead } from "./getHubHead.ts";
export { getHubIdentity } from "./getHubIdentity.ts";
export { isDelivered } from "./isDelivered.ts";
export { prepareAccept } from "./prepareAccept.ts";
export { prepareDeliver } from "./prepareDeliver.ts";
export { prepareHandover } from "./prepareHandover.ts";
export { simulateAccept } from "./simulateAccept.ts";
export { simulateDeliver } from "./simulateDeliver.ts";
export { simulateHandover } from "./simulateHandover.ts";
export { submitAccept } from "./submitAccept.ts";
export { submitDeliver } from "./submitDeliver.ts";
export { submitHandover } from "./submitHandover.ts";
export { waitForAcceptance } from "./waitForAcceptance.ts";
