/** The store in one SQLite file of a locked data directory. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Hex } from "../lib/hex.ts";
import type { Suite } from "../threshold/types.ts";
import { Connection, prepareDatabase, syncDirectory } from "./connection.ts";
import { toStoreError } from "./errors.ts";
import { type DirectoryLock, lockDirectory } from "./lock.ts";
import {
  type LogRecord,
  type RegisterEntry,
  type Store,
  type StoredBatch,
  type StoredCertificate,
  type StoredCheckpoint,
  type StoredEntry,
  type StoredEpoch,
  type StoredEpochStart,
  type StoredReceipt,
  StoreError,
  type StoreWrite,
} from "./port.ts";
import {
  bigintOf,
  bytesOf,
  clampSequence,
  clampWord,
  type Destination,
  hexColumn,
  hexOf,
  type Row,
  textOf,
  wordColumn,
} from "./records.ts";
import { applyWrite, cutLog } from "./write.ts";

export const DATABASE_FILE = "clockless.sqlite";

/** Log records read at once during replay: blocks may be megabytes. */
const LOG_PAGE = 16;
/** Log records that one write deletes: more than a write usually appends, so that the log gets shorter. */
const CUT_AT_ONCE = 64;
/** Pages given back to the file system by one write while more than a quarter of the file is free. */
const VACUUM_PAGES = 256;

export interface SqliteStoreOptions {
  /** Created with mode 0700 when absent. */
  readonly directory: string;
  /** Written into a new store and checked in an old one. */
  readonly committeeId: Hex;
}

/** Opens or creates the store. Throws StoreError `locked`, `foreignStore`, `unknownSchema`, `diskFailure`. */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  try {
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw toStoreError(error, "creating the data directory");
  }
  const lock = lockDirectory(options.directory);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(options.directory, DATABASE_FILE), { timeout: 0 });
    prepareDatabase(database, options.committeeId);
    syncDirectory(options.directory);
    return new SqliteStore(new Connection(database), lock);
  } catch (error) {
    database?.close();
    lock.release();
    throw toStoreError(error, "opening");
  }
}

class SqliteStore implements Store {
  readonly #db: Connection;
  readonly #lock: DirectoryLock;
  /** Log records that have still to be deleted. */
  #cut: { readonly round: number; readonly until: bigint } | undefined;

  constructor(db: Connection, lock: DirectoryLock) {
    this.#db = db;
    this.#lock = lock;
  }

  write(batch: StoreWrite): void {
    const { truncate, epoch, relaxed } = batch;
    let cut = epoch?.ours === true ? undefined : this.#cut;
    const write = (): void => {
      if (truncate !== undefined) cut = { round: truncate, until: this.#lastPosition() };
      applyWrite(this.#db, batch);
      if (cut === undefined) return;
      if (cutLog(this.#db, cut.round, cut.until, CUT_AT_ONCE) < CUT_AT_ONCE) cut = undefined;
      this.#shrink();
    };
    this.#db.transaction("writing", write, relaxed !== true);
    this.#cut = cut;
  }

  #lastPosition(): bigint {
    const row = this.#db.get("SELECT position FROM log ORDER BY position DESC LIMIT 1");
    return row === undefined ? 0n : bigintOf(row, "position");
  }

  /** Free pages are used again, but after a long stall of the order there may be gigabytes of them. */
  #shrink(): void {
    const count = (name: string): bigint =>
      bigintOf({ count: Object.values(this.#db.get(`PRAGMA ${name}`) ?? {})[0] }, "count");
    if (count("freelist_count") * 4n > count("page_count")) this.#db.all(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
  }

  epochStart(): StoredEpochStart | undefined {
    const row = this.#db.get(
      `SELECT epoch.epoch AS epoch, json, bytes FROM epoch JOIN snapshot ON snapshot.epoch = epoch.epoch
       WHERE ours = 1 ORDER BY epoch.epoch DESC LIMIT 1`,
    );
    return row && { ...asEpoch(row), snapshot: bytesOf(row, "bytes") };
  }

  epoch(epoch: bigint): StoredEpoch | undefined {
    if (clampSequence(epoch) !== epoch) return undefined;
    const row = this.#db.get("SELECT epoch, json FROM epoch WHERE epoch = ?", epoch);
    return row && asEpoch(row);
  }

  epochs(): StoredEpoch[] {
    return this.#db.all("SELECT epoch, json FROM epoch ORDER BY epoch").map(asEpoch);
  }

  snapshot(epoch: bigint): Uint8Array | undefined {
    if (clampSequence(epoch) !== epoch) return undefined;
    const row = this.#db.get("SELECT bytes FROM snapshot WHERE epoch = ?", epoch);
    return row && bytesOf(row, "bytes");
  }

  checkpoint(sequence?: bigint): StoredCheckpoint | undefined {
    const row = this.#db.get(
      "SELECT sequence, json, snapshot, tail FROM checkpoint WHERE ?1 IS NULL OR sequence = ?1 ORDER BY sequence DESC LIMIT 1",
      sequence === undefined ? null : clampSequence(sequence),
    );
    return (
      row && {
        sequence: bigintOf(row, "sequence"),
        json: textOf(row, "json"),
        snapshot: bytesOf(row, "snapshot"),
        order: bytesOf(row, "tail"),
      }
    );
  }

  *log(): Iterable<LogRecord> {
    // By position rather than one open cursor: a cursor would pin the write-ahead log for as long as a replay takes.
    for (let after = 0n; ; ) {
      const rows = this.#db.all(
        "SELECT position, kind, round, sinks, digest, bytes FROM log WHERE position > ? ORDER BY position LIMIT ?",
        after,
        LOG_PAGE,
      );
      if (rows.length === 0) return;
      for (const row of rows) {
        after = bigintOf(row, "position");
        const bytes = bytesOf(row, "bytes");
        yield textOf(row, "kind") === "coin"
          ? { kind: "coin", round: Number(bigintOf(row, "round")), signature: bytes }
          : { kind: "block", bytes, ...sinksOf(row), ...digestOf(row) };
      }
    }
  }

  block(digest: Hex): Uint8Array | undefined {
    const key = hexColumn(digest, "digest", 32);
    const bytes = this.#db.tryGet("SELECT bytes FROM log WHERE digest = ? LIMIT 1", key)?.bytes;
    return bytes instanceof Uint8Array ? bytes : undefined;
  }

  register(kind: string, position: bigint): Hex | undefined {
    const row = this.#db.get(
      "SELECT digest FROM register WHERE kind = ? AND position = ?",
      kind,
      wordColumn(position, "position"),
    );
    return row && hexOf(row, "digest");
  }

  registerTop(kind: string): RegisterEntry | undefined {
    const row = this.#db.get(
      "SELECT position, digest FROM register WHERE kind = ? ORDER BY position DESC LIMIT 1",
      kind,
    );
    return row && { kind, position: bigintOf(row, "position"), digest: hexOf(row, "digest") };
  }

