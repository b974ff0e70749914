/**
 * The JSON form of a signed instruction, for HTTP and for people: the same fields, integers as decimal strings (JSON numbers lose
 * digits beyond 2^53), hex in any case on input and lower case on output. Unknown fields are refused: a misspelt limit must not
 * silently become no limit.
 */
import * as z from "zod";
import { decodeForeign } from "../lib/foreign-json.ts";
import type { Hex } from "../lib/hex.ts";
import { LedgerError } from "./codes.ts";
import { MAX_AMOUNT, MAX_CASH_LIMITS, MAX_FILLS, MAX_UINT64 } from "./limits.ts";
import type { SignedInstruction } from "./types.ts";

function hex(bytes: number) {
  return z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`), `expected 0x and ${2 * bytes} hexadecimal digits`)
    .transform((text) => text.toLowerCase() as Hex); // CAST: the pattern requires the prefix
}

function uint(max: bigint) {
  return z
    .string()
    .max(40)
    .regex(/^(?:0|[1-9][0-9]*)$/, "expected a decimal integer as a string, without sign, leading zeros or exponent")
    .transform((text) => BigInt(text))
    .refine((value) => value <= max, `expected at most ${max}`);
}

const address = hex(20);
const bytes32 = hex(32);
const uint64 = uint(MAX_UINT64);
const amount = uint(MAX_AMOUNT);

const body = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("openLane"),
    account: bytes32,
    laneSigner: address,
    laneNumber: uint64,
    marginLimit: amount,
    cashLimits: z.array(z.strictObject({ asset: bytes32, limit: amount })).max(MAX_CASH_LIMITS),
  }),
  z.strictObject({
    kind: z.literal("fills"),
    fills: z
      .array(z.strictObject({ instrument: bytes32, buyer: bytes32, seller: bytes32, quantity: amount, price: amount }))
      .max(MAX_FILLS),
  }),
  z.strictObject({ kind: z.literal("transfer"), from: bytes32, to: bytes32, asset: bytes32, amount }),
  z.strictObject({
    kind: z.literal("withdraw"),
    account: bytes32,
    asset: bytes32,
    amount,
    chainId: uint64,
    recipient: address,
    relayerFee: amount,
  }),
]);

const signedInstruction = z.strictObject({
  instruction: z.strictObject({
    head: z.strictObject({ signer: address, lane: uint64, nonce: uint64, namedBatch: uint64 }),
    body,
  }),
  signature: hex(65),
});

/** Accepts the JSON value (not its text). Throws LedgerError `malformedJson` with `details.issues`: [{ path, message }]. */
export function instructionFromJson(value: unknown): SignedInstruction {
  const parsed = decodeForeign(signedInstruction, value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 8).map(({ path, message }) => ({ path: path.join("."), message }));
  const first = issues[0];
  throw new LedgerError("malformedJson", `${first?.path || "instruction"}: ${first?.message ?? "malformed"}`, {
    details: { issues },
  });
}

/** Plain JSON value: every bigint a decimal string. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A value that `JSON.stringify` takes and `instructionFromJson` reads back. */
export function instructionToJson(signed: SignedInstruction): JsonValue {
  return toJson(signed);
}

/** Domain values as JSON: bigint to decimal string, absent stays absent. Throws TypeError on what JSON has no form for. */
export function toJson(value: unknown): JsonValue {
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === "object") {
    const entries = Object.entries(value).filter(([, field]) => field !== undefined);
    return Object.fromEntries(entries.map(([key, field]) => [key, toJson(field)]));
  }
  throw new TypeError(`no JSON form for ${typeof value}`);
}
