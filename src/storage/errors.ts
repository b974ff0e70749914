/** Turns what SQLite and the file system say into what the caller must do. */
import { StoreError } from "./port.ts";

/** Primary result codes, https://www.sqlite.org/rescode.html */
export const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_FULL = 13;
const SQLITE_TOOBIG = 18;
const SQLITE_CONSTRAINT = 19;

/** SQLite's primary result code, or undefined when the error is not from SQLite. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  // The low byte is the primary code, the rest the extended one.
  return error.errcode & 0xff;
}

/**
 * Anything that SQLite or the file system refuses and that is not a case we know is fatal: after a failed sync nobody knows
 * what is on disk (the kernel may have dropped the dirty pages), so trying again could sign on a register that is not there.
 * Errors of neither (bugs of ours) pass unchanged.
 */
export function toStoreError(error: unknown, doing: string): unknown {
  const code = sqliteCode(error);
  const isSystemError = error instanceof Error && "syscall" in error;
  if (code === undefined && !isSystemError) return error;
  if (code === SQLITE_BUSY || code === SQLITE_LOCKED) {
    return new StoreError("locked", `The store is in use by another process (while ${doing})`, { cause: error });
  }
  if (code === SQLITE_TOOBIG || code === SQLITE_CONSTRAINT) {
    return new StoreError("badRecord", `A record does not fit the store (while ${doing})`, { cause: error });
  }
  const advice =
    code === SQLITE_FULL ? "The disk is full: free space and restart" : "The store failed: check the disk and restart";
  return new StoreError("diskFailure", `${advice} (while ${doing})`, {
    cause: error,
    details: { sqliteCode: code, reason: error instanceof Error ? error.message : String(error) },
  });
}
