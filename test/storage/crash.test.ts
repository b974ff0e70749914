import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Hex } from "../../src/lib/hex.ts";
import { type Store, StoreError } from "../../src/storage/port.ts";
import { DATABASE_FILE, openSqliteStore } from "../../src/storage/sqlite.ts";
import { digestOf, transactionOf } from "./writer.ts";

const committeeId: Hex = `0x${"ab".repeat(32)}`;
const PAYLOAD = 2_000;
const script = fileURLToPath(new URL("./writer.ts", import.meta.url));

describe("storage/crash", function () {
  this.timeout(600_000);
  let directory: string;
  let children: ChildProcess[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "clockless-store-"));
  });
  afterEach(() => {
    for (const child of children) child.kill("SIGKILL");
    children = [];
    rmSync(directory, { recursive: true, force: true });
  });

  /** Starts the writer under a wrapper command and collects its lines. */
  function startWriter({ wrapper = [] }: { wrapper?: readonly string[] } = {}) {
    const [command, ...args] = [...wrapper, process.execPath, script, directory, committeeId, String(PAYLOAD)];
    const child = spawn(command!, args, { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const lines: string[] = [];
    let rest = "";
    const exited = new Promise<number | null>((resolve) => void child.once("close", resolve));
    const hasLines = (count: number) =>
      new Promise<void>((resolve, reject) => {
        const check = () => {
          if (lines.length >= count) resolve();
        };
        child.stdout!.on("data", check);
        child.once("close", () => reject(new Error(`the writer ended early: ${lines.at(-1)}`)));
        check();
      });
    child.stdout!.on("data", (data: Buffer) => {
      const parts = (rest + data.toString()).split("\n");
      rest = parts.pop()!;
      lines.push(...parts);
    });
    return { child, lines, exited, hasLines };
  }

  function openAgain(): Store {
    return openSqliteStore({ directory, committeeId });
  }

  /** Everything up to some number, whole, in order, and nothing of the next one. Returns that number. */
  function checkPrefix(store: Store): number {
    let n = 0;
    for (const record of store.log()) {
      n++;
      expect(record).to.deep.equal(transactionOf(n, PAYLOAD).log![0]);
      expect(store.register("block", BigInt(n))).to.equal(digestOf(n));
      expect(store.batch(BigInt(n))).to.deep.equal(transactionOf(n, PAYLOAD).batches![0]);
    }
    expect(store.meta("last")).to.equal(n === 0 ? undefined : String(n));
    expect(store.register("block", BigInt(n + 1))).to.equal(undefined);
    expect(store.batch(BigInt(n + 1))).to.equal(undefined);
    return n;
  }

  it("has every acknowledged write after kill −9, over several lives", async () => {
    let acknowledged = 0;
    for (const count of [2, 40, 150]) {
      const writer = startWriter();
      await writer.hasLines(count);
      writer.child.kill("SIGKILL");
      await writer.exited;
      acknowledged = Number(writer.lines.at(-1));
      const store = openAgain();
      const found = checkPrefix(store);
      store.close();
      expect(found).to.be.at.least(acknowledged);
      // At most the write that was under way when the signal came.
      expect(found).to.be.at.most(acknowledged + 1);
    }
  });

  it("is refused to a second process, and free again after kill −9", async () => {
    const writer = startWriter();
    await writer.hasLines(1);
    expect(codeOf(openAgain)).to.equal("locked");
    const second = startWriter();
    expect(await second.exited).to.equal(3);
    expect(second.lines).to.deep.equal(["locked"]);
    writer.child.kill("SIGKILL");
    await writer.exited;
    openAgain().close();
  });

  it("keeps a consistent prefix when the tail of the write-ahead log is torn anywhere", async () => {
    const writer = startWriter();
    await writer.hasLines(60);
    writer.child.kill("SIGKILL");
    await writer.exited;
    const size = statSync(join(directory, `${DATABASE_FILE}-wal`)).size;
    expect(size).to.be.greaterThan(100_000);
    const original = `${directory}-original`;
    cpSync(directory, original, { recursive: true });
    try {
      let previous = 0;
      for (const kept of [0, 20, 5_000, 30_001, 77_777, size - 4_097, size - 1, size]) {
        rmSync(directory, { recursive: true });
        cpSync(original, directory, { recursive: true });
        // After a power cut the shared-memory index is gone, too.
        rmSync(join(directory, `${DATABASE_FILE}-shm`), { force: true });
        truncateSync(join(directory, `${DATABASE_FILE}-wal`), kept);
        const store = openAgain();
        const found = checkPrefix(store);
        expect(found).to.be.at.least(previous);
        previous = found;
        store.write(transactionOf(found + 1, PAYLOAD));
        store.close();
      }
      expect(previous).to.be.at.least(Number(writer.lines.at(-1)));
    } finally {
      rmSync(original, { recursive: true, force: true });
    }
  });

  it("stops with a fatal error when the disk is full, loses nothing acknowledged, and works again with space", async () => {
    const writer = startWriter({ wrapper: ["/bin/sh", "-c", 'ulimit -f 1000; exec "$0" "$@"'] });
    expect(await writer.exited).to.equal(3);
    expect(writer.lines.at(-1)).to.equal("diskFailure");
    const acknowledged = Number(writer.lines.at(-2));
    expect(acknowledged).to.be.greaterThan(5);
    const store = openAgain();
    expect(checkPrefix(store)).to.be.within(acknowledged, acknowledged + 1);
    store.write(transactionOf(1_000_000, PAYLOAD));
    store.close();
  });

  it("syncs for every write but relaxed ones, which the next sync brings along", function () {
    const trace = join(directory, "trace");
    const source = `
      import { readFileSync } from "node:fs";
      import { openSqliteStore } from ${JSON.stringify(new URL("../../src/storage/sqlite.ts", import.meta.url).href)};
      const store = openSqliteStore({ directory: process.argv[1], committeeId: process.argv[2] });
      const log = (n) => [{ kind: "block", bytes: new Uint8Array(1000).fill(n) }];
      const write = (count, relaxed) => { for (let n = 0; n < count; n++) store.write({ log: log(n), relaxed }); };
      const syncs = () => readFileSync(process.argv[3], "utf8").split("\\n").filter((line) => line.includes("sync(")).length;
      write(1, false);
      const counts = [syncs()];
      write(20, true);
      counts.push(syncs());
      write(1, false);
      counts.push(syncs());
      write(20, true);
      process.stdout.write(JSON.stringify(counts));
      process.kill(process.pid, "SIGKILL");
    `;
    const wrapper = ["-f", "-qq", "-o", trace, "-e", "trace=fsync,fdatasync"];
    if (spawnSync("strace", ["-o", "/dev/null", "true"]).status !== 0) {
      console.log("skipped: strace is not here or may not trace, so no sync can be counted");
      this.skip();
    }
    const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", source];
    const run = spawnSync("strace", [...wrapper, process.execPath, ...flags, directory, committeeId, trace]);
    const [first, relaxed, synced] = JSON.parse(run.stdout.toString()) as number[];
    expect(relaxed).to.equal(first);
    expect(synced).to.equal(first! + 1);
    // Killed, not unplugged: the page cache has them.
    const store = openAgain();
    expect([...store.log()].length).to.equal(42);
    store.close();
  });

  it("stops with a fatal error when a sync fails, and acknowledges nothing after it", async function () {
    if (spawnSync("strace", ["-o", "/dev/null", "true"]).status !== 0) {
      console.log("skipped: strace is not here or may not trace, so no sync error can be injected");
      this.skip();
    }
    // The nth sync of the process fails: 25 is in the middle of ordinary writes.
    const inject = [
      "-f",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      "trace=fsync,fdatasync",
      "-e",
      "inject=fsync,fdatasync:error=EIO:when=25",
    ];
    const writer = startWriter({ wrapper: ["strace", ...inject] });
    expect(await writer.exited).to.equal(3);
    expect(writer.lines.at(-1)).to.equal("diskFailure");
    const acknowledged = Number(writer.lines.at(-2));
    expect(acknowledged).to.be.within(5, 25);
    const store = openAgain();
    // The write whose sync failed may be there or not; it was never acknowledged, so nothing was signed on it.
    expect(checkPrefix(store)).to.be.within(acknowledged, acknowledged + 1);
    store.close();
  });
});

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error);
  }
  return "no error";
}
