import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { assembleDefinition } from "../../src/cli/ceremony/assemble.ts";
import type { CliContext } from "../../src/cli/context.ts";
import { checkMemberKeys, loadIdentity, loadMemberKeys } from "../../src/keys/member-keys.ts";
import { signDigest } from "../../src/lib/ecdsa.ts";
import { ClocklessError } from "../../src/lib/errors.ts";
import type { Address } from "../../src/lib/hex.ts";
import { parseCommitteeFile } from "../../src/node/committee-file.ts";
import { createTestGenesis } from "../../src/testing/committee.ts";
import type { CeremonyDeal } from "../../src/threshold/ceremony/deals.ts";
import type { CeremonyFault } from "../../src/threshold/ceremony/faults.ts";
import {
  encodeCeremonyDeal,
  parseAnnouncement,
  parseCeremonyDeal,
  parseDefinition,
} from "../../src/threshold/ceremony/json.ts";
import { buildRoster, ceremonyContext } from "../../src/threshold/ceremony/roster.ts";
import { dealBundleDigest } from "../../src/threshold/deal-select.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { clockless, json, type Outcome } from "./support/command.ts";

const N = 4;
const NAME = "test ceremony";
const SILENT: CliContext = {
  output: { isJson: true, result() {}, line() {}, note() {}, progress() {}, error() {} },
  environment: {},
  signal: new AbortController().signal,
  version: "test",
};

const SIGNATURE = '"signature": "0x';

/** One hexadecimal digit changed. */
function altered(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1);
}

/** Faults in a --json error. */
function faultsOf({ stderr }: Outcome): readonly CeremonyFault[] {
  const line = stderr.split("\n").find((each) => each.startsWith('{"error":'))!;
  const { error } = JSON.parse(line) as { error: { details: { faults: CeremonyFault[] } } }; // CAST: output.ts
  return error.details.faults;
}

