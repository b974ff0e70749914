import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import fc from "fast-check";
import type { Address, Hex } from "../../src/lib/hex.ts";
import { prepareDatabase } from "../../src/storage/connection.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import { type LogRecord, type Store, StoreError, type StoreWrite } from "../../src/storage/port.ts";
import { APPLICATION_ID, UPGRADES } from "../../src/storage/schema.ts";
import { DATABASE_FILE, openSqliteStore } from "../../src/storage/sqlite.ts";

const committeeId: Hex = `0x${"ab".repeat(32)}`;
const digest = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;
const hub: Address = `0x${"11".repeat(20)}`;
const otherHub: Address = `0x${"22".repeat(20)}`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "clockless-store-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const openSqlite = () => openSqliteStore({ directory, committeeId });

for (const [name, open] of [
  ["sqlite", openSqlite],
  ["memory", createMemoryStore],
] as const) {
  describe(`storage/${name}`, () => {
    let store: Store;
    beforeEach(() => {
      store = open();
    });
    afterEach(() => {
      store.close();
    });

    it("returns the log in append order, with all bytes", () => {
      const records = Array.from(
        { length: 100 },
        (_, n): LogRecord =>
          n % 3 === 0
            ? { kind: "coin", round: n, signature: Uint8Array.of(n, 0, 255) }
            : { kind: "block", bytes: Uint8Array.of(n) },
      );
      store.write({ log: records.slice(0, 70) });
      store.write({ log: records.slice(70) });
      expect([...store.log()]).to.deep.equal(records);
    });

    it("finds a block of the log by its digest, as long as it is there", () => {
      const blocks = [1, 2, 3].map(
        (n): LogRecord => ({ kind: "block", bytes: new Uint8Array(30_000).fill(n), round: n, digest: digest(n) }),
      );
      store.write({ log: [{ kind: "block", bytes: Uint8Array.of(0) }, ...blocks], relaxed: true });
      expect([...store.log()].slice(1)).to.deep.equal(blocks);
      // Our own newest block may be there twice.
      store.write({ log: [blocks[1]!], truncate: 2 });
      expect(store.block(digest(3))).to.deep.equal(new Uint8Array(30_000).fill(3));
      expect(store.block(digest(2))).to.deep.equal(new Uint8Array(30_000).fill(2));
      expect(store.block(digest(1))).to.equal(undefined);
      expect(store.block(digest(9))).to.equal(undefined);
      store.write({ epoch: { epoch: 1n, json: "{}", snapshot: Uint8Array.of(1), ours: true } });
      expect(store.block(digest(3))).to.equal(undefined);
      store.close();
      expect(store.block(digest(3))).to.equal(undefined);
    });

    it("cuts the log at a round before long, but for what has no round or comes with the cut", () => {
      const block = (round: number): LogRecord => ({ kind: "block", bytes: Uint8Array.of(round & 255), round });
      const coin = (round: number): LogRecord => ({ kind: "coin", round, signature: Uint8Array.of(1) });
      const old: LogRecord = { kind: "block", bytes: Uint8Array.of(7) };
      const own = block(3);
      store.write({ log: [old, ...Array.from({ length: 300 }, (_, n) => [block(n), coin(n)]).flat()] });
      store.write({ register: [{ kind: "block", position: 3n, digest: digest(3) }] });
      store.write({ truncate: 250, log: [own] });
      for (let i = 0; i < 20; i++) store.write({ log: [block(300 + i)] });
      const left = [...store.log()];
      const above = Array.from({ length: 49 }, (_, n) => [block(251 + n), coin(251 + n)]).flat();
      expect(left).to.deep.equal([old, ...above, own, ...Array.from({ length: 20 }, (_, n) => block(300 + n))]);
      // Never the register.
      expect(store.register("block", 3n)).to.equal(digest(3));
      expect(() => store.write({ log: [block(-1)] })).to.throw(StoreError);
    });

    it("forgets a cut that is under way when an epoch of ours begins", () => {
      const log = Array.from(
        { length: 300 },
        (_, round): LogRecord => ({ kind: "block", bytes: Uint8Array.of(1), round }),
      );
      store.write({ log });
      store.write({ truncate: 290 });
      const first: LogRecord = { kind: "block", bytes: Uint8Array.of(2), round: 1 };
      store.write({ epoch: { epoch: 1n, json: "one", snapshot: Uint8Array.of(1), ours: true }, log: [first] });
      for (let i = 0; i < 10; i++) store.write({ meta: [["n", String(i)]] });
      expect([...store.log()]).to.deep.equal([first]);
    });

    it("keeps the newest two checkpoints, until an epoch of ours begins", () => {
      const at = (sequence: bigint) => ({
        sequence,
        json: `{"at":${sequence}}`,
        snapshot: Uint8Array.of(Number(sequence), 1),
        order: Uint8Array.of(Number(sequence), 2),
      });
      expect(store.checkpoint()).to.equal(undefined);
      for (const sequence of [3n, 7n, 12n]) store.write({ checkpoint: at(sequence) });
      expect(store.checkpoint()).to.deep.equal(at(12n));
      expect(store.checkpoint(7n)).to.deep.equal(at(7n));
      expect(store.checkpoint(3n)).to.equal(undefined);
      const epoch = { epoch: 1n, json: "one", snapshot: Uint8Array.of(1) };
      // A write that fails changes nothing.
      const bad = { log: [{ kind: "coin", round: -1, signature: Uint8Array.of(1) }] as const };
      if (name === "sqlite") {
        expect(codeOf(() => store.write({ epoch: { ...epoch, ours: true }, ...bad }))).to.equal("badRecord");
        expect(store.checkpoint()).to.deep.equal(at(12n));
      }
      store.write({ epoch: { ...epoch, ours: false } });
      expect(store.checkpoint()).to.deep.equal(at(12n));
      store.write({ epoch: { ...epoch, epoch: 2n, ours: true } });
      expect(store.checkpoint()).to.equal(undefined);
    });

    it("registers a position once: the same digest again is fine, another is refused for ever", () => {
      const position = 2n ** 200n;
      store.write({ register: [{ kind: "batch", position, digest: digest(1) }] });
      store.write({ register: [{ kind: "batch", position, digest: digest(1) }] });
      store.write({ register: [{ kind: "block", position, digest: digest(2) }] });
      expect(codeOf(() => store.write({ register: [{ kind: "batch", position, digest: digest(2) }] }))).to.equal(
        "registerConflict",
      );
      expect(store.register("batch", position)).to.equal(digest(1));
      expect(store.register("batch", position + 1n)).to.equal(undefined);
    });

    it("writes nothing of a transaction that conflicts anywhere in it", () => {
      store.write({
        register: [{ kind: "batch", position: 5n, digest: digest(1) }],
        batches: [{ sequence: 1n, digest: digest(1), json: "{}" }],
      });
      const rest: StoreWrite = {
        log: [{ kind: "block", bytes: Uint8Array.of(1) }],
        certificates: [{ sequence: 9n, suite: "bn254", signature: "0x01" }],
        entries: [{ chainId: 1n, hub, index: 0n, sequence: 1n, json: "{}" }],
        receipts: [{ instructionId: digest(3), sequence: 1n, json: "{}" }],
        meta: [["name", "value"]],
      };
      const first = { kind: "batch", position: 4n, digest: digest(4) };
      const conflicts: [StoreWrite, string][] = [
        [{ ...rest, register: [first, { kind: "batch", position: 5n, digest: digest(2) }] }, "registerConflict"],
        [{ ...rest, register: [first, { kind: "batch", position: 4n, digest: digest(5) }] }, "registerConflict"],
        [{ ...rest, register: [first], batches: [{ sequence: 1n, digest: digest(2), json: "{}" }] }, "recordConflict"],
        [{ ...rest, register: [first], batches: [{ sequence: 1n, digest: digest(1), json: "[]" }] }, "recordConflict"],
        [
          { ...rest, register: [first], batches: [{ sequence: 2n ** 63n, digest: digest(2), json: "{}" }] },
          "badRecord",
        ],
        [{ ...rest, register: [first], meta: [["store.committeeId", "mine"]] }, "badRecord"],
      ];
      for (const [write, code] of conflicts) {
        expect(codeOf(() => store.write(write))).to.equal(code);
        expect([...store.log()]).to.be.empty;
        expect(store.register("batch", 4n)).to.equal(undefined);
        expect(store.certificates({ limit: 10 })).to.be.empty;
        expect(store.entryCount({ chainId: 1n, hub })).to.equal(0n);
        expect(store.receipt(digest(3))).to.equal(undefined);
        expect(store.meta("name")).to.equal(undefined);
      }
      store.write({ ...rest, register: [first] });
      expect(store.register("batch", 4n)).to.equal(digest(4));
    });

    it("refuses what it could not read back", () => {
      for (const write of [
        { register: [{ kind: "batch", position: -1n, digest: digest(1) }] },
        { register: [{ kind: "batch", position: 2n ** 256n, digest: digest(1) }] },
        { register: [{ kind: "batch", position: 1n, digest: "0x01" }] },
        { batches: [{ sequence: -1n, digest: digest(1), json: "" }] },
        { certificates: [{ sequence: 1n, suite: "bn254", signature: "0xzz" }] },
        { entries: [{ chainId: 1n, hub: "0x01", index: 0n, sequence: 1n, json: "" }] },
        { receipts: [{ instructionId: "0x", sequence: 1n, json: "" }] },
        { log: [{ kind: "block", bytes: Uint8Array.of(1), digest: "0x01" }] },
      ] satisfies StoreWrite[]) {
        expect(codeOf(() => store.write(write))).to.equal("badRecord");
      }
    });

    it("knows the highest registered position of each kind, as a number and not as text", () => {
      for (const position of [9n, 10n, 2n ** 64n, 255n])
        store.write({ register: [{ kind: "block", position, digest: digest(1) }] });
      store.write({ register: [{ kind: "other", position: 2n ** 70n, digest: digest(2) }] });
      expect(store.registerTop("block")).to.deep.equal({ kind: "block", position: 2n ** 64n, digest: digest(1) });
      expect(store.registerTop("none")).to.equal(undefined);
    });

    it("finds batches by sequence, by range with a limit, and the latest", () => {
      expect(store.latestBatch()).to.equal(undefined);
      const batches = [1n, 2n, 3n, 10n].map((sequence) => ({
        sequence,
        digest: digest(Number(sequence)),
        json: `{"s":"${sequence}"}`,
      }));
      store.write({ batches });
      expect(store.batch(3n)).to.deep.equal(batches[2]);
      expect(store.batch(4n)).to.equal(undefined);
      expect(store.batch(-1n)).to.equal(undefined);
      expect(store.batch(2n ** 70n)).to.equal(undefined);
      expect(store.batches(2n, 2n ** 70n, 2)).to.deep.equal([batches[1], batches[2]]);
      expect(store.batches(4n, 9n, 100)).to.be.empty;
      expect(store.batches(-5n, -1n, 100)).to.be.empty;
      expect(store.latestBatch()).to.deep.equal(batches[3]);
    });

    it("lists certificates newest first, by suite and before a sequence", () => {
      for (const sequence of [1n, 2n, 3n]) {
        store.write({
          certificates: (["bn254", "bls12-381"] as const).map((suite) => ({
            sequence,
            suite,
            signature: `0x0${sequence}` as const,
          })),
        });
      }
      const brief = (options: Parameters<Store["certificates"]>[0]) =>
        store.certificates(options).map(({ sequence, suite }) => `${sequence} ${suite}`);
      expect(brief({ limit: 3 })).to.deep.equal(["3 bls12-381", "3 bn254", "2 bls12-381"]);
      expect(brief({ limit: 9, suite: "bn254" })).to.deep.equal(["3 bn254", "2 bn254", "1 bn254"]);
      expect(brief({ limit: 9, suite: "bn254", before: 3n })).to.deep.equal(["2 bn254", "1 bn254"]);
      expect(store.certificate(2n, "bn254")).to.deep.equal({ sequence: 2n, suite: "bn254", signature: "0x02" });
      expect(store.certificate(4n, "bn254")).to.equal(undefined);
      expect(
        codeOf(() => store.write({ certificates: [{ sequence: 2n, suite: "bn254", signature: "0x09" }] })),
      ).to.equal("recordConflict");
    });

    it("keeps outboxes apart and reads them by index range", () => {
      const entry = (index: bigint, chainId = 1n, at = hub) => ({
        chainId,
        hub: at,
        index,
        sequence: 1n,
        json: `{"i":"${index}"}`,
      });
      store.write({
        entries: [entry(0n), entry(1n), entry(2n), entry(0n, 2n), entry(0n, 1n, otherHub), entry(1n, 1n, otherHub)],
      });
      expect(store.entries({ chainId: 1n, hub }, 1n, 2n ** 300n, 10)).to.deep.equal([entry(1n), entry(2n)]);
      expect(store.entries({ chainId: 1n, hub }, 0n, 9n, 1)).to.deep.equal([entry(0n)]);
      expect(store.entries({ chainId: 1n, hub: otherHub }, 1n, 1n, 10)).to.deep.equal([entry(1n, 1n, otherHub)]);
      expect(store.entries({ chainId: 1n, hub }, 2n, 1n, 10)).to.be.empty;
      expect(store.entryCount({ chainId: 1n, hub })).to.equal(3n);
      expect(store.entryCount({ chainId: 3n, hub })).to.equal(0n);
    });

    it("replaces a receipt by a later one only, and meta always", () => {
      store.write({ receipts: [{ instructionId: digest(1), sequence: 5n, json: "final" }], meta: [["a", "1"]] });
      store.write({ receipts: [{ instructionId: digest(1), sequence: 4n, json: "old" }], meta: [["a", "2"]] });
      expect(store.receipt(digest(1))).to.deep.equal({ instructionId: digest(1), sequence: 5n, json: "final" });
      store.write({ receipts: [{ instructionId: digest(1), sequence: 5n, json: "newer" }] });
      expect(store.receipt(digest(1))!.json).to.equal("newer");
      expect(store.meta("a")).to.equal("2");
    });

    it("keeps every epoch's record, the newest snapshots, and of the log what belongs to the newest epoch of ours", () => {
      const bytes = (n: number) => new Uint8Array(100_000).fill(n);
      const begin = (n: number, ours = true) => ({
        epoch: BigInt(n),
        json: `{"epoch":${n}}`,
        snapshot: bytes(n),
        ours,
      });
      expect(store.epochStart()).to.equal(undefined);
      store.write({ log: [{ kind: "block", bytes: Uint8Array.of(0) }] });
      store.write({ epoch: begin(1), log: [{ kind: "block", bytes: Uint8Array.of(1) }] });
      store.write({ log: [{ kind: "coin", round: 7, signature: Uint8Array.of(2) }] });
      expect([...store.log()]).to.deep.equal([
        { kind: "block", bytes: Uint8Array.of(1) },
        { kind: "coin", round: 7, signature: Uint8Array.of(2) },
      ]);
      // Again, as after a crash just behind it: nothing changes, but the log is dropped as it was.
      store.write({ epoch: begin(1) });
      expect([...store.log()]).to.be.empty;
      store.write({ log: [{ kind: "block", bytes: Uint8Array.of(3) }] });
      // A member that left keeps what it was in.
      for (const n of [2, 3, 4]) store.write({ epoch: begin(n, false) });
      expect(store.epochStart()).to.deep.equal({ epoch: 1n, json: '{"epoch":1}', snapshot: bytes(1) });
      expect([...store.log()]).to.deep.equal([{ kind: "block", bytes: Uint8Array.of(3) }]);
      expect([1n, 2n, 3n, 4n].map((epoch) => store.snapshot(epoch)?.[0])).to.deep.equal([1, undefined, 3, 4]);
      store.write({ epoch: begin(9) });
      expect(store.epochStart()?.epoch).to.equal(9n);
      expect([...store.log()]).to.be.empty;
      expect(store.epochs().map(({ epoch }) => epoch)).to.deep.equal([1n, 2n, 3n, 4n, 9n]);
      expect([1n, 3n, 4n, 9n].map((epoch) => store.snapshot(epoch)?.[0])).to.deep.equal([undefined, undefined, 4, 9]);
      expect(store.epoch(2n)).to.deep.equal({ epoch: 2n, json: '{"epoch":2}' });
      for (const epoch of [-1n, 0n, 5n, 2n ** 70n]) {
        expect(store.epoch(epoch)).to.equal(undefined);
        expect(store.snapshot(epoch)).to.equal(undefined);
      }
    });

    it("drops no log and begins no epoch in a write that fails elsewhere", () => {
      store.write({
        log: [{ kind: "block", bytes: Uint8Array.of(0) }],
        register: [{ kind: "batch", position: 1n, digest: digest(1) }],
        epoch: { epoch: 1n, json: "one", snapshot: Uint8Array.of(1), ours: true },
      });
      const next = { epoch: 2n, json: "two", snapshot: Uint8Array.of(2), ours: true };
      const failing: [StoreWrite, string][] = [
        [{ epoch: next, register: [{ kind: "batch", position: 1n, digest: digest(2) }] }, "registerConflict"],
        [{ epoch: next, meta: [["store.mine", ""]] }, "badRecord"],
        [{ epoch: { ...next, epoch: 1n } }, "recordConflict"],
        [{ epoch: { ...next, epoch: 0n } }, "badRecord"],
      ];
      for (const [write, code] of failing) {
        expect(codeOf(() => store.write(write))).to.equal(code);
        expect([...store.log()]).to.deep.equal([{ kind: "block", bytes: Uint8Array.of(0) }]);
        expect(store.epochStart()).to.deep.equal({ epoch: 1n, json: "one", snapshot: Uint8Array.of(1) });
      }
    });

    it("refuses everything once closed, and may be closed twice", () => {
      store.close();
      store.close();
      expect(codeOf(() => store.write({}))).to.equal("closed");
      expect(codeOf(() => store.latestBatch())).to.equal("closed");
      expect(codeOf(() => [...store.log()])).to.equal("closed");
    });
  });
}

