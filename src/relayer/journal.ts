/**
 * The relayer's journal: one SQLite file, every write durable before it returns (WAL with synchronous=FULL). One process
 * at a time: two managers of one account would fight over nonces.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import type { JournalPort, JournalRecord, TransactionState } from "../chain/port.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { RelayerError } from "./errors.ts";

export interface Journal extends JournalPort {
  /** Newest first, at most `limit`, finished ones included. */
  list(limit: number): JournalRecord[];
  close(): void;
}

const FILE = "relayer.sqlite";
const SCHEMA_VERSION = 1;
const FINISHED: readonly TransactionState[] = ["final", "released", "replaced"];

const SCHEMA = `
  CREATE TABLE transactions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chain_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    nonce INTEGER NOT NULL,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX open_transactions ON transactions (chain_id, sender, nonce)
    WHERE state NOT IN ('final', 'released', 'replaced');
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Opens or creates the journal in `dataDir`; in memory without one. Throws RelayerError `journalLocked`, `journalFailure`. */
export function openJournal(dataDir: string | undefined): Journal {
  return guarded("open", () => {
    if (dataDir !== undefined) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(dataDir === undefined ? ":memory:" : join(dataDir, FILE), { timeout: 0 });
    // Exclusive from the first write on: a second relayer on this directory must fail at start, not at the first nonce clash.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    database.exec("BEGIN IMMEDIATE;");
    const version = database.prepare("PRAGMA user_version").get()?.user_version;
    if (version === 0) database.exec(SCHEMA);
    else if (version !== SCHEMA_VERSION) {
      database.close();
      throw new RelayerError(
        "journalFailure",
        `the journal has schema ${version}, this version reads ${SCHEMA_VERSION}`,
      );
    }
    database.exec("COMMIT;");
    return new SqliteJournal(database);
  });
}

class SqliteJournal implements Journal {
  readonly #database: DatabaseSync;
  #isClosed = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  reserve(record: Omit<JournalRecord, "id" | "state" | "attempts" | "receipt">): JournalRecord {
    const full = { ...record, id: 0, state: "reserved", attempts: [], receipt: undefined } as const;
    return guarded("reserve", () => {
      const { lastInsertRowid } = this.#database
        .prepare("INSERT INTO transactions (chain_id, sender, nonce, state, record) VALUES (?, ?, ?, ?, ?)")
        .run(record.chainId.toString(), record.sender, record.nonce, full.state, encode(full));
      return { ...full, id: Number(lastInsertRowid) };
    });
  }

  update(record: JournalRecord): void {
    guarded("update", () => {
      const { changes } = this.#database
        .prepare("UPDATE transactions SET state = ?, record = ? WHERE id = ?")
        .run(record.state, encode(record), record.id);
      if (changes !== 1) throw new RelayerError("journalFailure", `there is no record ${record.id}`);
    });
  }

  open(chainId: bigint, sender: Address): JournalRecord[] {
    return guarded("read", () =>
      this.#database
        .prepare(
          `SELECT id, record FROM transactions WHERE chain_id = ? AND sender = ?
           AND state NOT IN (${FINISHED.map((state) => `'${state}'`).join(", ")}) ORDER BY nonce, id`,
        )
        .all(chainId.toString(), sender)
        .map(decode),
    );
  }

  list(limit: number): JournalRecord[] {
    return guarded("read", () =>
      this.#database.prepare("SELECT id, record FROM transactions ORDER BY id DESC LIMIT ?").all(limit).map(decode),
    );
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#database.close();
  }
}

// CAST (all three): patterns and enums are checked by zod, whose inferred types do not know template literals
const hex = z.string().regex(/^0x[0-9a-f]*$/) as unknown as z.ZodType<Hex>;
const integer = z
  .string()
  .regex(/^[0-9]+$/)
  .transform(BigInt);
const stored = z.strictObject({
  chainId: integer,
  sender: hex,
  nonce: z.int(),
  purpose: z.string(),
  call: z.strictObject({ to: hex, data: hex, value: integer }),
  gasLimit: integer,
  state: z.enum(["reserved", "signed", "broadcast", "mined", "final", "released", "replaced"]),
  attempts: z.array(
    z.strictObject({ hash: hex, raw: hex, maxFeePerGasWei: integer, maxPriorityFeePerGasWei: integer }),
  ),
  receipt: z
    .strictObject({
      hash: hex,
      block: integer,
      blockHash: hex,
      succeeded: z.boolean(),
      logCount: z.int(),
      gasUsed: integer,
      feeWei: integer,
    })
    .optional(),
});

function encode(record: JournalRecord): string {
  const { id: _id, ...fields } = record;
  return JSON.stringify(fields, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

function decode(row: Record<string, unknown>): JournalRecord {
  const parsed = stored.safeParse(JSON.parse(String(row.record)));
  if (!parsed.success) throw new RelayerError("journalFailure", `record ${row.id} of the journal is damaged`);
  return { receipt: undefined, ...parsed.data, id: Number(row.id) };
}

function guarded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof RelayerError) throw cause;
    if (cause instanceof Error && /locked|busy/i.test(cause.message)) {
      throw new RelayerError("journalLocked", "another process uses this data directory", { cause, isTransient: true });
    }
    throw new RelayerError("journalFailure", `the journal cannot ${what}: stop, and look at the disk`, { cause });
  }
}
