/** The relayer's metrics: what it did, what it cost, how far hubs lag. */
import type { Metrics } from "../telemetry/port.ts";
import type { RelayerEvent, RelayerStatus } from "./types.ts";

export interface RelayerMetrics {
  count(event: RelayerEvent): void;
  observe(status: RelayerStatus): void;
}

export function createRelayerMetrics(metrics: Metrics): RelayerMetrics {
  const accepted = metrics.counter<"chain_id">({
    name: "relayer_accepted_total",
    help: "Certificates that a hub accepted from this relayer.",
    labels: ["chain_id"],
  });
  const delivered = metrics.counter<"chain_id">({
    name: "relayer_delivered_entries_total",
    help: "Outbox entries in this relayer's successful deliveries.",
    labels: ["chain_id"],
  });
  const handovers = metrics.counter<"chain_id">({
    name: "relayer_handovers_total",
    help: "Handovers to a new group key that a hub carried out for this relayer.",
    labels: ["chain_id"],
  });
  const gas = metrics.counter<"chain_id" | "kind">({
    name: "relayer_gas_used_total",
    help: "Gas paid, by what came of the transaction.",
    labels: ["chain_id", "kind"],
  });
  const problems = metrics.counter<"chain_id" | "code">({
    name: "relayer_problems_total",
    help: "Turns in which a chain or entry could not be served.",
    labels: ["chain_id", "code"],
  });
  const lag = metrics.gauge<"chain_id">({
    name: "relayer_head_lag_batches",
    help: "Newest certified sequence minus the hub's head.",
    labels: ["chain_id"],
  });
  const pending = metrics.gauge<"chain_id">({
    name: "relayer_pending_entries_count",
    help: "Outbox entries that could be delivered and are not.",
    labels: ["chain_id"],
  });
  const pendingHandovers = metrics.gauge<"chain_id">({
    name: "relayer_pending_handovers_count",
    help: "Handovers that a hub needs before it can accept the newest certificate.",
    labels: ["chain_id"],
  });
  const low = metrics.gauge<"chain_id">({
    name: "relayer_low_balance_count",
    help: "1 while the sender's balance is below its alarm.",
    labels: ["chain_id"],
  });
  return {
    count(event) {
      const chain_id = (event.kind === "error" ? event.problem.chainId : event.chainId).toString();
      if (event.kind === "accepted") accepted.add({ chain_id });
      if (event.kind === "handedOver") handovers.add({ chain_id });
      if (event.kind === "delivered") delivered.add({ chain_id }, event.indices.length);
      if (event.kind === "error") problems.add({ chain_id, code: event.problem.code });
      if ("gasUsed" in event) gas.add({ chain_id, kind: event.kind }, Number(event.gasUsed));
    },
    observe(status) {
      for (const chain of status.chains) {
        const chain_id = chain.chainId.toString();
        const { headSequence, certifiedSequence } = chain;
        if (headSequence !== undefined && certifiedSequence !== undefined) {
          lag.set({ chain_id }, Math.max(0, Number(certifiedSequence - headSequence)));
        }
        pending.set({ chain_id }, chain.pendingEntries);
        pendingHandovers.set({ chain_id }, chain.pendingHandovers);
        low.set({ chain_id }, chain.isBalanceLow ? 1 : 0);
      }
    },
  };
}
