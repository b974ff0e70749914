/** `import … from "clockless/ethers"`: one hub over the user's own ethers v6 runner. */
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
export { type ConnectedHub, connectHub, type DeliverParameters } from "./connectHub.ts";
