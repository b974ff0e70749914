import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parse, stringify } from "yaml";
import { createApiClient } from "../../src/api/client.ts";
import { type DevnetLayout, writeDevnet } from "../../src/cli/devnet/committee.ts";
import { keccak256Hex } from "../../src/lib/hash.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { createTestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { freePorts } from "../lib/free-ports.ts";
import { alertMetrics } from "./support/alerts.ts";
import { cleanEnvironment, clockless, json, MAIN } from "./support/command.ts";

const ASSET = keccak256Hex(Uint8Array.of(1));

interface Report {
  readonly findings: readonly {
    readonly name: string;
    readonly level: string;
    readonly message: string;
    readonly advice?: string;
  }[];
}

/** A committee of one: it certifies alone, so that one process shows the whole way of an instruction. */
describe("a node run by the command", () => {
  let directory: string;
  let layout: DevnetLayout;
  let node: ChildProcess;
  let log = "";
  let api: string;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "clockless-cli-node-"));
    const [p2p, http] = (await freePorts(2)) as [number, number]; // CAST: as many as asked for
    const { committee, secrets } = await createTestCommittee(1, createRandom(1n), "real");
    const dealt = { committee, members: secrets };
    layout = await writeDevnet({
      directory,
      dealt,
      genesis: {
        committeeId: dealt.committee.id,
        epoch: 0n,
        members: 1,
        assets: [{ id: ASSET, symbol: "USDC", decimals: 6 }],
        chains: [],
        markets: [],
        window: 64n,
      },
      ports: { p2p: [p2p], api: [http] },
      chains: [],
      marketUrl: undefined,
    });
    api = layout.apiUrls[0]!;
    node = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", MAIN, "node", "run", "--config", layout.nodeConfigs[0]!],
      {
        env: cleanEnvironment(),
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    for (const stream of [node.stdout!, node.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        log += text;
      });
    }
    const client = createApiClient({ url: api, timeoutMs: 1_000 });
    for (;;) {
      if (node.exitCode !== null) throw new Error(`the node ended: ${log}`);
      const status = await client.status().catch(() => undefined);
      if (status !== undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  after(async () => {
    if (node.exitCode === null && node.signalCode === null) {
      node.kill("SIGKILL");
      await once(node, "exit");
    }
    rmSync(directory, { recursive: true, force: true });
  });

  it("tells its status, and exits with 4 for a member that does not answer", async () => {
    const outcome = await clockless(["node", "status", "--api", api, "--json"]);
    expect(outcome.status, outcome.stderr).to.equal(0);
    const [answer] = json<{ url: string; status: { index: number; certifiedSequence: string } }[]>(outcome);
    expect(answer).to.have.property("url", api);
    expect(answer!.status.index).to.equal(0);
    expect(answer!.status.certifiedSequence).to.match(/^\d+$/);
    const both = await clockless(["node", "status", "--api", api, "--api", "http://127.0.0.1:9", "--json"]);
    expect(both.status).to.equal(4);
    expect(json<{ error?: string }[]>(both).map(({ error }) => error)).to.deep.equal([undefined, "networkFailure"]);
  });

  it("serves every metric that the alert rules are about", async () => {
    const text = await (await fetch(`${api}/metrics`)).text();
    const names = alertMetrics("member");
    expect(names.length).to.be.above(3);
    for (const name of names) expect(text).to.contain(`# TYPE ${name} `);
  });

  it("takes an instruction, and says why the committee refuses one by a stranger", async () => {
    const keyFile = join(directory, "stranger.key");
    writeFileSync(keyFile, bytesToHex(new Uint8Array(32).fill(7)), { mode: 0o600 });
    const committee = ["--committee", layout.committeeFile];
    const signed = await clockless([
      ...["instruction", "sign", "--kind", "transfer", "--to", `0x${"01".repeat(32)}`, "--asset", "USDC"],
      ...["--amount", "1", "--nonce", "0", "--named-batch", "0", "--key-file", keyFile, ...committee],
    ]);
    expect(signed.status, signed.stderr).to.equal(0);
    const submit = ["instruction", "submit", "--file", "-", "--api", api, ...committee, "--wait", "--timeout", "300"];
    const outcome = await clockless([...submit, "--json"], { input: signed.stdout });
    expect(outcome, outcome.stderr).to.include({ status: 5, code: "refused" });
    expect(outcome.stderr).to.contain("unknownSigner");
  });

  it("exits with 4 for an instruction nobody knows, and with 7 when waiting for it takes too long", async () => {
    const base = ["instruction", "status", "--id", `0x${"02".repeat(32)}`, "--api", api, "--json"];
    const trust = ["--committee", layout.committeeFile];
    expect(await clockless([...base, ...trust])).to.include({ status: 4, code: "notFound", stdout: "" });
    expect(await clockless([...base, ...trust, "--wait", "--timeout", "1"])).to.include({ status: 7, code: "timeout" });
    expect(await clockless(base)).to.include({ status: 2, code: "missingOption" });
  });

  it("serves certificates that verify against the committee file and against no other", async () => {
    const outcome = await clockless([
      "certificate",
      "verify",
      "--api",
      api,
      "--committee",
      layout.committeeFile,
      "--json",
    ]);
    expect(outcome.status, outcome.stderr).to.equal(0);
    expect(json(outcome)).to.include({ valid: true });
    const foreign = JSON.parse(readFileSync(layout.committeeFile, "utf8")) as {
      committeeId: string;
      keys: { bn254: { groupKey: string } };
    }; // CAST: our file
    const args = ["certificate", "verify", "--api", api, "--suite", "bn254", "--json"];
    const other = ["--committee-id", `0x${"03".repeat(32)}`, "--group-key", foreign.keys.bn254.groupKey];
    expect(await clockless([...args, ...other])).to.include({ status: 6, code: "badSignature", stdout: "" });
  });

  it("is found in order by the doctor, who names a key file that others may read", async () => {
    const doctor = ["node", "doctor", "--config", layout.nodeConfigs[0]!, "--json"];
    const well = await clockless(doctor);
    expect(well.status, well.stdout + well.stderr).to.equal(0);
    const { findings } = json<Report>(well);
    expect(findings.find(({ name }) => name === "own API")!.message).to.contain("the node runs");
    expect(findings.find(({ name }) => name === "keys")).to.include({ level: "ok" });
    const identity = join(directory, "node-0/keys/identity.json");
    chmodSync(identity, 0o644);
    const ill = await clockless(doctor);
    chmodSync(identity, 0o600);
    expect(ill.status).to.equal(3);
    const keys =
      json<typeof findings extends never ? never : { findings: { name: string; level: string; message: string }[] }>(
        ill,
      );
    expect(keys.findings.find(({ name }) => name === "keys")).to.include({ level: "problem" });
  });

  it("tells the doctor's patient what to do about silent peers and endpoints", async () => {
    const config = parse(readFileSync(layout.nodeConfigs[0]!, "utf8")) as Record<string, unknown>; // CAST: our file
    config.chains = [
      { chainId: "1", rpcUrls: ["http://127.0.0.1:9"], finality: { kind: "finalized" }, fromBlock: "0" },
    ];
    const file = join(directory, "ill.yaml");
    writeFileSync(file, stringify(config));
    const outcome = await clockless(["node", "doctor", "--config", file, "--json"]);
    const { findings } = json<Report>(outcome);
    expect(outcome.status).to.equal(3);
    const levels = findings.filter(({ name }) => name.startsWith("chain 1")).map(({ level }) => level);
    expect(levels).to.deep.equal(["problem", "warning", "problem"]);
    for (const { level, advice } of findings) if (level === "problem") expect(advice).to.be.a("string");
  });

  it("refuses a second process on the same data directory", async () => {
    const outcome = await clockless(["node", "run", "--config", layout.nodeConfigs[0]!, "--json"]);
    expect(outcome).to.include({ status: 3, code: "locked" });
  });

  it("prints its configuration at start and no password", () => {
    expect(log).to.contain('"configuration"');
    expect(log).not.to.contain(readFileSync(layout.passwordFile, "utf8").trim());
  });

  it("stops in order at the first Ctrl-C, with 130", async () => {
    node.kill("SIGINT");
    const [status] = (await once(node, "exit")) as [number | null]; // CAST: Node's own event
    expect(status, log).to.equal(130);
  });

  it("ends at once at the second Ctrl-C, even when something hangs", async () => {
    // A server that never answers: the command waits for it until it is told to stop, and then is told again.
    const { createServer } = await import("node:net");
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number }; // CAST: a TCP server's address
    const devnetConfig = parse(readFileSync(layout.nodeConfigs[0]!, "utf8")) as Record<string, unknown>; // CAST: our file
    devnetConfig.market = { url: `http://127.0.0.1:${port}` };
    const file = join(directory, "hangs.yaml");
    writeFileSync(file, stringify(devnetConfig));
    const doctor = ["node", "doctor", "--config", file];
    const told = (times: number) =>
      clockless(doctor, {
        onStart: (child) => {
          silent.once("connection", () => {
            child.kill("SIGINT");
            // Signals that a process has not looked at yet are one: it is told again until it has ended.
            if (times === 1) return;
            const again = setInterval(() => child.kill("SIGINT"), 200);
            child.once("exit", () => clearInterval(again));
          });
        },
      });
    // Told once, it waits for the request that hangs, and says what it found.
    expect((await told(1)).stdout).to.contain("market adapter");
    expect(await told(2)).to.include({ status: 130, stdout: "" });
    silent.close();
  });
});
