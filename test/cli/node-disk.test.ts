import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { type Death, type DiskFault, type Life, startLife, whyNoStrace } from "../../scripts/campaign/life.ts";
import { createApiClient } from "../../src/api/client.ts";
import { type DevnetLayout, writeDevnet } from "../../src/cli/devnet/committee.ts";
import { DATABASE_FILE } from "../../src/storage/sqlite.ts";
import { createTestCommittee, createTestGenesis } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { freePorts } from "../lib/free-ports.ts";

/** A committee of one: it goes from round to round alone, and each round is on disk before the next. */
describe("a node run by the command, and its disk", () => {
  let directory: string;
  let layout: DevnetLayout;
  let life: Life | undefined;
  const dataDir = (): string => join(directory, "node-0/data");
  const logFile = (): string => join(directory, "log");

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "clockless-cli-disk-"));
    const [p2p, http] = (await freePorts(2)) as [number, number]; // CAST: as many as asked for
    const { committee, secrets } = await createTestCommittee(1, createRandom(1n), "real");
    layout = await writeDevnet({
      ...{ directory, chains: [], marketUrl: undefined },
      dealt: { committee, members: secrets },
      genesis: createTestGenesis(committee, { chains: [], markets: [] }),
      ports: { p2p: [p2p], api: [http] },
    });
  });
  after(async () => {
    life?.kill("SIGKILL");
    await life?.death;
    rmSync(directory, { recursive: true, force: true });
  });

  function start(fault: DiskFault): Life {
    const traceFile = join(directory, "trace");
    life = startLife(fault, { configFile: layout.nodeConfigs[0]!, dataDir: dataDir(), logFile: logFile(), traceFile });
    return life;
  }
  async function roundAbove(round: number): Promise<number> {
    const client = createApiClient({ url: layout.apiUrls[0]!, timeoutMs: 2_000 });
    for (;;) {
      const status = await client.status().catch(() => undefined);
      if (status !== undefined && status.round > round) return status.round;
      if (life?.isRunning !== true) throw new Error(`the node ended: ${readFileSync(logFile(), "utf8").slice(-2_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  function registeredRound(): number {
    const database = new DatabaseSync(join(dataDir(), DATABASE_FILE));
    const row = database.prepare("SELECT count(*) AS rounds FROM register WHERE kind = 'block'").get();
    expect(database.prepare("PRAGMA integrity_check").get()).to.deep.equal({ integrity_check: "ok" });
    database.close();
    return Number(row!.rounds);
  }
  const saidSince = (from: number): string => readFileSync(logFile(), "utf8").slice(from);
  const logSize = (): number => (existsSync(logFile()) ? statSync(logFile()).size : 0);

  it("stops by itself when the disk is full, says so with exit code 3, and works again with space", async function () {
    if (whyNoStrace() !== undefined) {
      console.log(`    SKIPPED: ${whyNoStrace()}`);
      this.skip();
    }
    const from = logSize();
    const death: Death = await start({ kind: "full", at: 150 }).death;
    expect(death.code, saidSince(from)).to.equal(3);
    expect(death.trace?.failedAt).to.be.a("number");
    expect(saidSince(from)).to.include("The disk is full: free space and restart").and.include("diskFailure");
    const rounds = registeredRound();
    expect(rounds).to.be.greaterThan(0);
    start({ kind: "sound" });
    expect(await roundAbove(rounds + 3)).to.be.greaterThan(rounds);
  });

  it("stops in order at SIGTERM, whatever it was doing, and leaves nothing to repair", async () => {
    if (life?.isRunning !== true) start({ kind: "sound" });
    let round = await roundAbove(0);
    for (let i = 0; i < 3; i++) {
      const from = logSize();
      life!.kill("SIGTERM");
      expect((await life!.death).code, saidSince(from)).to.equal(143);
      // Everything is in the one file: there is no log left to recover.
      const wal = join(dataDir(), `${DATABASE_FILE}-wal`);
      expect(existsSync(wal) ? statSync(wal).size : 0).to.equal(0);
      expect(registeredRound()).to.be.at.least(round);
      const before = logSize();
      start({ kind: "sound" });
      round = await roundAbove(round);
      expect(saidSince(before)).to.include("replayed the store").and.not.include('"level":"error"');
    }
  });
});
