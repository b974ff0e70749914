import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { ApiClient } from "../../src/api/client.ts";
import { ApiError } from "../../src/api/errors.ts";
import type { VerifiedBlock } from "../../src/consensus/types.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { JoinError } from "../../src/node/epoch-proof.ts";
import { NodeStateError } from "../../src/node/errors.ts";
import { declareLoss, findLostEpochs, loadLoss, saveLoss, signsIn } from "../../src/node/loss.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { openSqliteStore } from "../../src/storage/sqlite.ts";
import { until } from "./support.ts";
import { createWorld, N, type World } from "./world.ts";

const LOST = 1;

describe("node: a restored backup and a lost disk", () => {
  let directory: string;
  let world: World;

  const open = (index: number): Store =>
    openSqliteStore({ directory: join(directory, `${index}`), committeeId: world.test.committee.id });

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "clockless-loss-"));
    world = createWorld({
      openStore: (index, { id }) => openSqliteStore({ directory: join(directory, `${index}`), committeeId: id }),
      heartbeatRounds: 4,
    });
    for (let index = 0; index < N; index++) await world.start(index);
    await rounds(10);
    await until("the one that will be lost takes part", () => blocksAtPeer().length > 0);
  });
  afterEach(async () => {
    await Promise.all(world.nodes.map((node) => node.stop()));
    for (const store of world.stores) store.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const others = () => world.nodes.filter((_, index) => index !== LOST);
  const rounds = (count: number): Promise<void> => {
    const from = Math.max(...others().map(({ member }) => member.consensus.highestRound));
    return until("rounds went on", () => others().every(({ member }) => member.consensus.highestRound > from + count));
  };
  /** Everything of the lost member that another one holds. */
  const blocksAtPeer = (): VerifiedBlock[] => {
    const { consensus } = others()[0]!.member;
    const blocks: VerifiedBlock[] = [];
    for (let round = Math.max(1, consensus.floor + 1); round <= consensus.highestRound; round++)
      blocks.push(...consensus.blocksAt(round).filter(({ author }) => author === LOST));
    return blocks;
  };
  /** Stops it, does something to its data directory, and opens what is there then. */
  const atRest = async (change: (folder: string) => void): Promise<void> => {
    await world.nodes[LOST]!.stop();
    world.stores[LOST]!.close();
    change(join(directory, `${LOST}`));
    world.stores[LOST] = open(LOST);
  };
  /** In the life that has just ended; the others may still have its last block in their queues. */
  const lastSigned = (): number => world.nodes[LOST]!.member.consensus.lastOwnRound;
  const nobodySawTwo = (): void => {
    for (const { member } of others()) expect([...member.consensus.exposedAuthors]).to.deep.equal([]);
  };

  it("a backup that nobody declared is found out before anything is signed with it", async () => {
    const backup = join(directory, "backup");
    await atRest((folder) => cpSync(folder, backup, { recursive: true }));
    const backedUp = world.nodes[LOST]!.member.consensus.lastOwnRound;
    await world.start(LOST);
    await until("it signs on", () => (blocksAtPeer().at(-1)?.round ?? 0) > backedUp + 3);
    await atRest((folder) => {
      rmSync(folder, { recursive: true });
      cpSync(backup, folder, { recursive: true });
    });
    const before = lastSigned();
    await world.start(LOST);
    await until("it stops", () => world.fatal.length > 0);
    expect(world.fatal[0]).to.be.instanceOf(NodeStateError).with.property("code", "staleStore");
    expect(String((world.fatal[0] as NodeStateError).shortMessage)).to.include("clockless node declare-loss");
    await rounds(10);
    expect(blocksAtPeer().at(-1)?.round ?? before).to.be.at.most(before);
    nobodySawTwo();
  });

  it("an empty directory is found out, too", async () => {
    await atRest((folder) => rmSync(folder, { recursive: true }));
    await world.start(LOST);
    await until("it stops", () => world.fatal.length > 0);
    expect(world.fatal[0]).to.be.instanceOf(NodeStateError).with.property("code", "staleStore");
    await rounds(10);
    nobodySawTwo();
  });

  it("once declared, the member follows and serves, and signs nothing in this epoch, over restarts", async () => {
    await atRest((folder) => rmSync(folder, { recursive: true }));
    declareLoss(world.stores[LOST]!);
    const before = lastSigned();
    for (const through of [undefined, 0n]) {
      if (through !== undefined) saveLoss(world.stores[LOST]!, through);
      const { member } = await world.start(LOST);
      expect(member.isSigner).to.equal(false);
      await rounds(20);
      await until("it has what the others have", () => {
        const { sequence } = others()[0]!.member.ledger;
        return member.ledger.sequence >= sequence - 2n && member.certifiedSequence >= sequence - 4n;
      });
      await world.nodes[LOST]!.stop();
    }
    expect(blocksAtPeer().at(-1)?.round ?? before).to.be.at.most(before);
    // What it took from others is theirs: nothing of it is in its register.
    expect(world.stores[LOST]!.registerTop("block")).to.equal(undefined);
    expect(world.stores[LOST]!.registerTop("batch")).to.equal(undefined);
    nobodySawTwo();
    expect(world.fatal).to.deep.equal([]);
  });
});

