import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createApiClient } from "../../src/api/client.ts";
import { saveEncryptionKey } from "../../src/keys/encryption-key-file.ts";
import { encryptionKeyPath, openEpochKeys } from "../../src/keys/epoch-keys.ts";
import { saveIdentity, saveMemberKeys } from "../../src/keys/member-keys.ts";
import type { PasswordSource } from "../../src/keys/port.ts";
import { accountIdOf, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import { encodeTransaction } from "../../src/ledger/reconfiguration/codec.ts";
import { makeApproval } from "../../src/ledger/reconfiguration/make.ts";
import type { Proposal } from "../../src/ledger/reconfiguration/types.ts";
import { addressOf, signDigest } from "../../src/lib/ecdsa.ts";
import { encodeCommitteeFile } from "../../src/node/committee-file.ts";
import { type NodeConfig, NodeConfigError, nodeConfigSchema } from "../../src/node/config.ts";
import { declareLossIn } from "../../src/node/loss-command.ts";
import { type RunningNode, startNode } from "../../src/node/start.ts";
import { StoreError } from "../../src/storage/port.ts";
import { createTestCommittee, createTestGenesis, TEST_ASSET, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { announceEncryptionKey, encryptionSecret } from "../../src/threshold/encryption-key.ts";
import { publicKeyOf } from "../../src/transport/identity.ts";
import { freePorts } from "../lib/free-ports.ts";
import { loggerOf, until } from "./support.ts";

const N = 4;
const PASSWORD: PasswordSource = { kind: "environment", name: "P", environment: { P: "a password" } };
/** Somebody without an account: an instruction of hers is refused, and that is settled, too. */
const USER_SECRET = createRandom(7, "user").bytes(32);
const USER = addressOf(USER_SECRET);
const LIGHT = { password: PASSWORD, strength: "lightForDevnet" } as const;

describe("node: whole nodes with keys, stores, libp2p and APIs", () => {
  let directory: string;
  let test: TestCommittee;
  let joinerIdentity: Uint8Array;
  let ports: number[];
  let running: (RunningNode | undefined)[];
  const fatal: unknown[] = [];
  const stop = new AbortController();

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "clockless-start-"));
    test = await createTestCommittee(N, createRandom(4, "start"), "real");
    joinerIdentity = createRandom(5, "joiner").bytes(32);
    ports = await freePorts(2 * (N + 1));
    running = [];
    writeFileSync(
      join(directory, "committee.json"),
      encodeCommitteeFile(test.committee, createTestGenesis(test.committee)),
    );
    for (const [index, { identity, shares }] of test.secrets.entries())
      await saveMemberKeys(keysOf(index), { identity, shares: shares! }, LIGHT);
    mkdirSync(keysOf(N), { mode: 0o700 });
    await saveIdentity(join(keysOf(N), "identity.json"), joinerIdentity, LIGHT);
  });
  after(async () => {
    stop.abort();
    await Promise.all(running.map((node) => node?.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  const keysOf = (index: number): string => join(directory, `keys-${index}`);
  const identityOf = (index: number): Uint8Array => test.secrets[index]?.identity ?? joinerIdentity;
  const multiaddr = (index: number): string => `/ip4/127.0.0.1/tcp/${ports[index]}`;
  const apiOf = (index: number): string => `http://127.0.0.1:${ports[N + 1 + index]}`;

  const configOf = (index: number, overrides: object = {}): NodeConfig =>
    nodeConfigSchema.parse({
      committeeFile: join(directory, "committee.json"),
      dataDir: join(directory, `data-${index}`),
      keys: { directory: keysOf(index) },
      p2p: {
        listen: [multiaddr(index)],
        peers:
          index >= N
            ? []
            : test.secrets.map(({ identity }, k) => ({
                address: addressOf(identity),
                publicKey: publicKeyOf(identity),
                multiaddrs: [multiaddr(k)],
              })),
      },
      api: { port: ports[N + 1 + index], requestsPerSecond: 0 },
      join: { apis: [0, 1, 2].map(apiOf) },
      pacing: { busyIntervalMs: 50, idleIntervalMs: 500, retryMs: 500 },
      ...overrides,
    });
  const start = (config: NodeConfig): Promise<RunningNode> =>
    startNode({
      config,
      password: PASSWORD,
      logger: loggerOf(config.api.port),
      version: "test",
      onFatal: (error) => fatal.push(error),
      signal: stop.signal,
    });

  /** The four members and a fifth that is none yet, or those who are named. */
  async function propose(epoch: bigint, elected: readonly number[] = [0, 1, 2, 3, N]): Promise<Proposal> {
    const attempt = 1n;
    const members: Proposal["members"][number][] = [];
    for (const index of elected) {
      const identity = identityOf(index);
      const address = addressOf(identity);
      const randomness = createRandom(6, `key ${epoch} ${index}`).bytes(64);
      const scope = { domain: test.committee.id, epoch, attempt };
      const { key, proof, signature } = announceEncryptionKey(scope, address, randomness, (digest) =>
        signDigest(identity, digest),
      );
      const file = { secret: encryptionSecret(randomness), publicKey: key, purpose: `epoch ${epoch}` };
      await saveEncryptionKey(encryptionKeyPath(keysOf(index), epoch, attempt), file, LIGHT);
      const publicKey = publicKeyOf(identity);
      members.push({ address, publicKey, multiaddrs: [multiaddr(index)], encryptionKey: key, proof, signature });
    }
    return { epoch, attempt, members };
  }

  async function approve(proposal: Proposal, members: readonly number[]): Promise<void> {
    for (const index of members) {
      const identity = identityOf(index);
      const approval = makeApproval(test.committee.id, proposal, addressOf(identity), (digest) =>
        signDigest(identity, digest),
      );
      const answer = await createApiClient({ url: apiOf(index) }).submitTransactions([encodeTransaction(approval)]);
      expect(answer.map(({ code }) => code)).to.deep.equal(["accepted"]);
    }
  }

  it("refuses a second process with the same keys, and an identity that nobody elected", async () => {
    running[0] = await start(configOf(0));
    const twin = { ...configOf(0), dataDir: join(directory, "twin") };
    expect(await start(twin).catch((error: unknown) => error))
      .to.be.instanceOf(StoreError)
      .with.property("code", "locked");
    const stranger = configOf(N, { join: undefined });
    expect(await start(stranger).catch((error: unknown) => error))
      .to.be.instanceOf(NodeConfigError)
      .with.property("code", "notInCommittee");
  });

  it("lets a fifth member join over HTTP, and one that slept through the change follow", async () => {
    for (const index of [1, 2]) running[index] = await start(configOf(index));
    // The fourth is away: three old members and the new one are enough.
    const joining = start(configOf(N));
    await approve(await propose(1n), [0, 1, 2]);
    running[N] = await joining;
    const joiner = running[N]!;
    expect(joiner.node.committee.epoch).to.equal(1n);
    expect(joiner.node.self).to.equal(4);
    await until("the others are there", () => [0, 1, 2].every((index) => running[index]!.node.committee.epoch === 1n));
    await until("they are connected", () => joiner.node.transport.peers().filter((peer) => peer.connected).length >= 3);
    await until("the joiner's blocks are in the order", () => joiner.node.member.consensus.highestRound > 5);
    expect(joiner.node.member.isSigner).to.equal(true);

    running[3] = await start(configOf(3));
    const sleeper = running[3]!;
    await until(
      "the sleeper is in the new epoch, with its share",
      () => sleeper.node.committee.epoch === 1n && sleeper.node.member.isSigner,
    );
    expect(sleeper.url).to.equal(apiOf(3));
    await until("all are connected", () =>
      running.every((it) => it!.node.transport.peers().every((peer) => peer.connected)),
    );
    const status = await createApiClient({ url: apiOf(3) }).status();
    expect(status).to.include({ epoch: 1n, index: 3 });
    expect(fatal).to.deep.equal([]);
  });

  it("begins in the newest epoch after a restart, whatever the committee file says", async () => {
    await running[N]!.stop();
    running[N] = await start(configOf(N));
    expect(running[N]!.node.committee.epoch).to.equal(1n);
    expect(running[N]!.node.member.isSigner).to.equal(true);
    expect(fatal).to.deep.equal([]);
  });

  it("a declared loss costs the epoch and no more: the member follows without signing, deals nothing, and signs again in the next", async function () {
    // A second change of the committee takes as much again as all of the above.
    if (process.env.CLOCKLESS_LONG === undefined) this.skip();
    const lost = 2;
    await running[lost]!.stop();
    const config = configOf(lost, { join: { apis: [0, 1, 3, N].map(apiOf) } });
    rmSync(config.dataDir, { recursive: true });
    declareLossIn(config);
    running[lost] = await start(config);
    const learner = (): RunningNode => running[lost]!;
    // Its shares of the first epoch are erased; members' APIs say where the committee is.
    expect(learner().node.committee.epoch).to.equal(1n);
    expect(learner().node.member.isSigner).to.equal(false);
    await until(
      "it follows",
      () =>
        learner()
          .node.transport.peers()
          .filter((peer) => peer.connected).length >= 3,
    );
    const readiness = await fetch(`${apiOf(lost)}/readyz`).then((answer) => answer.text());
    expect(readiness).to.include("declared lost");
    await approve(await propose(2n), [0, 1, 3, N]);
    await until("a new epoch, with all of them", () =>
      running.every((it) => it!.node.committee.epoch === 2n && it!.node.member.isSigner),
    );
    await until("its blocks are in the order", () => {
      const { consensus, self } = { consensus: running[0]!.node.member.consensus, self: learner().node.self };
      return (consensus.vectorClock[self] ?? 0) > 0;
    });
    expect(fatal).to.deep.equal([]);
  });

  it("a member that is away while it is left out finds out, hands on what its users submit, and is there when it is elected again", async function () {
    if (process.env.CLOCKLESS_LONG === undefined) this.skip();
    const away = 3;
    const others = [0, 1, 2, N];
    const areIn = (indexes: readonly number[], epoch: bigint) =>
      until(`${indexes.join()} are in epoch ${epoch}`, () =>
        indexes.every((index) => {
          const { committee, member } = running[index]!.node;
          return committee.epoch === epoch && member.isSigner;
        }),
      );
    await running[away]!.stop();
    await approve(await propose(3n, others), others);
    await areIn(others, 3n);

    // Its peers are in a committee that does not have it: none of them speaks to it.
    running[away] = await start(configOf(away));
    expect(running[away]!.node.committee.epoch).to.equal(2n);
    const body = {
      kind: "transfer",
      from: accountIdOf(USER, 0n),
      to: accountIdOf(USER, 1n),
      asset: TEST_ASSET,
    } as const;
    const instruction = { head: { signer: USER, lane: 0n, nonce: 0n, namedBatch: 0n }, body: { ...body, amount: 1n } };
    const signed = signInstruction(USER_SECRET, test.committee.id, instruction);
    await running[away]!.node.submit([signed]);
    const api = createApiClient({ url: apiOf(0) });
    let status: string | undefined;
    await until("an instruction that it alone was given is final", () => {
      void api.instruction(instructionId(signed.instruction)).then(
        (answer) => {
          status = answer.status;
        },
        () => undefined,
      );
      return status === "final";
    });
    expect(running[away]!.node.hasLeft).to.equal(true);
    expect((await running[away]!.node.submit([signed])).map(({ code }) => code)).to.deep.equal(["retired"]);
    expect(await openEpochKeys({ directory: keysOf(away), password: PASSWORD }).shares(2n)).to.equal(undefined);

    await approve(await propose(4n), others);
    await areIn([...others, away], 4n);
    expect(fatal).to.deep.equal([]);
  });
});
