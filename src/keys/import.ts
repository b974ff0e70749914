/**
 * Keystores from elsewhere into a member's key folder. All are opened first, so that what is wrong with any of them is said
 * before anything is written; if a write fails, what was written is taken back. The keystores keep their text and password.
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isClocklessError } from "../lib/errors.ts";
import { compareText } from "../lib/math.ts";
import type { Engine, Suite } from "../threshold/types.ts";
import { EPOCH_FOLDER } from "./epoch-keys.ts";
import { type Keystore, placeOf, proveKeystore, publicPartOf, readKeystore } from "./keystore.ts";
import { readPassword } from "./password.ts";
import { KeyError, type KeyErrorCode, type PasswordSource } from "./port.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";

/** A keystore of full strength takes 256 MiB while it is opened. */
const AT_ONCE = 4;
/** More than any member has keys; a folder with more is not one of keystores. */
const MAX_FILES = 4096;

export interface ImportOptions {
  /** Files and folders; of folders all that is called *.json, and in folders called epoch-<e>. */
  readonly from: readonly string[];
  /** The member's key folder. */
  readonly directory: string;
  /** Of all keystores alike. */
  readonly password: PasswordSource;
  readonly engines: Readonly<Record<Suite, Engine>>;
  /** Of shares outside folders called epoch-<e>; default 0. */
  readonly epoch?: bigint;
  /** Check everything, write nothing. */
  readonly isDryRun?: boolean;
  readonly onProgress?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

export interface Imported {
  readonly from: string;
  readonly to: string;
  readonly keystore: Keystore;
  /** `present`: the folder had this very key already; `duplicate`: an earlier file of this import has it. */
  readonly status: "imported" | "present" | "duplicate";
}

interface Found {
  readonly path: string;
  readonly text: string;
  readonly keystore: Keystore;
  readonly to: string;
}

/**
 * Throws KeyError: `keyFileExists` when a place is taken by another key; otherwise the first file's code, with `details.files`
 * naming every file that is wrong.
 */
export async function importKeystores(options: ImportOptions): Promise<Imported[]> {
  const { isDryRun = false } = options;
  const paths = [...new Set(options.from.flatMap(listKeystores))];
  if (paths.length === 0) {
    throw new KeyError("keyFileMissing", "No keystores there", { details: { from: options.from } });
  }
  const found = await openAll(paths, options);
  const imported: (Imported & { readonly text: string })[] = [];
  for (const { path, text, keystore, to } of found) {
    const earlier = imported.find((other) => other.to === to);
    const occupant = earlier?.keystore ?? occupantOf(to);
    if (occupant !== undefined && publicPartOf(occupant) !== publicPartOf(keystore)) {
      throw new KeyError("keyFileExists", `${to} is taken by another key than the one in ${path}`, {
        details: { path, place: to, taken: earlier?.from ?? to },
      });
    }
    const status = earlier !== undefined ? "duplicate" : occupant !== undefined ? "present" : "imported";
    imported.push({ from: path, to, keystore, status, text });
  }
  if (!isDryRun) writeAll(imported.filter(({ status }) => status === "imported"));
  return imported.map(({ text: _, ...rest }) => rest);
}

async function openAll(paths: readonly string[], options: ImportOptions): Promise<Found[]> {
  const { directory, engines, epoch = 0n, onProgress = () => {}, signal } = options;
  const password = await readPassword(options.password, "the keystores to import");
  const found: Found[] = [];
  const wrong: { path: string; code: string; message: string }[] = [];
  const queue = paths.values();
  let done = 0;
  const lane = async (): Promise<void> => {
    for (const path of queue) {
      signal?.throwIfAborted();
      try {
        const text = readSecretFile(path);
        const keystore = await proveKeystore(text, password, engines);
        found.push({ path, text, keystore, to: placeOf(directory, keystore, epochOf(path) ?? epoch) });
      } catch (error) {
        if (!isClocklessError(error)) throw error;
        wrong.push({ path, code: error.code, message: error.shortMessage });
      }
      onProgress(++done, paths.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, paths.length) }, lane));
  wrong.sort((a, b) => compareText(a.path, b.path));
  const [first] = wrong;
  if (first !== undefined) {
    const list = wrong.map(({ path, message }) => `${path}: ${message}`).join("; ");
    // CAST: opening a keystore ends with KeyErrors only, but for a secret outside its group.
    const code = first.code === "invalidSecret" ? "keyMismatch" : (first.code as KeyErrorCode);
    throw new KeyError(code, `Nothing was imported. ${list}`, { details: { files: wrong } });
  }
  return found.sort((a, b) => compareText(a.path, b.path));
}

/** What is in a place already; its password is not asked for. Throws KeyError when something else is there. */
function occupantOf(path: string): Keystore | undefined {
  try {
    return readKeystore(readSecretFile(path));
  } catch (error) {
    if (isClocklessError(error) && error.code === "keyFileMissing") return undefined;
    throw error;
  }
}

function writeAll(files: readonly { readonly to: string; readonly text: string }[]): void {
  const written: string[] = [];
  try {
    for (const { to, text } of files) {
      writeSecretFile(to, text, { replace: false });
      written.push(to);
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    throw error;
  }
}

/** Throws KeyError keyFileMissing, keyFileFailure. */
function listKeystores(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { withFileTypes: true });
    if (names.length > MAX_FILES) {
      throw new KeyError("keyFileFailure", `${path} has more files than a folder of keystores`, { details: { path } });
    }
    return names
      .flatMap((entry) => {
        if (entry.isDirectory()) return EPOCH_FOLDER.test(entry.name) ? listKeystores(join(path, entry.name)) : [];
        return entry.name.endsWith(".json") && !NO_KEYSTORE.test(entry.name) ? [join(path, entry.name)] : [];
      })
      .sort(compareText);
  } catch (cause) {
    if (isClocklessError(cause)) throw cause;
    throw new KeyError("keyFileMissing", `Cannot read ${path}`, { details: { path }, cause });
  }
}

/** What else a member's key folder has: what it said and promised in ceremonies and changes, which moves with the whole folder. */
const NO_KEYSTORE = /^(?:announcement|deal|approved|reshare)-/;

function epochOf(path: string): bigint | undefined {
  const match = EPOCH_FOLDER.exec(basename(dirname(path)));
  return match === null ? undefined : BigInt(match[1]!);
}
