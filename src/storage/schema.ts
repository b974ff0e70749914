/**
 * Tables of the one SQLite file. What is written here can be read by every later version: columns are added, never changed.
 *
 * Integers beyond 63 bits (positions, chain ids, outbox indices) are 32-byte big-endian blobs, which sort like the numbers.
 * Tables that must never change a row have no UPDATE and no REPLACE anywhere, and a trigger as the second lock.
 */

/** `PRAGMA application_id`: "CLKL". A file with another id is no Clockless store and is left alone. */
export const APPLICATION_ID = 0x434c4b4c;
export const SCHEMA_VERSION = 5;
/** Meta names that belong to the store itself. */
export const RESERVED_META_PREFIX = "store.";

function immutable(tables: readonly string[]): string {
  return tables
    .map(
      (table) => `
CREATE TRIGGER ${table}_is_immutable BEFORE UPDATE ON ${table} BEGIN SELECT RAISE(ABORT, '${table} rows never change'); END;
CREATE TRIGGER ${table}_is_kept BEFORE DELETE ON ${table} BEGIN SELECT RAISE(ABORT, '${table} rows are kept'); END;`,
    )
    .join("");
}

const TABLES_1 = `
CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Appended at one end, cut at the other; position is the order. round is set for coins only.
CREATE TABLE log (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('block', 'coin')),
  round INTEGER CHECK ((kind = 'coin') = (round IS NOT NULL)),
  bytes BLOB NOT NULL
) STRICT;

-- The sign-once register: one digest per (kind, position), for ever.
CREATE TABLE register (
  kind TEXT NOT NULL,
  position BLOB NOT NULL CHECK (length(position) = 32),
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  PRIMARY KEY (kind, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch (
  sequence INTEGER PRIMARY KEY NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  json TEXT NOT NULL
) STRICT;

CREATE TABLE certificate (
  sequence INTEGER NOT NULL,
  suite TEXT NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (sequence, suite)
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
  chain BLOB NOT NULL CHECK (length(chain) = 32),
  hub BLOB NOT NULL CHECK (length(hub) = 20),
  position BLOB NOT NULL CHECK (length(position) = 32),
  sequence INTEGER NOT NULL,
  json TEXT NOT NULL,
  PRIMARY KEY (chain, hub, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipt (
  instruction BLOB PRIMARY KEY NOT NULL CHECK (length(instruction) = 32),
  sequence INTEGER NOT NULL,
  json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

${immutable(["register", "batch", "certificate", "entry"])}
`;

/** Epochs. A snapshot lives in a table of its own, because it goes and its epoch's record stays. */
const TABLES_2 = `
CREATE TABLE epoch (
  epoch INTEGER PRIMARY KEY NOT NULL CHECK (epoch > 0),
  ours INTEGER NOT NULL CHECK (ours IN (0, 1)),
  json TEXT NOT NULL
) STRICT;

CREATE TABLE snapshot (epoch INTEGER PRIMARY KEY NOT NULL REFERENCES epoch (epoch), bytes BLOB NOT NULL) STRICT;

${immutable(["epoch"])}
`;

/** Checkpoints within the epoch of the log. They go with it, or when newer ones come. */
const TABLES_3 = `
CREATE TABLE checkpoint (
  sequence INTEGER PRIMARY KEY NOT NULL,
  json TEXT NOT NULL,
  snapshot BLOB NOT NULL,
  tail BLOB NOT NULL
) STRICT;
`;

/**
 * Rounds of blocks, so that the log can be cut at its old end. `round` is taken: it has a check that blocks have none. The index also
 * spares reading past the blocks' bytes.
 */
const TABLES_4 = `
ALTER TABLE log ADD COLUMN sinks INTEGER;
CREATE INDEX log_by_sinks ON log (sinks) WHERE sinks IS NOT NULL;
`;

/** Digests of blocks, so that one can be found again. What older versions wrote has none and is gone K rounds later. */
const TABLES_5 = `
ALTER TABLE log ADD COLUMN digest BLOB CHECK (digest IS NULL OR length(digest) = 32);
CREATE INDEX log_by_digest ON log (digest) WHERE digest IS NOT NULL;
`;

/** By version: what to run on a store of the version before (0: an empty file). */
export const UPGRADES: readonly string[] = [TABLES_1, TABLES_2, TABLES_3, TABLES_4, TABLES_5];
