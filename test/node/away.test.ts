import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createApiClient } from "../../src/api/client.ts";
import { saveMemberKeys } from "../../src/keys/member-keys.ts";
import type { PasswordSource } from "../../src/keys/port.ts";
import { addressOf } from "../../src/lib/ecdsa.ts";
import { encodeCommitteeFile } from "../../src/node/committee-file.ts";
import { nodeConfigSchema } from "../../src/node/config.ts";
import { type RunningNode, startNode } from "../../src/node/start.ts";
import { createTestCommittee, createTestGenesis, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { publicKeyOf } from "../../src/transport/identity.ts";
import { freePorts } from "../lib/free-ports.ts";
import { loggerOf, until } from "./support.ts";

const N = 4;
const AWAY = 3;
const PASSWORD: PasswordSource = { kind: "environment", name: "P", environment: { P: "a password" } };

/** Whole nodes with libp2p, stores and APIs; many rounds, hence only with CLOCKLESS_LONG. */
describe("node: a member that was away", function () {
  this.timeout(900_000);
  let directory: string;
  let test: TestCommittee;
  let ports: number[];
  const running: RunningNode[] = [];
  const fatal: unknown[] = [];

  before(async function () {
    if (process.env.CLOCKLESS_LONG === undefined) this.skip();
    directory = mkdtempSync(join(tmpdir(), "clockless-away-"));
    test = await createTestCommittee(N, createRandom(4, "away"), "real");
    ports = await freePorts(2 * N);
    const genesis = createTestGenesis(test.committee, { chains: [], markets: [] });
    writeFileSync(join(directory, "committee.json"), encodeCommitteeFile(test.committee, genesis));
    for (const [index, { identity, shares }] of test.secrets.entries()) {
      const options = { password: PASSWORD, strength: "lightForDevnet" } as const;
      await saveMemberKeys(join(directory, `keys-${index}`), { identity, shares }, options);
    }
    for (let index = 0; index < N; index++) running[index] = await start(index);
  });
  after(async () => {
    await Promise.all(running.map((node) => node.stop()));
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  const apiOf = (index: number): string => `http://127.0.0.1:${ports[N + index]}`;
  const start = (index: number): Promise<RunningNode> =>
    startNode({
      config: nodeConfigSchema.parse({
        committeeFile: join(directory, "committee.json"),
        dataDir: join(directory, `data-${index}`),
        keys: { directory: join(directory, `keys-${index}`) },
        p2p: {
          listen: [`/ip4/127.0.0.1/tcp/${ports[index]}`],
          peers: test.secrets.map(({ identity }, k) => ({
            address: addressOf(identity),
            publicKey: publicKeyOf(identity),
            multiaddrs: [`/ip4/127.0.0.1/tcp/${ports[k]}`],
          })),
        },
        api: { port: ports[N + index], requestsPerSecond: 0 },
        join: { apis: [0, 1, 2].map(apiOf) },
        pacing: { busyIntervalMs: 5, idleIntervalMs: 10, retryMs: 250 },
      }),
      password: PASSWORD,
      logger: loggerOf(index),
      version: "test",
      onFatal: (error) => fatal.push(error),
    });
  const untilRound = async (round: number): Promise<void> => {
    // Rounds of real cryptography on a machine that does other things, too.
    for (let i = 0; i < 5 && running[0]!.node.member.consensus.highestRound < round; i++)
      await until(`round ${round}`, () => running[0]!.node.member.consensus.highestRound >= round).catch(() => {});
    expect(running[0]!.node.member.consensus.highestRound).to.be.at.least(round);
  };

  for (const [what, rounds] of [
    ["less than K rounds: from a checkpoint at once, because that is less work", 300],
    ["more than K rounds: from a checkpoint, because nobody has the blocks any more", 900],
  ] as const) {
    it(`comes back by itself after ${what}; then it fetches the batches in between`, async () => {
      const left = running[AWAY]!.node.member;
      const from = left.consensus.highestRound;
      const settled = left.ledger.sequence;
      await running[AWAY]!.stop();
      await untilRound(from + rounds);
      running[AWAY] = await start(AWAY);
      const back = () => running[AWAY]!.node.member;
      const other = running[0]!.node.member;
      await until("it signs again, in the rounds of the others", () => {
        const { lastOwnRound } = back().consensus;
        return lastOwnRound > from + rounds && lastOwnRound + 40 > other.consensus.highestRound;
      });
      const skipped = settled + 1n;
      // It did not settle them itself: its ledger began after them.
      expect(back().ledger.sequence).to.be.greaterThan(skipped);
      const own = createApiClient({ url: apiOf(AWAY) });
      let digest: string | undefined;
      await until("a batch that it skipped is there", () => {
        void own.batch(skipped).then(
          (answer) => {
            digest = answer.digest;
          },
          () => undefined,
        );
        return digest !== undefined;
      });
      expect(digest).to.equal((await createApiClient({ url: apiOf(0) }).batch(skipped)).digest);
      expect(fatal).to.deep.equal([]);
    });
  }
});
