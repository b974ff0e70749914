import { expect } from "chai";
import { slotOfBytes } from "../../src/consensus/block.ts";
import type { EpochKeys } from "../../src/keys/epoch-keys.ts";
import { encodeTransaction } from "../../src/ledger/reconfiguration/codec.ts";
import { makeApproval } from "../../src/ledger/reconfiguration/make.ts";
import type { Proposal } from "../../src/ledger/reconfiguration/types.ts";
import type { LedgerGenesis } from "../../src/ledger/types.ts";
import { assert } from "../../src/lib/assert.ts";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import type { Shares } from "../../src/member/types.ts";
import { loadEpochRecord, loadEpochStart } from "../../src/node/epoch-start.ts";
import { createNodeMetrics } from "../../src/node/metrics.ts";
import { Node } from "../../src/node/node.ts";
import type { ReshareWorker } from "../../src/node/reshare-port.ts";
import { createResharer } from "../../src/node/resharer.ts";
import { createVerdicts } from "../../src/node/verdicts.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import type { Store, StoreWrite } from "../../src/storage/port.ts";
import { silentMetrics } from "../../src/telemetry/silent.ts";
import { createTestCommitteeWith, createTestGenesis, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { createStandInEngine, standInAddress } from "../../src/testing/stand-in.ts";
import {
  createStandInReshare,
  makeStandInDeals,
  makeStandInMember,
  openStandInShare,
} from "../../src/testing/stand-in-reshare.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../../src/transport/memory.ts";
import { memberConfig } from "../member/support.ts";
import { loggerOf, until } from "./support.ts";

const N = 4;
const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };

/** A key folder in memory. */
interface Folder extends EpochKeys {
  readonly stored: Map<bigint, Shares>;
  readonly announced: Map<Hex, Uint8Array>;
}

function createFolder(identity: Uint8Array, first: Shares | undefined): Folder {
  const copy = (shares: Shares): Shares => ({ "bls12-381": shares["bls12-381"].slice(), bn254: shares.bn254.slice() });
  const stored = new Map(first === undefined ? [] : [[0n, copy(first)]]);
  const announced = new Map<Hex, Uint8Array>();
  return {
    stored,
    announced,
    directory: "",
    identity: async () => identity,
    async shares(epoch) {
      const shares = stored.get(epoch);
      return shares === undefined ? undefined : copy(shares);
    },
    async saveShares(epoch, shares) {
      stored.set(epoch, copy(shares));
    },
    encryptionKey: async (_epoch, _attempt, publicKey) => announced.get(publicKey)?.slice(),
    eraseBefore(epoch) {
      const old = [...stored.keys()].filter((known) => known < epoch);
      for (const known of old) stored.delete(known);
      return old.map(String);
    },
  };
}

