import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ConsensusError } from "../../src/consensus/errors.ts";
import { StoredBlock } from "../../src/consensus/stored-block.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { loadCheckpoint, storedCheckpointOf } from "../../src/node/checkpoint-record.ts";
import { WriteCollector } from "../../src/node/records.ts";
import { signedRoundOf } from "../../src/node/replay.ts";
import { DATABASE_FILE, openSqliteStore } from "../../src/storage/sqlite.ts";
import { sizesOf } from "./sizes.ts";
import { until } from "./support.ts";
import { createWorld, forwarding, N, type World } from "./world.ts";

const K = 64;
/** Some three rounds of blocks; what is older is read back from the file. */
const MAX_HELD_BYTES = 8 * 1024;

describe("node: the log is cut at its old end", () => {
  let directory: string;
  let world: World;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "clockless-cut-"));
    world = createWorld({
      openStore: (index, { id }) => openSqliteStore({ directory: join(directory, `${index}`), committeeId: id }),
      heartbeatRounds: 4,
      maxHeldBytes: MAX_HELD_BYTES,
    });
  });
  after(async () => {
    await Promise.all(world.nodes.map((node) => node.stop()));
    for (const store of world.stores) store.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const rounds = (count: number): Promise<void> => {
    const from = Math.min(...world.nodes.map(({ member }) => member.consensus.highestRound));
    return until("rounds went on", () =>
      world.nodes.every(({ member }) => member.consensus.highestRound > from + count),
    );
  };
  const logged = (index: number): number[] =>
    [...world.stores[index]!.log()].flatMap(({ kind, round }) => (kind === "block" ? [round!] : []));
  const pages = (index: number): number => {
    const size = (file: string): number => statSync(join(directory, `${index}`, file)).size;
    return size(DATABASE_FILE);
  };

  /** What may be held after any number of rounds; all else is a handful. n = 4, K = 64, A = 32, W = 64; 2K rounds are held or sunk. */
  const BOUNDS: readonly (readonly [RegExp, number])[] = [
    [/\bdag\.#(?:byDigest|bySlot|sunk|memory\.#spare)$|\bvotes\.#tallies$|\bcommitter\.#decided$/, N * 2 * K],
    // The tail of the order, and that of a checkpoint which is not certified yet.
    [/\brecorder\.#records$|#open\.tail\.records$/, N * 2 * K],
    [/\bdag\.#(?:byRound|sunkByRound)$|\bcoins\.#shares$|\boutputLog\.#refs$/, 2 * K],
    [/\bactivity\.#records$|#past\.activity$|#open\.tail\.past\.activity$/, 6 + 32],
    // By batch: receipts for 2W, states for 64.
    [/#ledger\.fold\.lanes\.(?:recentHashes|recentByBatch)$/, 2 * 64 + 1],
    [/#ledger\.state\.snapshots$/, 64 + 1],
    // Messages of one turn of the event loop: it may be a long one on a busy machine.
    [/^root\.#(?:queue|writes\.#(?:blocks|write\.\w+))$/, 10_000],
    // A handful; what kept one thing of every checkpoint would have twice as many by now.
    [/./, 64],
  ];
  const grown = (): string[] =>
    world.nodes.flatMap((node) =>
      [...sizesOf(node)].flatMap(([path, size]) => {
        const bound = BOUNDS.find(([pattern]) => pattern.test(path))![1];
        return size > bound ? [`${path}: ${size} > ${bound}`] : [];
      }),
    );

  it("holds the rounds above the second newest checkpoint's floor and never more, and the file stays as large as it is", async () => {
    for (let index = 0; index < N; index++) await world.start(index);
    await rounds(4 * K);
    const before = pages(0);
    const sizes: number[] = [];
    for (let i = 0; i < 4; i++) {
      await rounds(K);
      sizes.push(logged(0).length);
      expect(grown()).to.deep.equal([]);
    }
    for (let index = 0; index < N; index++) {
      const { consensus } = world.nodes[index]!.member;
      // K below the last commit, two checkpoints' distance, and what is not yet ordered or final.
      const oldest = Math.min(...logged(index));
      expect(oldest).to.be.greaterThan(consensus.highestRound - 2 * K);
      expect(oldest).to.be.at.most(consensus.floor + 1);
    }
    expect(Math.max(...sizes)).to.be.lessThan(2 * K * N);
    // What stays for ever (register, batches, certificates) grows by some hundred bytes a round; blocks would be ten times that.
    expect(pages(0) - before).to.be.lessThan(1_000_000);
    expect(world.fatal).to.deep.equal([]);
  });

  it("knows every collection that it holds: one that grew with the rounds would be seen", () => {
    const sizes = sizesOf(world.nodes[0]!);
    const at = (pattern: RegExp): number => [...sizes].find(([path]) => pattern.test(path))?.[1] ?? 0;
    expect(sizes.size).to.be.greaterThan(100);
    expect(at(/\bdag\.#byDigest$/)).to.be.greaterThan(K);
    expect(at(/#ledger\.fold\.lanes\.recentHashes$/)).to.be.greaterThan(100);
    expect(at(/#mempool\.#instructions$/)).to.equal(0);
    expect([...sizes.keys()].some((path) => path.includes("pending.#waiting"))).to.equal(true);
    const leaking = { list: Array.from({ length: 8 * K }) };
    expect([...sizesOf(leaking)]).to.deep.equal([["root.list", 8 * K]]);
  });

  it("keeps the whole register", () => {
    const store = world.stores[0]!;
    const top = signedRoundOf(store, 0n);
    let found = 0;
    for (let round = 1; round <= top; round++) if (store.register("block", BigInt(round)) !== undefined) found++;
    expect(top).to.be.greaterThan(8 * K);
    expect(found).to.be.greaterThan(6 * K);
  });

  it("restarts from the newest checkpoint and what the log still has, and signs on", async () => {
    const before = world.nodes[1]!.member;
    await world.nodes[1]!.stop();
    const checkpoint = loadCheckpoint(world.stores[1]!);
    expect(checkpoint).to.not.equal(undefined);
    const { member } = await world.start(1);
    expect(member.consensus.lastOwnRound).to.equal(before.consensus.lastOwnRound);
    expect(member.ledger.sequence).to.equal(before.ledger.sequence);
    expect(member.ledger.digest).to.equal(before.ledger.digest);
    await until("own blocks again", () => member.consensus.lastOwnRound > before.consensus.lastOwnRound);
    await rounds(K);
    expect(world.fatal).to.deep.equal([]);
  });

  it("does not start from a checkpoint whose certificate is damaged, nor give it to anybody", async () => {
    await world.nodes[1]!.stop();
    const store = world.stores[1]!;
    const { certificates, ...rest } = loadCheckpoint(store)!;
    const [first, ...others] = certificates;
    const signature = hexToBytes(first!.signature);
    signature[7]! ^= 1;
    const damaged = storedCheckpointOf({
      ...rest,
      certificates: [{ ...first!, signature: bytesToHex(signature) }, ...others],
    });
    world.stores[1] = { ...forwarding(store), checkpoint: () => damaged, close: () => {} };
    let error: unknown;
    await world.start(1).catch((thrown: unknown) => {
      error = thrown;
    });
    expect(error).to.be.instanceOf(ConsensusError).with.property("code", "badCheckpoint");
    world.stores[1] = store;
    await world.start(1);
  });

  it("has its blocks in the file and not in memory, and whoever was away gets them", async () => {
    const away = world.nodes[3]!.member.consensus.highestRound;
    await world.nodes[3]!.stop();
    const others = world.nodes.slice(0, 3);
    const highest = (): number => Math.min(...others.map(({ member }) => member.consensus.highestRound));
    await until("rounds went on", () => highest() > away + 24);
    const { consensus } = others[0]!.member;
    expect(consensus.sizes.heldBytes).to.be.at.most(2 * MAX_HELD_BYTES);
    const missed = consensus.blocksAt(away + 8)[0]!;
    expect(missed).to.be.instanceOf(StoredBlock);
    expect(missed.bytes).to.deep.equal(world.stores[0]!.block(missed.digest));
    const { member } = await world.start(3);
    await until("it has them, too", () => member.consensus.block(missed) !== undefined);
    await until("own blocks again", () => member.consensus.lastOwnRound > highest() - K);
    expect(member.consensus.block(missed)!.bytes).to.deep.equal(missed.bytes);
    expect(world.fatal).to.deep.equal([]);
    expect(world.behind.size).to.equal(0);
  });

  it("writes our newest block again when its round goes: the next one names it, and no round up to it is signed again", () => {
    const { consensus } = world.nodes[2]!.member;
    const own = consensus.block(consensus.lastOwnBlock!)!;
    const writes = new WriteCollector();
    writes.truncate(own.round, own);
    expect(writes.take()).to.deep.include({
      truncate: own.round,
      log: [{ kind: "block", bytes: own.bytes, round: own.round, digest: own.digest }],
    });
    writes.truncate(own.round - 1, own);
    expect(writes.take()).to.deep.include({ truncate: own.round - 1, log: [] });
  });
});
