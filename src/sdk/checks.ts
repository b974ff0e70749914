/** What answers and arguments must be before anything is proven. */
import { type Hex, isHex } from "../lib/hex.ts";
import { SdkError } from "./errors.ts";

/** @throws SdkError contradiction */
export function requireSame(actual: unknown, asked: unknown, what: string): void {
  if (actual !== asked)
    throw new SdkError("contradiction", `the answer is about another ${what}`, {
      details: { what, asked: String(asked), answered: String(actual) },
    });
}

/** Callers may pass checksummed or upper-case hex; everything inside compares lower case. @throws SdkError badParameters */
export function lower(value: Hex, size: number, what: string): Hex {
  if (!isHex(value, size))
    throw new SdkError("badParameters", `${what} is ${size} bytes of hex`, { details: { what } });
  return value.toLowerCase() as Hex; // CAST: isHex, and lower-casing keeps it hex
}
