import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { encryptEip2335 } from "../../src/keys/eip2335.ts";
import { saveEncryptionKey } from "../../src/keys/encryption-key-file.ts";
import { importKeystores } from "../../src/keys/import.ts";
import { ceremonyKeyPath } from "../../src/keys/keystore.ts";
import { listKeys } from "../../src/keys/list.ts";
import { loadMemberKeys, saveIdentity, saveShare } from "../../src/keys/member-keys.ts";
import { createNativeKeyAgreement } from "../../src/keys/native-agreement.ts";
import { KeyError } from "../../src/keys/port.ts";
import { addressOf } from "../../src/lib/ecdsa.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { type Engine, SUITES, type Suite } from "../../src/threshold/types.ts";
import { clockless, json, type Outcome } from "./support/command.ts";

const PASSWORD = "correct horse";
const identity = new Uint8Array(32).fill(0x11);
const shares: Record<Suite, Uint8Array> = {
  "bls12-381": new Uint8Array(32).fill(0x22),
  bn254: new Uint8Array(32).fill(0x23),
};
const encryption = new Uint8Array(32).fill(0x44);
const saving = {
  password: { kind: "environment", name: "P", environment: { P: PASSWORD } },
  strength: "lightForDevnet",
} as const;

interface Row {
  readonly kind: string;
  readonly status?: string;
  readonly file?: string;
  readonly to?: string;
  readonly epoch?: string;
}