describe("node: which epochs a loss costs", () => {
  const committeeId: Hex = `0x${"ab".repeat(32)}`;
  const api = (host: string, epoch: bigint, isChanging = false, id = committeeId): ApiClient => {
    const client = {
      url: `http://${host}:1`,
      reconfiguration: async () => ({ committeeId: id, epoch, attempt: isChanging ? {} : undefined }),
    };
    return client as unknown as ApiClient; // CAST: nothing else of it is used
  };
  const down = {
    url: "http://down:1",
    reconfiguration: () => Promise.reject(new ApiError("networkFailure", "down")),
  } as unknown as ApiClient; // CAST: as above
  const find = (clients: readonly ApiClient[]): Promise<bigint | undefined> =>
    findLostEpochs({
      ...{ clients, committeeId, members: 4, ownUrl: "http://own:1" },
      requireBegun: async (_, epoch) => {
        if (epoch > 9n) throw new JoinError("badCertificate", "nobody signed that");
      },
      signal: new AbortController().signal,
    });

  it("the highest of n − f others, and the next one while a change to it runs", async () => {
    expect(await find([api("a", 3n), api("b", 4n), api("c", 3n)])).to.equal(4n);
    expect(await find([api("a", 3n), api("b", 4n, true), api("c", 3n)])).to.equal(5n);
    expect(await find([api("a", 4n, true), api("b", 4n), down, api("c", 4n)])).to.equal(5n);
  });

  it("whoever says it is where it cannot show to be does not count", async () => {
    const far = api("d", 2n ** 60n);
    expect(await find([api("a", 3n), far, api("b", 4n), api("c", 3n)])).to.equal(4n);
    expect(await find([api("a", 3n), far, api("b", 4n)])).to.equal(undefined);
  });

  it("is not known while fewer answer; neither our own API nor another committee's counts", async () => {
    expect(await find([api("a", 3n), api("b", 4n), down])).to.equal(undefined);
    expect(await find([api("a", 3n), api("b", 4n), api("own", 9n)])).to.equal(undefined);
    expect(await find([api("a", 3n), api("b", 4n), api("c", 9n, false, `0x${"cd".repeat(32)}`)])).to.equal(undefined);
  });

  it("nothing is signed until it is known, then in later epochs; a new declaration begins again", () => {
    const store = createMemoryStore();
    expect(signsIn(loadLoss(store), 0n)).to.equal(true);
    declareLoss(store);
    expect(signsIn(loadLoss(store), 1_000n)).to.equal(false);
    saveLoss(store, 4n);
    expect([4n, 5n].map((epoch) => signsIn(loadLoss(store), epoch))).to.deep.equal([false, true]);
    declareLoss(store);
    expect(signsIn(loadLoss(store), 5n)).to.equal(false);
  });
});
