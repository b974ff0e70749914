/** Writing records: what may be said twice, what may be replaced, and what may never change. */
import { equalBytes } from "../lib/bytes.ts";
import { hexToBytes } from "../lib/hex.ts";
import type { Connection } from "./connection.ts";
import { type LogRecord, type RegisterEntry, type StoredCheckpoint, StoreError, type StoreWrite } from "./port.ts";
import {
  epochColumn,
  hexColumn,
  hexOf,
  KEPT_CHECKPOINTS,
  KEPT_SNAPSHOTS,
  sequenceColumn,
  wordColumn,
} from "./records.ts";
import { RESERVED_META_PREFIX } from "./schema.ts";

/** Applies a write inside the caller's transaction. Throws StoreError `registerConflict`, `recordConflict`, `badRecord`. */
export function applyWrite(db: Connection, batch: StoreWrite): void {
  // The register first: a conflict then costs nothing, and it is the one that must not be missed.
  for (const entry of batch.register ?? []) insertRegister(db, entry);
  if (batch.epoch !== undefined) writeEpoch(db, batch.epoch);
  if (batch.checkpoint !== undefined) writeCheckpoint(db, batch.checkpoint);
  for (const record of batch.log ?? []) appendLog(db, record);
  for (const { sequence, digest, json } of batch.batches ?? []) {
    insertOnce(db, "batch", ["sequence"], {
      sequence: sequenceColumn(sequence),
      digest: hexColumn(digest, "digest", 32),
      json,
    });
  }
  for (const { sequence, suite, signature } of batch.certificates ?? []) {
    const row = { sequence: sequenceColumn(sequence), suite, signature: hexColumn(signature, "signature") };
    insertOnce(db, "certificate", ["sequence", "suite"], row);
  }
  for (const { chainId, hub, index, sequence, json } of batch.entries ?? []) {
    const chain = wordColumn(chainId, "chainId");
    const position = wordColumn(index, "index");
    const row = { chain, hub: hexColumn(hub, "hub", 20), position, sequence: sequenceColumn(sequence), json };
    insertOnce(db, "entry", ["chain", "hub", "position"], row);
  }
  for (const { instructionId, sequence, json } of batch.receipts ?? []) {
    db.run(
      `INSERT INTO receipt (instruction, sequence, json) VALUES (?, ?, ?) ON CONFLICT (instruction)
       DO UPDATE SET sequence = excluded.sequence, json = excluded.json WHERE excluded.sequence >= receipt.sequence`,
      hexColumn(instructionId, "instructionId", 32),
      sequenceColumn(sequence),
      json,
    );
  }
  for (const [key, value] of batch.meta ?? []) {
    if (key.startsWith(RESERVED_META_PREFIX))
      throw new StoreError("badRecord", "This name belongs to the store", { details: { key } });
    db.run(
      "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }
}

/**
 * Deletes the oldest `limit` log records of rounds up to `round`, if their position is at most `until`. Returns how many there were.
 */
export function cutLog(db: Connection, round: number, until: bigint, limit: number): number {
  return Number(
    db.run(
      "DELETE FROM log WHERE position IN (SELECT position FROM log WHERE sinks <= ? AND position <= ? LIMIT ?)",
      round,
      until,
      limit,
    ),
  );
}

function appendLog(db: Connection, record: LogRecord): void {
  const { kind, round } = record;
  const isRound = Number.isSafeInteger(round) && Number(round) >= 0;
  if (kind === "coin" ? !isRound : !isRound && round !== undefined)
    throw new StoreError("badRecord", "A log record's round is a whole number", { details: { kind, round } });
  db.run(
    "INSERT INTO log (kind, round, sinks, digest, bytes) VALUES (?, ?, ?, ?, ?)",
    kind,
    kind === "coin" ? record.round : null,
    round ?? null,
    kind === "coin" || record.digest === undefined ? null : hexColumn(record.digest, "digest", 32),
    kind === "coin" ? record.signature : record.bytes,
  );
}

function writeEpoch(db: Connection, { epoch, json, snapshot, ours }: NonNullable<StoreWrite["epoch"]>): void {
  const row = { epoch: epochColumn(epoch), ours: ours ? 1n : 0n, json };
  insertOnce(db, "epoch", ["epoch"], row);
  db.run("INSERT INTO snapshot (epoch, bytes) VALUES (?, ?) ON CONFLICT (epoch) DO NOTHING", epoch, snapshot);
  if (ours) {
    db.run("DELETE FROM log");
    db.run("DELETE FROM checkpoint");
  }
  db.run(
    `DELETE FROM snapshot WHERE epoch NOT IN (SELECT epoch FROM epoch ORDER BY epoch DESC LIMIT ${KEPT_SNAPSHOTS})
     AND epoch IS NOT (SELECT max(epoch) FROM epoch WHERE ours = 1)`,
  );
}

function writeCheckpoint(db: Connection, { sequence, json, snapshot, order }: StoredCheckpoint): void {
  db.run(
    "INSERT INTO checkpoint (sequence, json, snapshot, tail) VALUES (?, ?, ?, ?) ON CONFLICT (sequence) DO NOTHING",
    sequenceColumn(sequence),
    json,
    snapshot,
    order,
  );
  db.run(
    `DELETE FROM checkpoint WHERE sequence NOT IN
     (SELECT sequence FROM checkpoint ORDER BY sequence DESC LIMIT ${KEPT_CHECKPOINTS})`,
  );
}

function insertRegister(db: Connection, { kind, position, digest }: RegisterEntry): void {
  const word = wordColumn(position, "position");
  const wanted = hexColumn(digest, "digest", 32);
  const changes = db.run(
    "INSERT INTO register (kind, position, digest) VALUES (?, ?, ?) ON CONFLICT (kind, position) DO NOTHING",
    kind,
    word,
    wanted,
  );
  if (changes === 1n) return;
  const row = db.get("SELECT digest FROM register WHERE kind = ? AND position = ?", kind, word);
  const registered = row && hexOf(row, "digest");
  if (registered === undefined || !equalBytes(hexToBytes(registered), wanted)) {
    throw new StoreError(
      "registerConflict",
      `Refusing to sign ${kind} ${position} twice: another digest is registered`,
      {
        details: { kind, position, registered, refused: digest },
      },
    );
  }
}

/** Inserts a row, accepts the very same row again, and refuses another one under the same key. */
function insertOnce(
  db: Connection,
  table: string,
  key: readonly string[],
  row: Readonly<Record<string, string | bigint | Uint8Array>>,
): void {
  const columns = Object.keys(row);
  const changes = db.run(
    `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")}) ON CONFLICT (${key.join(", ")}) DO NOTHING`,
    ...Object.values(row),
  );
  if (changes === 1n) return;
  const same = db.get(
    `SELECT 1 AS found FROM ${table} WHERE ${columns.map((c) => `${c} = ?`).join(" AND ")}`,
    ...Object.values(row),
  );
  if (same === undefined) {
    throw new StoreError("recordConflict", `Another ${table} is already stored under this key`, {
      details: { table, sequence: row.sequence },
    });
  }
}