describe("storage/sqlite on disk", () => {
  it("gives the space of a long log back to the file system", () => {
    const store = openSqlite();
    const size = () => statSync(join(directory, DATABASE_FILE)).size;
    const log = Array.from(
      { length: 400 },
      (_, round): LogRecord => ({ kind: "block", bytes: new Uint8Array(20_000), round }),
    );
    store.write({ log });
    store.write({ truncate: 390 });
    for (let i = 0; i < 60; i++) store.write({ meta: [["n", String(i)]] });
    store.close();
    const left = size();
    openSqlite().close();
    expect(left).to.be.lessThan(4_000_000);
  });

  it("has everything after reopening", () => {
    const store = openSqlite();
    store.write({
      log: [{ kind: "block", bytes: Uint8Array.of(1) }],
      register: [{ kind: "x", position: 1n, digest: digest(1) }],
      meta: [["a", "b"]],
    });
    store.close();
    const again = openSqlite();
    expect([...again.log()]).to.deep.equal([{ kind: "block", bytes: Uint8Array.of(1) }]);
    expect(codeOf(() => again.write({ register: [{ kind: "x", position: 1n, digest: digest(2) }] }))).to.equal(
      "registerConflict",
    );
    expect(again.meta("a")).to.equal("b");
    again.close();
  });

  it("syncs every transaction: WAL with synchronous = FULL", () => {
    const raw = new DatabaseSync(join(directory, DATABASE_FILE));
    prepareDatabase(raw, committeeId);
    expect({ ...raw.prepare("PRAGMA journal_mode").get() }).to.deep.equal({ journal_mode: "wal" });
    expect({ ...raw.prepare("PRAGMA synchronous").get() }).to.deep.equal({ synchronous: 2 });
    raw.close();
  });

  it("refuses a second store in the same process, and frees the directory on close", () => {
    const store = openSqlite();
    expect(codeOf(openSqlite)).to.equal("locked");
    store.close();
    openSqlite().close();
  });

  it("refuses another committee's file and keeps it intact", () => {
    const store = openSqlite();
    store.write({ meta: [["a", "b"]] });
    store.close();
    expect(codeOf(() => openSqliteStore({ directory, committeeId: `0x${"cd".repeat(32)}` }))).to.equal("foreignStore");
    const again = openSqlite();
    expect(again.meta("a")).to.equal("b");
    again.close();
  });

  it("refuses a newer schema and a foreign database", () => {
    openSqlite().close();
    exec("PRAGMA user_version = 99");
    expect(codeOf(openSqlite)).to.equal("unknownSchema");
    exec("PRAGMA user_version = 1; PRAGMA application_id = 7");
    expect(codeOf(openSqlite)).to.equal("unknownSchema");
  });

  it("refuses a file that is no database, and does not touch it", () => {
    writeFileSync(join(directory, DATABASE_FILE), "not a database, but long enough to be taken for one".repeat(100));
    expect(codeOf(openSqlite)).to.equal("diskFailure");
  });

  it("goes on when a block of the log cannot be read: who asked does without it", () => {
    const store = openSqlite();
    const block = (n: number): LogRecord => ({
      kind: "block",
      bytes: new Uint8Array(50_000).fill(n),
      round: n,
      digest: digest(n),
    });
    store.write({ log: [block(171), block(172)] });
    store.close();
    const file = join(directory, DATABASE_FILE);
    const bytes = readFileSync(file);
    // Each page that continues a block begins with the number of the next one.
    let damaged = 0;
    for (let page = 0; page < bytes.length; page += 4_096) {
      if (!bytes.subarray(page + 4, page + 4_096).every((byte) => byte === 171)) continue;
      bytes.writeUInt32BE(0x7fff_ffff, page);
      damaged++;
    }
    expect(damaged).to.be.greaterThan(3);
    writeFileSync(file, bytes);
    const again = openSqlite();
    expect(again.block(digest(171))).to.equal(undefined);
    expect(again.block(digest(172))).to.deep.equal(new Uint8Array(50_000).fill(172));
    again.write({ log: [block(173)] });
    expect(again.block(digest(173))?.length).to.equal(50_000);
    // A replay needs it all.
    expect(codeOf(() => [...again.log()])).to.equal("diskFailure");
    again.close();
  });

  it("takes over a store of the fourth version, whose blocks it cannot find by their digests", () => {
    const raw = new DatabaseSync(join(directory, DATABASE_FILE));
    raw.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 4; ${UPGRADES.slice(0, 4).join("")}`);
    raw.prepare("INSERT INTO meta (key, value) VALUES (?, ?)").run("store.committeeId", committeeId);
    raw.exec("INSERT INTO log (kind, bytes, sinks) VALUES ('block', x'07', 5)");
    raw.close();
    const store = openSqlite();
    expect([...store.log()]).to.deep.equal([{ kind: "block", bytes: Uint8Array.of(7), round: 5 }]);
    store.write({ log: [{ kind: "block", bytes: Uint8Array.of(8), round: 6, digest: digest(8) }] });
    expect(store.block(digest(8))).to.deep.equal(Uint8Array.of(8));
    store.close();
  });

  it("takes over a store of the first version", () => {
    const raw = new DatabaseSync(join(directory, DATABASE_FILE));
    raw.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1; ${UPGRADES[0]!}`);
    raw.prepare("INSERT INTO meta (key, value) VALUES (?, ?)").run("store.committeeId", committeeId);
    raw.exec("INSERT INTO log (kind, bytes) VALUES ('block', x'07')");
    raw.close();
    const store = openSqlite();
    expect([...store.log()]).to.deep.equal([{ kind: "block", bytes: Uint8Array.of(7) }]);
    store.write({ epoch: { epoch: 1n, json: "{}", snapshot: Uint8Array.of(1), ours: true } });
    store.close();
    const again = openSqlite();
    expect(again.epochStart()?.epoch).to.equal(1n);
    again.close();
  });

  it("is in one epoch or the next, whole, when the write between them is torn anywhere", () => {
    const store = openSqlite();
    store.write({ log: [{ kind: "block", bytes: Uint8Array.of(1) }] });
    const before = statSync(join(directory, `${DATABASE_FILE}-wal`)).size;
    const snapshot = new Uint8Array(300_000).map((_, i) => i % 251);
    const certificates = [{ sequence: 5n, suite: "bn254", signature: "0x05" }] as const;
    store.write({
      certificates,
      epoch: { epoch: 1n, json: "{}", snapshot, ours: true },
      log: [{ kind: "block", bytes: Uint8Array.of(2) }],
    });
    const after = statSync(join(directory, `${DATABASE_FILE}-wal`)).size;
    const seen = new Set<string>();
    for (const kept of [before, before + 1, before + 70_000, after - 4_097, after - 1, after]) {
      const torn = join(directory, `torn-${kept}`);
      mkdirSync(torn, { mode: 0o700 });
      for (const file of [DATABASE_FILE, `${DATABASE_FILE}-wal`]) cpSync(join(directory, file), join(torn, file));
      truncateSync(join(torn, `${DATABASE_FILE}-wal`), kept);
      const reopened = openSqliteStore({ directory: torn, committeeId });
      const start = reopened.epochStart();
      const log = [...reopened.log()].map((record) => record.kind === "block" && record.bytes[0]);
      if (start === undefined) {
        expect(log).to.deep.equal([1]);
        expect(reopened.certificate(5n, "bn254")).to.equal(undefined);
        seen.add("old");
      } else {
        expect(start).to.deep.equal({ epoch: 1n, json: "{}", snapshot });
        expect(log).to.deep.equal([2]);
        expect(reopened.certificate(5n, "bn254")).to.deep.equal(certificates[0]);
        seen.add("new");
      }
      reopened.close();
    }
    expect(seen.size).to.equal(2);
    store.close();
  });

  it("guards the register below our own code: no statement can change or delete a row", () => {
    const store = openSqlite();
    store.write({ register: [{ kind: "x", position: 1n, digest: digest(1) }] });
    store.close();
    expect(() => exec("UPDATE register SET digest = zeroblob(32)")).to.throw(/never change/);
    expect(() => exec("DELETE FROM register")).to.throw(/are kept/);
  });

  it("behaves like the memory store under random writes", () => {
    const small = fc.bigInt({ min: 0n, max: 3n });
    const someDigest = fc.integer({ min: 0, max: 2 }).map(digest);
    const json = fc.constantFrom("a", "b");
    const write = fc.record(
      {
        log: fc.array(
          fc.uint8Array({ maxLength: 4 }).map((bytes): LogRecord => ({ kind: "block", bytes })),
          { maxLength: 2 },
        ),
        register: fc.array(fc.record({ kind: fc.constantFrom("k", "l"), position: small, digest: someDigest }), {
          maxLength: 3,
        }),
        batches: fc.array(fc.record({ sequence: small, digest: someDigest, json }), { maxLength: 2 }),
        receipts: fc.array(fc.record({ instructionId: someDigest, sequence: small, json }), { maxLength: 2 }),
        entries: fc.array(
          fc.record({ chainId: small, hub: fc.constantFrom(hub, otherHub), index: small, sequence: small, json }),
          {
            maxLength: 2,
          },
        ),
        meta: fc.array(fc.tuple(fc.constantFrom("m", "n"), json), { maxLength: 2 }),
        epoch: fc.record({
          epoch: fc.bigInt({ min: 0n, max: 4n }),
          json: fc.constantFrom("a", "a", "b"),
          snapshot: fc.uint8Array({ minLength: 1, maxLength: 2 }),
          ours: fc.constantFrom(true, true, false),
        }),
      },
      { requiredKeys: [] },
    );
    const view = (store: Store) => ({
      log: [...store.log()],
      register: ["k", "l"].map((kind) => [0n, 1n, 2n, 3n].map((position) => store.register(kind, position))),
      tops: ["k", "l"].map((kind) => store.registerTop(kind)),
      batches: store.batches(0n, 9n, 9),
      receipts: [0, 1, 2].map((n) => store.receipt(digest(n))),
      entries: [hub, otherHub].map((at) =>
        [0n, 1n, 2n, 3n].map((chainId) => store.entries({ chainId, hub: at }, 0n, 9n, 9)),
      ),
      meta: [store.meta("m"), store.meta("n")],
      start: store.epochStart(),
      epochs: store.epochs(),
      snapshots: [1n, 2n, 3n, 4n].map((epoch) => store.snapshot(epoch)),
    });
    let run = 0;
    fc.assert(
      fc.property(fc.array(write, { maxLength: 8 }), (writes) => {
        const sqlite = openSqliteStore({ directory: join(directory, String(run++)), committeeId });
        const memory = createMemoryStore();
        try {
          for (const one of writes) expect(codeOf(() => sqlite.write(one))).to.equal(codeOf(() => memory.write(one)));
          expect(view(sqlite)).to.deep.equal(view(memory));
        } finally {
          sqlite.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  function exec(sql: string): void {
    const raw = new DatabaseSync(join(directory, DATABASE_FILE));
    try {
      raw.exec(sql);
    } finally {
      raw.close();
    }
  }
});

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
  return "no error";
}
