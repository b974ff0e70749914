/** The store in memory: the same promises but durability. For tests and simulators. */
import type { Hex } from "../lib/hex.ts";
import { compareBigint } from "../lib/math.ts";
import {
  type LogRecord,
  type RegisterEntry,
  type Store,
  type StoredBatch,
  type StoredCertificate,
  type StoredCheckpoint,
  type StoredEntry,
  type StoredEpoch,
  type StoredReceipt,
  StoreError,
  type StoreWrite,
} from "./port.ts";
import {
  type Destination,
  epochColumn,
  hexColumn,
  KEPT_CHECKPOINTS,
  KEPT_SNAPSHOTS,
  sequenceColumn,
  wordColumn,
} from "./records.ts";
import { RESERVED_META_PREFIX } from "./schema.ts";

interface Tables {
  readonly epochs: Map<bigint, StoredEpoch & { readonly ours: boolean }>;
  readonly snapshots: Map<bigint, Uint8Array>;
  readonly checkpoints: Map<bigint, StoredCheckpoint>;
  readonly log: LogRecord[];
  readonly register: Map<string, RegisterEntry>;
  readonly batches: Map<bigint, StoredBatch>;
  readonly certificates: Map<string, StoredCertificate>;
  readonly entries: Map<string, StoredEntry>;
  readonly receipts: Map<string, StoredReceipt>;
  readonly meta: Map<string, string>;
}

export function createMemoryStore(): Store {
  const tables: Tables = {
    epochs: new Map(),
    snapshots: new Map(),
    checkpoints: new Map(),
    log: [],
    register: new Map(),
    batches: new Map(),
    certificates: new Map(),
    entries: new Map(),
    receipts: new Map(),
    meta: new Map(),
  };
  let isOpen = true;
  const open = (): Tables => {
    if (!isOpen) throw new StoreError("closed", "The store is closed");
    return tables;
  };

  return {
    write(batch) {
      const undo: (() => void)[] = [];
      try {
        apply(open(), batch, undo);
      } catch (error) {
        for (const action of undo.reverse()) action();
        throw error;
      }
    },
    epochStart() {
      const { epochs, snapshots } = open();
      const newest = newestFirst(epochs).find(({ ours }) => ours);
      const snapshot = newest && snapshots.get(newest.epoch);
      return newest && snapshot && { epoch: newest.epoch, json: newest.json, snapshot };
    },
    epoch(epoch) {
      const known = open().epochs.get(epoch);
      return known && { epoch, json: known.json };
    },
    epochs: () =>
      newestFirst(open().epochs)
        .reverse()
        .map(({ epoch, json }) => ({ epoch, json })),
    snapshot: (epoch) => open().snapshots.get(epoch),
    checkpoint(sequence) {
      const { checkpoints } = open();
      return sequence === undefined ? newestCheckpoints(checkpoints)[0] : checkpoints.get(sequence);
    },
    log: () => [...open().log],
    block(digest) {
      if (!isOpen) return undefined;
      const found = tables.log.findLast((record) => record.kind === "block" && record.digest === digest.toLowerCase());
      return found?.kind === "block" ? found.bytes : undefined;
    },
    register: (kind, position) => open().register.get(`${kind}/${position}`)?.digest,
    registerTop(kind) {
      const own = [...open().register.values()].filter((entry) => entry.kind === kind);
      return own.sort((a, b) => compareBigint(b.position, a.position))[0];
    },
    meta: (key) => open().meta.get(key),
    batch: (sequence) => open().batches.get(sequence),
    batches(from, to, limit) {
      const within = [...open().batches.values()].filter(({ sequence }) => sequence >= from && sequence <= to);
      return within.sort((a, b) => compareBigint(a.sequence, b.sequence)).slice(0, limit);
    },
    latestBatch: () => [...open().batches.values()].sort((a, b) => compareBigint(b.sequence, a.sequence))[0],
    certificate: (sequence, suite) => open().certificates.get(`${sequence}/${suite}`),
    certificates({ limit, suite, before }) {
      const own = [...open().certificates.values()].filter(
        (certificate) =>
          (suite === undefined || certificate.suite === suite) &&
          (before === undefined || certificate.sequence < before),
      );
      const newestFirst = (a: StoredCertificate, b: StoredCertificate) =>
        compareBigint(b.sequence, a.sequence) || (a.suite < b.suite ? -1 : 1);
      return own.sort(newestFirst).slice(0, limit);
    },
    receipt: (instructionId) => open().receipts.get(instructionId.toLowerCase()),
    entries(destination, from, to, limit) {
      const own = entriesOf(open(), destination).filter(({ index }) => index >= from && index <= to);
      return own.slice(0, limit);
    },
    entryCount: (destination) => (entriesOf(open(), destination).at(-1)?.index ?? -1n) + 1n,
    close() {
      isOpen = false;
    },
  };
}

function newestFirst<T extends StoredEpoch>(epochs: ReadonlyMap<bigint, T>): T[] {
  return [...epochs.values()].sort((a, b) => compareBigint(b.epoch, a.epoch));
}

function newestCheckpoints(checkpoints: ReadonlyMap<bigint, StoredCheckpoint>): StoredCheckpoint[] {
  return [...checkpoints.values()].sort((a, b) => compareBigint(b.sequence, a.sequence));
}

function entriesOf(tables: Tables, { chainId, hub }: Destination): StoredEntry[] {
  const own = [...tables.entries.values()].filter((entry) => entry.chainId === chainId && entry.hub === hub);
  return own.sort((a, b) => compareBigint(a.index, b.index));
}