describe("node: what a change asks of a node, over stand-in cryptography", () => {
  let test: TestCommittee;
  let genesis: LedgerGenesis;
  let network: MemoryNetwork;
  let stores: Store[];
  let folders: Folder[];
  let nodes: Node[];
  let worker: ReshareWorker;
  /** Dealers whose deals are never made. */
  let silent: Set<number>;
  let dealt: number[];
  let left: number[];
  /** Before a member's write; may throw, as a disk does. */
  let beforeWrite: (index: number, write: StoreWrite) => void;
  const fatal: unknown[] = [];
  const newcomer = createRandom(8, "newcomer").bytes(32);

  beforeEach(async () => {
    test = createTestCommitteeWith(N, createRandom(7, "epochs"), "stand-in", engines);
    genesis = createTestGenesis(test.committee);
    network = createMemoryNetwork();
    stores = test.secrets.map(() => createMemoryStore());
    folders = test.secrets.map(({ identity, shares }) => createFolder(identity, shares));
    nodes = [];
    silent = new Set();
    dealt = [];
    left = [];
    beforeWrite = () => {};
    const random = createRandom(9, "deals");
    worker = {
      async deal(contexts, dealer, shares) {
        dealt.push(dealer);
        if (silent.has(dealer)) return new Promise(() => {});
        return makeStandInDeals(contexts, dealer, shares, (length) => random.bytes(length));
      },
      verify: async (context, dealer, bytes) => createStandInReshare().faultOfDeal(context, dealer, bytes),
      open: async (contexts, qualified, _keys, index, secret) => ({
        "bls12-381": openStandInShare(contexts["bls12-381"], qualified, index, secret),
        bn254: openStandInShare(contexts.bn254, qualified, index, secret),
      }),
      close: async () => {},
    };
    for (let index = 0; index < N; index++) await start(index);
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    expect(fatal).to.deep.equal([]);
  });

  async function start(index: number): Promise<Node> {
    const store = stores[index]!;
    const keys = folders[index]!;
    const from = loadEpochStart(store);
    const committee = from?.committee ?? test.committee;
    const identity = await keys.identity();
    const self = committee.members.findIndex(({ address }) => address === standInAddress(identity));
    const shares = await keys.shares(committee.epoch);
    const node = new Node({
      member: memberConfig(test, self, {
        ...{ committee, genesis, start: from, secrets: { identity, shares } },
        reshare: createStandInReshare(test.identities),
        pacing: { busyIntervalMs: 1, idleIntervalMs: 20, retryMs: 100 },
      }),
      transport: network.endpoint(
        committee.members.map(({ address }) => address),
        self,
      ),
      peersOf: (announced) => announced,
      store: {
        ...store,
        close: () => {},
        write(write) {
          beforeWrite(index, write);
          store.write(write);
        },
      },
      createResharer: (hooks) =>
        createResharer({
          ...hooks,
          ...{ worker, verdicts: createVerdicts(worker), keys, engines, store, logger: loggerOf(index) },
          sign: (digest) => test.identities.sign(identity, digest),
          holds: shares === undefined ? undefined : committee,
        }),
      createInboxes: () => [],
      inboxReach: 256n,
      market: undefined,
      logger: loggerOf(index),
      metrics: createNodeMetrics(silentMetrics()),
      nowMs: () => performance.now(),
      onFatal: (error) => fatal.push(error),
      onLeft: () => left.push(index),
    });
    nodes[index] = node;
    await node.start();
    return node;
  }

  function propose(epoch: bigint, attempt: bigint, identities: readonly Uint8Array[]): Proposal {
    const scope = { domain: test.committee.id, epoch, attempt };
    const random = createRandom(Number(epoch * 10n + attempt), "announced");
    const members = identities.map((identity) => {
      const secret = random.bytes(32);
      const member = makeStandInMember(scope, standInAddress(identity), identity, secret, test.identities);
      for (const folder of folders) folder.announced.set(member.encryptionKey, secret);
      return member;
    });
    return { epoch, attempt, members };
  }

  async function approve(proposal: Proposal): Promise<void> {
    for (const [index, { identity }] of test.secrets.slice(0, 3).entries()) {
      const approval = makeApproval(test.committee.id, proposal, standInAddress(identity), (digest) =>
        test.identities.sign(identity, digest),
      );
      expect(await nodes[index]!.submitTransactions([encodeTransaction(approval)])).to.deep.equal(["accepted"]);
    }
  }

  const all = () => test.secrets.map(({ identity }) => identity);
  const areIn = (indexes: readonly number[], epoch: bigint) =>
    indexes.every((index) => nodes[index]!.committee.epoch === epoch && nodes[index]!.member.isSigner);

  it("goes through three epochs, and serves where each began", async () => {
    for (const epoch of [1n, 2n, 3n]) {
      await approve(propose(epoch, 1n, all()));
      await until(`all sign in epoch ${epoch}`, () => areIn([0, 1, 2, 3], epoch));
      await until("older shares are gone", () =>
        folders.every(({ stored }) => [...stored.keys()].join() === `${epoch}`),
      );
    }
    const [first] = stores;
    expect(first!.epochs().map(({ epoch }) => epoch)).to.deep.equal([1n, 2n, 3n]);
    expect([1n, 2n, 3n].map((epoch) => first!.snapshot(epoch) !== undefined)).to.deep.equal([false, true, true]);
    const record = loadEpochRecord(first!, 2n)!;
    expect(record.header.epoch).to.equal(1n);
    expect(record.certificates.map(({ suite }) => suite)).to.have.members(["bls12-381", "bn254"]);
    expect(record.peers.map(({ address }) => address)).to.deep.equal(
      test.committee.members.map(({ address }) => address),
    );
    await nodes[2]!.stop();
    const reborn = await start(2);
    expect(reborn.committee.epoch).to.equal(3n);
    await until("it catches up", () => reborn.member.ledger.digest === nodes[0]!.member.ledger.digest);
  });

  it("retires a member that is not elected again: no keys, no signature, its log and API stay, also over a restart", async () => {
    await approve(propose(1n, 1n, [...all().slice(0, 3), newcomer]));
    await until("the others go on", () => areIn([0, 1, 2], 1n));
    await until("it has left", () => nodes[3]!.hasLeft);
    await until("its shares are gone", () => folders[3]!.stored.size === 0);
    expect(left).to.deep.equal([3]);
    // Others' last blocks of the epoch may still be on their way to it.
    const own = () =>
      [...stores[3]!.log()].filter((record) => record.kind === "block" && slotOfBytes(record.bytes)?.author === 3);
    const log = [...stores[3]!.log()];
    const signed = own();
    expect(signed.length).to.be.greaterThan(0);
    expect(stores[3]!.epochStart()).to.equal(undefined);
    expect(loadEpochRecord(stores[3]!, 1n)?.committee.members).to.have.length(4);
    expect(stores[3]!.snapshot(1n)).to.not.equal(undefined);
    expect(nodes[3]!.member.isSigner).to.equal(false);
    expect(nodes[3]!.member.ledger.epochs?.committee.epoch).to.equal(1n);

    await nodes[3]!.stop();
    const reborn = await start(3);
    await until("it knows that it left", () => reborn.hasLeft);
    expect(left).to.deep.equal([3, 3]);
    expect(reborn.isHealthy).to.equal(true);
    expect(reborn.committee.epoch).to.equal(0n);
    expect([...stores[3]!.log()].slice(0, log.length)).to.deep.equal(log);
    expect(own()).to.deep.equal(signed);
  });

  it("deals once per attempt: what a restart finds on disk is sent again, and a superseded attempt is left alone", async () => {
    silent = new Set([1, 2, 3]);
    await approve(propose(1n, 1n, all()));
    await until("it dealt", () => nodes[0]!.member.ledger.epochs?.attempt?.dealt.length === 1);
    await until("all were asked for theirs", () => dealt.length === 4);
    const text = stores[0]!.meta("reshare/deal");
    expect(dealt.sort()).to.deep.equal([0, 1, 2, 3]);
    await nodes[0]!.stop();
    await start(0);
    await until("it is back", () => nodes[0]!.member.ledger.epochs?.attempt?.dealt.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(dealt.sort()).to.deep.equal([0, 1, 2, 3]);
    expect(stores[0]!.meta("reshare/deal")).to.equal(text);

    silent = new Set();
    await approve(propose(1n, 2n, all()));
    await until("the second attempt went through", () => areIn([0, 1, 2, 3], 1n));
    // The attempt needs three: whoever is last may learn of it when it is over.
    expect(dealt.length).to.be.within(7, 8);
    for (const dealer of [0, 1, 2, 3]) expect(dealt.filter((each) => each === dealer).length).to.be.at.most(2);
  });

  it("lets a member that dies between the end of one epoch and the next come back with what it had", async () => {
    const killed = new Error("killed");
    beforeWrite = (index, write) => {
      if (index === 3 && write.epoch !== undefined) throw killed;
    };
    await approve(propose(1n, 1n, all()));
    await until("the others go on", () => areIn([0, 1, 2], 1n));
    await until("it died", () => fatal.length > 0);
    expect(fatal.splice(0)).to.deep.equal([killed]);
    expect(nodes[3]!.isHealthy).to.equal(false);
    expect(stores[3]!.epochStart()).to.equal(undefined);
    expect([...stores[3]!.log()].length).to.be.greaterThan(0);
    // Nothing was erased for an epoch that is not on disk.
    expect([...folders[3]!.stored.keys()]).to.deep.equal([0n, 1n]);

    await nodes[3]!.stop();
    beforeWrite = () => {};
    await start(3);
    await until("it goes on, too", () => areIn([0, 1, 2, 3], 1n));
    await until("it forgets", () => [...folders[3]!.stored.keys()].join() === "1");
    expect(loadEpochRecord(stores[3]!, 1n)).to.deep.equal(loadEpochRecord(stores[0]!, 1n));
    await until("all have the same ledger", () => new Set(nodes.map(({ member }) => member.ledger.digest)).size === 1);
  });

  it("follows an epoch without signing when it cannot open its share, keeps its keys, and signs once it can", async () => {
    const proposal = propose(1n, 1n, all());
    const announced = proposal.members[2]!.encryptionKey;
    const secret = folders[2]!.announced.get(announced);
    assert(secret !== undefined, "announced above");
    folders[2]!.announced.delete(announced);
    await approve(proposal);
    await until("three sign", () => areIn([0, 1, 3], 1n));
    await until("the fourth follows", () => nodes[2]!.committee.epoch === 1n);
    expect(nodes[2]!.member.isSigner).to.equal(false);
    expect([...folders[2]!.stored.keys()]).to.deep.equal([0n]);

    await nodes[2]!.stop();
    folders[2]!.announced.set(announced, secret);
    const reborn = await start(2);
    await until("it signs", () => reborn.member.isSigner);
    await until("and forgets", () => [...folders[2]!.stored.keys()].join() === "1");
    expect(bytesToHex(engines.bn254.publicKey(folders[2]!.stored.get(1n)!.bn254))).to.equal(
      reborn.committee.keys.bn254.publicShares[2],
    );
  });
});
