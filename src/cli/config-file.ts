/**
 * Configuration by precedence: flag > CLOCKLESS_* environment > file (YAML) > default. Schema-checked; an unknown key is refused
 * with a suggestion, because a misspelt safety setting that is silently ignored is worse than none.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { z } from "zod";
import { ClocklessError } from "../lib/errors.ts";
import { fromEnvironment, type JsonSchema, jsonSchemaOf, keysAt } from "./config-schema.ts";

export type ConfigErrorCode = "unreadableConfig" | "malformedConfig" | "unknownConfigKey" | "invalidConfig";

export class ConfigFileError extends ClocklessError<ConfigErrorCode> {
  override readonly name = "ConfigFileError";
}

export type Origin = "flag" | "environment" | "file" | "default";

export interface LoadedConfig<T> {
  readonly config: T;
  /** Where each top-level value came from. */
  readonly origins: Readonly<Record<string, Origin>>;
}

export interface LoadOptions<T> {
  readonly schema: z.ZodType<T>;
  readonly file: string | undefined;
  /** Top-level keys by name: `dataDir` is CLOCKLESS_DATA_DIR. Nested values live in the file. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly flags: Readonly<Record<string, unknown>>;
}

/** @throws ConfigFileError */
export function loadConfig<T extends object>(options: LoadOptions<T>): LoadedConfig<T> {
  const { schema, file, environment, flags } = options;
  const known = jsonSchemaOf(schema);
  const merged: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  if (file !== undefined) {
    for (const [key, value] of Object.entries(readYaml(file))) {
      merged[key] = value;
      origins[key] = "file";
    }
  }
  for (const [key, each] of Object.entries(known.properties ?? {})) {
    const value = environment[environmentName(key)];
    if (value === undefined) continue;
    merged[key] = fromEnvironment(each, value);
    origins[key] = "environment";
  }
  for (const [key, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    merged[key] = value;
    origins[key] = "flag";
  }
  const parsed = schema.safeParse(merged);
  if (!parsed.success) throw explain(parsed.error, file, known);
  for (const key of Object.keys(parsed.data)) origins[key] ??= "default";
  return { config: parsed.data, origins };
}

/** `dataDir` → `CLOCKLESS_DATA_DIR`. */
export function environmentName(key: string): string {
  return `CLOCKLESS_${key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase()}`;
}

function readYaml(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new ConfigFileError("unreadableConfig", `cannot read the configuration file ${file}`, {
      details: { file },
      cause,
    });
  }
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new ConfigFileError("malformedConfig", `${file} is not YAML`, { details: { file }, cause });
  }
  refuseRounded(value, file, []);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigFileError("malformedConfig", `${file} must hold a mapping of names to values`, {
      details: { file },
    });
  }
  return value as Record<string, unknown>; // CAST: a non-null object that is no array
}

/** YAML numbers beyond 2^53 lose digits before anybody sees them; an amount must not change silently. */
function refuseRounded(value: unknown, file: string, path: readonly string[]): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    const key = path.join(".");
    throw new ConfigFileError("malformedConfig", `${key} is too large for a number: put it in quotation marks`, {
      details: { file, key },
    });
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) refuseRounded(inner, file, [...path, key]);
}

function explain(error: z.ZodError, file: string | undefined, known: JsonSchema): ConfigFileError {
  for (const issue of error.issues) {
    if (issue.code !== "unrecognized_keys") continue;
    const key = issue.keys[0] ?? "";
    const suggestion = nearest(key, keysAt(known, issue.path));
    const hint = suggestion === undefined ? "" : `; did you mean "${suggestion}"?`;
    const path = [...issue.path, key].join(".");
    return new ConfigFileError("unknownConfigKey", `unknown configuration key "${path}"${hint}`, {
      details: { file, key: path, suggestion },
    });
  }
  const issues = error.issues.map(({ path, message }) => `${path.join(".") || "(top)"}: ${message}`);
  return new ConfigFileError("invalidConfig", `invalid configuration: ${issues.join("; ")}`, {
    details: { file, issues },
  });
}

/** The known key with the smallest edit distance, if it is small enough to be a typing error. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
