/** What operators watch. Names end in their unit; alert rules ship in docs. */
import type { SettledBatch } from "../ledger/types.ts";
import type { Counter, Gauge, Metrics } from "../telemetry/port.ts";

export interface NodeMetrics {
  readonly certificates: Counter<"suite">;
  readonly faults: Counter<"peer" | "code">;
  batch(batch: SettledBatch): void;
  /** Gauges that are read when somebody scrapes. */
  readonly epoch: Gauge;
  /** 0 nothing under way, 1 dealing, 2 opening, 3 handover, 4 closing. */
  readonly reconfigurationPhase: Gauge;
  readonly round: Gauge;
  readonly settledSequence: Gauge;
  readonly certifiedSequence: Gauge;
  readonly pendingInstructions: Gauge;
  /** Of what a malicious or slow member could make grow: each has a bound in consensus/limits.ts. */
  readonly held: Gauge<"kind">;
  readonly connectedPeers: Gauge;
  readonly peerQueueBytes: Gauge<"peer">;
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
}

export function createNodeMetrics(metrics: Metrics): NodeMetrics {
  const batches = metrics.counter({ name: "batches_total", help: "Batches the ledger settled." });
  const receipts = metrics.counter({ name: "receipts_total", help: "Receipts by code.", labels: ["code"] });
  return {
    certificates: metrics.counter({ name: "certificates_total", help: "Certificates by suite.", labels: ["suite"] }),
    faults: metrics.counter({
      name: "peer_faults_total",
      help: "What peers did that honest members do not.",
      labels: ["peer", "code"],
    }),
    batch(batch) {
      batches.add();
      for (const receipt of batch.receipts) receipts.add({ code: receipt.code });
    },
    epoch: metrics.gauge({ name: "epoch", help: "Epoch that this member takes part in." }),
    reconfigurationPhase: metrics.gauge({
      name: "reconfiguration_phase",
      help: "Change of the committee: 0 none, 1 dealing, 2 opening, 3 handover, 4 closing.",
    }),
    round: metrics.gauge({ name: "dag_round_count", help: "Highest round in the DAG." }),
    settledSequence: metrics.gauge({ name: "settled_batches_count", help: "Newest batch the ledger made." }),
    certifiedSequence: metrics.gauge({
      name: "certified_batches_count",
      help: "Newest batch certified in every required suite.",
    }),
    pendingInstructions: metrics.gauge({
      name: "pending_instructions_count",
      help: "Instructions waiting to be ordered.",
    }),
    held: metrics.gauge({
      name: "held_entries_count",
      help: "What consensus holds in memory: blocks in the DAG, blocks that wait for ancestors, ancestors asked for, coin shares.",
      labels: ["kind"],
    }),
    connectedPeers: metrics.gauge({ name: "connected_peers_count", help: "Peers we can send to." }),
    peerQueueBytes: metrics.gauge({ name: "peer_queue_bytes", help: "Bytes waiting for a peer.", labels: ["peer"] }),
    expose: () => metrics.expose(),
  };
}