function apply(tables: Tables, batch: StoreWrite, undo: (() => void)[]): void {
  for (const entry of batch.register ?? []) {
    wordColumn(entry.position, "position");
    hexColumn(entry.digest, "digest", 32);
    const key = `${entry.kind}/${entry.position}`;
    const registered = tables.register.get(key)?.digest;
    if (registered !== undefined && registered !== entry.digest) {
      throw new StoreError(
        "registerConflict",
        `Refusing to sign ${entry.kind} ${entry.position} twice: another digest is registered`,
        {
          details: { kind: entry.kind, position: entry.position, registered, refused: entry.digest },
        },
      );
    }
    put(tables.register, key, entry, undo);
  }
  if (batch.epoch !== undefined) applyEpoch(tables, batch.epoch, undo);
  if (batch.checkpoint !== undefined) applyCheckpoint(tables, batch.checkpoint, undo);
  if (batch.truncate !== undefined) applyCut(tables, batch.truncate, undo);
  for (const record of batch.log ?? []) {
    if (record.round !== undefined && !(Number.isSafeInteger(record.round) && record.round >= 0))
      throw new StoreError("badRecord", "A log record's round is a whole number");
    if (record.kind === "block" && record.digest !== undefined) hexColumn(record.digest, "digest", 32);
    tables.log.push(copyOf(record));
    undo.push(() => void tables.log.pop());
  }
  for (const record of batch.batches ?? []) {
    hexColumn(record.digest, "digest", 32);
    putOnce(tables.batches, sequenceColumn(record.sequence), record, "batch", undo);
  }
  for (const record of batch.certificates ?? []) {
    hexColumn(record.signature, "signature");
    putOnce(tables.certificates, `${sequenceColumn(record.sequence)}/${record.suite}`, record, "certificate", undo);
  }
  for (const record of batch.entries ?? []) {
    wordColumn(record.index, "index");
    wordColumn(record.chainId, "chainId");
    hexColumn(record.hub, "hub", 20);
    sequenceColumn(record.sequence);
    putOnce(tables.entries, `${record.chainId}/${record.hub}/${record.index}`, record, "entry", undo);
  }
  for (const record of batch.receipts ?? []) {
    hexColumn(record.instructionId, "instructionId", 32);
    const key: Hex = record.instructionId;
    const known = tables.receipts.get(key);
    if (known === undefined || record.sequence >= known.sequence) put(tables.receipts, key, record, undo);
  }
  for (const [key, value] of batch.meta ?? []) {
    if (key.startsWith(RESERVED_META_PREFIX))
      throw new StoreError("badRecord", "This name belongs to the store", { details: { key } });
    put(tables.meta, key, value, undo);
  }
}

function applyEpoch(
  { epochs, snapshots, checkpoints, log }: Tables,
  { epoch, json, snapshot, ours }: NonNullable<StoreWrite["epoch"]>,
  undo: (() => void)[],
): void {
  putOnce(epochs, epochColumn(epoch), { epoch, json, ours }, "epoch", undo);
  if (!snapshots.has(epoch)) put(snapshots, epoch, snapshot.slice(), undo);
  if (ours) {
    const dropped = log.splice(0);
    undo.push(() => void log.unshift(...dropped));
    for (const { sequence } of [...checkpoints.values()]) drop(checkpoints, sequence, undo);
  }
  const newest = newestFirst(epochs);
  const kept = new Set([...newest.slice(0, KEPT_SNAPSHOTS), ...newest.filter((row) => row.ours).slice(0, 1)]);
  for (const row of newest) {
    if (kept.has(row)) continue;
    drop(snapshots, row.epoch, undo);
  }
}

function applyCheckpoint({ checkpoints }: Tables, checkpoint: StoredCheckpoint, undo: (() => void)[]): void {
  const { sequence, snapshot, order } = checkpoint;
  if (checkpoints.has(sequenceColumn(sequence))) return;
  put(checkpoints, sequence, { ...checkpoint, snapshot: snapshot.slice(), order: order.slice() }, undo);
  for (const old of newestCheckpoints(checkpoints).slice(KEPT_CHECKPOINTS)) drop(checkpoints, old.sequence, undo);
}

function applyCut({ log }: Tables, round: number, undo: (() => void)[]): void {
  const before = [...log];
  if (!Number.isSafeInteger(round))
    throw new StoreError("badRecord", "A log is cut at a round", { details: { round } });
  undo.push(() => void log.splice(0, log.length, ...before));
  log.splice(0, log.length, ...before.filter((record) => record.round === undefined || record.round > round));
}

function drop<K, V>(table: Map<K, V>, key: K, undo: (() => void)[]): void {
  const value = table.get(key);
  if (value === undefined || !table.delete(key)) return;
  undo.push(() => void table.set(key, value));
}

/** As on disk, where the caller's buffer may change afterwards. */
function copyOf(record: LogRecord): LogRecord {
  return record.kind === "coin"
    ? { ...record, signature: record.signature.slice() }
    : { ...record, bytes: record.bytes.slice() };
}

function put<K, V>(table: Map<K, V>, key: K, value: V, undo: (() => void)[]): void {
  const before = table.get(key);
  table.set(key, value);
  undo.push(() => void (before === undefined ? table.delete(key) : table.set(key, before)));
}

function putOnce<K, V extends object>(table: Map<K, V>, key: K, value: V, name: string, undo: (() => void)[]): void {
  const known = table.get(key);
  if (known === undefined) put(table, key, value, undo);
  else if (Object.entries(value).some(([field, part]) => Reflect.get(known, field) !== part)) {
    throw new StoreError("recordConflict", `Another ${name} is already stored under this key`, {
      details: { table: name },
    });
  }
}
