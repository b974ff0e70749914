/** What a decoder of foreign bytes must do, whatever the bytes are: the claims that the fuzzer checks. */
import { equalBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
import { isClocklessError } from "../../src/lib/errors.ts";

export interface Target {
  readonly name: string;
  /** Bytes or JSON text: decides how inputs are mutated. */
  readonly format: "bytes" | "json" | "text";
  /** Valid inputs to start from; each must be accepted. */
  readonly seeds: readonly Uint8Array[];
  /** Longer inputs are not made: what refuses them by their length alone needs no fuzzing. */
  readonly maxBytes: number;
  /** Share of the executions; default 1. Less for what takes long. */
  readonly weight?: number | undefined;
  /** Blocks of JavaScript that one run may execute: this many, and this many per byte. */
  readonly steps?: { readonly base: number; readonly perByte: number } | undefined;
  /** True: accepted. Throws a ClocklessError or returns false: refused. Anything else is a finding. */
  run(input: Uint8Array): boolean;
}

/** Something that no input may do. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export function violated(what: string): never {
  throw new Violation(what);
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Canonical bytes: what is accepted must encode to the very bytes it came from. */
export function bytesTarget<T>(
  target: Omit<Target, "format" | "run"> & {
    decode(bytes: Uint8Array): T | undefined;
    encode(value: T): Uint8Array;
    /** More that must hold for an accepted value. */
    check?(value: T): void;
  },
): Target {
  const { decode, encode, check, ...rest } = target;
  return {
    ...rest,
    format: "bytes",
    run(input) {
      const before = input.slice();
      const value = decode(input);
      if (value === undefined) return false;
      if (!equalBytes(encode(value), before)) violated("a second encoding of the same value was accepted");
      if (!equalBytes(input, before)) violated("the decoder changed its input");
      check?.(value);
      return true;
    },
  };
}

/** JSON text: what is accepted must be written and read again as the same value. */
export function jsonTarget<T>(
  target: Omit<Target, "format" | "run" | "seeds"> & {
    readonly seeds: readonly string[];
    parse(text: string): T | undefined;
    /** Absent where nothing writes it. */
    print?(value: T): string;
    check?(value: T): void;
  },
): Target {
  const { parse, print, check, seeds, ...rest } = target;
  return {
    ...rest,
    format: "json",
    seeds: seeds.map(utf8ToBytes),
    run(input) {
      let text: string;
      try {
        text = decoder.decode(input);
      } catch {
        return false;
      }
      const value = parse(text);
      if (value === undefined) return false;
      check?.(value);
      if (print === undefined) return true;
      const printed = print(value);
      const again = parse(printed);
      if (again === undefined || print(again) !== printed) violated("what was written is read as something else");
      return true;
    },
  };
}

/** A check of untrusted values that says yes or no and must never throw, of a JSON value. */
export function predicateTarget(
  target: Omit<Target, "format" | "run" | "seeds"> & {
    readonly seeds: readonly string[];
    holds(value: unknown): boolean;
  },
): Target {
  const { holds, ...rest } = target;
  return jsonTarget({
    ...rest,
    parse(text) {
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        return undefined;
      }
      try {
        return holds(value) ? true : undefined;
      } catch (error) {
        // A typed error would be caught as a refusal, and these promise not to throw at all.
        if (isClocklessError(error)) violated(`a check that never throws threw ${error.code}`);
        throw error;
      }
    },
  });
}
