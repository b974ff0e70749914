import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { stringify } from "yaml";
import type { Address } from "../../src/lib/hex.ts";
import { encodeCommitteeFile } from "../../src/node/committee-file.ts";
import { createTestGenesis } from "../../src/testing/committee.ts";
import { type Anvil, startAnvil } from "../chain/support/anvil.ts";
import { alertMetrics } from "./support/alerts.ts";
import { clockless, json } from "./support/command.ts";
import { createFixture, type Fixture } from "./support/fixture.ts";

const DEPLOYMENTS = fileURLToPath(new URL("../../scripts/ignition/deployments", import.meta.url));

describe("clockless contracts", () => {
  let fixture: Fixture;
  let anvil: Anvil;
  let chain: string[];
  let hub: Address;
  const deploymentId = `test-cli-${process.pid}`;
  const journal = join(DEPLOYMENTS, deploymentId);
  const deploy = (...args: string[]) => {
    const names = ["--suite", "bn254", "--deployment-id", deploymentId, "--committee", fixture.committeeFile];
    return clockless(["contracts", "deploy", ...chain, ...names, ...args, "--json"]);
  };

  before(async function () {
    fixture = await createFixture(14n);
    const started = await startAnvil({ hardfork: "osaka" });
    if (started === undefined) this.skip();
    anvil = started;
    chain = ["--chain-id", anvil.chainId.toString(), "--rpc-url", anvil.url];
  });
  after(async () => {
    await anvil?.stop(); // absent when skipped
    rmSync(journal, { recursive: true, force: true });
    fixture.remove();
  });

  it("shows what it would deploy, and refuses an endpoint of another chain", async () => {
    const outcome = await deploy("--dry-run", "--admin", `0x${"ad".repeat(20)}`);
    expect(outcome.status, outcome.stderr).to.equal(0);
    const { id, keys } = fixture.test.committee;
    expect(json(outcome)).to.deep.include({
      module: "SettlementBn254",
      deployed: false,
      resumes: false,
      parameters: {
        Bn254Verifier: { groupKey: keys.bn254.groupKey },
        SettlementBn254: { committeeId: id },
        Authority: { admin: `0x${"ad".repeat(20)}` },
      },
    });
    chain[1] = "999";
    expect(await deploy("--dry-run")).to.include({ status: 3, code: "wrongChain", stdout: "" });
    chain[1] = anvil.chainId.toString();
  });

  it("deploys, goes on with the same journal, and finds what it deployed in order", async () => {
    const first = await deploy();
    expect(first.status, first.stderr).to.equal(0);
    const { vault, deployed, ...addresses } = json<{ hub: Address; vault: Address; deployed: boolean }>(first);
    hub = addresses.hub;
    expect(deployed).to.equal(true);
    const again = await deploy();
    expect(again.status, again.stderr).to.equal(0);
    expect(json(again)).to.include({ hub, vault });

    const { committee } = fixture.test;
    const chains = [{ chainId: BigInt(anvil.chainId), hub, vault, tokens: [] }];
    const served = join(fixture.directory, "served.json");
    writeFileSync(served, encodeCommitteeFile(committee, createTestGenesis(committee, { chains })));
    const check = ["contracts", "check", ...chain, "--json", "--committee"];
    const good = await clockless([...check, served]);
    expect(good.status, good.stdout + good.stderr).to.equal(0);
    expect(json(good)).to.include({ ok: true, hub, vault });

    const named = await clockless(["contracts", "addresses", "--committee", served, "--json"]);
    expect(json(named)).to.deep.equal([{ chainId: String(anvil.chainId), hub, vault, tokens: [] }]);

    // Another committee's file that claims these contracts.
    const stranger = await createFixture(15n);
    const claimed = join(stranger.directory, "claimed.json");
    writeFileSync(
      claimed,
      encodeCommitteeFile(stranger.test.committee, createTestGenesis(stranger.test.committee, { chains })),
    );
    const bad = await clockless([...check, claimed]);
    stranger.remove();
    expect(bad.status).to.equal(6);
    const failed = json<{ checks: { name: string; ok: boolean }[] }>(bad).checks.filter(({ ok }) => !ok);
    expect(failed.map(({ name }) => name)).to.deep.equal([
      "committee id of the hub",
      "group key of the hub's verifier",
    ]);

    // Addresses without contracts.
    const nowhere = [{ chainId: BigInt(anvil.chainId), hub: `0x${"77".repeat(20)}` as Address, vault, tokens: [] }]; // CAST: hex
    writeFileSync(served, encodeCommitteeFile(committee, createTestGenesis(committee, { chains: nowhere })));
    expect((await clockless([...check, served])).status).to.be.oneOf([4, 5]);
  });

  it("tells a relayer how far its hub is and what its sender has, also when no member answers", async () => {
    const config = {
      apis: ["http://127.0.0.1:9"],
      dataDir: join(fixture.directory, "relayer"),
      chains: [
        {
          chainId: anvil.chainId.toString(),
          rpcUrls: [anvil.url],
          hub,
          suite: "bn254",
          finality: { kind: "depth", blocks: 0 },
          maxFeePerGasWei: "200000000000",
          privateKeyEnvironment: "SENDER_KEY",
        },
      ],
    };
    const file = fixture.write("relayer.yaml", stringify(config));
    const env = { SENDER_KEY: `0x${"5e".repeat(32)}` };
    const outcome = await clockless(["relay", "status", "--config", file, "--json"], { env });
    expect(outcome.status, outcome.stderr).to.equal(4);
    const { newest, chains } = json<{ newest?: string; chains: Record<string, unknown>[] }>(outcome);
    expect(newest).to.equal(undefined);
    expect(chains[0]).to.include({ hub, sequence: "0", undelivered: 0, balanceWei: "0", lowBalance: true });
    expect(outcome.stdout + outcome.stderr).not.to.contain("5e5e");
    const stray = await clockless(
      ["relay", "run", "--config", file, "--metrics-host", "192.0.2.1", "--metrics-port", "9", "--json"],
      {
        env,
      },
    );
    expect(stray).to.include({ status: 2, code: "badOption" });
    // A relayer that runs serves the metrics that the alerts are about, and says so on stderr alone.
    let text: string | undefined;
    const run = await clockless(["relay", "run", "--config", file, "--metrics-port", "0", "--log-level", "error"], {
      env,
      onStart: (child) => {
        child.stderr!.on("data", (chunk: string) => {
          const url = /metrics at (\S+)/.exec(chunk)?.[1];
          if (url === undefined) return;
          fetch(url)
            .then(async (answer) => {
              text = await answer.text();
            })
            .finally(() => child.kill("SIGTERM"));
        });
      },
    });
    expect(run.status, run.stderr).to.equal(143);
    for (const name of alertMetrics("relayer")) expect(text).to.contain(`# TYPE ${name} `);

    const noKey = await clockless(["relay", "status", "--config", file, "--json"]);
    expect(noKey).to.include({ status: 3, code: "badConfig", stdout: "" });
  });

  it("exits with 4 when no endpoint answers, and with 2 for a chain that the committee does not serve", async () => {
    const dead = ["contracts", "deploy", "--chain-id", "1", "--rpc-url", "http://127.0.0.1:9", "--suite", "bn254"];
    const outcome = await clockless([...dead, "--committee", fixture.committeeFile, "--dry-run", "--json"]);
    expect(outcome).to.include({ status: 4, code: "rpcUnavailable" });
    const check = ["contracts", "check", "--chain-id", "5", "--rpc-url", anvil.url, "--json"];
    expect(await clockless([...check, "--committee", fixture.committeeFile])).to.include({
      status: 2,
      code: "badOption",
    });
  });
});
