/**
 * One process per data directory: two members with one identity would sign twice.
 *
 * The lock is a write transaction that is never finished on a database of its own. The operating system drops it with the
 * process, kill −9 included, so there is no stale file to judge. Works on local file systems; on network file systems locks
 * are not to be trusted, nor is fsync.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SQLITE_BUSY, sqliteCode, toStoreError } from "./errors.ts";
import { StoreError } from "./port.ts";

export const LOCK_FILE = "clockless.lock";
/** Of a key folder, held by a running member. Commands that add keys beside it take the other one, each for a moment. */
export const MEMBER_LOCK_FILE = "member.lock";

export interface DirectoryLock {
  release(): void;
}

/** Throws StoreError `locked` when another process (or another store in this one) holds the directory by a lock of this name. */
export function lockDirectory(directory: string, file: string = LOCK_FILE): DirectoryLock {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(directory, file), { timeout: 0 });
    database.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    const held = database;
    let isHeld = true;
    return {
      release() {
        if (isHeld) held.close();
        isHeld = false;
      },
    };
  } catch (error) {
    database?.close();
    if (sqliteCode(error) === SQLITE_BUSY) {
      throw new StoreError("locked", "Another process uses this folder: stop it first", {
        details: { directory },
        cause: error,
      });
    }
    throw toStoreError(error, "taking the directory lock");
  }
}