  meta(key: string): string | undefined {
    const row = this.#db.get("SELECT value FROM meta WHERE key = ?", key);
    return row && textOf(row, "value");
  }

  batch(sequence: bigint): StoredBatch | undefined {
    if (clampSequence(sequence) !== sequence) return undefined;
    return asBatch(this.#db.get("SELECT sequence, digest, json FROM batch WHERE sequence = ?", sequence));
  }

  batches(from: bigint, to: bigint, limit: number): StoredBatch[] {
    return this.#db
      .all(
        "SELECT sequence, digest, json FROM batch WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?",
        clampSequence(from),
        to < 0n ? -1n : clampSequence(to),
        limit,
      )
      .map((row) => asBatch(row)!);
  }

  latestBatch(): StoredBatch | undefined {
    return asBatch(this.#db.get("SELECT sequence, digest, json FROM batch ORDER BY sequence DESC LIMIT 1"));
  }

  certificate(sequence: bigint, suite: Suite): StoredCertificate | undefined {
    if (clampSequence(sequence) !== sequence) return undefined;
    const row = this.#db.get("SELECT signature FROM certificate WHERE sequence = ? AND suite = ?", sequence, suite);
    return row && { sequence, suite, signature: hexOf(row, "signature") };
  }

  certificates(options: {
    readonly limit: number;
    readonly suite?: Suite;
    readonly before?: bigint;
  }): StoredCertificate[] {
    const rows = this.#db.all(
      `SELECT sequence, suite, signature FROM certificate WHERE sequence < ?1 AND (?2 IS NULL OR suite = ?2)
       ORDER BY sequence DESC, suite LIMIT ?3`,
      clampSequence(options.before ?? 2n ** 63n),
      options.suite ?? null,
      options.limit,
    );
    return rows.map((row) => ({
      sequence: bigintOf(row, "sequence"),
      suite: suiteOf(row),
      signature: hexOf(row, "signature"),
    }));
  }

  receipt(instructionId: Hex): StoredReceipt | undefined {
    const key = hexColumn(instructionId, "instructionId", 32);
    const row = this.#db.get("SELECT sequence, json FROM receipt WHERE instruction = ?", key);
    return row && { instructionId, sequence: bigintOf(row, "sequence"), json: textOf(row, "json") };
  }

  entries(destination: Destination, from: bigint, to: bigint, limit: number): StoredEntry[] {
    if (to < from || to < 0n) return [];
    const rows = this.#db.all(
      `SELECT position, sequence, json FROM entry WHERE chain = ? AND hub = ? AND position BETWEEN ? AND ?
       ORDER BY position LIMIT ?`,
      wordColumn(destination.chainId, "chainId"),
      hexColumn(destination.hub, "hub", 20),
      wordColumn(clampWord(from), "from"),
      wordColumn(clampWord(to), "to"),
      limit,
    );
    return rows.map((row) => ({
      chainId: destination.chainId,
      hub: destination.hub,
      index: bigintOf(row, "position"),
      sequence: bigintOf(row, "sequence"),
      json: textOf(row, "json"),
    }));
  }

  entryCount(destination: Destination): bigint {
    const row = this.#db.get(
      "SELECT position FROM entry WHERE chain = ? AND hub = ? ORDER BY position DESC LIMIT 1",
      wordColumn(destination.chainId, "chainId"),
      hexColumn(destination.hub, "hub", 20),
    );
    return row === undefined ? 0n : bigintOf(row, "position") + 1n;
  }

  close(): void {
    try {
      this.#db.close();
    } finally {
      this.#lock.release();
    }
  }
}

function sinksOf(row: Row): { readonly round?: number } {
  return row.sinks === null ? {} : { round: Number(bigintOf(row, "sinks")) };
}

function digestOf(row: Row): { readonly digest?: Hex } {
  return row.digest === null ? {} : { digest: hexOf(row, "digest") };
}

function asEpoch(row: Row): StoredEpoch {
  return { epoch: bigintOf(row, "epoch"), json: textOf(row, "json") };
}

function asBatch(row: Row | undefined): StoredBatch | undefined {
  return row && { sequence: bigintOf(row, "sequence"), digest: hexOf(row, "digest"), json: textOf(row, "json") };
}

function suiteOf(row: Row): Suite {
  const suite = textOf(row, "suite");
  if (suite !== "bls12-381" && suite !== "bn254") {
    throw new StoreError("diskFailure", "The store holds a suite that was never written: the file is damaged", {
      details: { suite },
    });
  }
  return suite;
}
