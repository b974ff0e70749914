/** Metrics as Prometheus reads them. One registry per node, so that several nodes can live in one process. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { assert } from "../lib/assert.ts";
import type { MetricConfig, Metrics } from "./port.ts";

/** https://prometheus.io/docs/practices/naming/: base units, and counters end in `_total`. */
const UNIT_SUFFIXES = [
  "_total",
  "_seconds",
  "_bytes",
  "_ratio",
  "_count",
  "_rounds",
  "_blocks",
  "_batches",
  "_sequence",
  "_wei",
  "_info",
  // Without a unit: an ordinal, and one of several states.
  "epoch",
  "_phase",
];

export interface PrometheusOptions {
  /** Put before every name; default `clockless_`. */
  readonly prefix?: string;
  /** On every sample, e.g. member index and committee. */
  readonly defaultLabels?: Readonly<Record<string, string>>;
  /** Also report CPU, memory, event-loop delay and garbage collection of this process. */
  readonly withProcess?: boolean;
}

export function createPrometheusMetrics(options: PrometheusOptions = {}): Metrics {
  const registry = new Registry();
  const prefix = options.prefix ?? "clockless_";
  if (options.defaultLabels !== undefined) registry.setDefaultLabels(options.defaultLabels);
  if (options.withProcess) collectDefaultMetrics({ register: registry, prefix });

  function settings<L extends string>(config: MetricConfig<L>, kind: "counter" | "gauge" | "histogram") {
    assert(/^[a-z][a-z0-9_]*$/.test(config.name), `metric name ${config.name} is not snake_case`);
    assert(
      UNIT_SUFFIXES.some((suffix) => config.name.endsWith(suffix)),
      `metric ${config.name} does not end in a unit`,
    );
    assert(
      (kind === "counter") === config.name.endsWith("_total"),
      `counters, and only they, end in _total: ${config.name}`,
    );
    assert(registry.getSingleMetric(prefix + config.name) === undefined, `metric ${config.name} exists`);
    return {
      name: prefix + config.name,
      help: config.help,
      labelNames: [...(config.labels ?? [])],
      registers: [registry],
    };
  }

  return {
    counter(config) {
      const counter = new Counter<string>(settings(config, "counter"));
      return {
        add(...args) {
          const { labels, value } = split(args);
          counter.inc(labels, value ?? 1);
        },
      };
    },
    gauge(config) {
      const gauge = new Gauge<string>(settings(config, "gauge"));
      return {
        set(...args) {
          const { labels, value } = split(args);
          gauge.set(labels, value ?? Number.NaN);
        },
      };
    },
    histogram(config) {
      const histogram = new Histogram<string>({ ...settings(config, "histogram"), buckets: [...config.buckets] });
      return {
        observe(...args) {
          const { labels, value } = split(args);
          histogram.observe(labels, value ?? Number.NaN);
        },
      };
    },
    async expose() {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

/** `(value)` or `(labels, value)`. */
function split(args: readonly unknown[]): { labels: Record<string, string | number>; value: number | undefined } {
  const [first, second] = args;
  const isLabelled = typeof first === "object" && first !== null;
  const value = isLabelled ? second : first;
  assert(value === undefined || typeof value === "number", "a metric takes a number");
  return { labels: isLabelled ? { ...first } : {}, value };
}
