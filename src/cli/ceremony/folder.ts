/**
 * The folder that a ceremony's members share, or fill from their mail: announcement-*.json, deal-*.json, approval-*.json,
 * and definition.json once somebody assembled it. Nothing in it is secret, and nothing in it is trusted.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Address } from "../../lib/hex.ts";
import type { ApprovalFile } from "../../threshold/ceremony/approval.ts";
import type { CeremonyDeal } from "../../threshold/ceremony/deals.ts";
import type { CeremonyFault, CeremonyFile } from "../../threshold/ceremony/faults.ts";
import { parseAnnouncement, parseApproval, parseCeremonyDeal } from "../../threshold/ceremony/json.ts";
import type { Announcement } from "../../threshold/ceremony/roster.ts";
import { UsageError } from "../errors.ts";

/** A deal file for 1024 members, in hexadecimal, both suites. */
const MAX_FILE_BYTES = 48 << 20;

export interface Found<T> {
  readonly path: string;
  readonly member: Address;
  readonly value: T;
}

export interface FileTypes {
  readonly announcement: Announcement;
  readonly deal: CeremonyDeal;
  readonly approval: ApprovalFile;
}

/** What is there of one kind; `faults` are files that are none of that kind whatever their name says. */
export interface Collected<T> {
  readonly found: readonly Found<T>[];
  readonly faults: readonly CeremonyFault[];
}

const PARSERS: { readonly [K in CeremonyFile]: (text: string) => FileTypes[K] | undefined } = {
  announcement: parseAnnouncement,
  deal: parseCeremonyDeal,
  approval: parseApproval,
};

export function fileName(kind: CeremonyFile, member: Address): string {
  return `${kind}-${member}.json`;
}

/** Reads all files of one kind, by name. Throws UsageError unreadableInput for the folder itself. */
export function readFiles<K extends CeremonyFile>(folder: string, kind: K): Collected<FileTypes[K]> {
  return collect(folder, kind, `${kind}-`, PARSERS[kind], (value) => {
    // CAST: each kind of file has one of these two fields
    const owner = value as { member?: Address; dealer?: Address };
    return owner.member ?? owner.dealer;
  });
}

/** Reads everything whose name begins so and ends with ".json". Throws UsageError unreadableInput for the folder itself. */
export function collect<T>(
  folder: string,
  kind: CeremonyFile,
  prefix: string,
  parse: (text: string) => T | undefined,
  ownerOf: (value: T) => Address | undefined,
): Collected<T> {
  const found: Found<T>[] = [];
  const faults: CeremonyFault[] = [];
  for (const name of listFolder(folder)) {
    if (!name.startsWith(prefix) || !name.endsWith(".json")) continue;
    const path = join(folder, name);
    const value = parseFile(path, parse);
    const member = value === undefined ? undefined : ownerOf(value);
    if (value !== undefined && member !== undefined) found.push({ path, member, value });
    else faults.push({ file: kind, verdict: "corrupt", ...memberInName(name), reason: "malformed", path });
  }
  return { found, faults };
}

/** Says where each fault was found, and counts nobody as missing whose file is there, whatever is wrong with it. */
export function locate<T>(faults: readonly CeremonyFault[], { found, faults: unread }: Collected<T>): CeremonyFault[] {
  const blamed = new Set(unread.map(({ member }) => member));
  const located = faults
    .filter(({ verdict, member }) => verdict !== "missing" || !blamed.has(member))
    .map((fault) => {
      // The last one: of two contradicting files the first was taken in good faith.
      const path =
        fault.verdict === "missing" ? undefined : found.findLast(({ member }) => member === fault.member)?.path;
      return path === undefined || fault.path !== undefined ? fault : { ...fault, path };
    });
  return [...unread, ...located];
}

function parseFile<T>(path: string, parse: (text: string) => T | undefined): T | undefined {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) return undefined;
    return parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (cause) {
    throw new UsageError("unreadableInput", `cannot read the folder ${folder}`, { details: { folder }, cause });
  }
}

/** What our own commands call a file; a hint for people, not evidence. */
function memberInName(name: string): { readonly member?: Address } {
  const text = /0x[0-9a-f]{40}/i.exec(name)?.[0].toLowerCase();
  return text === undefined ? {} : { member: text as Address }; // CAST: the pattern requires 0x
}

/** Writes a public file so that readers see the old or the new one, whole. Throws UsageError badOption. */
export function writePublicFile(path: string, text: string): void {
  const temporary = `${path}.${randomUUID()}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, text, { flush: true });
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new UsageError("badOption", `cannot write ${path}`, { details: { path }, cause });
  }
}
