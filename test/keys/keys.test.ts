import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { encryptKeystoreJson, Wallet } from "ethers";
import { decryptEip2335, encodePassword, encryptEip2335 } from "../../src/keys/eip2335.ts";
import {
  checkMemberKeys,
  IDENTITY_FILE,
  loadIdentity,
  loadMemberKeys,
  loadShare,
  saveMemberKeys,
  saveShare,
  shareFile,
} from "../../src/keys/member-keys.ts";
import { readPassword } from "../../src/keys/password.ts";
import { KeyError, type MemberKeys, type PasswordSource } from "../../src/keys/port.ts";
import { readSecretFile, writeSecretFile } from "../../src/keys/secret-file.ts";
import { decryptWeb3V3, encryptWeb3V3 } from "../../src/keys/web3-v3.ts";
import { addressOf } from "../../src/lib/ecdsa.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import type { Committee } from "../../src/threshold/committee.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { cpuMs } from "../lib/cpu-time.ts";

const PASSWORD = "correct horse battery staple";
const password: PasswordSource = { kind: "prompt", ask: async () => PASSWORD };
const options = { password, strength: "lightForDevnet" } as const;
const keys: MemberKeys = {
  identity: new Uint8Array(32).fill(0x11),
  shares: { "bls12-381": new Uint8Array(32).fill(0x22), bn254: new Uint8Array(32).fill(0x23) },
};

let directory: string;
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "clockless-keys-")), "keys");
});
afterEach(() => {
  rmSync(join(directory, ".."), { recursive: true, force: true });
});

describe("keys/eip2335", () => {
  for (const name of ["scrypt", "pbkdf2"]) {
    it(`opens the EIP's own ${name} vector`, async function () {
      const url = new URL(`../../../shared/vectors/eip-2335/${name}.json`, import.meta.url);
      if (!existsSync(url)) {
        console.log(`skipped: the EIP-2335 vectors are not at ${url.pathname}`);
        this.skip();
      }
      const vector: { password: string; encodedPassword: string; secret: string; keystore: object } = JSON.parse(
        readFileSync(url, "utf8"),
      );
      expect(bytesToHex(encodePassword(vector.password))).to.equal(vector.encodedPassword);
      const text = JSON.stringify(vector.keystore);
      const { secret, pubkey } = await decryptEip2335(text, vector.password);
      expect(bytesToHex(secret)).to.equal(vector.secret);
      expect(pubkey).to.match(/^9612d7a7/);
      expect(await codeOf(decryptEip2335(text, "testpassword"))).to.equal("wrongPassword");
    });
  }

  it("encodes passwords as the EIP demands: NFKD, without control codes", () => {
    expect(bytesToHex(encodePassword("a\u0000\u001f\u007f\u0080\u009fb"))).to.equal("0x6162");
    expect(encodePassword("é")).to.deep.equal(encodePassword("e\u0301"));
  });

  it("opens what it sealed, under the same password only", async () => {
    const text = await encryptEip2335({
      secret: keys.shares.bn254,
      password: PASSWORD,
      strength: "lightForDevnet",
      pubkey: "AB12",
    });
    expect(await decryptEip2335(text, PASSWORD)).to.include({ pubkey: "ab12" });
    expect((await decryptEip2335(text, PASSWORD)).secret).to.deep.equal(keys.shares.bn254);
    expect(await codeOf(decryptEip2335(text, `${PASSWORD} `))).to.equal("wrongPassword");
  });

  it("uses the EIP's costs by default and never the same salt or iv", async () => {
    const sealed = await Promise.all(
      [1, 2].map(() => encryptEip2335({ secret: keys.shares.bn254, password: PASSWORD, strength: "lightForDevnet" })),
    );
    const fields = sealed.map((text) => JSON.parse(text).crypto);
    expect(fields[0].kdf.params.salt).not.to.equal(fields[1].kdf.params.salt);
    expect(fields[0].cipher.params.iv).not.to.equal(fields[1].cipher.params.iv);
    const full = JSON.parse(await encryptEip2335({ secret: keys.shares.bn254, password: PASSWORD, strength: "full" }));
    expect(full.crypto.kdf.params).to.include({ n: 262_144, r: 8, p: 1, dklen: 32 });
  });

  it("notices a changed byte of the sealed secret", async () => {
    const file = JSON.parse(
      await encryptEip2335({ secret: keys.shares.bn254, password: PASSWORD, strength: "lightForDevnet" }),
    );
    const { message } = file.crypto.cipher;
    file.crypto.cipher.message = (message[0] === "0" ? "1" : "0") + message.slice(1);
    expect(await codeOf(decryptEip2335(JSON.stringify(file), PASSWORD))).to.equal("wrongPassword");
  });

  it("refuses malformed and unreasonable files before doing any work", async () => {
    const good = await encryptEip2335({ secret: keys.shares.bn254, password: PASSWORD, strength: "lightForDevnet" });
    const edits: ((file: ReturnType<typeof JSON.parse>) => void)[] = [
      (file) => delete file.crypto,
      (file) => (file.version = 3),
      (file) => (file.crypto.kdf.function = "md5"),
      (file) => (file.crypto.kdf.params.n = 2 ** 30),
      (file) => (file.crypto.kdf.params.n = 4_095),
      (file) => Object.assign(file.crypto.kdf.params, { n: 2 ** 20, r: 32 }),
      (file) => Object.assign(file.crypto.kdf.params, { n: 2 ** 18, r: 1 }),
      (file) => (file.crypto.kdf.params.dklen = 64),
      (file) => (file.crypto.cipher.params.iv = "00"),
      (file) => (file.crypto.checksum.message = "00"),
      (file) => (file.crypto.cipher.message = "zz"),
    ];
    for (const edit of edits) {
      const file = JSON.parse(good);
      edit(file);
      const started = cpuMs();
      expect(await codeOf(decryptEip2335(JSON.stringify(file), PASSWORD))).to.equal("keyFileMalformed");
      expect(cpuMs() - started).to.be.lessThan(5_000);
    }
    expect(await codeOf(decryptEip2335("", PASSWORD))).to.equal("keyFileMalformed");
  });
});

