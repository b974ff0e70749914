import { expect } from "chai";
import { stringify } from "yaml";
import { clockless, json } from "./support/command.ts";
import { createFixture, type Fixture } from "./support/fixture.ts";

const RELAYER = {
  apis: ["https://member.example"],
  dataDir: "data",
  chains: [
    {
      chainId: "1",
      rpcUrls: ["https://rpc.example/v2/SECRET-API-KEY"],
      hub: `0x${"40".repeat(20)}`,
      suite: "bn254",
      finality: { kind: "finalized" },
      maxFeePerGasWei: "100000000000",
      privateKeyEnvironment: "SENDER_KEY",
    },
  ],
};

describe("clockless config", () => {
  let fixture: Fixture;
  let files = 0;
  const file = (content: unknown): string =>
    fixture.write(`config-${files++}.yaml`, typeof content === "string" ? content : stringify(content));
  const run = (command: string, content: unknown, env: Record<string, string> = {}) =>
    clockless(["config", command, "--kind", "relayer", "--config", file(content), "--json"], { env });
  const message = (stderr: string): string => (JSON.parse(stderr) as { error: { message: string } }).error.message; // CAST: output.ts

  before(async () => {
    fixture = await createFixture(12n);
  });
  after(() => fixture.remove());

  it("accepts a good file", async () => {
    expect(json(await run("check", RELAYER))).to.include({ valid: true, kind: "relayer" });
  });

  it("refuses an unknown key and suggests the one that was meant, at the top and deep inside", async () => {
    const top = await run("check", { ...RELAYER, dataDri: "x" });
    expect(top).to.include({ status: 3, code: "unknownConfigKey", stdout: "" });
    expect(message(top.stderr)).to.contain('"dataDri"').and.to.contain('"dataDir"');
    const deep = await run("check", { ...RELAYER, chains: [{ ...RELAYER.chains[0], lowBalanceWie: "1" }] });
    expect(deep).to.include({ status: 3, code: "unknownConfigKey" });
    expect(message(deep.stderr)).to.contain('"chains.0.lowBalanceWie"').and.to.contain('"lowBalanceWei"');
  });

  it("refuses a file that is missing, malformed, no mapping, invalid, or has a number that YAML would round", async () => {
    const missing = await clockless(["config", "check", "--kind", "node", "--config", "nowhere.yaml", "--json"]);
    expect(missing).to.include({ status: 3, code: "unreadableConfig" });
    expect(await run("check", "a: [1,\nb: }")).to.include({ status: 3, code: "malformedConfig" });
    expect(await run("check", "- 1\n- 2\n")).to.include({ status: 3, code: "malformedConfig" });
    expect(await run("check", { ...RELAYER, apis: [] })).to.include({ status: 3, code: "invalidConfig" });
    const text = stringify(RELAYER).replace('"100000000000"', "10000000000000000001");
    expect(text).to.contain("10000000000000000001");
    expect(await run("check", text)).to.include({ status: 3, code: "malformedConfig" });
  });

  it("shows each value with its origin, environment above file above default, and no API key", async () => {
    const env = { CLOCKLESS_RANK: "2", CLOCKLESS_APIS: "https://a.example,https://b.example" };
    const outcome = await run("show", RELAYER, env);
    expect(outcome.status, outcome.stderr).to.equal(0);
    const { values, origins } = json<{ values: Record<string, unknown>; origins: Record<string, string> }>(outcome);
    expect(values).to.deep.include({ rank: 2, apis: ["https://a.example", "https://b.example"], dataDir: "data" });
    expect(origins).to.include({ rank: "environment", apis: "environment", dataDir: "file", backupDelayMs: "default" });
    expect(outcome.stdout).not.to.contain("SECRET-API-KEY");
    expect(outcome.stdout).to.contain("https://rpc.example/[redacted]");
  });

  it("gives editors a JSON Schema that knows every key", async () => {
    const outcome = await clockless(["config", "schema", "--kind", "node", "--json"]);
    const { properties } = json<{ properties: Record<string, unknown> }>(outcome);
    expect(properties).to.include.keys("committeeFile", "index", "dataDir", "keys", "p2p", "api", "chains", "pacing");
  });

  it("stops a node and a relayer before they touch anything", async () => {
    const bad = file({ ...RELAYER, apis: "https://a.example", unknown: 1 });
    for (const command of [
      ["node", "run"],
      ["node", "doctor"],
      ["relay", "run"],
      ["relay", "once", "--dry-run"],
    ]) {
      const outcome = await clockless([...command, "--config", bad, "--json"]);
      expect(outcome, command.join(" ")).to.include({ status: 3, code: "unknownConfigKey", stdout: "" });
    }
  });
});
