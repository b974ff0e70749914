import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { eraseEncryptionKey, loadEncryptionKey, saveEncryptionKey } from "../../src/keys/encryption-key-file.ts";
import { createNativeKeyAgreement } from "../../src/keys/native-agreement.ts";
import type { PasswordSource } from "../../src/keys/port.ts";
import { bytesToHex } from "../../src/lib/hex.ts";

describe("keys/encryption-key-file", () => {
  const directory = mkdtempSync(join(tmpdir(), "clockless-encryption-"));
  const path = join(directory, "encryption.json");
  const password: PasswordSource = { kind: "prompt", ask: async () => "a password" };
  const secret = new Uint8Array(32).fill(0x31);
  const publicKey = bytesToHex(createNativeKeyAgreement().publicKey(secret));
  const key = { secret, publicKey, purpose: "ceremony test" };
  const options = { password, strength: "lightForDevnet" } as const;
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("keeps a key that only its password and owner read", async () => {
    await saveEncryptionKey(path, key, options);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect(readFileSync(path, "utf8")).not.to.contain(bytesToHex(secret).slice(2));
    expect(await loadEncryptionKey(path, publicKey, password)).to.deep.equal(secret);
    const wrong: PasswordSource = { kind: "prompt", ask: async () => "another" };
    const code = async (run: Promise<unknown>): Promise<unknown> =>
      run.then(
        () => "none",
        (error: unknown) => (error as { code: unknown }).code, // CAST: looked at, not trusted
      );
    expect(await code(loadEncryptionKey(path, publicKey, wrong))).to.equal("wrongPassword");
    expect(await code(loadEncryptionKey(path, bytesToHex(secret), password))).to.equal("keyMismatch");
    expect(await code(saveEncryptionKey(path, key, options))).to.equal("keyFileExists");
  });

  it("erases it once", () => {
    expect(eraseEncryptionKey(path)).to.equal(true);
    expect(existsSync(path)).to.equal(false);
    expect(eraseEncryptionKey(path)).to.equal(false);
  });
});
