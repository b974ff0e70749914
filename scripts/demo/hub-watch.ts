/** Reads what hubs did, from the chains' own logs: when each head was accepted, and what acceptance and delivery cost. */
import { type Address, type Log, parseEventLogs } from "viem";
import { settlementHubAbi } from "../../src/abi/settlement-hub.ts";
import { clientsOf } from "./users.ts";

export interface HubWatch {
  readonly chainId: bigint;
  readonly heads: readonly { readonly sequence: bigint; readonly epoch: bigint; readonly seenMs: number }[];
  /** New verifiers, by the number of the handover that brought them. */
  readonly keyChanges: readonly { readonly number: number; readonly verifier: Address }[];
  headSequence(): bigint;
  /** Mean gas of acceptances and of deliveries per entry, from the transactions' receipts. */
  costs(): Promise<{
    readonly acceptGas: number;
    readonly deliverGasPerEntry: number;
    readonly entriesDelivered: number;
  }>;
  stop(): void;
}

export function watchHub(place: { readonly chainId: bigint; readonly url: string; readonly hub: Address }): HubWatch {
  const { reader } = clientsOf(place);
  const heads: { sequence: bigint; epoch: bigint; seenMs: number }[] = [];
  const keyChanges: { number: number; verifier: Address }[] = [];
  const accepts = new Set<`0x${string}`>();
  const deliveries = new Map<`0x${string}`, number>();
  let next = 0n;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const take = (logs: readonly Log[]): void => {
    for (const log of parseEventLogs({ abi: settlementHubAbi, logs: [...logs] })) {
      if (log.eventName === "HeadAdvanced") {
        heads.push({ sequence: log.args.sequence, epoch: log.args.epoch, seenMs: performance.now() });
        accepts.add(log.transactionHash);
      } else if (log.eventName === "KeyChanged") {
        keyChanges.push({ number: log.args.keyNumber, verifier: log.args.verifier });
      } else if (log.eventName === "PayoutDelivered" || log.eventName === "CallDelivered") {
        deliveries.set(log.transactionHash, (deliveries.get(log.transactionHash) ?? 0) + 1);
      }
    }
  };
  const poll = async (): Promise<void> => {
    try {
      const newest = await reader.getBlockNumber({ cacheTime: 0 });
      if (newest >= next) {
        take(await reader.getLogs({ address: place.hub, fromBlock: next, toBlock: newest }));
        next = newest + 1n;
      }
    } catch {
      // The chain is a process on this machine; if it is gone for good, the phases that wait for it say so.
    }
    if (!stopped) timer = setTimeout(poll, 100);
  };
  void poll();

  return {
    chainId: place.chainId,
    heads,
    keyChanges,
    headSequence: () => heads.at(-1)?.sequence ?? 0n,
    async costs() {
      let acceptGas = 0n;
      for (const hash of accepts) acceptGas += (await reader.getTransactionReceipt({ hash })).gasUsed;
      let deliverGas = 0n;
      let entries = 0;
      for (const [hash, count] of deliveries) {
        deliverGas += (await reader.getTransactionReceipt({ hash })).gasUsed;
        entries += count;
      }
      return {
        acceptGas: accepts.size === 0 ? 0 : Math.round(Number(acceptGas) / accepts.size),
        deliverGasPerEntry: entries === 0 ? 0 : Math.round(Number(deliverGas) / entries),
        entriesDelivered: entries,
      };
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