describe("keys/web3-v3", () => {
  it("writes what ethers opens, and opens what ethers writes", async () => {
    const text = await encryptWeb3V3({ secret: keys.identity, password: PASSWORD, strength: "lightForDevnet" });
    const wallet = await Wallet.fromEncryptedJson(text, PASSWORD);
    expect(wallet.privateKey).to.equal(bytesToHex(keys.identity));
    const account = { address: wallet.address, privateKey: wallet.privateKey };
    const theirs = await encryptKeystoreJson(account, PASSWORD, { scrypt: { N: 4_096, r: 8, p: 1 } });
    expect(await decryptWeb3V3(theirs, PASSWORD)).to.deep.equal(keys.identity);
  });

  // The page's scrypt vector is left out: its n = 2^18 with r = 1 breaks RFC 7914 (n < 2^(16·r)), and OpenSSL refuses it.
  it("opens the specification's pbkdf2 vector", async () => {
    const text = JSON.stringify({
      crypto: {
        cipher: "aes-128-ctr",
        cipherparams: { iv: "6087dab2f9fdbbfaddc31a909735c1e6" },
        ciphertext: "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        kdf: "pbkdf2",
        kdfparams: {
          c: 262144,
          dklen: 32,
          prf: "hmac-sha256",
          salt: "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        mac: "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
      },
      id: "3198bc9c-6672-5ab3-d995-4942343ae5b6",
      version: 3,
    });
    const secret = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
    expect(bytesToHex(await decryptWeb3V3(text, "testpassword"))).to.equal(secret);
    expect(await codeOf(decryptWeb3V3(text, "testpassword "))).to.equal("wrongPassword");
  });

  it("refuses a file that names another address than its key has", async () => {
    const file = JSON.parse(
      await encryptWeb3V3({ secret: keys.identity, password: PASSWORD, strength: "lightForDevnet" }),
    );
    expect(`0x${file.address}`).to.equal(addressOf(keys.identity));
    file.address = "00".repeat(20);
    expect(await codeOf(decryptWeb3V3(JSON.stringify(file), PASSWORD))).to.equal("keyMismatch");
  });

  it("refuses to seal what is no secp256k1 secret", async () => {
    for (const bad of [new Uint8Array(32), new Uint8Array(31).fill(1), new Uint8Array(32).fill(0xff)]) {
      expect(await codeOf(encryptWeb3V3({ secret: bad, password: PASSWORD, strength: "lightForDevnet" }))).to.equal(
        "keyMismatch",
      );
    }
  });
});

describe("keys/secret-file", () => {
  it("writes mode 0600 into a 0700 directory and leaves nothing else behind", () => {
    const path = join(directory, "a.json");
    writeSecretFile(path, "text", { replace: false });
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect(statSync(directory).mode & 0o777).to.equal(0o700);
    expect(readdirSync(directory)).to.deep.equal(["a.json"]);
    expect(readSecretFile(path)).to.equal("text");
  });

  it("replaces only when told to, and then keeps 0600 even if the old file was open to all", () => {
    const path = join(directory, "a.json");
    writeSecretFile(path, "one", { replace: false });
    expect(syncCodeOf(() => writeSecretFile(path, "two", { replace: false }))).to.equal("keyFileExists");
    expect(readSecretFile(path)).to.equal("one");
    chmodSync(path, 0o644);
    writeSecretFile(path, "two", { replace: true });
    expect(readSecretFile(path)).to.equal("two");
    expect(readdirSync(directory)).to.deep.equal(["a.json"]);
  });

  it("refuses files that others may read or write, also through a link, and directories that others may write", () => {
    const path = join(directory, "a.json");
    writeSecretFile(path, "text", { replace: false });
    for (const mode of [0o604, 0o640, 0o602, 0o620, 0o644, 0o666, 0o777]) {
      chmodSync(path, mode);
      expect(
        syncCodeOf(() => readSecretFile(path)),
        mode.toString(8),
      ).to.equal("keyFilePermissions");
    }
    symlinkSync(path, join(directory, "link"));
    expect(syncCodeOf(() => readSecretFile(join(directory, "link")))).to.equal("keyFilePermissions");
    chmodSync(path, 0o400);
    expect(readSecretFile(path)).to.equal("text");
    for (const mode of [0o770, 0o707, 0o777]) {
      chmodSync(directory, mode);
      expect(syncCodeOf(() => readSecretFile(path))).to.equal("keyFilePermissions");
      expect(syncCodeOf(() => writeSecretFile(path, "x", { replace: true }))).to.equal("keyFilePermissions");
    }
    chmodSync(directory, 0o755);
    expect(readSecretFile(path)).to.equal("text");
  });

  it("says what is wrong with a missing, huge or irregular file", () => {
    mkdirSync(directory, { mode: 0o700 });
    expect(syncCodeOf(() => readSecretFile(join(directory, "none")))).to.equal("keyFileMissing");
    expect(syncCodeOf(() => readSecretFile(join(directory, "none", "deeper")))).to.equal("keyFileMissing");
    writeFileSync(join(directory, "huge"), "x".repeat(70_000), { mode: 0o600 });
    expect(syncCodeOf(() => readSecretFile(join(directory, "huge")))).to.equal("keyFileMalformed");
    mkdirSync(join(directory, "sub"), { mode: 0o700 });
    expect(syncCodeOf(() => readSecretFile(join(directory, "sub")))).to.equal("keyFileMalformed");
  });
});

describe("keys/password", () => {
  it("comes from a file's first line, a variable or a person", async () => {
    mkdirSync(directory, { mode: 0o700 });
    const path = join(directory, "password");
    writeFileSync(path, "  pass word \r\nsecond line\n", { mode: 0o600 });
    expect(await readPassword({ kind: "file", path }, "x")).to.equal("  pass word ");
    expect(await readPassword({ kind: "environment", name: "P", environment: { P: "q" } }, "x")).to.equal("q");
    expect(await readPassword({ kind: "prompt", ask: async (subject) => `for ${subject}` }, "x")).to.equal("for x");
    chmodSync(path, 0o644);
    expect(await codeOf(readPassword({ kind: "file", path }, "x"))).to.equal("keyFilePermissions");
  });

  it("is refused when empty: nobody means an empty password", async () => {
    mkdirSync(directory, { mode: 0o700 });
    const path = join(directory, "password");
    writeFileSync(path, "\n", { mode: 0o600 });
    for (const source of [
      { kind: "file", path },
      { kind: "environment", name: "P", environment: {} },
      { kind: "prompt", ask: async () => "" },
    ] satisfies PasswordSource[]) {
      expect(await codeOf(readPassword(source, "x"))).to.equal("passwordMissing");
    }
  });
});

describe("keys/member-keys", () => {
  it("loads what it saved, asking once", async () => {
    await saveMemberKeys(directory, keys, options);
    expect(readdirSync(directory).sort()).to.deep.equal(
      [IDENTITY_FILE, shareFile("bls12-381"), shareFile("bn254")].sort(),
    );
    let asked = 0;
    const loaded = await loadMemberKeys(directory, {
      kind: "prompt",
      async ask() {
        asked++;
        return PASSWORD;
      },
    });
    expect(loaded).to.deep.equal(keys);
    expect(asked).to.equal(1);
  });

  it("overwrites no key unless told to", async () => {
    await saveMemberKeys(directory, keys, options);
    const other = { ...keys, identity: new Uint8Array(32).fill(0x55) };
    expect(await codeOf(saveMemberKeys(directory, other, options))).to.equal("keyFileExists");
    expect(await loadMemberKeys(directory, password)).to.deep.equal(keys);
    await saveMemberKeys(directory, other, { ...options, replace: true });
    expect((await loadIdentity(join(directory, IDENTITY_FILE), password))[0]).to.equal(0x55);
  });

  it("refuses a wrong password, a readable file, and a share of the other suite", async () => {
    await saveMemberKeys(directory, keys, options);
    expect(await codeOf(loadMemberKeys(directory, { kind: "prompt", ask: async () => "wrong" }))).to.equal(
      "wrongPassword",
    );
    chmodSync(join(directory, shareFile("bn254")), 0o640);
    expect(await codeOf(loadMemberKeys(directory, password))).to.equal("keyFilePermissions");
    expect(await codeOf(loadShare(join(directory, shareFile("bls12-381")), "bn254", password))).to.equal("keyMismatch");
  });

  it("puts no secret into a file, an error or its details", async () => {
    await saveMemberKeys(directory, keys, options);
    const secrets = [keys.identity, keys.shares["bls12-381"], keys.shares.bn254].map((bytes) =>
      bytesToHex(bytes).slice(2),
    );
    const files = readdirSync(directory).map((name) => readFileSync(join(directory, name), "utf8"));
    // A bare key where a keystore belongs: the commonest operator mistake.
    const bare = join(directory, "bare.json");
    writeSecretFile(bare, secrets[0]!, { replace: false });
    const error: unknown = await loadIdentity(bare, password).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(KeyError);
    const seen = [...files, String(error), JSON.stringify(error), String((error as Error).stack)].join();
    for (const secret of [...secrets, PASSWORD]) expect(seen).not.to.include(secret);
  });

  it("checks that keys are this member's, suite by suite", async () => {
    const engines = await createEngines("reference");
    const publicOf = (own: MemberKeys, suite: "bls12-381" | "bn254"): Hex =>
      bytesToHex(engines[suite].publicKey(own.shares[suite]));
    const committee: Committee = {
      id: `0x${"01".repeat(32)}`,
      epoch: 1n,
      members: [{ address: addressOf(hexToBytes(`0x${"99".repeat(32)}`)) }, { address: addressOf(keys.identity) }],
      keys: {
        "bls12-381": {
          suite: "bls12-381",
          threshold: 1,
          groupKey: "0x",
          publicShares: ["0x", publicOf(keys, "bls12-381")],
        },
        bn254: { suite: "bn254", threshold: 1, groupKey: "0x", publicShares: ["0x", publicOf(keys, "bn254")] },
      },
      requiredSuites: ["bn254"],
    };
    const check = (own: MemberKeys, index: number) =>
      syncCodeOf(() => checkMemberKeys(own, { committee, index, engines }));
    expect(check(keys, 1)).to.equal("no error");
    expect(check(keys, 0)).to.equal("keyMismatch");
    expect(check(keys, 2)).to.equal("keyMismatch");
    const swapped = { ...keys, shares: { ...keys.shares, bn254: new Uint8Array(32).fill(0x24) } };
    expect(check(swapped, 1)).to.equal("keyMismatch");
  });

  it("stores the public share for people to tell shares apart", async () => {
    const path = join(directory, "share.json");
    await saveShare(
      path,
      { suite: "bn254", secret: keys.shares.bn254, publicShare: Uint8Array.of(0xab, 0xcd) },
      options,
    );
    expect(JSON.parse(readSecretFile(path))).to.include({ pubkey: "abcd", version: 4 });
  });
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KeyError) return error.code;
    throw error;
  }
  return "no error";
}

function syncCodeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KeyError) return error.code;
    throw error;
  }
  return "no error";
}