describe("clockless keys import and list", () => {
  let home: string;
  let from: string;
  let keys: string;
  let engines: Record<Suite, Engine>;
  const importFlags = () => ["--keys", keys, "--password-file", join(home, "password.txt"), "--json"];
  const importAll = (...paths: string[]): Promise<Outcome> =>
    clockless(["keys", "import", ...paths.flatMap((path) => ["--from", path]), ...importFlags()]);
  /** In this process: many cases, quickly. */
  const here = async (...paths: string[]): Promise<KeyError | undefined> => {
    try {
      await importKeystores({ from: paths, directory: keys, password: saving.password, engines });
      return undefined;
    } catch (error) {
      expect(error).to.be.instanceOf(KeyError);
      return error as KeyError; // CAST: the line above
    }
  };

  before(async () => {
    engines = await createEngines("fast");
  });
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "clockless-import-"));
    [from, keys] = [join(home, "from"), join(home, "keys")];
    writeFileSync(join(home, "password.txt"), `${PASSWORD}\n`, { mode: 0o600 });
    await saveIdentity(join(from, "UTC--my-wallet.json"), identity, saving);
    await saveShare(join(from, "a.json"), await shareOf("bls12-381"), saving);
    await saveShare(join(from, "b.json"), await shareOf("bn254"), saving);
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  const shareOf = async (suite: Suite, secret = shares[suite]) => ({
    suite,
    secret,
    publicShare: engines[suite].publicKey(secret),
  });

  it("puts each keystore of a folder where a node looks for it, and lists it without a password", async () => {
    const key = { secret: encryption, publicKey: bytesToHex(createNativeKeyAgreement().publicKey(encryption)) };
    await saveEncryptionKey(join(from, "c.json"), { ...key, purpose: "ceremony mainnet-1" }, saving);
    await saveEncryptionKey(join(from, "d.json"), { ...key, purpose: "epoch 3, attempt 2" }, saving);
    await saveShare(join(from, "epoch-2", "share.json"), await shareOf("bn254", new Uint8Array(32).fill(0x25)), saving);
    // What a member's folder has beside keystores is no keystore, and is left where it is.
    writeFileSync(join(from, "announcement-0011223344556677.json"), "{}");
    const dry = await clockless(["keys", "import", "--from", from, ...importFlags(), "--dry-run"]);
    expect(dry.status, dry.stderr).to.equal(0);
    expect(existsSync(keys)).to.equal(false);

    const outcome = await importAll(from);
    expect(outcome.status, outcome.stderr).to.equal(0);
    const imported = json<{ dryRun: boolean; keys: Row[] }>(outcome);
    expect(imported.keys).to.have.length(6);
    expect(new Set(imported.keys.map(({ status }) => status))).to.deep.equal(new Set(["imported"]));
    const files = [
      "identity.json",
      "share-bls12-381.json",
      "share-bn254.json",
      "epoch-2/share-bn254.json",
      "encryption-key-3-2.json",
      ceremonyKeyPath("", "mainnet-1"),
    ];
    for (const file of files) expect(statSync(join(keys, file)).mode & 0o777, file).to.equal(0o600);
    expect(await loadMemberKeys(keys, saving.password)).to.deep.equal({ identity, shares });

    const listed = await clockless(["keys", "list", "--keys", keys, "--json"]);
    const rows = json<Row[]>(listed);
    expect(rows.map(({ file }) => file).sort()).to.deep.equal([...files].sort());
    expect(rows[0]).to.deep.equal({ file: "identity.json", kind: "identity", address: addressOf(identity) });
    expect(rows[3]).to.deep.equal({
      file: "epoch-2/share-bn254.json",
      epoch: "2",
      kind: "share",
      suite: "bn254",
      publicShare: bytesToHex(engines.bn254.publicKey(new Uint8Array(32).fill(0x25))),
    });
    const text = (await clockless(["keys", "list", "--keys", keys])).stdout;
    expect(text).to.contain(addressOf(identity)).and.to.contain("epoch 2").and.to.contain("ceremony mainnet-1");
    for (const secret of [identity, shares["bls12-381"], shares.bn254, encryption]) {
      expect(outcome.stdout + outcome.stderr + listed.stdout + text).not.to.contain(bytesToHex(secret).slice(2));
    }
  });

  it("does nothing the second time, and says so of keys that come twice", async () => {
    copyFileSync(join(from, "a.json"), join(from, "a-copy.json"));
    chmodSync(join(from, "a-copy.json"), 0o600);
    const status = async () => {
      const made = await importKeystores({ from: [from], directory: keys, password: saving.password, engines });
      return made.map((each) => each.status);
    };
    expect((await status()).sort()).to.deep.equal(["duplicate", "imported", "imported", "imported"]);
    const before = readFileSync(join(keys, "share-bn254.json"), "utf8");
    expect((await status()).sort()).to.deep.equal(["duplicate", "present", "present", "present"]);
    expect(readFileSync(join(keys, "share-bn254.json"), "utf8")).to.equal(before);
  });

  it("names every file that is wrong and imports none of the others", async () => {
    await saveShare(join(from, "other-password.json"), await shareOf("bn254"), {
      ...saving,
      password: { kind: "environment", name: "P", environment: { P: "another" } },
    });
    writeFileSync(join(from, "bare.json"), bytesToHex(identity), { mode: 0o600 });
    const outcome = await importAll(from);
    expect(outcome).to.include({ status: 3, code: "keyFileMalformed" });
    expect(outcome.stderr).to.contain("bare.json").and.to.contain("other-password.json").and.not.to.contain('a.json"');
    expect(outcome.stderr).not.to.contain(bytesToHex(identity).slice(2));
    rmSync(join(from, "bare.json"));
    const wrong = await importAll(from);
    expect(wrong).to.include({ status: 3, code: "wrongPassword" });
    expect(existsSync(join(keys, "identity.json"))).to.equal(false);
  });

  it("refuses files that others may read, and keys that are not what the file says", async () => {
    chmodSync(join(from, "a.json"), 0o644);
    expect((await here(from))?.code).to.equal("keyFilePermissions");
    chmodSync(join(from, "a.json"), 0o600);
    const lie = JSON.parse(readFileSync(join(from, "a.json"), "utf8"));
    const cases: [object, string][] = [
      [{ ...lie, pubkey: bytesToHex(engines["bls12-381"].publicKey(identity)).slice(2) }, "keyMismatch"],
      // The description says one suite and the public key another.
      [{ ...lie, description: "Clockless secret share, suite bn254" }, "keyMismatch"],
      // A validator's key: 48 bytes.
      [{ ...lie, description: "", pubkey: "ab".repeat(48) }, "keyFileMalformed"],
      [{ ...lie, version: 5 }, "keyFileMalformed"],
      [{ ...lie, description: "Clockless encryption key, ceremony x" }, "keyFileMalformed"],
    ];
    for (const [content, code] of cases) {
      writeFileSync(join(from, "a.json"), JSON.stringify(content), { mode: 0o600 });
      const error = await here(from);
      expect(error?.code).to.equal(code);
      expect(error?.message).to.contain("a.json");
    }
    // A secret that is none of its curve's, well sealed.
    const sealed = await encryptEip2335({
      secret: new Uint8Array(32).fill(0xff),
      password: PASSWORD,
      strength: "lightForDevnet",
      description: "Clockless secret share, suite bn254",
    });
    writeFileSync(join(from, "a.json"), sealed, { mode: 0o600 });
    expect((await here(from))?.code).to.equal("keyMismatch");
    expect(existsSync(keys)).to.equal(false);
    expect((await here(join(home, "nowhere")))?.code).to.equal("keyFileMissing");
  });

  it("replaces no other key, and leaves nothing half-written", async () => {
    await saveShare(join(keys, "share-bn254.json"), await shareOf("bn254", new Uint8Array(32).fill(0x17)), saving);
    const taken = await here(from);
    expect(taken?.code).to.equal("keyFileExists");
    expect(taken?.details).to.include({ path: join(from, "b.json") });
    expect(readdirSync(keys)).to.deep.equal(["share-bn254.json"]);
    // Two different identities among the files.
    rmSync(keys, { recursive: true });
    await saveIdentity(join(from, "second.json"), new Uint8Array(32).fill(0x12), saving);
    expect((await here(from))?.code).to.equal("keyFileExists");
    rmSync(join(from, "second.json"));
    // The folder of the last share cannot be written: what was written before is taken back.
    mkdirSync(join(keys, "epoch-9"), { recursive: true, mode: 0o700 });
    await saveShare(join(from, "epoch-9", "z.json"), await shareOf("bn254"), saving);
    chmodSync(join(keys, "epoch-9"), 0o777);
    expect((await here(from))?.code).to.equal("keyFilePermissions");
    expect(readdirSync(keys)).to.deep.equal(["epoch-9"]);
    chmodSync(join(keys, "epoch-9"), 0o700);
    expect(await here(from)).to.equal(undefined);
    expect(readdirSync(keys).sort()).to.deep.equal([
      "epoch-9",
      "identity.json",
      "share-bls12-381.json",
      "share-bn254.json",
    ]);
  });

  it("lists what cannot be read with the reason, and a folder that is not there as missing", async () => {
    expect(await here(from)).to.equal(undefined);
    chmodSync(join(keys, "identity.json"), 0o644);
    writeFileSync(join(keys, "share-bn254.json"), "{", { mode: 0o600 });
    const listed = listKeys(keys);
    expect(listed.map(({ file, problem }) => [file, problem?.code])).to.deep.equal([
      ["identity.json", "keyFilePermissions"],
      ["share-bls12-381.json", undefined],
      ["share-bn254.json", "keyFileMalformed"],
    ]);
    expect(SUITES.every((suite) => listed.some(({ file }) => file.includes(suite)))).to.equal(true);
    expect(await clockless(["keys", "list", "--keys", join(home, "none"), "--json"])).to.include({
      status: 3,
      code: "keyFileMissing",
    });
  });
});
