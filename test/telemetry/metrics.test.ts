import { expect } from "chai";
import type { Metrics } from "../../src/telemetry/port.ts";
import { createPrometheusMetrics } from "../../src/telemetry/prometheus.ts";
import { silentMetrics } from "../../src/telemetry/silent.ts";

function use(metrics: Metrics): void {
  const batches = metrics.counter({ name: "batches_total", help: "Batches certified" });
  batches.add();
  batches.add(2);
  const bytes = metrics.counter({ name: "peer_bytes_total", help: "Bytes by peer", labels: ["peer", "direction"] });
  bytes.add({ peer: 1, direction: "in" }, 10);
  bytes.add({ peer: 1, direction: "in" }, 5);
  bytes.add({ peer: 2, direction: "out" });
  metrics.gauge({ name: "round_rounds", help: "Highest round" }).set(7);
  metrics.gauge({ name: "queue_bytes", help: "Queued", labels: ["peer"] }).set({ peer: 3 }, 9);
  metrics.histogram({ name: "commit_seconds", help: "Time to commit", buckets: [0.1, 1] }).observe(0.5);
}

describe("telemetry/prometheus", () => {
  it("exposes what was counted, in the text format", async () => {
    const metrics = createPrometheusMetrics({ defaultLabels: { member: "0" } });
    use(metrics);
    const { contentType, body } = await metrics.expose();
    expect(contentType).to.match(/^text\/plain; version=0\.0\.4/);
    const lines = body.split("\n");
    for (const line of [
      'clockless_batches_total{member="0"} 3',
      'clockless_peer_bytes_total{peer="1",direction="in",member="0"} 15',
      'clockless_peer_bytes_total{peer="2",direction="out",member="0"} 1',
      'clockless_round_rounds{member="0"} 7',
      'clockless_queue_bytes{peer="3",member="0"} 9',
      'clockless_commit_seconds_bucket{le="0.1",member="0"} 0',
      'clockless_commit_seconds_bucket{le="1",member="0"} 1',
      "# TYPE clockless_commit_seconds histogram",
      "# HELP clockless_batches_total Batches certified",
    ]) {
      expect(lines).to.include(line);
    }
  });

  it("keeps nodes of one process apart", async () => {
    const one = createPrometheusMetrics();
    const two = createPrometheusMetrics();
    use(one);
    expect((await two.expose()).body.trim()).to.equal("");
  });

  it("refuses names without a unit, counters without _total, and the same name twice", () => {
    const metrics = createPrometheusMetrics();
    expect(() => metrics.gauge({ name: "queue", help: "Any" })).to.throw(/unit/);
    expect(() => metrics.counter({ name: "queue_bytes", help: "Any" })).to.throw(/_total/);
    expect(() => metrics.gauge({ name: "queue_total", help: "Any" })).to.throw(/_total/);
    expect(() => metrics.gauge({ name: "Queue_bytes", help: "Any" })).to.throw(/snake_case/);
    metrics.gauge({ name: "queue_bytes", help: "Any" });
    expect(() => metrics.gauge({ name: "queue_bytes", help: "Any" })).to.throw(/exists/);
  });

  it("reports the process on request", async () => {
    const { body } = await createPrometheusMetrics({ withProcess: true }).expose();
    expect(body).to.include("clockless_process_resident_memory_bytes");
  });
});

describe("telemetry/silent metrics", () => {
  it("can be read back", () => {
    const metrics = silentMetrics();
    use(metrics);
    expect(Object.fromEntries(metrics.values)).to.deep.equal({
      batches_total: 3,
      'peer_bytes_total{peer="1",direction="in"}': 15,
      'peer_bytes_total{peer="2",direction="out"}': 1,
      round_rounds: 7,
      'queue_bytes{peer="3"}': 9,
      commit_seconds: 1,
    });
  });
});
