import type { Account, Chain, Client, Transport } from "viem";
import type { HubConfig } from "../hub.ts";
import { getHubHead } from "./getHubHead.ts";
import { getHubIdentity } from "./getHubIdentity.ts";
import { isDelivered } from "./isDelivered.ts";
import { prepareAccept } from "./prepareAccept.ts";
import { prepareDeliver } from "./prepareDeliver.ts";
import { prepareHandover } from "./prepareHandover.ts";
import { simulateAccept } from "./simulateAccept.ts";
import { simulateDeliver } from "./simulateDeliver.ts";
import { simulateHandover } from "./simulateHandover.ts";
import { submitAccept } from "./submitAccept.ts";
import { submitDeliver } from "./submitDeliver.ts";
import { submitHandover } from "./submitHandover.ts";
import { waitForAcceptance } from "./waitForAcceptance.ts";

/** An action's parameters without what the decorator already knows. */
type Without<P> = Omit<P, keyof HubConfig>;

/** A type and not an interface: viem's `extend` wants an index signature, which only types have implicitly. */
export type ClocklessActions = {
  getHubHead(parameters?: Without<getHubHead.Parameters>): Promise<getHubHead.ReturnType>;
  getHubIdentity(): Promise<getHubIdentity.ReturnType>;
  isDelivered(parameters: Without<isDelivered.Parameters>): Promise<isDelivered.ReturnType>;
  prepareAccept(parameters: Without<prepareAccept.Parameters>): prepareAccept.ReturnType;
  simulateAccept(parameters: Without<simulateAccept.Parameters>): Promise<simulateAccept.ReturnType>;
  submitAccept(parameters: Without<submitAccept.Parameters>): Promise<submitAccept.ReturnType>;
  prepareDeliver(parameters: Without<prepareDeliver.Parameters>): prepareDeliver.ReturnType;
  simulateDeliver(parameters: Without<simulateDeliver.Parameters>): Promise<simulateDeliver.ReturnType>;
  submitDeliver(parameters: Without<submitDeliver.Parameters>): Promise<submitDeliver.ReturnType>;
  prepareHandover(parameters: Without<prepareHandover.Parameters>): prepareHandover.ReturnType;
  simulateHandover(parameters: Without<simulateHandover.Parameters>): Promise<simulateHandover.ReturnType>;
  submitHandover(parameters: Without<submitHandover.Parameters>): Promise<submitHandover.ReturnType>;
  waitForAcceptance(parameters: Without<waitForAcceptance.Parameters>): Promise<waitForAcceptance.ReturnType>;
};

/**
 * Actions of one hub on the user's own client.
 * @example
 * const client = createWalletClient({ account, chain, transport: http() })
 *   .extend(clocklessActions({ hub, committee: () => clockless.committee }));
 * const acceptance = await clockless.getAcceptance(BigInt(chain.id));
 * await client.submitAccept({ acceptance });
 */
export function clocklessActions(config: HubConfig) {
  return <T extends Transport, C extends Chain | undefined, A extends Account | undefined>(
    client: Client<T, C, A>,
  ): ClocklessActions => ({
    getHubHead: (parameters) => getHubHead(client, { ...parameters, ...config }),
    getHubIdentity: () => getHubIdentity(client, config),
    isDelivered: (parameters) => isDelivered(client, { ...parameters, ...config }),
    prepareAccept: (parameters) => prepareAccept({ ...parameters, ...config }),
    simulateAccept: (parameters) => simulateAccept(client, { ...parameters, ...config }),
    submitAccept: (parameters) => submitAccept(client, { ...parameters, ...config }),
    prepareDeliver: (parameters) => prepareDeliver({ ...parameters, ...config }),
    simulateDeliver: (parameters) => simulateDeliver(client, { ...parameters, ...config }),
    submitDeliver: (parameters) => submitDeliver(client, { ...parameters, ...config }),
    prepareHandover: (parameters) => prepareHandover({ ...parameters, ...config }),
    simulateHandover: (parameters) => simulateHandover(client, { ...parameters, ...config }),
    submitHandover: (parameters) => submitHandover(client, { ...parameters, ...config }),
    waitForAcceptance: (parameters) => waitForAcceptance(client, { ...parameters, ...config }),
  });
}
