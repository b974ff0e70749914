/** Telemetry for tests: a logger that keeps its lines, and metrics that can be read back as numbers. */
import { assert } from "../lib/assert.ts";
import type { LogFields, Logger, MetricConfig, Metrics } from "./port.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** Discards everything, or appends to `lines` when given. */
export function silentLogger(lines?: LogLine[], base: LogFields = {}): Logger {
  const at =
    (level: LogLine["level"]) =>
    (message: string, fields: LogFields = {}) => {
      lines?.push({ level, message, fields: { ...base, ...fields } });
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => silentLogger(lines, { ...base, ...fields }),
  };
}

export interface SilentMetrics extends Metrics {
  /** Last value (gauge), sum (counter) or number of observations (histogram); keys like `name` or `name{label="value"}`. */
  readonly values: ReadonlyMap<string, number>;
}

export function silentMetrics(): SilentMetrics {
  const values = new Map<string, number>();
  const names = new Set<string>();

  function register(config: MetricConfig<string>) {
    assert(!names.has(config.name), `metric ${config.name} exists`);
    names.add(config.name);
    // With labels the arguments are (labels, value), without them (value).
    return (args: readonly unknown[], fallback: number) => {
      const isLabelled = config.labels !== undefined && config.labels.length > 0;
      const labels = isLabelled
        ? config.labels.map((label) => `${label}="${Reflect.get(Object(args[0]), label)}"`).join(",")
        : "";
      const value = args[isLabelled ? 1 : 0] ?? fallback;
      assert(typeof value === "number", `metric ${config.name} needs a number`);
      return { key: labels === "" ? config.name : `${config.name}{${labels}}`, value };
    };
  }

  return {
    values,
    counter(config) {
      const read = register(config);
      return {
        add(...args) {
          const { key, value } = read(args, 1);
          assert(value >= 0, "counters only grow");
          values.set(key, (values.get(key) ?? 0) + value);
        },
      };
    },
    gauge(config) {
      const read = register(config);
      return {
        set(...args) {
          const { key, value } = read(args, Number.NaN);
          values.set(key, value);
        },
      };
    },
    histogram(config) {
      const read = register(config);
      return {
        observe(...args) {
          const { key } = read(args, Number.NaN);
          values.set(key, (values.get(key) ?? 0) + 1);
        },
      };
    },
    async expose() {
      return { contentType: "text/plain", body: [...values].map(([key, value]) => `${key} ${value}\n`).join("") };
    },
  };
}
