/** Parsers for option values. What they refuse ends the command with exit code 2 and names the option. */
import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";
import { type Hex, isHex } from "../lib/hex.ts";
import { SUITES } from "../threshold/types.ts";
import { UsageError } from "./errors.ts";

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** uint64, for seeds, sequences and nonces. */
export function uint64(text: string): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : 1n << 64n;
  if (value >= 1n << 64n) throw new InvalidArgumentError("Expected a whole number below 2^64.");
  return value;
}

export function hexOf(bytes?: number): (text: string) => Hex {
  return (text) => {
    const lower = text.toLowerCase();
    if (!isHex(lower, bytes)) {
      throw new InvalidArgumentError(
        `Expected 0x and ${bytes === undefined ? "" : `${2 * bytes} `}hexadecimal digits.`,
      );
    }
    return lower;
  };
}

export function httpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError("Expected an http or https URL.");
  }
  return text;
}

/** For options given several times, or once with commas (as the environment must). */
export function several<T>(parse: (text: string) => T): (text: string, before: readonly T[] | undefined) => T[] {
  return (text, before = []) => [...before, ...text.split(",").map((part) => parse(part.trim()))];
}

export function apiOption(): Option {
  return new Option("--api <url>", "HTTP API of a member; give it several times for several members")
    .argParser(several(httpUrl))
    .env("CLOCKLESS_API");
}

export function committeeOption(): Option {
  return new Option("--committee <file>", "committee file you trust").env("CLOCKLESS_COMMITTEE");
}

export function suiteOption(): Option {
  return new Option("--suite <suite>", "signature suite").choices([...SUITES]);
}

/** Text of a file, or of stdin for "-". @throws UsageError unreadableInput */
export function readInput(path: string): Buffer {
  try {
    return readFileSync(path === "-" ? 0 : path);
  } catch (cause) {
    const from = path === "-" ? "stdin" : path;
    throw new UsageError("unreadableInput", `cannot read ${from}`, { details: { path: from }, cause });
  }
}

/** @throws UsageError malformedInput */
export function parseJsonInput(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError("malformedInput", `${what} is not JSON`, { cause });
  }
}
