/** What keys a member's folder has, without a password and without a secret. */
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { isClocklessError } from "../lib/errors.ts";
import { compareText } from "../lib/math.ts";
import { EPOCH_FOLDER } from "./epoch-keys.ts";
import { type Keystore, readKeystore } from "./keystore.ts";
import { KeyError, type KeyErrorCode } from "./port.ts";
import { readSecretFile } from "./secret-file.ts";

export interface ListedKey {
  /** Relative to the folder. */
  readonly file: string;
  /** Of shares. */
  readonly epoch?: bigint;
  /** As the file says; nothing is proven without its password. */
  readonly keystore?: Keystore;
  /** Why it could not be read. */
  readonly problem?: { readonly code: KeyErrorCode; readonly message: string };
}

const KEYSTORE_FILE = /^(?:identity|share-.*|encryption-.*)\.json$/;

/** Identity first, then shares by epoch, then encryption keys. Throws KeyError keyFileMissing for the folder itself. */
export function listKeys(directory: string): ListedKey[] {
  const listed = [...filesOf(directory, directory, 0n)];
  for (const name of namesIn(directory)) {
    const epoch = EPOCH_FOLDER.exec(name)?.[1];
    if (epoch !== undefined) listed.push(...filesOf(directory, join(directory, name), BigInt(epoch)));
  }
  const rank = ({ file }: ListedKey): number => (file === "identity.json" ? 0 : file.includes("share-") ? 1 : 2);
  return listed.sort(
    (a, b) => rank(a) - rank(b) || Number((a.epoch ?? 0n) - (b.epoch ?? 0n)) || compareText(a.file, b.file),
  );
}

function filesOf(directory: string, folder: string, epoch: bigint): ListedKey[] {
  return namesIn(folder)
    .filter((name) => KEYSTORE_FILE.test(name))
    .map((name): ListedKey => {
      const path = join(folder, name);
      const file = relative(directory, path);
      const ofEpoch = name.startsWith("share-") ? { epoch } : {};
      try {
        return { file, ...ofEpoch, keystore: readKeystore(readSecretFile(path)) };
      } catch (error) {
        if (!(error instanceof KeyError)) throw error;
        return { file, ...ofEpoch, problem: { code: error.code, message: error.shortMessage } };
      }
    });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort(compareText);
  } catch (cause) {
    if (isClocklessError(cause)) throw cause;
    throw new KeyError("keyFileMissing", `Cannot read ${folder}`, { details: { path: folder }, cause });
  }
}
