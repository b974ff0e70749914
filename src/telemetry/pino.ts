/** Logs as one line each, to stderr (stdout belongs to a command's result): JSON for machines, or text for people. */
import { type DestinationStream, destination, pino } from "pino";
import { isClocklessError } from "../lib/errors.ts";
import { bytesToHex } from "../lib/hex.ts";
import type { LogFields, Logger } from "./port.ts";

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  readonly format: "json" | "pretty";
  /** On every line, e.g. the member index. */
  readonly fields?: LogFields;
  /** Default: stderr. Tests pass their own. */
  readonly output?: { write(line: string): unknown };
}

/**
 * Field names whose values never leave, at any depth and in any case. The first net is not to log secrets; this is the second.
 * `token` is not among them: in this house a token is an ERC-20 address. API credentials go by `authorization`.
 */
const SECRET_NAME =
  /^(?:(?:.*_)?(?:password|passphrase|secret|mnemonic|seed|authorization|cookie|api_?key|private_?key|secret_?key|signing_?key|encryption_?key)s?|identity|shares?|secret_?shares?)$/;
const REDACTED = "[redacted]";
/** Deeper or longer than this is a dump, not a log line. */
const MAX_DEPTH = 6;
const MAX_ITEMS = 64;
const MAX_TEXT = 4_096;

export function createPinoLogger(options: LoggerOptions): Logger {
  // Synchronous: the line that says why the process stops must be out before it stops.
  const stream: DestinationStream =
    options.output === undefined ? destination({ fd: 2, sync: true }) : asStream(options.output);
  const base = pino(
    {
      level: options.level,
      base: {},
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: "message",
    },
    options.format === "json" ? stream : { write: (line: string) => stream.write(prettyLine(line)) },
  );
  return wrap(base.child(clean(options.fields ?? {})));
}

type Base = ReturnType<typeof pino>;

function wrap(base: Base): Logger {
  return {
    debug: (message, fields) => base.debug(cleanAt(base, "debug", fields), message),
    info: (message, fields) => base.info(cleanAt(base, "info", fields), message),
    warn: (message, fields) => base.warn(cleanAt(base, "warn", fields), message),
    error: (message, fields) => base.error(cleanAt(base, "error", fields), message),
    child: (fields) => wrap(base.child(clean(fields))),
  };
}

/** Cleaning costs; lines that are not written need none. */
function cleanAt(base: Base, level: string, fields: LogFields | undefined): Record<string, unknown> {
  return fields === undefined || !base.isLevelEnabled(level) ? {} : clean(fields);
}

function clean(fields: LogFields): Record<string, unknown> {
  return cleanObject(fields, 0);
}

function cleanObject(value: object, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    // A number is a count ("shares: 4"), never a key.
    const isSecret = typeof item !== "number" && typeof item !== "boolean" && SECRET_NAME.test(snakeCase(name));
    out[name] = isSecret ? REDACTED : cleanValue(item, depth + 1);
  }
  return out;
}

/** What JSON cannot say is said as text; errors keep their code and details. */
function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === "string")
    return value.length <= MAX_TEXT ? value : `${value.slice(0, MAX_TEXT)}… (${value.length} characters)`;
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth > MAX_DEPTH) return "[too deep]";
  if (value instanceof Uint8Array) {
    return value.length <= 64 ? bytesToHex(value) : `${bytesToHex(value.subarray(0, 16))}… (${value.length} bytes)`;
  }
  if (isClocklessError(value)) {
    const cause = value.cause === undefined ? {} : { cause: cleanValue(value.cause, depth + 1) };
    return { code: value.code, message: value.shortMessage, ...cleanObject(value.details, depth + 1), ...cause };
  }
  if (value instanceof Error)
    return { name: value.name, message: cleanValue(value.message, depth), stack: value.stack };
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => cleanValue(item, depth + 1));
  if (value instanceof Map)
    return cleanObject(Object.fromEntries([...value].map(([key, item]) => [String(key), item])), depth);
  if (value instanceof Set) return [...value].slice(0, MAX_ITEMS).map((item) => cleanValue(item, depth + 1));
  return cleanObject(value, depth);
}

function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll(/[-. ]/g, "_")
    .toLowerCase();
}

function asStream(output: { write(line: string): unknown }): DestinationStream {
  return { write: (line: string) => void output.write(line) };
}

/** `12:00:01.123 WARN  message  key=value …`; control characters of foreign text are escaped, so nobody forges a line. */
function prettyLine(json: string): string {
  const { time, level, message, ...fields }: Record<string, unknown> = JSON.parse(json);
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${prettyValue(value)}`);
  const head = `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${escapeControls(String(message))}`;
  return `${[head, ...pairs].join(" ")}\n`;
}

function prettyValue(value: unknown): string {
  if (typeof value === "string" && /^[\w./:@+…-]+$/.test(value)) return value;
  return escapeControls(JSON.stringify(value) ?? "undefined");
}

function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, "0")}`);
}
