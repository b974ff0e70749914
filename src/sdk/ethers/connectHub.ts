import type { ContractRunner, ContractTransactionResponse } from "ethers";
import type { Hex } from "../../lib/hex.ts";
import { SdkError } from "../errors.ts";
import {
  type AcceptStatus,
  acceptArguments,
  acceptStatusOf,
  deliverArguments,
  type HandoverParameters,
  type HubConfig,
  type HubHead,
  type HubIdentity,
  handoverArguments,
  hubHeadOf,
  hubIdentityOf,
  type PreparedCall,
} from "../hub.ts";
import { poll, type WaitOptions } from "../instructions.ts";
import type { Acceptance, Delivery } from "../reads.ts";
import { hubContract, verifierContract } from "./contract.ts";
import { withHubErrors } from "./errors.ts";

type BlockTag = "latest" | "safe" | "finalized";

export interface ConnectedHub {
  readonly hub: string;
  getHubHead(options?: { readonly blockTag?: BlockTag }): Promise<HubHead>;
  /** Which committee and suite the hub obeys. Look before the first deposit. */
  getHubIdentity(): Promise<HubIdentity>;
  isDelivered(parameters: { readonly index: bigint; readonly blockTag?: BlockTag }): Promise<boolean>;
  prepareAccept(parameters: { readonly acceptance: Acceptance }): PreparedCall;
  simulateAccept(parameters: { readonly acceptance: Acceptance }): Promise<{ readonly status: AcceptStatus }>;
  submitAccept(parameters: { readonly acceptance: Acceptance }): Promise<ContractTransactionResponse>;
  prepareDeliver(parameters: DeliverParameters): PreparedCall;
  simulateDeliver(parameters: DeliverParameters): Promise<{ readonly delivered: bigint }>;
  submitDeliver(parameters: DeliverParameters): Promise<ContractTransactionResponse>;
  /** Brings the hub to the committee's next group key; it takes handovers one by one. */
  prepareHandover(parameters: HandoverParameters): PreparedCall;
  /** Throws HubError where it would revert: `HandoverOutOfTurn` when it is there already, or one before it is missing. */
  simulateHandover(parameters: HandoverParameters): Promise<{ readonly handovers: bigint }>;
  submitHandover(parameters: HandoverParameters): Promise<ContractTransactionResponse>;
  waitForAcceptance(
    parameters: WaitOptions & { readonly sequence: bigint; readonly blockTag?: BlockTag },
  ): Promise<HubHead>;
}

export interface DeliverParameters {
  readonly delivery: Delivery;
  /** The hub's head at whose sequence the delivery was read. */
  readonly head: Pick<HubHead, "sequence" | "slot">;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const DEFAULT_POLLING_MS = 2_000;

/**
 * A hub over the user's own runner (a provider reads, a signer writes too). Same arguments and errors as the viem actions.
 * @example
 * const hub = connectHub(signer, { hub: "0x…", committee });
 * const response = await hub.submitAccept({ acceptance: await clockless.getAcceptance(1n) });
 */
export function connectHub(runner: ContractRunner, config: HubConfig): ConnectedHub {
  const contract = hubContract(config.hub, runner);
  const prepared = (data: string): PreparedCall => ({
    to: config.hub,
    data: data as Hex, // CAST: ethers encodes call data as 0x-prefixed hex
    value: 0n,
  });
  const deliverArgs = ({ delivery, head }: DeliverParameters) => deliverArguments(config, delivery, head);
  const getHubHead = async (blockTag: BlockTag = "latest"): Promise<HubHead> =>
    hubHeadOf(await withHubErrors(() => contract.head.staticCall({ blockTag })));

  return {
    hub: config.hub,
    getHubHead: (options) => getHubHead(options?.blockTag),
    getHubIdentity: () =>
      withHubErrors(async () => {
        const [committeeId, verifier] = await Promise.all([
          contract.committeeId.staticCall(),
          contract.verifier.staticCall(),
        ]);
        const key = verifierContract(verifier, runner);
        const [suite, groupKey] = await Promise.all([key.suite.staticCall(), key.groupKey.staticCall()]);
        return hubIdentityOf(config, { committeeId, verifier, suite, groupKey });
      }),
    isDelivered: ({ index, blockTag = "latest" }) =>
      withHubErrors(() => contract.isDelivered.staticCall(index, { blockTag })),
    prepareAccept: ({ acceptance }) =>
      prepared(contract.interface.encodeFunctionData("accept", acceptArguments(config, acceptance))),
    async simulateAccept({ acceptance }) {
      const args = acceptArguments(config, acceptance);
      return { status: acceptStatusOf(await withHubErrors(() => contract.accept.staticCall(...args))) };
    },
    submitAccept: ({ acceptance }) =>
      withHubErrors(async () => contract.accept(...acceptArguments(config, acceptance))),
    prepareDeliver: (parameters) => prepared(contract.interface.encodeFunctionData("deliver", deliverArgs(parameters))),
    async simulateDeliver(parameters) {
      const args = deliverArgs(parameters);
      return { delivered: await withHubErrors(() => contract.deliver.staticCall(...args)) };
    },
    submitDeliver: (parameters) => withHubErrors(async () => contract.deliver(...deliverArgs(parameters))),
    prepareHandover: (parameters) =>
      prepared(contract.interface.encodeFunctionData("handover", handoverArguments(config, parameters))),
    async simulateHandover(parameters) {
      const args = handoverArguments(config, parameters);
      await withHubErrors(() => contract.handover.staticCall(...args));
      return { handovers: parameters.handover.statement.number };
    },
    submitHandover: (parameters) =>
      withHubErrors(async () => contract.handover(...handoverArguments(config, parameters))),
    async waitForAcceptance(parameters) {
      const { sequence, timeoutMs = DEFAULT_TIMEOUT_MS } = parameters;
      let last: unknown;
      return poll(
        { pollingIntervalMs: DEFAULT_POLLING_MS, ...parameters },
        timeoutMs,
        () =>
          new SdkError("timeout", `the hub did not accept batch ${sequence} within ${timeoutMs} ms`, {
            details: { sequence, timeoutMs },
            cause: last,
          }),
        async () => {
          try {
            const head = await getHubHead(parameters.blockTag);
            return head.sequence >= sequence ? head : undefined;
          } catch (error) {
            last = error; // an RPC that fails now may answer in a moment; the deadline bounds it
            return undefined;
          }
        },
      );
    },
  };
}
