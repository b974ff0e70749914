import { existsSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { saveEncryptionKey } from "../../src/keys/encryption-key-file.ts";
import { type EpochKeys, encryptionKeyPath, epochFolder, eraseFile, openEpochKeys } from "../../src/keys/epoch-keys.ts";
import { saveIdentity, saveMemberKeys, shareFile } from "../../src/keys/member-keys.ts";
import { KeyError, type MemberKeys, type PasswordSource } from "../../src/keys/port.ts";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import { createRandom } from "../../src/testing/random.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import { SUITES, type Suite, type ThresholdKey } from "../../src/threshold/types.ts";

const PASSWORD: PasswordSource = { kind: "environment", name: "P", environment: { P: "correct horse" } };
const LIGHT = { password: PASSWORD, strength: "lightForDevnet" } as const;
const random = createRandom(3, "epoch keys");
const engines = { "bls12-381": createNobleEngine("bls12-381"), bn254: createNobleEngine("bn254") };

/** Shares of one member, and the public half that lists them at index 1. */
function newShares(): { shares: MemberKeys["shares"]; keys: Record<Suite, ThresholdKey> } {
  const share = (): Uint8Array => Uint8Array.from([0, ...random.bytes(31)]);
  const shares = { "bls12-381": share(), bn254: share() };
  const keyOf = (suite: Suite): ThresholdKey => {
    const publicShare = bytesToHex(engines[suite].publicKey(shares[suite]));
    return { suite, threshold: 1, groupKey: publicShare, publicShares: ["0x", publicShare] };
  };
  return { shares, keys: { "bls12-381": keyOf("bls12-381"), bn254: keyOf("bn254") } };
}

describe("keys: a folder over many epochs", () => {
  let directory: string;
  let folder: EpochKeys;
  const first = newShares();
  const encryptionSecret = random.bytes(32);
  const publicKey: Hex = `0x${"ab".repeat(32)}`;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "clockless-keys-"));
    await saveMemberKeys(directory, { identity: random.bytes(32), shares: first.shares }, LIGHT);
    folder = openEpochKeys({ directory, password: PASSWORD });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const saveKey = (epoch: bigint, attempt: bigint): Promise<void> =>
    saveEncryptionKey(
      encryptionKeyPath(directory, epoch, attempt),
      { secret: encryptionSecret, publicKey, purpose: "a test" },
      LIGHT,
    );

  it("finds the shares of epoch 0 where they always were, and those of later ones in their own folders", async () => {
    expect(await folder.shares(0n)).to.deep.equal(first.shares);
    expect(await folder.shares(1n)).to.equal(undefined);
    const next = newShares();
    await folder.saveShares(1n, next.shares, next.keys, 1);
    expect(await folder.shares(1n)).to.deep.equal(next.shares);
    expect(await folder.shares(0n)).to.deep.equal(first.shares);
    for (const suite of SUITES) {
      const path = join(epochFolder(directory, 1n), shareFile(suite));
      expect(statSync(path).mode & 0o777).to.equal(0o600);
      expect(JSON.parse(readFileSync(path, "utf8")).pubkey).to.equal(next.keys[suite].publicShares[1]!.slice(2));
    }
    expect(statSync(epochFolder(directory, 1n)).mode & 0o777).to.equal(0o700);
  });

  it("saves the same shares again without a word, and puts those of a later attempt in the place of an earlier one's", async () => {
    const [superseded, current] = [newShares(), newShares()];
    await folder.saveShares(2n, superseded.shares, superseded.keys, 1);
    const path = join(epochFolder(directory, 2n), shareFile("bn254"));
    const before = readFileSync(path, "utf8");
    await folder.saveShares(2n, superseded.shares, superseded.keys, 1);
    expect(readFileSync(path, "utf8")).to.equal(before);
    await folder.saveShares(2n, current.shares, current.keys, 1);
    expect(await folder.shares(2n)).to.deep.equal(current.shares);
  });

  it("takes a crash between the two suites for no shares at all", async () => {
    const next = newShares();
    await folder.saveShares(1n, next.shares, next.keys, 1);
    rmSync(join(epochFolder(directory, 1n), shareFile("bls12-381")));
    expect(await folder.shares(1n)).to.equal(undefined);
    await folder.saveShares(1n, next.shares, next.keys, 1);
    expect(await folder.shares(1n)).to.deep.equal(next.shares);
  });

  it("erases what opens epochs that are over, and nothing of the current one or of attempts to come", async () => {
    for (const epoch of [1n, 2n, 3n]) {
      const next = newShares();
      await folder.saveShares(epoch, next.shares, next.keys, 1);
    }
    for (const [epoch, attempt] of [
      [2n, 1n],
      [3n, 1n],
      [3n, 2n],
      [4n, 1n],
    ] as const)
      await saveKey(epoch, attempt);
    writeFileSync(join(directory, "notes.txt"), "mine");
    expect([...folder.eraseBefore(3n)].sort()).to.deep.equal(
      [
        "encryption-key-2-1.json",
        "encryption-key-3-1.json",
        "encryption-key-3-2.json",
        ...[1, 2].flatMap((epoch) => SUITES.map((suite) => `epoch-${epoch}/${shareFile(suite)}`)),
        ...SUITES.map(shareFile),
      ].sort(),
    );
    expect(readdirSync(directory).sort()).to.deep.equal([
      "encryption-key-4-1.json",
      "epoch-3",
      "identity.json",
      "notes.txt",
    ]);
    expect(await folder.shares(3n)).to.not.equal(undefined);
    expect(folder.eraseBefore(3n)).to.deep.equal([]);
    expect(folder.eraseBefore(0n)).to.deep.equal([]);
  });

  it("overwrites a file before it unlinks it", () => {
    const path = join(directory, "secret");
    writeFileSync(path, "0123456789");
    const link = join(directory, "still-there");
    // A second name keeps the bytes readable after the first is gone.
    linkSync(path, link);
    expect(eraseFile(path)).to.equal(true);
    expect(existsSync(path)).to.equal(false);
    expect([...readFileSync(link)]).to.deep.equal(Array.from({ length: 10 }, () => 0));
    expect(eraseFile(path)).to.equal(false);
  });

  it("opens the encryption key of exactly the attempt that it was announced for", async () => {
    await saveKey(5n, 1n);
    expect(await folder.encryptionKey(5n, 1n, publicKey)).to.deep.equal(encryptionSecret);
    expect(await folder.encryptionKey(5n, 2n, publicKey)).to.equal(undefined);
    expect(await codeOf(folder.encryptionKey(5n, 1n, `0x${"cd".repeat(32)}`))).to.equal("keyMismatch");
  });

  it("asks for the password once, and seals with the same answer when its source is gone", async () => {
    let asked = 0;
    const environment: Record<string, string | undefined> = { P: "correct horse" };
    const ask = async (): Promise<string> => {
      asked++;
      return "correct horse";
    };
    const prompted = openEpochKeys({ directory, password: { kind: "prompt", ask } });
    await prompted.identity();
    await prompted.shares(0n);
    expect(asked).to.equal(1);
    const remembered = openEpochKeys({ directory, password: { kind: "environment", name: "P", environment } });
    await remembered.identity();
    environment.P = undefined;
    const next = newShares();
    await remembered.saveShares(1n, next.shares, next.keys, 1);
    expect(await folder.shares(1n)).to.deep.equal(next.shares);
  });

  it("makes new keystores as costly to open as the identity's, unless it is told otherwise", async () => {
    const cost = (path: string): number => JSON.parse(readFileSync(path, "utf8")).crypto.kdf.params.n;
    const next = newShares();
    await folder.saveShares(1n, next.shares, next.keys, 1);
    expect(cost(join(epochFolder(directory, 1n), shareFile("bn254")))).to.equal(4096);
    await saveIdentity(join(directory, "identity.json"), random.bytes(32), { password: PASSWORD, replace: true });
    const full = openEpochKeys({ directory, password: PASSWORD });
    await full.saveShares(2n, next.shares, next.keys, 1);
    expect(cost(join(epochFolder(directory, 2n), shareFile("bn254")))).to.equal(262_144);
  });
});

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof KeyError) return error.code;
    throw error;
  }
  return "no error";
}
