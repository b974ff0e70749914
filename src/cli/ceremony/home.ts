/**
 * What a member keeps of a ceremony, beside its identity and later its shares, in its key folder:
 *
 *   encryption-<tag>.json     EIP-2335, until the committee runs
 *   announcement-<tag>.json   what was announced, to say the same again
 *   deal-<tag>.json           what was dealt, whole, before anybody saw it; its presence is the register of dealing
 *   approved-<tag>.json       which committee was approved, before any signature leaves; one per ceremony
 *   verified-<tag>/           deals that this member found valid (`verdicts.ts`); may be removed
 *
 * The tag is the start of the ceremony's domain. One command at a time: a lock like that of a data directory.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { ceremonyKeyPath } from "../../keys/keystore.ts";
import { IDENTITY_FILE } from "../../keys/member-keys.ts";
import type { KeystoreStrength, PasswordSource } from "../../keys/port.ts";
import { writeSecretFile } from "../../keys/secret-file.ts";
import { type Address, type Hex, isHex } from "../../lib/hex.ts";
import { lockDirectory } from "../../storage/lock.ts";
import { CeremonyError } from "../../threshold/ceremony/faults.ts";
import { ceremonyScope } from "../../threshold/ceremony/roster.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../errors.ts";
import { readInput } from "../options.ts";
import { askPassword } from "../prompt.ts";

export interface HomeFlags {
  readonly keys: string;
  readonly passwordFile?: string;
  readonly passwordEnv?: string;
  readonly light?: boolean;
}

export interface Home {
  readonly directory: string;
  readonly identity: string;
  readonly encryptionKey: string;
  readonly announcement: string;
  readonly deal: string;
  readonly approved: string;
  readonly verified: string;
}

export function addHomeOptions(command: Command): Command {
  return command
    .requiredOption("--keys <folder>", "this member's key folder")
    .option("--password-file <file>", "password of its keystores, first line, mode 0600")
    .option("--password-env <name>", "environment variable with the password; asked for without either")
    .option("--light", "cheap password hash, for throw-away keys only");
}

export function addVerdictsOption(command: Command): Command {
  return command.option(
    "--verdicts <folder>",
    "remember here which deals were found valid; for commands of one person on one machine, who trusts what is in it",
  );
}

/** Throws badCeremony. */
export function homeOf(directory: string, ceremony: string): Home {
  const tag = ceremonyScope(ceremony).domain.slice(2, 18);
  return {
    directory,
    identity: join(directory, IDENTITY_FILE),
    encryptionKey: ceremonyKeyPath(directory, ceremony),
    announcement: join(directory, `announcement-${tag}.json`),
    deal: join(directory, `deal-${tag}.json`),
    approved: join(directory, `approved-${tag}.json`),
    verified: join(directory, `verified-${tag}`),
  };
}

/** Runs with the folder locked. Throws StoreError locked. */
export async function withLock<T>(directory: string, run: () => Promise<T>): Promise<T> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(directory);
  try {
    return await run();
  } finally {
    lock.release();
  }
}

export function strengthOf({ light }: HomeFlags): KeystoreStrength {
  return light === true ? "lightForDevnet" : "full";
}

/** A person is asked once per command, and twice for a password that is new. */
export function passwordOf(flags: HomeFlags, { environment }: CliContext, isNew = false): PasswordSource {
  const { passwordFile, passwordEnv } = flags;
  if (passwordFile !== undefined) return { kind: "file", path: passwordFile };
  if (passwordEnv !== undefined) return { kind: "environment", name: passwordEnv, environment };
  let answer: Promise<string> | undefined;
  return {
    kind: "prompt",
    ask: () => {
      answer ??= isNew ? askTwice() : askPassword("this member's keys");
      return answer;
    },
  };
}

async function askTwice(): Promise<string> {
  const first = await askPassword("this member's new keys");
  const second = await askPassword("this member's new keys, again");
  if (first !== second) throw new UsageError("badOption", "the two passwords differ");
  return first;
}

/**
 * Reads a file that this member wrote itself; undefined when there is none. One that is there and unreadable stops
 * everything: it is a register. Throws corruptFile.
 */
export function readOwn<T>(path: string, parse: (text: string) => T | undefined): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const value = parse(text);
  if (value === undefined) {
    throw new CeremonyError(
      "corruptFile",
      `${path} is not what this member wrote: restore it, never deal or sign again`,
      {
        details: { path },
      },
    );
  }
  return value;
}

/**
 * Refuses another committee than the one that this member approved in the ceremony; true when it approved this one.
 * Throws alreadyApproved, corruptFile.
 */
export function checkApproval({ approved }: Home, committeeId: Hex): boolean {
  const earlier = readOwn(approved, parseApproved);
  if (earlier !== undefined && earlier !== committeeId) {
    throw new CeremonyError("alreadyApproved", `this member approved committee ${earlier} of this ceremony`, {
      details: { approved: earlier, given: committeeId },
    });
  }
  return earlier !== undefined;
}

/**
 * Registers the one committee that this member approves in a ceremony; durable when it returns.
 * Throws alreadyApproved, corruptFile, KeyError.
 */
export function registerApproval(home: Home, ceremony: string, committeeId: Hex): void {
  if (checkApproval(home, committeeId)) return;
  writeSecretFile(home.approved, `${JSON.stringify({ ceremony, committeeId })}\n`, { replace: false });
}

function parseApproved(text: string): Hex | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const id = typeof value === "object" && value !== null && "committeeId" in value ? value.committeeId : undefined;
    return isHex(id, 32) ? id : undefined;
  } catch {
    return undefined;
  }
}

/** One address per line; "#" starts a comment. Throws UsageError malformedInput. */
export function readMembers(path: string): Address[] {
  const lines = readInput(path).toString("utf8").split(/\r?\n/);
  return lines.flatMap((line, k) => {
    const text = line.replace(/#.*/, "").trim().toLowerCase();
    if (text === "") return [];
    if (!isHex(text, 20)) {
      throw new UsageError("malformedInput", `line ${k + 1} of ${path} is no address`, {
        details: { path, line: k + 1 },
      });
    }
    return [text];
  });
}
