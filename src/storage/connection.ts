/**
 * The SQLite connection: write-ahead log, synchronous = FULL, so that a finished transaction has been fsynced.
 * https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous
 */
import { closeSync, fsyncSync, openSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Hex } from "../lib/hex.ts";
import { toStoreError } from "./errors.ts";
import { StoreError } from "./port.ts";
import type { Row } from "./records.ts";
import { APPLICATION_ID, RESERVED_META_PREFIX, SCHEMA_VERSION, UPGRADES } from "./schema.ts";

const COMMITTEE_KEY = `${RESERVED_META_PREFIX}committeeId`;

/**
 * Pages after which the write-ahead log is folded back: 16 MB. Folding syncs twice in the middle of a round, and with 4 MB a member under
 * load did it more than twice a second; recovery after a crash still takes well under a second.
 */
const CHECKPOINT_PAGES = 4_000;

/** Checks or creates the schema and sets how durable it is. Throws StoreError `unknownSchema`, `foreignStore`. */
export function prepareDatabase(database: DatabaseSync, committeeId: Hex): void {
  const applicationId = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  // By its tables, not its size: a crash right after switching to WAL leaves a file that is not empty and holds nothing.
  const isNew =
    applicationId === 0 && version === 0 && database.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
  if (!isNew && applicationId !== APPLICATION_ID)
    throw new StoreError("unknownSchema", "The file is no Clockless store");
  if (!isNew && !(version >= 1 && version <= SCHEMA_VERSION)) {
    throw new StoreError("unknownSchema", "The store was written by a newer version of Clockless", {
      details: { found: version, supported: SCHEMA_VERSION },
    });
  }
  // Only before there are tables; older stores keep their free pages and use them again.
  if (isNew) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
  `);
  const found = isNew ? 0 : version;
  if (found < SCHEMA_VERSION) {
    // In one transaction, a new store with its identity: a crash leaves what was there or a whole store, nothing between.
    database.exec(
      `BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION};`,
    );
    for (const upgrade of UPGRADES.slice(found)) database.exec(upgrade);
    if (isNew)
      database.prepare("INSERT INTO meta (key, value) VALUES (?, ?)").run(COMMITTEE_KEY, committeeId.toLowerCase());
    database.exec("COMMIT");
  }
  const owner = database.prepare("SELECT value FROM meta WHERE key = ?").get(COMMITTEE_KEY)?.value;
  if (owner !== committeeId.toLowerCase()) {
    throw new StoreError("foreignStore", "This data directory belongs to another committee", {
      details: { found: owner, expected: committeeId },
    });
  }
}

function pragma(database: DatabaseSync, name: string): number {
  const value = Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  return typeof value === "number" ? value : Number.NaN;
}

/** A new file is only there after a crash when its directory entry is on disk, too. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export type SqlValue = string | number | bigint | Uint8Array | null;

/** One connection: prepared statements, integers as bigint, and fail-stop. */
export class Connection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #state: "open" | "failed" | "closed" = "open";
  /** What `prepareDatabase` left. */
  #isFull = true;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Runs `body` in one transaction: when it throws, nothing of it happened. When this returns, it is on disk; without `isDurable` only a
   * crash of this process cannot undo it, and a power cut may, together with everything after it. The next durable one brings it to disk.
   */
  transaction(doing: string, body: () => void, isDurable = true): void {
    this.guard(doing, () => {
      if (this.#isFull !== isDurable) this.#database.exec(`PRAGMA synchronous = ${isDurable ? "FULL" : "NORMAL"}`);
      this.#isFull = isDurable;
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        body();
        this.#database.exec("COMMIT");
      } catch (error) {
        // After some errors (full disk, I/O) SQLite has rolled back by itself.
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  /** After the first disk failure every later call is refused with StoreError `closed`. */
  guard<T>(doing: string, action: () => T): T {
    if (this.#state === "closed") throw new StoreError("closed", "The store is closed");
    if (this.#state === "failed") throw new StoreError("closed", "The store failed before; restart the process");
    try {
      return action();
    } catch (error) {
      const failure = toStoreError(error, doing);
      if (failure instanceof StoreError && failure.isFatal) this.#state = "failed";
      throw failure;
    }
  }

  /** Number of changed rows. */
  run(sql: string, ...values: readonly SqlValue[]): bigint {
    return this.guard("writing", () => BigInt(this.#prepare(sql).run(...values).changes));
  }

  get(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.guard("reading", () => this.#prepare(sql).get(...values));
  }

  /** As `get`, for what can be done without: a page that cannot be read is no reason to stop. Undefined also when the store failed before. */
  tryGet(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    if (this.#state !== "open") return undefined;
    try {
      return this.#prepare(sql).get(...values);
    } catch {
      return undefined;
    }
  }

  all(sql: string, ...values: readonly SqlValue[]): Row[] {
    return this.guard("reading", () => this.#prepare(sql).all(...values));
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      statement.setReadBigInts(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
