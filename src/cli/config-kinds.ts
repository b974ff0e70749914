/** The two kinds of configuration file, and how to show one without giving away what its URLs hold. */
import type { z } from "zod";
import { nodeConfigSchema } from "../node/config.ts";
import { relayerConfigSchema } from "../relayer/config.ts";

export const CONFIG_SCHEMAS = { node: nodeConfigSchema, relayer: relayerConfigSchema } as const satisfies Record<
  string,
  z.ZodType
>;

export type ConfigKind = keyof typeof CONFIG_SCHEMAS;

const REDACTED = "[redacted]";

/**
 * A copy that may be printed and logged. Keys and passwords are never in a configuration, only where they are; but providers put API
 * keys into the paths and queries of RPC URLs, and people put passwords before the host.
 */
export function redactConfig(value: unknown): unknown {
  if (typeof value === "string" && /^https?:\/\//.test(value)) return redactUrl(value);
  if (Array.isArray(value)) return value.map(redactConfig);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redactConfig(inner)]));
}

export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return REDACTED;
  const { protocol, host, pathname, search, username, password } = new URL(text);
  const isBare = (pathname === "/" || pathname === "") && search === "" && username === "" && password === "";
  return isBare ? text : `${protocol}//${host}/${REDACTED}`;
}
