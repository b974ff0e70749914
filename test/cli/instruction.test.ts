import { chmodSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { encryptWeb3V3 } from "../../src/keys/web3-v3.ts";
import { accountIdOf, instructionDigest, instructionId } from "../../src/ledger/instruction.ts";
import { instructionFromJson } from "../../src/ledger/json.ts";
import { addressOf, isSignatureBy } from "../../src/lib/ecdsa.ts";
import { hexToBytes } from "../../src/lib/hex.ts";
import { TEST_ASSET } from "../../src/testing/committee.ts";
import { clockless, type Outcome } from "./support/command.ts";
import { createFixture, type Fixture } from "./support/fixture.ts";

describe("clockless instruction sign", () => {
  let fixture: Fixture;
  let secret: Uint8Array;
  const to = `0x${"ab".repeat(32)}`;
  const transfer = ["--kind", "transfer", "--to", to, "--asset", "USDC", "--amount", "123456789012345678901234567890"];
  const head = ["--nonce", "3", "--named-batch", "18446744073709551615"];
  const sign = (...args: string[]): Promise<Outcome> =>
    clockless(["instruction", "sign", "--committee", fixture.committeeFile, ...args, "--json"]);
  const key = () => ["--key-file", fixture.keyFile];

  before(async () => {
    fixture = await createFixture(13n);
    secret = hexToBytes(readFileSync(fixture.keyFile, "utf8").trim());
  });
  after(() => fixture.remove());

  it("signs what the flags say, with integers of any size, and `submit --dry-run` accepts it", async () => {
    const outcome = await sign(...transfer, ...head, ...key());
    expect(outcome.status, outcome.stderr).to.equal(0);
    const { instruction, signature } = instructionFromJson(JSON.parse(outcome.stdout));
    const signer = addressOf(secret);
    expect(instruction).to.deep.equal({
      head: { signer, lane: 0n, nonce: 3n, namedBatch: 18446744073709551615n },
      body: {
        kind: "transfer",
        from: accountIdOf(signer),
        to,
        asset: TEST_ASSET,
        amount: 123456789012345678901234567890n,
      },
    });
    expect(isSignatureBy(signer, instructionDigest(fixture.test.committee.id, instruction), signature)).to.equal(true);
    expect(outcome.stderr).to.contain(instructionId(instruction));
    const submit = [
      "instruction",
      "submit",
      "--committee",
      fixture.committeeFile,
      "--file",
      "-",
      "--dry-run",
      "--json",
    ];
    const dry = await clockless([...submit, "--api", "http://127.0.0.1:9"], { input: outcome.stdout });
    expect(dry.status, dry.stderr).to.equal(0);
    expect(JSON.parse(dry.stdout)).to.deep.equal({ instructionId: instructionId(instruction), submitted: false });
    const forged = outcome.stdout.replace('"nonce":"3"', '"nonce":"4"');
    const refused = await clockless([...submit, "--api", "http://127.0.0.1:9"], { input: forged });
    expect(refused).to.include({ status: 6, code: "badSignature", stdout: "" });
  });

  it("signs a file of any kind, and takes the key from the environment", async () => {
    const body = { kind: "fills", fills: [{ instrument: to, buyer: to, seller: to, quantity: "1", price: "0" }] };
    const file = fixture.write("fills.json", JSON.stringify({ head: { nonce: "0", namedBatch: "7" }, body }));
    const args = ["instruction", "sign", "--committee-id", fixture.test.committee.id, "--instruction", file, "--json"];
    const env = { CLOCKLESS_SIGNER_KEY: readFileSync(fixture.keyFile, "utf8") };
    const outcome = await clockless(args, { env });
    expect(outcome.status, outcome.stderr).to.equal(0);
    expect(instructionFromJson(JSON.parse(outcome.stdout)).instruction.body.kind).to.equal("fills");
    expect(await clockless(args)).to.include({ status: 2, code: "missingOption" });
  });

  it("refuses what is incomplete, misspelt or somebody else's", async () => {
    expect(await sign(...transfer, ...key())).to.include({ status: 2, code: "missingOption" });
    expect(await sign(...transfer, ...head, ...key(), "--asset", "USDX")).to.include({ status: 2, code: "badOption" });
    expect(await sign(...transfer, ...head, ...key(), "--amount", "-1")).to.include({
      status: 2,
      code: "malformedJson",
    });
    expect(await sign(...transfer, ...head, ...key(), "--nonce", "x")).to.include({ status: 2, stdout: "" });
    const foreign = {
      head: { signer: `0x${"01".repeat(20)}`, nonce: "0", namedBatch: "1" },
      body: { kind: "transfer" },
    };
    const file = fixture.write("foreign.json", JSON.stringify(foreign));
    expect(await sign("--instruction", file, ...key())).to.include({ status: 2, code: "badOption" });
  });

  it("opens a keystore with a password from a file or from a person, and not with a wrong one", async () => {
    const password = "correct horse";
    const keystore = fixture.write(
      "keystore.json",
      await encryptWeb3V3({ secret, password, strength: "lightForDevnet" }),
    );
    const args = [...transfer, ...head, "--key-file", keystore];
    const withFile = await sign(...args, "--password-file", fixture.write("password.txt", `${password}\n`));
    expect(withFile.status, withFile.stderr).to.equal(0);
    const asked = ["instruction", "sign", "--committee", fixture.committeeFile, ...args, "--json"];
    const typed = await clockless(asked, { input: `${password}\n` });
    expect(typed.stdout, typed.stderr).to.equal(withFile.stdout);
    expect(typed.stderr).to.contain("Password for").and.not.to.contain(password);
    expect(await clockless(asked, { input: "wrong\n" })).to.include({ status: 3, code: "wrongPassword", stdout: "" });
    expect(await clockless(asked, { input: "" })).to.include({ status: 3, code: "passwordMissing", stdout: "" });
  });

  it("refuses a key file that others may read, and quotes no key", async () => {
    const file = fixture.write("open.key", readFileSync(fixture.keyFile, "utf8"));
    chmodSync(file, 0o644);
    expect(await sign(...transfer, ...head, "--key-file", file)).to.include({ status: 3, code: "keyFilePermissions" });
    const broken = fixture.write("broken.key", "0x1234secret");
    const outcome = await sign(...transfer, ...head, "--key-file", broken);
    expect(outcome).to.include({ status: 3, code: "keyFileMalformed" });
    expect(outcome.stderr).not.to.contain("1234secret");
  });
});
