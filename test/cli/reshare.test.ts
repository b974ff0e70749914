import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import * as z from "zod";
import {
  type EpochAnswer,
  epochAnswer,
  type ReconfigurationAnswer,
  reconfigurationAnswer,
} from "../../src/api/reconfiguration.ts";
import { changeOf, explain, kindOf } from "../../src/cli/reshare/explain.ts";
import { parseProposalFile, parseReshareAnnouncement } from "../../src/cli/reshare/files.ts";
import { saveIdentity } from "../../src/keys/member-keys.ts";
import { decodeTransaction } from "../../src/ledger/reconfiguration/codec.ts";
import { approvalDigest, proposalDigest } from "../../src/ledger/reconfiguration/digests.ts";
import { faultOfAnnouncements } from "../../src/ledger/reconfiguration/scheme.ts";
import { isSignatureBy } from "../../src/lib/ecdsa.ts";
import { type Address, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { committeeAnswerOf } from "../../src/node/committee-file.ts";
import { createTestGenesis } from "../../src/testing/committee.ts";
import type { CeremonyFault } from "../../src/threshold/ceremony/faults.ts";
import { clockless, json, type Outcome } from "./support/command.ts";
import { createFixture, type Fixture } from "./support/fixture.ts";

const ATTEMPT = ["--attempt", "1"];

/** A member's API as far as a change of members asks it: its answers are what we say, and what it is handed is kept. */
interface Desk {
  readonly url: string;
  answer: ReconfigurationAnswer;
  epochs: ReadonlyMap<bigint, EpochAnswer>;
  verdict: string;
  /** Called after every answer about changes. */
  onAsked: () => void;
  readonly received: Hex[];
  close(): Promise<void>;
}

async function openDesk(answer: ReconfigurationAnswer, epochs: ReadonlyMap<bigint, EpochAnswer>): Promise<Desk> {
  const received: Hex[] = [];
  const reply = (method: string, path: string, body: string): { status: number; body: unknown } => {
    if (path === "/v1/reconfiguration") {
      const told = z.encode(reconfigurationAnswer, desk.answer);
      desk.onAsked();
      return { status: 200, body: told };
    }
    const epoch = /^\/v1\/epochs\/(\d+)$/.exec(path);
    const known = epoch === null ? undefined : desk.epochs.get(BigInt(epoch[1]!));
    if (known !== undefined) return { status: 200, body: z.encode(epochAnswer, known) };
    if (method === "POST" && path === "/v1/reconfiguration/transactions") {
      const { transactions } = JSON.parse(body) as { transactions: Hex[] }; // CAST: our client's request
      received.push(...transactions);
      return { status: 202, body: { results: transactions.map(() => ({ code: desk.verdict })) } };
    }
    return { status: 404, body: { error: { code: "unknownEpoch", message: "not known here", details: {} } } };
  };
  const server: Server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += String(part);
    const { status, body: text } = reply(request.method ?? "", request.url ?? "", body);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(text));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // CAST: a TCP server's address
  const desk: Desk = {
    url: `http://127.0.0.1:${port}`,
    answer,
    epochs,
    verdict: "accepted",
    onAsked: () => {},
    received,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return desk;
}

function faultsOf({ stderr }: Outcome): readonly CeremonyFault[] {
  const line = stderr.split("\n").find((each) => each.startsWith('{"error":'))!;
  return (JSON.parse(line) as { error: { details: { faults: CeremonyFault[] } } }).error.details.faults; // CAST: output.ts
}

describe("clockless committee reshare", () => {
  let fixture: Fixture;
  let desk: Desk;
  let files: string;
  let password: string;
  /** Members 0 and 1 of the committee, and three newcomers. */
  const keysOf = new Map<Address, string>();
  let future: Address[];
  const keyFlags = (member: Address): string[] => ["--keys", keysOf.get(member)!, "--password-file", password];
  const fileOf = (member: Address): string => join(files, `reshare-announcement-1-1-${member}.json`);
  const announce = (folder: string, ...more: string[]): Promise<Outcome> => {
    const flags = ["--keys", folder, "--password-file", password, "--light", "--files", files, "--api", desk.url];
    const where = ["--multiaddr", "/ip4/127.0.0.1/tcp/4001"];
    return clockless(["committee", "reshare", "announce", ...flags, ...ATTEMPT, ...where, ...more, "--json"]);
  };
  const run = async (...args: string[]): Promise<Outcome> => {
    const outcome = await clockless(["committee", "reshare", ...args, "--json"]);
    expect(outcome.status, `${args.join(" ")}\n${outcome.stderr}`).to.equal(0);
    return outcome;
  };
  const try_ = (...args: string[]): Promise<Outcome> => clockless(["committee", "reshare", ...args, "--json"]);

  before(async () => {
    fixture = await createFixture(21n);
    const { committee, secrets } = fixture.test;
    files = mkdtempSync(join(tmpdir(), "clockless-reshare-"));
    password = fixture.write("password.txt", "correct horse\n");
    const members = committee.members.map(({ address }) => address);
    const genesis = createTestGenesis(committee);
    const first = { committee: committeeAnswerOf(committee, genesis), peers: [], certificates: [], snapshotBytes: 0 };
    desk = await openDesk(
      { committeeId: committee.id, epoch: 0n, members, peers: [], open: [] },
      new Map([[0n, first]]),
    );
    for (const index of [0, 1]) {
      const folder = join(fixture.directory, `keys-${index}`);
      const options = { password: { kind: "file", path: password }, strength: "lightForDevnet" } as const;
      const { mkdirSync } = await import("node:fs");
      mkdirSync(folder, { mode: 0o700 });
      await saveIdentity(join(folder, "identity.json"), secrets[index]!.identity, options);
      keysOf.set(members[index]!, folder);
    }
    const folders = [...keysOf.values(), ...[2, 3, 4].map((k) => join(fixture.directory, `newcomer-${k}`))];
    const announced = await Promise.all(folders.map((folder) => announce(folder)));
    future = announced.map((outcome, k) => {
      expect(outcome.status, outcome.stderr).to.equal(0);
      const { member } = json<{ member: { address: Address } }>(outcome);
      keysOf.set(member.address, folders[k]!);
      return member.address;
    });
  });
  after(async () => {
    await desk?.close();
    fixture?.remove();
    rmSync(files, { recursive: true, force: true });
  });

  it("makes a key for one attempt, keeps it to its owner, and announces the same again", async () => {
    const [member] = future as [Address];
    const folder = keysOf.get(member)!;
    expect(readdirSync(folder)).to.include("encryption-key-1-1.json");
    for (const name of readdirSync(folder).filter((each) => each.endsWith(".json"))) {
      expect(statSync(join(folder, name)).mode & 0o077, name).to.equal(0);
    }
    const text = readFileSync(fileOf(member), "utf8");
    rmSync(fileOf(member));
    expect((await announce(folder)).status).to.equal(0);
    expect(readFileSync(fileOf(member), "utf8")).to.equal(text);
    const other = await announce(folder, "--attempt", "2", "--files", folder);
    const next = json<{ member: { encryptionKey: Hex } }>(other).member.encryptionKey;
    expect(next).not.to.equal(parseReshareAnnouncement(text)!.member.encryptionKey);
  });

  it("takes the epoch from the members, or from the command, and asks for what nobody said", async () => {
    const [member] = future as [Address];
    const base = ["announce", ...keyFlags(member), ...ATTEMPT, "--multiaddr", "/ip4/127.0.0.1/tcp/1"];
    expect(await try_(...base)).to.include({ status: 2, code: "missingOption" });
    const file = ["--committee", fixture.committeeFile];
    expect(await try_(...base, ...file)).to.include({ status: 2, code: "missingOption" });
    const answer = json<{ epoch: string }>(await run(...base, ...file, "--epoch", "9"));
    expect(answer.epoch).to.equal("9");
    expect(await try_(...base.slice(0, -1), "tcp/1", ...file, "--epoch", "9")).to.include({ status: 2 });
  });

  it("names the member whose announcement is missing, corrupt, foreign or somebody else's", async () => {
    const list = join(files, "members.txt");
    writeFileSync(list, future.join("\n"));
    const args = ["propose", "--files", files, ...ATTEMPT, "--members", list, "--api", desk.url];
    const member = future[3]!;
    const text = readFileSync(fileOf(member), "utf8");
    const verdictOn = async (changed: string | undefined): Promise<Outcome> => {
      if (changed === undefined) rmSync(fileOf(member));
      else writeFileSync(fileOf(member), changed);
      const outcome = await try_(...args);
      writeFileSync(fileOf(member), text);
      return outcome;
    };
    const value = JSON.parse(text) as { committeeId: string; member: Record<string, string> }; // CAST: our own file
    const withMember = (patch: object): string => JSON.stringify({ ...value, member: { ...value.member, ...patch } });
    const other = parseReshareAnnouncement(readFileSync(fileOf(future[2]!), "utf8"))!;
    const cases: [string | undefined, { status: number; code: string }, Partial<CeremonyFault>][] = [
      [undefined, { status: 4, code: "missingFile" }, { verdict: "missing" }],
      [text.slice(0, 200), { status: 6, code: "corruptFile" }, { verdict: "corrupt", reason: "malformed" }],
      [
        withMember({ signature: other.member.signature }),
        { status: 6, code: "corruptFile" },
        { verdict: "corrupt", reason: "badSignature" },
      ],
      [
        withMember({ publicKey: other.member.publicKey }),
        { status: 6, code: "corruptFile" },
        { verdict: "corrupt", reason: "publicKeyMismatch" },
      ],
      [
        JSON.stringify({ ...value, committeeId: `0x${"12".repeat(32)}` }),
        { status: 6, code: "foreignFile" },
        { verdict: "foreign", reason: "otherCommittee" },
      ],
    ];
    for (const [changed, outcome, fault] of cases) {
      const result = await verdictOn(changed);
      expect(result, result.stderr).to.include({ ...outcome, stdout: "" });
      expect(faultsOf(result)).to.have.length(1);
      expect(faultsOf(result)[0]).to.include({ file: "announcement", member, ...fault });
    }
    expect(readdirSync(files).filter((name) => name.startsWith("reshare-proposal"))).to.deep.equal([]);
  });

  it("proposes what every ledger admits, in the order that is asked for, and says who comes and goes", async () => {
    const list = join(files, "members.txt");
    const order = [...future].reverse();
    writeFileSync(list, order.join("\n"));
    const args = ["propose", "--files", files, ...ATTEMPT, "--api", desk.url];
    const told = json<{ digest: Hex; kind: string; joins: Address[]; leaves: Address[]; file: string }>(
      await run(...args, "--members", list),
    );
    const { committeeId, proposal } = parseProposalFile(readFileSync(told.file, "utf8"))!;
    expect(proposal.members.map(({ address }) => address)).to.deep.equal(order);
    expect(faultOfAnnouncements(committeeId, proposal)).to.equal(undefined);
    expect(told.digest).to.equal(proposalDigest(committeeId, proposal));
    expect(told.kind).to.equal("reshare");
    expect(told.joins).to.have.members(future.slice(2));
    expect(told.leaves).to.deep.equal(desk.answer.members.slice(2));
    const three = join(files, "three.txt");
    writeFileSync(three, future.slice(0, 3).join("\n"));
    expect(await try_(...args, "--members", three)).to.include({ status: 2, code: "badCeremony" });
  });

  it("approves once: shows what it is, sends what verifies, and no second proposal for the attempt", async () => {
    const file = join(files, "reshare-proposal-1-1.json");
    const { committeeId, proposal } = parseProposalFile(readFileSync(file, "utf8"))!;
    const digest = proposalDigest(committeeId, proposal);
    const [member] = future as [Address];
    const args = ["approve", "--proposal", file, ...keyFlags(member), "--api", desk.url];
    const dry = await run(...args, "--dry-run");
    expect(json(dry)).to.include({ digest, kind: "reshare" });
    expect(desk.received).to.deep.equal([]);
    expect(await try_(...args, "--digest", `0x${"00".repeat(32)}`)).to.include({ status: 6, code: "otherProposal" });

    const silent = await run(...args, "--digest", digest, "--api", "http://127.0.0.1:9");
    expect(silent.stderr).to.contain(digest);
    expect(json<{ sent: { code: string }[] }>(silent).sent.map(({ code }) => code)).to.deep.equal([
      "accepted",
      "networkFailure",
    ]);
    await run(...args);
    expect(new Set(desk.received).size).to.equal(1);
    const transaction = decodeTransaction(hexToBytes(desk.received[0]!));
    if (transaction.kind !== "approve") throw new Error(transaction.kind);
    expect(transaction.proposal).to.deep.equal(proposal);
    expect(isSignatureBy(member, approvalDigest(committeeId, digest, member), transaction.signature)).to.equal(true);

    const second = join(files, "second.json");
    const flags = ["propose", "--files", files, ...ATTEMPT, "--api", desk.url, "--out", second];
    await run(...flags);
    const another = ["approve", "--proposal", second, ...keyFlags(member), "--api", desk.url];
    expect(await try_(...another)).to.include({ status: 3, code: "alreadyApproved" });
  });

  it("sends nothing that cannot count: strangers, stale proposals, other committees, no proposal at all", async () => {
    const file = join(files, "reshare-proposal-1-1.json");
    const before = desk.received.length;
    const args = (member: Address): string[] => ["approve", "--proposal", file, ...keyFlags(member), "--api", desk.url];
    expect(await try_(...args(future[4]!))).to.include({ status: 3, code: "notAMember" });
    const { answer } = desk;
    desk.answer = { ...answer, epoch: 1n };
    expect(await try_(...args(future[0]!))).to.include({ status: 5, code: "staleProposal" });
    desk.answer = { ...answer, committeeId: `0x${"34".repeat(32)}` };
    expect(await try_(...args(future[0]!))).to.include({ status: 6, code: "wrongCommittee" });
    desk.answer = answer;
    const forged = join(files, "forged.json");
    const honest = JSON.parse(readFileSync(file, "utf8")) as { proposal: { members: { encryptionKey: string }[] } }; // CAST: ours
    honest.proposal.members[0]!.encryptionKey = honest.proposal.members[1]!.encryptionKey;
    writeFileSync(forged, JSON.stringify(honest));
    const outcome = await try_("approve", "--proposal", forged, ...keyFlags(future[1]!), "--api", desk.url);
    expect(outcome).to.include({ status: 6, code: "corruptFile" });
    writeFileSync(forged, "{}");
    const none = await try_("approve", "--proposal", forged, ...keyFlags(future[1]!), "--api", desk.url);
    expect(none).to.include({ status: 6, code: "malformedProposal" });
    expect(desk.received).to.have.length(before);
    desk.verdict = "badSignature";
    expect(await try_(...args(future[1]!))).to.include({ status: 5, code: "refused" });
    desk.verdict = "accepted";
    const alone = ["approve", "--proposal", file, ...keyFlags(future[1]!), "--api", "http://127.0.0.1:9"];
    expect(await try_(...alone)).to.include({ status: 4, code: "networkFailure" });
  });

  it("says in sentences who has done what and who is waited for, in every phase", async () => {
    const { proposal, committeeId } = parseProposalFile(
      readFileSync(join(files, "reshare-proposal-1-1.json"), "utf8"),
    )!;
    const digest = proposalDigest(committeeId, proposal);
    const { members } = desk.answer;
    const idle = (await clockless(["committee", "reshare", "status", "--api", desk.url])).stdout;
    expect(idle).to.contain("No change of members is under way");
    const quiet = desk.answer;
    const open = { proposal, digest, approvals: [members[0]!], approvalsNeeded: 3, waitingFor: members.slice(1) };
    desk.answer = { ...quiet, open: [open] };
    const proposed = (await clockless(["committee", "reshare", "status", "--api", desk.url])).stdout;
    expect(proposed)
      .to.contain("Approved by 1, of 3 needed")
      .and.to.contain(`Waits for 2 more of: member 1 (${members[1]})`);
    const attempt = {
      proposal,
      digest,
      kind: "reshare",
      phase: "dealing",
      waitingFor: members.slice(1),
      needed: 2,
      dealt: members.slice(0, 1),
      qualified: members.slice(0, 1),
      dealersNeeded: 3,
      ready: [],
      readyNeeded: 4,
      handoversNeeded: 3,
      faults: [{ member: members[3]!, code: "wrongSecret", suite: "bn254" }],
    } as const;
    const say = (patch: object): string => explain({ ...quiet, attempt: { ...attempt, ...patch } }).join("\n");
    expect(say({})).to.match(/Deals that count: 1, of 3 needed .*\n +Waits for 2 more deals/);
    expect(say({})).to.contain(`Caught: member 3 (${members[3]}): wrongSecret (bn254).`);
    const opening = say({ phase: "opening", ready: [future[4]!], waitingFor: future.slice(0, 4), needed: 3 });
    expect(opening).to.contain(`hold their shares: 1, of 4 needed (new member 0 (${future[4]}))`);
    expect(opening).to.contain("Waits for 3 more new members");
    expect(say({ phase: "closing", closesIn: 5, waitingFor: [], needed: 0 })).to.contain("ends in 5 rounds");
    desk.answer = quiet;
    expect(await try_("status", "--api", "http://127.0.0.1:9")).to.include({ status: 4, code: "networkFailure" });
    expect(await try_("status")).to.include({ status: 2, code: "missingOption" });
  });

  it("watches until an epoch runs, one answer a line, and exits with 7 when it does not come", async () => {
    const { answer } = desk;
    const late = await try_("status", "--api", desk.url, "--until-epoch", "1", "--timeout", "1");
    expect(late).to.include({ status: 7, code: "timeout" });
    desk.onAsked = () => {
      desk.answer = { ...answer, epoch: 1n };
    };
    const outcome = await run("status", "--api", desk.url, "--until-epoch", "1");
    desk.onAsked = () => {};
    desk.answer = answer;
    const epochs = outcome.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { epoch: string }).epoch); // CAST: ours
    expect(epochs).to.deep.equal(["0", "1"]);
  });

  it("calls it a generation when t of any committee of the key would be gone", () => {
    const address = (k: number): Address => `0x${k.toString(16).padStart(40, "0")}`;
    const member = (k: number) =>
      ({
        address: address(k),
        publicKey: "0x",
        multiaddrs: [],
        encryptionKey: "0x",
        proof: "0x",
        signature: "0x",
      }) as const;
    const proposal = (...of: number[]) => ({ epoch: 3n, attempt: 1n, members: of.map(member) });
    const first = { members: [0, 1, 2, 3].map(address), threshold: 3 };
    const second = { members: [0, 1, 2, 3, 4, 5, 6].map(address), threshold: 5 };
    expect(kindOf([first], proposal(0, 1, 4, 5, 6))).to.equal("reshare");
    expect(kindOf([first], proposal(0, 4, 5, 6, 7))).to.equal("generation");
    expect(kindOf([second, first], proposal(0, 1, 4, 5, 7))).to.equal("reshare");
    expect(kindOf([second, first], proposal(0, 1, 7, 8, 9))).to.equal("generation");
    expect(changeOf(first.members, proposal(0, 1, 2, 3))).to.deep.equal({
      stays: first.members,
      joins: [],
      leaves: [],
    });
  });
});
