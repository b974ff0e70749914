/** What came of a transaction, in the words of this room. */
import type { TransactionEvent } from "../chain/transaction-manager.ts";
import { parsePurpose } from "./purpose.ts";
import type { RelayerEvent } from "./types.ts";

export type RevertedEvent = Extract<RelayerEvent, { kind: "reverted" }>;

/** Undefined for what is only a step on the way. */
export function outcomeOf(chainId: bigint, event: TransactionEvent): RelayerEvent | undefined {
  if (event.kind === "balance") return { ...event, chainId };
  const { receipt, purpose } = event.record;
  if (receipt === undefined || (event.kind !== "mined" && event.kind !== "final")) return undefined;
  const { gasUsed, feeWei, hash: transaction } = receipt;
  if (event.kind === "final") return { kind: "final", chainId, purpose, transaction };
  if (!receipt.succeeded) return { kind: "reverted", chainId, purpose, gasUsed, transaction };
  // Every call that does something says so in an event.
  if (receipt.logCount === 0) return { kind: "raceLost", chainId, gasUsed, transaction };
  const task = parsePurpose(purpose);
  const paid = { chainId, gasUsed, feeWei, transaction };
  if (task.kind === "deliver") return { kind: "delivered", indices: task.indices, ...paid };
  if (task.kind === "handover") return { kind: "handedOver", number: task.number, ...paid };
  return { kind: "accepted", sequence: task.sequence, ...paid };
}
