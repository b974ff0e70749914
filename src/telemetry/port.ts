/** What rooms say about themselves. Values are structured; adapters decide where they go. */

/** Fields of one log line; secrets do not belong here (adapters redact known names as a second net). */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

export type Labels<L extends string> = Readonly<Record<L, string | number>>;

export interface Counter<L extends string = never> {
  /** Adds `by` ≥ 0 (default 1). */
  add(...args: [L] extends [never] ? [by?: number] : [labels: Labels<L>, by?: number]): void;
}

export interface Gauge<L extends string = never> {
  set(...args: [L] extends [never] ? [value: number] : [labels: Labels<L>, value: number]): void;
}

export interface Histogram<L extends string = never> {
  observe(...args: [L] extends [never] ? [value: number] : [labels: Labels<L>, value: number]): void;
}

export interface MetricConfig<L extends string> {
  /** snake_case without prefix, ending in its unit: `_total` (counters), `_seconds`, `_bytes`, `_ratio`, `_count`, `_rounds`, … */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

/** Creating the same metric twice is a bug and throws. */
export interface Metrics {
  counter<L extends string = never>(config: MetricConfig<L>): Counter<L>;
  gauge<L extends string = never>(config: MetricConfig<L>): Gauge<L>;
  /** `buckets`: upper bounds, ascending, in the unit of the name. */
  histogram<L extends string = never>(config: MetricConfig<L> & { readonly buckets: readonly number[] }): Histogram<L>;
  /** Prometheus text exposition format 0.0.4 of everything registered. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
}
