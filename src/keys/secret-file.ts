/** Files that hold secrets: mode 0600, read only when nobody else could, replaced atomically. */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { KeyError, type KeyErrorCode } from "./port.ts";

/** A keystore is under 2 KiB; anything near this is not one. */
const MAX_FILE_BYTES = 64 * 1024;

/** Reads a whole secret file. Throws KeyError `keyFileMissing`, `keyFilePermissions`, `keyFileMalformed`, `keyFileFailure`. */
export function readSecretFile(path: string): string {
  let descriptor: number | undefined;
  try {
    // Whoever may write the directory may put another file in its place.
    refuseOthers(statSync(dirname(path)), 0o022, dirname(path));
    descriptor = openSync(path, constants.O_RDONLY);
    // The open file is judged, not the name: a name can be pointed elsewhere in between.
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new KeyError("keyFileMalformed", "Not a regular file", { details: { path } });
    refuseOthers(stats, 0o077, path);
    if (stats.size > MAX_FILE_BYTES)
      throw new KeyError("keyFileMalformed", "Too large for a key file", { details: { path } });
    return readFileSync(descriptor, "utf8");
  } catch (error) {
    throw asKeyError(error, path);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * Writes a secret file so that after a crash either the old or the new one is there, whole. The directory is created with
 * mode 0700. Without `replace` an existing file is left alone (KeyError `keyFileExists`): a lost key is lost for good.
 */
export function writeSecretFile(path: string, text: string, options: { readonly replace: boolean }): void {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomUUID()}`);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    refuseOthers(statSync(directory), 0o022, directory);
    try {
      const descriptor = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        writeFileSync(descriptor, text);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      // A link refuses an existing name in one step, where a check before a rename would race.
      if (options.replace) renameSync(temporary, path);
      else linkSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
    const descriptor = openSync(directory, constants.O_RDONLY);
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw asKeyError(error, path);
  }
}

/** `forbidden`: mode bits that must not be set, e.g. 0o077 for "nobody but the owner". */
function refuseOthers(stats: Stats, forbidden: number, path: string): void {
  const user = process.getuid?.();
  // Windows has no modes; there the directory's access list is the operator's business.
  if (user === undefined) return;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  // A sticky directory (such as a shared temporary one) lets nobody replace another's file.
  const isStickyDirectory = stats.isDirectory() && (stats.mode & 0o1000) !== 0;
  if ((stats.mode & forbidden) !== 0 && !isStickyDirectory) {
    throw new KeyError(
      "keyFilePermissions",
      `Others may access ${path}: run chmod ${stats.isDirectory() ? "700" : "600"} on it`,
      {
        details: { path, mode },
      },
    );
  }
  if (stats.uid !== user && stats.uid !== 0) {
    throw new KeyError("keyFilePermissions", `${path} belongs to another user`, {
      details: { path, owner: stats.uid },
    });
  }
}

function asKeyError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  const codes: Readonly<Record<string, KeyErrorCode>> = {
    ENOENT: "keyFileMissing",
    EEXIST: "keyFileExists",
    EACCES: "keyFilePermissions",
    EPERM: "keyFilePermissions",
  };
  const code = codes[String(error.code)] ?? "keyFileFailure";
  const messages: Partial<Record<KeyErrorCode, string>> = {
    keyFileMissing: `No file at ${path}`,
    keyFileExists: `${path} exists and is not overwritten`,
    keyFilePermissions: `${path} may not be accessed`,
  };
  return new KeyError(code, messages[code] ?? `The file system failed at ${path}`, { cause: error, details: { path } });
}
