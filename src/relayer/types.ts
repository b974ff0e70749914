/** What a relayer tells about itself: plan, events, status. */
import type { JournalRecord } from "../chain/port.ts";
import type { EndpointHealth } from "../chain/rpc-endpoint.ts";
import type { Address, Hex } from "../lib/hex.ts";

/** What a transaction costs at most and at present prices. */
export interface Cost {
  readonly gasLimit: bigint;
  readonly maxFeePerGasWei: bigint;
  readonly expectedWei: bigint;
  readonly maxWei: bigint;
}

/** `transaction` is the hash once it was signed; absent in a dry run. */
export type PlannedAction =
  /** The hub learns its committee's next group key; until then it can accept nothing that the next key signed. */
  | {
      readonly kind: "handover";
      readonly chainId: bigint;
      /** The hub's handovers after it. */
      readonly number: bigint;
      readonly cost: Cost;
      readonly transaction?: Hex | undefined;
    }
  | {
      readonly kind: "accept";
      readonly chainId: bigint;
      readonly sequence: bigint;
      readonly cost: Cost;
      readonly transaction?: Hex | undefined;
    }
  | {
      readonly kind: "deliver";
      readonly chainId: bigint;
      readonly indices: readonly bigint[];
      readonly cost: Cost;
      readonly transaction?: Hex | undefined;
    };

/** Why nothing is sent now although something could be. */
export interface Waiting {
  readonly chainId: bigint;
  readonly what: "handover" | "accept" | "deliver";
  /** `backup`: relayers of lower rank come first. `idle`: nothing to deliver and the last head is young. `retry`: it failed before. */
  readonly reason: "backup" | "inFlight" | "idle" | "paused" | "retry";
}

/** A chain that could not be served this turn, or an entry that cannot be delivered now. Others are not affected. */
export interface Problem {
  readonly chainId: bigint;
  readonly code: string;
  readonly message: string;
  readonly isTransient: boolean;
  /** The outbox entry concerned, if it is about one. */
  readonly index?: bigint | undefined;
}

export interface Plan {
  readonly actions: readonly PlannedAction[];
  readonly waiting: readonly Waiting[];
  readonly problems: readonly Problem[];
}

export type RelayerEvent =
  | {
      readonly kind: "handedOver";
      readonly chainId: bigint;
      readonly number: bigint;
      readonly gasUsed: bigint;
      readonly feeWei: bigint;
      readonly transaction: Hex;
    }
  | {
      readonly kind: "accepted";
      readonly chainId: bigint;
      readonly sequence: bigint;
      readonly gasUsed: bigint;
      readonly feeWei: bigint;
      readonly transaction: Hex;
    }
  | {
      readonly kind: "delivered";
      readonly chainId: bigint;
      readonly indices: readonly bigint[];
      readonly gasUsed: bigint;
      readonly feeWei: bigint;
      readonly transaction: Hex;
    }
  /** Mined, but another relayer had done it already. */
  | { readonly kind: "raceLost"; readonly chainId: bigint; readonly gasUsed: bigint; readonly transaction: Hex }
  /** Mined and reverted although the simulation passed. */
  | {
      readonly kind: "reverted";
      readonly chainId: bigint;
      readonly purpose: string;
      readonly gasUsed: bigint;
      readonly transaction: Hex;
    }
  /** Beyond the chain's finality: nothing is left to watch. */
  | { readonly kind: "final"; readonly chainId: bigint; readonly purpose: string; readonly transaction: Hex }
  | { readonly kind: "balance"; readonly chainId: bigint; readonly balanceWei: bigint; readonly isLow: boolean }
  | { readonly kind: "error"; readonly problem: Problem };

export interface ChainStatus {
  readonly chainId: bigint;
  readonly hub: Address;
  readonly sender: Address;
  /** Newest sequence the hub accepted, as last read. */
  readonly headSequence: bigint | undefined;
  /** Newest certificate that verified, under the hub's key or one that handovers lead to. */
  readonly certifiedSequence: bigint | undefined;
  /** Handovers that the hub has carried out, as last read. */
  readonly handovers: bigint | undefined;
  /** Handovers that the hub needs before it can accept the newest certificate. */
  readonly pendingHandovers: number;
  /** Entries that can be delivered and are not. */
  readonly pendingEntries: number;
  readonly inFlight: readonly JournalRecord[];
  readonly isBalanceLow: boolean;
  readonly lastProblem: Problem | undefined;
  readonly endpoints: readonly EndpointHealth[];
}

export interface RelayerStatus {
  readonly isRunning: boolean;
  readonly chains: readonly ChainStatus[];
  /** Base URLs of members' APIs that answer properly. */
  readonly healthyApis: number;
  readonly apis: number;
}
