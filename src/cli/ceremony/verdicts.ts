/**
 * Deals that were found valid on this machine, so that a command that is run again does not verify them again: a folder
 * with one file per verdict, named by everything that the verdict depends on. Only "valid" is remembered; blame is always
 * computed anew. Whoever can write here could make a member accept a bad deal, as could whoever can write its program:
 * the folder has the modes of a key folder, and one that others may write is refused.
 */
import { join } from "node:path";
import { readSecretFile, writeSecretFile } from "../../keys/secret-file.ts";
import { concatBytes } from "../../lib/bytes.ts";
import { isClocklessError } from "../../lib/errors.ts";
import { keccak256, keccak256Hex } from "../../lib/hash.ts";
import { type DealContext, dealInstance } from "../../threshold/associated-data.ts";

/** Raised whenever a check of deals becomes stricter: what was valid before may not be any more. */
const CHECKS_VERSION = 1;

export interface Verdicts {
  /** Throws KeyError. */
  isValid(context: DealContext, dealer: number, bytes: Uint8Array): boolean;
  /** Throws KeyError. */
  setValid(context: DealContext, dealer: number, bytes: Uint8Array): void;
}

/** Remembers nothing without a folder. */
export function openVerdicts(folder: string | undefined): Verdicts {
  if (folder === undefined) return { isValid: () => false, setValid() {} };
  return {
    isValid(context, dealer, bytes) {
      try {
        readSecretFile(fileOf(folder, context, dealer, bytes));
        return true;
      } catch (error) {
        if (isClocklessError(error) && error.code === "keyFileMissing") return false;
        throw error;
      }
    },
    setValid: (context, dealer, bytes) =>
      writeSecretFile(fileOf(folder, context, dealer, bytes), "valid\n", { replace: true }),
  };
}

/** The associated data binds suite, sizes, rounds, dealer, recipients with their keys, and in a reshare the old key. */
function fileOf(folder: string, context: DealContext, dealer: number, bytes: Uint8Array): string {
  const { associatedData } = dealInstance(context, dealer);
  return join(folder, `deal-${CHECKS_VERSION}-${keccak256Hex(concatBytes(associatedData, keccak256(bytes))).slice(2)}`);
}
