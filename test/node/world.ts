/** Four nodes with stores, a transport and an inbox in one process; users sign for real, members' keys are stand-ins. */
import { nextInboxHash } from "../../src/batch/inbox.ts";
import type { InboxEntry } from "../../src/batch/types.ts";
import type { ChainInbox, InboxCursor } from "../../src/chain/port.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import { accountIdOf } from "../../src/ledger/instruction.ts";
import type { LedgerGenesis } from "../../src/ledger/types.ts";
import { addressOf } from "../../src/lib/ecdsa.ts";
import { ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../src/member/limits.ts";
import { loadCheckpoint } from "../../src/node/checkpoint-record.ts";
import { loadLoss, signsIn } from "../../src/node/loss.ts";
import { createNodeMetrics } from "../../src/node/metrics.ts";
import { Node } from "../../src/node/node.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { silentMetrics } from "../../src/telemetry/silent.ts";
import {
  createTestCommitteeWith,
  createTestGenesis,
  realIdentities,
  TEST_CHAIN_ID,
  TEST_TOKEN,
  type TestCommittee,
} from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { createStandInEngine } from "../../src/testing/stand-in.ts";
import type { Committee } from "../../src/threshold/committee.ts";
import { createMemoryHub, type MemoryHub } from "../../src/transport/memory.ts";
import type { Transport } from "../../src/transport/port.ts";
import { loggerOf } from "./support.ts";

export const OWNER_SECRET = createRandom(99, "owner").bytes(32);
export const OWNER = addressOf(OWNER_SECRET);
export const ACCOUNT = accountIdOf(OWNER);
export const N = 4;

/** An inbox whose entries the test writes; starts from where the node asks. */
function fakeInbox(entries: readonly InboxEntry[], from: bigint): ChainInbox {
  let timer: NodeJS.Timeout | undefined;
  let cursor: InboxCursor = { index: from, hash: ZERO_BYTES32, block: 0n };
  return {
    chainId: TEST_CHAIN_ID,
    start(onEntries) {
      timer = setTimeout(() => {
        const fresh = entries.filter((entry) => entry.index >= from);
        let hash = ZERO_BYTES32;
        for (const entry of entries) hash = nextInboxHash(hash, entry);
        cursor = { index: BigInt(entries.length), hash, block: 7n };
        if (fresh.length > 0) onEntries(fresh, cursor);
      }, 10);
    },
    async stop() {
      clearTimeout(timer);
    },
    status: () => ({
      chainId: TEST_CHAIN_ID,
      state: "following",
      cursor,
      finalBlock: 7n,
      healthyEndpoints: 1,
      endpoints: 1,
    }),
  };
}

interface WorldOptions {
  /** In memory by default. */
  readonly openStore?: (index: number, committee: Committee) => Store;
  readonly heartbeatRounds?: number | undefined;
  /** Messages that a member keeps for another that is away; the oldest go. */
  readonly maxQueuedMessages?: number;
  readonly maxHeldBytes?: number | undefined;
}

export interface World {
  readonly test: TestCommittee;
  readonly genesis: LedgerGenesis;
  readonly hub: MemoryHub;
  readonly stores: Store[];
  readonly nodes: Node[];
  readonly transports: Transport[];
  readonly fatal: unknown[];
  /** Nodes that said they were behind. */
  readonly behind: Set<number>;
  start(index: number): Promise<Node>;
}

export function createWorld(options: WorldOptions = {}): World {
  const { openStore = () => createMemoryStore(), heartbeatRounds = 64, maxQueuedMessages } = options;
  const { maxHeldBytes = DEFAULT_CONSENSUS_LIMITS.maxHeldBytes } = options;
  const random = createRandom(1, "node");
  const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
  const test = createTestCommitteeWith(N, random, "stand-in", engines);
  const genesis = createTestGenesis(test.committee);
  const hub = createMemoryHub({
    addresses: test.committee.members.map(({ address }) => address),
    ...(maxQueuedMessages === undefined ? {} : { limits: { maxQueuedMessages } }),
  });
  const deposit: InboxEntry = {
    kind: "deposit",
    index: 0n,
    token: TEST_TOKEN,
    amount: 1_000n,
    account: ACCOUNT,
    refundTo: OWNER,
    total: 1_000n,
  };
  const world: World = {
    test,
    genesis,
    hub,
    stores: Array.from({ length: N }, (_, index) => openStore(index, test.committee)),
    nodes: [],
    transports: [],
    fatal: [],
    behind: new Set(),
    async start(index) {
      const transport = hub.endpoint(index);
      world.transports[index] = transport;
      const node = new Node({
        member: {
          committee: test.committee,
          genesis,
          self: index,
          secrets: test.secrets[index]!,
          engines,
          createCoin: test.createCoin,
          // Users sign for real; members' blocks and shares are stand-ins.
          identities: realIdentities,
          blockSigner: test.identities,
          retainedRounds: 64,
          activityWindow: 32,
          checkpoint: loadCheckpoint(world.stores[index]!),
          checkpointRounds: 4,
          heartbeatRounds,
          signsIn: (epoch) => signsIn(loadLoss(world.stores[index]!), epoch),
          consensusLimits: { ...DEFAULT_CONSENSUS_LIMITS, maxHeldBytes },
          limits: DEFAULT_MEMBER_LIMITS,
          pacing: { busyIntervalMs: 1, idleIntervalMs: 20, retryMs: 100 },
        },
        store: { ...forwarding(world.stores[index]!), close: () => {} },
        transport,
        peersOf: () => [],
        createInboxes: (from) => [fakeInbox([deposit], from(TEST_CHAIN_ID).index)],
        inboxReach: 256n,
        market: undefined,
        logger: loggerOf(index),
        metrics: createNodeMetrics(silentMetrics()),
        nowMs: () => performance.now(),
        onFatal: (error) => world.fatal.push(error),
        onBehind: () => world.behind.add(index),
      });
      world.nodes[index] = node;
      await node.start();
      return node;
    },
  };
  return world;
}

/** A store outlives the node that uses it, as a disk does. */
export function forwarding(store: Store): Omit<Store, "close"> {
  return {
    write: (batch) => store.write(batch),
    epochStart: () => store.epochStart(),
    epoch: (epoch) => store.epoch(epoch),
    epochs: () => store.epochs(),
    snapshot: (epoch) => store.snapshot(epoch),
    checkpoint: (sequence) => store.checkpoint(sequence),
    log: () => store.log(),
    block: (digest) => store.block(digest),
    register: (kind, position) => store.register(kind, position),
    registerTop: (kind) => store.registerTop(kind),
    meta: (key) => store.meta(key),
    batch: (sequence) => store.batch(sequence),
    batches: (from, to, limit) => store.batches(from, to, limit),
    latestBatch: () => store.latestBatch(),
    certificate: (sequence, suite) => store.certificate(sequence, suite),
    certificates: (options) => store.certificates(options),
    receipt: (id) => store.receipt(id),
    entries: (destination, from, to, limit) => store.entries(destination, from, to, limit),
    entryCount: (destination) => store.entryCount(destination),
  };
}
