import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { verifyCertificate } from "../../src/batch/certificate.ts";
import { nextInboxHash } from "../../src/batch/inbox.ts";
import type { InboxEntry } from "../../src/batch/types.ts";
import type { ChainInbox, InboxCursor } from "../../src/chain/port.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import { saveEncryptionKey } from "../../src/keys/encryption-key-file.ts";
import { type EpochKeys, encryptionKeyPath, openEpochKeys } from "../../src/keys/epoch-keys.ts";
import { saveMemberKeys } from "../../src/keys/member-keys.ts";
import { createNativeKeyAgreement } from "../../src/keys/native-agreement.ts";
import type { PasswordSource } from "../../src/keys/port.ts";
import { accountIdOf, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import { encodeTransaction } from "../../src/ledger/reconfiguration/codec.ts";
import { makeApproval } from "../../src/ledger/reconfiguration/make.ts";
import { createReshareScheme } from "../../src/ledger/reconfiguration/scheme.ts";
import type { Proposal, ReshareScheme } from "../../src/ledger/reconfiguration/types.ts";
import type { LedgerGenesis, SignedInstruction } from "../../src/ledger/types.ts";
import { addressOf, signDigest } from "../../src/lib/ecdsa.ts";
import { ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../src/member/limits.ts";
import { loadEpochStart } from "../../src/node/epoch-start.ts";
import { createNodeMetrics } from "../../src/node/metrics.ts";
import { Node } from "../../src/node/node.ts";
import type { ReshareWorker } from "../../src/node/reshare-port.ts";
import { createReshareThread } from "../../src/node/reshare-thread.ts";
import { createResharer, isShareOf } from "../../src/node/resharer.ts";
import { createVerdicts, type Verdicts } from "../../src/node/verdicts.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { silentMetrics } from "../../src/telemetry/silent.ts";
import {
  createTestCommitteeWith,
  createTestGenesis,
  TEST_ASSET,
  TEST_CHAIN_ID,
  TEST_TOKEN,
  type TestCommittee,
} from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { createDealEngines } from "../../src/threshold/deal-engines.ts";
import { announceEncryptionKey, encryptionSecret } from "../../src/threshold/encryption-key.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { SUITES } from "../../src/threshold/types.ts";
import { publicKeyOf } from "../../src/transport/identity.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../../src/transport/memory.ts";
import { loggerOf, until } from "./support.ts";
import { ACCOUNT, N, OWNER, OWNER_SECRET } from "./world.ts";

const PASSWORD: PasswordSource = { kind: "environment", name: "P", environment: { P: "a password" } };
const STRENGTH = { password: PASSWORD, strength: "lightForDevnet" } as const;

const DEPOSIT: InboxEntry = {
  kind: "deposit",
  index: 0n,
  token: TEST_TOKEN,
  amount: 1_000n,
  account: ACCOUNT,
  refundTo: OWNER,
  total: 1_000n,
};

/** A second deposit, seen by one member before the others: its report is in the tally when the epoch ends. */
const LATE_DEPOSIT: InboxEntry = { ...DEPOSIT, index: 1n, amount: 7n, total: 1_007n };

class Chain {
  readonly entries: InboxEntry[] = [DEPOSIT];
  readonly #watchers = new Map<number, () => void>();

  inbox(index: number, from: bigint): ChainInbox {
    let cursor: InboxCursor = { index: from, hash: ZERO_BYTES32, block: 0n };
    return {
      chainId: TEST_CHAIN_ID,
      start: (onEntries) => {
        this.#watchers.set(index, () => {
          let hash = ZERO_BYTES32;
          for (const entry of this.entries) hash = nextInboxHash(hash, entry);
          const fresh = this.entries.filter((entry) => entry.index >= cursor.index);
          cursor = { index: BigInt(this.entries.length), hash, block: 7n };
          if (fresh.length > 0) onEntries(fresh, cursor);
        });
        setTimeout(() => this.#watchers.get(index)?.(), 10);
      },
      stop: async () => void this.#watchers.delete(index),
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

  show(index: number): void {
    this.#watchers.get(index)?.();
  }
}

describe("node: the committee changes under real cryptography", () => {
  let directory: string;
  let test: TestCommittee;
  let genesis: LedgerGenesis;
  let network: MemoryNetwork;
  let chain: Chain;
  let worker: ReshareWorker;
  let verdicts: Verdicts;
  let reshare: ReshareScheme;
  let stores: Store[];
  let nodes: Node[];
  let fatal: unknown[];

  const keysOf = (index: number): EpochKeys =>
    openEpochKeys({ directory: join(directory, `keys-${index}`), password: PASSWORD });

  before(async () => {
    const engines = await createEngines("fast");
    test = createTestCommitteeWith(N, createRandom(2, "reshare"), "real", engines);
    genesis = createTestGenesis(test.committee);
    worker = createReshareThread();
    verdicts = createVerdicts(worker);
    reshare = createReshareScheme({
      engines,
      deals: await createDealEngines("fast"),
      agreement: createNativeKeyAgreement(),
      faultOfDeal: verdicts.faultOfDeal,
    });
  });
  after(() => worker.close());

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "clockless-reshare-"));
    network = createMemoryNetwork();
    chain = new Chain();
    stores = Array.from({ length: N }, () => createMemoryStore());
    nodes = [];
    fatal = [];
    for (const [index, secrets] of test.secrets.entries()) {
      mkdirSync(join(directory, `keys-${index}`), { mode: 0o700 });
      await saveMemberKeys(
        join(directory, `keys-${index}`),
        { identity: secrets.identity, shares: secrets.shares! },
        STRENGTH,
      );
    }
    for (let index = 0; index < N; index++) await start(index);
    await until("the first deposit is certified", () => nodes.every(({ member }) => member.certifiedSequence >= 1n));
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  /** As run-epoch.ts does it, over a transport and a disk of this process. */
  async function start(index: number): Promise<Node> {
    const keys = keysOf(index);
    const from = loadEpochStart(stores[index]!);
    const committee = from?.committee ?? test.committee;
    const { identity } = test.secrets[index]!;
    const { address } = test.committee.members[index]!;
    const self = committee.members.findIndex((member) => member.address === address);
    const shares = await keys.shares(committee.epoch);
    const store = stores[index]!;
    const node = new Node({
      member: {
        committee,
        genesis,
        start: from,
        self,
        secrets: { identity, shares },
        engines: test.engines,
        createCoin: test.createCoin,
        reshare,
        identities: test.identities,
        retainedRounds: 64,
        activityWindow: 32,
        consensusLimits: DEFAULT_CONSENSUS_LIMITS,
        limits: DEFAULT_MEMBER_LIMITS,
        pacing: { busyIntervalMs: 20, idleIntervalMs: 150, retryMs: 300 },
      },
      // The store outlives the node, as a disk does.
      store: { ...store, close: () => {} },
      transport: network.endpoint(
        committee.members.map((member) => member.address),
        self,
      ),
      peersOf: (announced) => announced,
      createResharer: (hooks) =>
        createResharer({
          ...hooks,
          ...{ worker, verdicts, keys, engines: test.engines, store, logger: loggerOf(index) },
          sign: (digest) => signDigest(identity, digest),
          holds: shares === undefined ? undefined : committee,
        }),
      createInboxes: (inboxFrom) => [chain.inbox(index, inboxFrom(TEST_CHAIN_ID).index)],
      inboxReach: 256n,
      market: undefined,
      logger: loggerOf(index),
      metrics: createNodeMetrics(silentMetrics()),
      nowMs: () => performance.now(),
      onFatal: (error) => fatal.push(error),
    });
    nodes[index] = node;
    await node.start();
    return node;
  }

  /** The same members once more: every share is replaced, the group key stays. */
  async function announce(epoch: bigint, attempt: bigint): Promise<Proposal> {
    const members: Proposal["members"][number][] = [];
    for (const [index, { identity }] of test.secrets.entries()) {
      const address = addressOf(identity);
      const randomness = createRandom(Number(epoch), `key ${index}`).bytes(64);
      const { key, proof, signature } = announceEncryptionKey(
        { domain: test.committee.id, epoch, attempt },
        address,
        randomness,
        (digest) => signDigest(identity, digest),
      );
      const path = encryptionKeyPath(join(directory, `keys-${index}`), epoch, attempt);
      const file = { secret: encryptionSecret(randomness), publicKey: key, purpose: `epoch ${epoch}` };
      await saveEncryptionKey(path, file, STRENGTH);
      const publicKey = publicKeyOf(identity);
      members.push({ address, publicKey, multiaddrs: [], encryptionKey: key, proof, signature });
    }
    return { epoch, attempt, members };
  }

  async function approve(proposal: Proposal, count = N - 1): Promise<void> {
    for (const [index, { identity }] of test.secrets.slice(0, count).entries()) {
      const approval = makeApproval(test.committee.id, proposal, addressOf(identity), (digest) =>
        signDigest(identity, digest),
      );
      expect(await nodes[index]!.submitTransactions([encodeTransaction(approval)])).to.deep.equal(["accepted"]);
    }
  }

  const transfer = (nonce: bigint, namedBatch: bigint): SignedInstruction =>
    signInstruction(OWNER_SECRET, test.committee.id, {
      head: { signer: OWNER, lane: 0n, nonce, namedBatch },
      body: { kind: "transfer", from: ACCOUNT, to: accountIdOf(OWNER, 1n), asset: TEST_ASSET, amount: 1n },
    });
  const codeOf = (index: number, signed: SignedInstruction): string | undefined => {
    const stored = stores[index]!.receipt(instructionId(signed.instruction));
    return stored === undefined ? undefined : (JSON.parse(stored.json) as { code: string }).code;
  };
  const isIn = (epoch: bigint) => nodes.every(({ member }) => member.committee.epoch === epoch);
  const isCertified = () => nodes.every(({ member }) => member.certifiedSequence === member.ledger.sequence);

  it("refreshes every share, goes on settling and certifying, forgets the old keys, and comes back from disk", async () => {
    const proposal = await announce(1n, 1n);
    // One member alone reports a deposit, in the old epoch: the new one must hear of it again.
    chain.entries.push(LATE_DEPOSIT);
    chain.show(2);
    await approve(proposal);
    const before = transfer(0n, nodes[0]!.member.ledger.sequence);
    expect((await nodes[0]!.submit([before]))[0]!.code).to.equal("accepted");
    await until("all are in the next epoch", () => isIn(1n));
    expect(fatal).to.deep.equal([]);
    await until("the old instruction is settled", () => nodes.every((_, index) => codeOf(index, before) === "applied"));

    const { keys } = nodes[0]!.member.committee;
    for (const suite of SUITES) {
      expect(keys[suite].groupKey).to.equal(test.committee.keys[suite].groupKey);
      expect(keys[suite].publicShares).to.not.deep.equal(test.committee.keys[suite].publicShares);
    }
    await until("all sign", () => nodes.every(({ member }) => member.isSigner));
    const after = transfer(1n, nodes[0]!.member.ledger.sequence);
    await nodes[1]!.submit([after]);
    await until("settled in the new epoch", () => nodes.every((_, index) => codeOf(index, after) === "applied"));
    await until("and certified", isCertified);
    const { header } = nodes[3]!.member.ledger;
    expect(header?.epoch).to.equal(1n);
    for (const suite of SUITES) {
      const { signature } = stores[3]!.certificate(header!.sequence, suite)!;
      const groupKey = test.committee.keys[suite].groupKey;
      const isValid = verifyCertificate(test.engines[suite], groupKey, test.committee.id, {
        header: header!,
        suite,
        signature,
      });
      expect(isValid, suite).to.equal(true);
    }

    // Two more reports: with the one that was made before the change, and only with it, they are enough.
    for (const index of [0, 1]) chain.show(index);
    await until("the report from before counts", () =>
      nodes.every(({ member }) => member.ledger.destinations[0]!.inboxCursor === 2n),
    );

    await until("old keys are gone everywhere", () =>
      nodes.every((_, index) =>
        readdirSync(join(directory, `keys-${index}`)).every((name) => ["identity.json", "epoch-1"].includes(name)),
      ),
    );
    for (let index = 0; index < N; index++) {
      const shares = await keysOf(index).shares(1n);
      expect(isShareOf(test.engines, keys, index, shares!)).to.equal(true);
    }
    // Verified in the thread while the order was made, not in the ledger.
    expect(verdicts.hits).to.be.greaterThan(0);

    await nodes[1]!.stop();
    const reborn = await start(1);
    expect(reborn.committee.epoch).to.equal(1n);
    expect(reborn.member.isSigner).to.equal(true);
    const last = transfer(2n, nodes[0]!.member.ledger.sequence);
    expect((await reborn.submit([last]))[0]!.code).to.equal("accepted");
    await until("it takes part again", () => nodes.every((_, index) => codeOf(index, last) === "applied"));
    await until("all have one ledger", () => reborn.member.ledger.digest === nodes[0]!.member.ledger.digest);
    expect(fatal).to.deep.equal([]);
  });
});