describe("clockless committee", () => {
  let home: string;
  let files: string;
  let membersFile: string;
  let passwordFile: string;
  /** By committee index, once announced. */
  let members: Address[];
  /** Of the same ceremony, without the deal of one member. */
  let otherDefinition: string;
  const keysOf = new Map<Address, string>();
  const keyFlags = (member: Address): string[] => ["--keys", keysOf.get(member)!, "--password-file", passwordFile];
  const ceremonyFlags = (): string[] => ["--ceremony", NAME, "--files", files, "--members", membersFile, "--json"];
  const fileOf = (kind: string, member: Address, folder = files): string => join(folder, `${kind}-${member}.json`);
  const run = async (...args: string[]): Promise<Outcome> => {
    const outcome = await clockless(args);
    expect(outcome.status, `${args.join(" ")}\n${outcome.stderr}`).to.equal(0);
    return outcome;
  };
  /** The shared folder as one member has it. */
  const copyOfFiles = (): string => {
    const copy = mkdtempSync(join(home, "copy-"));
    cpSync(files, copy, { recursive: true });
    return copy;
  };

  before(async () => {
    home = mkdtempSync(join(tmpdir(), "clockless-ceremony-"));
    files = join(home, "files");
    membersFile = join(home, "members.txt");
    passwordFile = join(home, "password.txt");
    writeFileSync(passwordFile, "correct horse\n", { mode: 0o600 });
    const announced = await Promise.all(
      Array.from({ length: N }, async (_, k) => {
        const keys = join(home, `keys-${k}`);
        const flags = [
          "--keys",
          keys,
          "--password-file",
          passwordFile,
          "--light",
          "--ceremony",
          NAME,
          "--files",
          files,
        ];
        const { member } = json<{ member: Address }>(await run("keys", "new", ...flags, "--json"));
        keysOf.set(member, keys);
        return member;
      }),
    );
    members = [...announced].sort();
    writeFileSync(membersFile, `# whom we agreed on\n${announced.join("  # by telephone\n")}\n`);
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  it("keeps what it makes to its owner, and announces the same again", async () => {
    const member = members[0]!;
    for (const name of readdirSync(keysOf.get(member)!)) {
      if (name.endsWith(".json")) expect(statSync(join(keysOf.get(member)!, name)).mode & 0o077, name).to.equal(0);
    }
    const again = await run("keys", "new", ...keyFlags(member), "--ceremony", NAME, "--json");
    expect(json<{ proof: string }>(again).proof).to.equal(
      JSON.parse(readFileSync(fileOf("announcement", member), "utf8")).proof,
    );
  });

  it("names the member whose announcement is missing or corrupt before anybody deals", async () => {
    const [first, second] = members as [Address, Address];
    const file = fileOf("announcement", second);
    const text = readFileSync(file, "utf8");
    rmSync(file);
    const missing = await clockless(["committee", "deal", ...keyFlags(first), ...ceremonyFlags()]);
    expect(missing).to.include({ status: 4, code: "missingFile" });
    expect(faultsOf(missing)).to.deep.equal([
      { file: "announcement", verdict: "missing", member: second, reason: "missing" },
    ]);
    writeFileSync(file, text.slice(0, 100));
    const corrupt = await clockless(["committee", "deal", ...keyFlags(first), ...ceremonyFlags()]);
    expect(corrupt).to.include({ status: 6, code: "corruptFile" });
    expect(faultsOf(corrupt)).to.deep.equal([
      { file: "announcement", verdict: "corrupt", member: second, reason: "malformed", path: file },
    ]);
    writeFileSync(file, text);
    expect(readdirSync(files).filter((name) => name.startsWith("deal-"))).to.deep.equal([]);
  });

  it("deals once: the same file again, and none for other members", async () => {
    const [first] = members as [Address];
    await run("committee", "deal", ...keyFlags(first), ...ceremonyFlags());
    const text = readFileSync(fileOf("deal", first), "utf8");
    rmSync(fileOf("deal", first));
    await run("committee", "deal", ...keyFlags(first), ...ceremonyFlags());
    expect(readFileSync(fileOf("deal", first), "utf8")).to.equal(text);

    const copy = copyOfFiles();
    const guest = join(home, "keys-guest");
    const flags = ["--keys", guest, "--password-file", passwordFile, "--light", "--ceremony", NAME, "--files", copy];
    const { member } = json<{ member: Address }>(await run("keys", "new", ...flags, "--json"));
    const others = join(home, "others.txt");
    writeFileSync(others, [...members, member].join("\n"));
    const args = ["--ceremony", NAME, "--files", copy, "--members", others, "--json"];
    expect(await clockless(["committee", "deal", ...keyFlags(first), ...args])).to.include({
      status: 3,
      code: "alreadyDealt",
    });
    const uninvited = await clockless(["committee", "deal", ...keyFlags(first), ...ceremonyFlags(), "--files", copy]);
    expect(uninvited).to.include({ status: 6, code: "foreignFile" });
    expect(faultsOf(uninvited)).to.deep.include({
      file: "announcement",
      verdict: "foreign",
      member,
      reason: "notAMember",
      path: fileOf("announcement", member, copy),
    });
    await Promise.all(members.slice(1).map((each) => run("committee", "deal", ...keyFlags(each), ...ceremonyFlags())));
  });

  it("names the member for any one file that is removed or corrupted", async () => {
    for (const member of members) {
      for (const kind of ["announcement", "deal"] as const) {
        const copy = copyOfFiles();
        const file = fileOf(kind, member, copy);
        const text = readFileSync(file, "utf8");
        const fault = async (): Promise<ClocklessError> => {
          // A deal that is as it was made is verified once for all cases.
          const options = { ceremony: NAME, files: copy, members, without: [], verdicts: join(home, "verdicts") };
          const error: unknown = await assembleDefinition(options, SILENT).catch((caught: unknown) => caught);
          expect(error).to.be.instanceOf(ClocklessError);
          return error as ClocklessError; // CAST: the line above
        };
        // One digit of what the member signed, one of the signature, and half the file.
        const signed = text.lastIndexOf("0x") + 40;
        const lies = [signed, text.indexOf(SIGNATURE) + 30].map((at) => altered(text, at));
        const cases = [undefined, ...(member === members[1] ? [...lies, text.slice(0, text.length >> 1)] : [lies[0]])];
        for (const content of cases) {
          if (content === undefined) rmSync(file);
          else writeFileSync(file, content);
          const { code, details } = await fault();
          const verdict = content === undefined ? "missing" : "corrupt";
          expect(code).to.equal(`${verdict}File`);
          const [first, ...more] = details.faults as CeremonyFault[]; // CAST: CeremonyError
          expect(first).to.deep.include({ file: kind, verdict, member });
          expect(more).to.deep.equal([]);
        }
        rmSync(copy, { recursive: true });
      }
    }
  });

  it("calls malicious what a member signed and what does not verify, and goes on without it", async () => {
    const copy = copyOfFiles();
    const cheat = members[2]!;
    const identity = await loadIdentity(join(keysOf.get(cheat)!, "identity.json"), {
      kind: "file",
      path: passwordFile,
    });
    const [own, stolen] = [cheat, members[0]!].map(
      (member) => parseCeremonyDeal(readFileSync(fileOf("deal", member, copy), "utf8"))!,
    ) as [CeremonyDeal, CeremonyDeal]; // CAST: two
    const deals = { ...own.deals, bn254: stolen.deals.bn254 };
    const { roster } = buildRoster(
      NAME,
      members,
      members.map((member) => parseAnnouncement(readFileSync(fileOf("announcement", member, copy), "utf8"))!),
    );
    const digest = dealBundleDigest(ceremonyContext(roster!, "bn254"), { dealer: 2, deals });
    const file = fileOf("deal", cheat, copy);
    writeFileSync(file, encodeCeremonyDeal({ ...own, deals, signature: signDigest(identity, digest) }));
    const args = ["committee", "assemble", "--ceremony", NAME, "--files", copy, "--members", membersFile, "--json"];
    const outcome = await clockless(args);
    expect(outcome).to.include({ status: 6, code: "maliciousFile" });
    expect(faultsOf(outcome)).to.deep.equal([
      { file: "deal", verdict: "malicious", member: cheat, reason: "wrongTranscript in bn254", path: file },
    ]);
    const without = json<{ n: number; final: boolean; members: { dealt: boolean }[] }>(
      await run(...args, "--without", cheat),
    );
    expect(without).to.deep.include({ n: N, final: false });
    expect(without.members.map(({ dealt }) => dealt)).to.deep.equal([true, true, false, true]);
    otherDefinition = join(copy, "definition.json");
  });

  it("names deals that came too late, and lets nobody deal when the committee is assembled", async () => {
    const late = json(await run("committee", "show", "--files", files, "--definition", otherDefinition, "--json"));
    expect(late.faults).to.deep.equal([
      {
        file: "deal",
        verdict: "late",
        member: members[2],
        reason: "notInTheDefinition",
        path: fileOf("deal", members[2]!),
      },
    ]);
    const forgetful = join(home, "keys-forgetful");
    cpSync(keysOf.get(members[2]!)!, forgetful, { recursive: true });
    for (const name of readdirSync(forgetful)) if (name.startsWith("deal-")) rmSync(join(forgetful, name));
    const args = ["--keys", forgetful, "--password-file", passwordFile, "--definition", otherDefinition];
    expect(await clockless(["committee", "deal", ...args, ...ceremonyFlags()])).to.include({
      status: 6,
      code: "lateFile",
    });
  });

  it("assembles the deals into a definition that is not final yet, the same from everybody's copy", async () => {
    const copy = copyOfFiles();
    const [here, there] = await Promise.all([
      run("committee", "assemble", ...ceremonyFlags()),
      run("committee", "assemble", "--ceremony", NAME, "--files", copy, "--members", membersFile, "--json"),
    ]);
    const shown = json(here!);
    expect(shown).to.deep.include({ n: N, f: 1, threshold: 3, final: false, waitedFor: members, faults: [] });
    expect(json(there!)).to.deep.equal(shown);
    const text = readFileSync(join(files, "definition.json"), "utf8");
    expect(readFileSync(join(copy, "definition.json"), "utf8")).to.equal(text);
    expect(parseDefinition(text).committeeId).to.equal(shown.committeeId);
  });

  it("refuses to open what was changed, and names whose deal is not the one that was assembled", async () => {
    const [first, second, third] = members as [Address, Address, Address];
    const open = (folder: string, ...more: string[]) =>
      clockless(["committee", "open", ...keyFlags(first), "--files", folder, "--light", "--json", ...more]);
    const copy = copyOfFiles();
    rmSync(fileOf("deal", second, copy));
    const text = readFileSync(fileOf("deal", third, copy), "utf8");
    writeFileSync(fileOf("deal", third, copy), altered(text, text.indexOf(SIGNATURE) + 20));
    const outcome = await open(copy);
    expect(outcome).to.include({ status: 6, code: "corruptFile" });
    expect(faultsOf(outcome).map(({ member, verdict }) => [member, verdict])).to.deep.equal([
      [third, "corrupt"],
      [second, "missing"],
    ]);
    const definition = readFileSync(join(files, "definition.json"), "utf8");
    const at = definition.indexOf("groupKey") + 60;
    writeFileSync(join(copy, "definition.json"), altered(definition, at));
    expect(await open(copy)).to.include({ status: 6, code: "malformedDefinition" });
    // A member that agreed to others does not open, however well everything fits.
    const others = join(home, "others.txt");
    expect(await open(files, "--members", others)).to.include({ status: 6, code: "wrongDefinition" });
    expect(existsSync(join(keysOf.get(first)!, "share-bn254.json"))).to.equal(false);
  });

  it("opens everybody's share, registers one approval each, and is final with n − f of them", async () => {
    const open = (member: Address) =>
      run("committee", "open", ...keyFlags(member), "--files", files, "--light", "--json");
    for (const member of members.slice(0, 2)) await open(member);
    const two = json(await run("committee", "assemble", "--files", files, "--json"));
    expect(two).to.deep.include({ final: false, approvals: 2, waitedFor: members.slice(2) });
    const early = ["committee", "open", ...keyFlags(members[0]!), "--files", files, "--erase-encryption-key", "--json"];
    expect(await clockless(early)).to.include({ status: 4, code: "notFinal" });
    await open(members[2]!);
    const three = json(await run("committee", "assemble", "--files", files, "--json"));
    expect(three).to.deep.include({ final: true, approvals: 3, waitedFor: members.slice(3) });
    // Another committee of the same ceremony, just as right: no second signature.
    const other = ["--files", files, "--definition", otherDefinition, "--light", "--json"];
    expect(await clockless(["committee", "open", ...keyFlags(members[0]!), ...other])).to.include({
      status: 3,
      code: "alreadyApproved",
    });
    // Again: the same approval, from the stored shares.
    const before = readFileSync(fileOf("approval", members[0]!), "utf8");
    rmSync(fileOf("approval", members[0]!));
    await open(members[0]!);
    expect(readFileSync(fileOf("approval", members[0]!), "utf8")).to.equal(before);
  });

  it("shows bad approvals with 6 and keeps the good ones", async () => {
    const copy = copyOfFiles();
    const file = fileOf("approval", members[1]!, copy);
    const signed = readFileSync(file, "utf8");
    writeFileSync(file, altered(signed, signed.indexOf(SIGNATURE) + 20));
    const outcome = await clockless(["committee", "show", "--files", copy, "--json"]);
    expect(outcome).to.include({ status: 6, code: "corruptFile" });
    expect(faultsOf(outcome)).to.deep.equal([
      { file: "approval", verdict: "corrupt", member: members[1], reason: "badSignature", path: file },
    ]);
    expect(json(outcome)).to.deep.include({ final: true, approvals: 3 });
  });

  it("makes the node's committee file, which is refused when the definition in it was changed", async () => {
    const definition = parseDefinition(readFileSync(join(files, "definition.json"), "utf8"));
    const stand = createTestGenesis({
      id: definition.committeeId,
      epoch: 0n,
      members: members.map((address) => ({ address })),
    } as never);
    const { assets, chains, markets, window } = stand;
    const genesis = join(home, "genesis.json");
    const decimal = (_key: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value);
    writeFileSync(genesis, JSON.stringify({ assets, chains, markets, window }, decimal));
    const out = join(home, "committee.json");
    await run("committee", "assemble", "--files", files, "--genesis", genesis, "--out", out, "--json");
    const text = readFileSync(out, "utf8");
    const parsed = parseCommitteeFile(text);
    expect(parsed.definition?.committeeId).to.equal(definition.committeeId);
    expect(parsed.genesis).to.deep.equal(stand);
    const engines = await createEngines("fast");
    for (const [index, member] of members.slice(0, 3).entries()) {
      const keys = await loadMemberKeys(keysOf.get(member)!, { kind: "file", path: passwordFile });
      checkMemberKeys(keys, { committee: parsed.committee, index, engines });
    }
    const { trustedCommittee } = await import("../../src/cli/trust.ts");
    const trusted = trustedCommittee({ committee: out });
    // Before there is a genesis, the final definition is all that hubs are deployed with.
    const defined = trustedCommittee({ committee: join(files, "definition.json") });
    expect([defined.committeeId, defined.groupKeys]).to.deep.equal([trusted.committeeId, trusted.groupKeys]);
    const json0 = JSON.parse(text);
    const few = { ...json0, definition: { ...json0.definition, approvals: json0.definition.approvals.slice(1) } };
    expect(() => parseCommitteeFile(JSON.stringify(few)))
      .to.throw()
      .with.property("code", "unprovenCommitteeFile");
    const [one, two] = json0.keys.bn254.publicShares;
    const swapped = { ...json0.keys.bn254, publicShares: [two, one, ...json0.keys.bn254.publicShares.slice(2)] };
    expect(() => parseCommitteeFile(JSON.stringify({ ...json0, keys: { ...json0.keys, bn254: swapped } })))
      .to.throw()
      .with.property("code", "inconsistentCommitteeFile");
  });

  it("erases the encryption key when the committee is final and the shares are there", async () => {
    const member = members[0]!;
    const args = ["committee", "open", ...keyFlags(member), "--files", files, "--erase-encryption-key", "--json"];
    expect(json(await run(...args))).to.deep.equal({ erased: true });
    expect(readdirSync(keysOf.get(member)!).some((name) => name.startsWith("encryption-"))).to.equal(false);
    expect(json(await run(...args))).to.deep.equal({ erased: false });
  });
});
