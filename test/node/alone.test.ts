import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { openEpochKeys } from "../../src/keys/epoch-keys.ts";
import { saveMemberKeys } from "../../src/keys/member-keys.ts";
import { addressOf } from "../../src/lib/ecdsa.ts";
import { encodeCommitteeFile } from "../../src/node/committee-file.ts";
import { nodeConfigSchema } from "../../src/node/config.ts";
import { isShareOf } from "../../src/node/resharer.ts";
import { type RunningNode, startNode } from "../../src/node/start.ts";
import { publicKeyOf } from "../../src/transport/identity.ts";
import { start, stopAll } from "../api/server.ts";
import { freePorts } from "../lib/free-ports.ts";
import { type EpochWorld, epochWorld, keyFolder, removeFolders, servedBy } from "./epoch-world.ts";
import { loggerOf, until } from "./support.ts";

const SELF = 1;

describe("node: a member whose peers are all gone", function () {
  this.timeout(600_000);
  let world: EpochWorld;
  let directory: string;
  let node: RunningNode | undefined;

  before(async () => {
    world = await epochWorld();
    directory = mkdtempSync(join(tmpdir(), "clockless-alone-"));
  });
  afterEach(async () => {
    await node?.stop();
    await stopAll();
  });
  after(() => {
    removeFolders();
    rmSync(directory, { recursive: true, force: true });
  });

  it("finds out from members' APIs that its epoch is over, and goes on in the next with its share", async () => {
    const { old, genesis, people } = world;
    const fatal: unknown[] = [];
    const chain = world.begun();
    const { url } = await start(servedBy(chain));
    const ports = await freePorts(5);
    const { directory: keys } = await keyFolder(world, people[SELF]!, [1n]);
    const password = { kind: "file", path: join(keys, "password") } as const;
    await saveMemberKeys(keys, old.secrets[SELF]!, { password, strength: "lightForDevnet" });
    const committeeFile = join(directory, "committee.json");
    writeFileSync(committeeFile, encodeCommitteeFile(old.committee, genesis));
    node = await startNode({
      config: nodeConfigSchema.parse({
        committeeFile,
        dataDir: join(directory, "data"),
        keys: { directory: keys, light: true },
        p2p: {
          listen: [`/ip4/127.0.0.1/tcp/${ports[SELF]}`],
          // Nobody listens there.
          peers: old.secrets.map(({ identity }, k) => ({
            address: addressOf(identity),
            publicKey: publicKeyOf(identity),
            multiaddrs: [`/ip4/127.0.0.1/tcp/${ports[k]}`],
          })),
        },
        api: { port: ports[4], requestsPerSecond: 0 },
        join: { apis: [url] },
      }),
      password,
      logger: loggerOf(SELF),
      version: "test",
      onFatal: (error) => fatal.push(error),
    });
    expect(node.node.committee.epoch).to.equal(0n);
    await until("it is in the next epoch", () => node!.node.committee.epoch === 1n);
    expect(node.node.committee).to.deep.equal(chain.committee);
    expect(node.node.member.isSigner).to.equal(true);
    const shares = await openEpochKeys({ directory: keys, password, strength: "lightForDevnet" }).shares(1n);
    expect(isShareOf(old.engines, chain.committee.keys, SELF, shares!)).to.equal(true);
    expect(fatal).to.deep.equal([]);
  });
});
