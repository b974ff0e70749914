import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readSenderKey } from "../../src/relayer/config.ts";
import { RelayerError } from "../../src/relayer/errors.ts";

const KEY = `0x${"ab".repeat(32)}` as const;

describe("relayer: the sender's key", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "clockless-key-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const read = (source: { privateKeyFile?: string; privateKeyEnvironment?: string }, environment = {}) => {
    try {
      return readSenderKey({ chainId: 1n, ...source }, environment);
    } catch (error) {
      if (error instanceof RelayerError) {
        expect(`${error.stack}${JSON.stringify(error.details)}`).not.to.contain("abab");
        return error.code;
      }
      throw error;
    }
  };
  const file = (content: string, mode: number) => {
    const path = join(directory, "key");
    writeFileSync(path, content);
    chmodSync(path, mode);
    return { privateKeyFile: path };
  };

  it("comes from a file that only its owner may read, or from the environment", () => {
    expect(read(file(`${KEY}\n`, 0o600))).to.equal(KEY);
    expect(read(file(KEY.slice(2).toUpperCase(), 0o400))).to.equal(KEY);
    expect(read({ privateKeyEnvironment: "RELAY_KEY" }, { RELAY_KEY: KEY })).to.equal(KEY);
  });

  it("is refused from a file that others may read", () => {
    for (const mode of [0o644, 0o640, 0o604, 0o620]) expect(read(file(KEY, mode))).to.equal("keyFilePermissions");
  });

  it("is refused by code, without being quoted, when it is missing or no key", () => {
    expect(read({ privateKeyFile: join(directory, "nothing") })).to.equal("keyFileMissing");
    expect(read({ privateKeyEnvironment: "RELAY_KEY" })).to.equal("badConfig");
    expect(read(file(`${KEY}ab`, 0o600))).to.equal("badConfig");
    expect(read(file("", 0o600))).to.equal("badConfig");
  });
});
