/** Runs a node from one beginning: its first epoch, what its store kept, or what it learned from others. */
import { createInboxWatcher } from "../chain/inbox-watcher.ts";
import { DEFAULT_ACTIVITY_WINDOW, DEFAULT_CONSENSUS_LIMITS, DEFAULT_RETAINED_ROUNDS } from "../consensus/limits.ts";
import type { EpochKeys } from "../keys/epoch-keys.ts";
import { checkMemberKeys, shareFile } from "../keys/member-keys.ts";
import { createNativeSigner } from "../keys/native-signer.ts";
import { KeyError } from "../keys/port.ts";
import { INBOX_LOOKAHEAD, MAX_TRANSACTION_BYTES } from "../ledger/limits.ts";
import type { ProposedMember, ReshareScheme } from "../ledger/reconfiguration/types.ts";
import type { LedgerGenesis, SignedInstruction } from "../ledger/types.ts";
import type { Address } from "../lib/hex.ts";
import { DEFAULT_MEMBER_LIMITS } from "../member/limits.ts";
import type { MemberConfig, Shares } from "../member/types.ts";
import type { Store } from "../storage/port.ts";
import type { Logger } from "../telemetry/port.ts";
import { createCoin } from "../threshold/coin.ts";
import type { Committee } from "../threshold/committee.ts";
import { type Engine, SUITES, type Suite } from "../threshold/types.ts";
import { usableAddresses } from "../transport/addresses.ts";
import { createLibp2pTransport } from "../transport/libp2p.ts";
import type { PeerConfig } from "../transport/port.ts";
import { createApiServer } from "./api/server.ts";
import { loadCheckpoint } from "./checkpoint-record.ts";
import type { NodeConfig } from "./config.ts";
import type { EpochStart } from "./epoch-start.ts";
import { loadLoss, signsIn } from "./loss.ts";
import { createMarketPoller } from "./market.ts";
import type { NodeMetrics } from "./metrics.ts";
import { type InboxStart, Node } from "./node.ts";
import type { ReshareWorker } from "./reshare-port.ts";
import { createResharer, isShareOf } from "./resharer.ts";
import type { Verdicts } from "./verdicts.ts";
import { createNodeView } from "./view.ts";

/** An answer to a fetch ends with the block that brings it past one block's size; references and framing come on top. */
export const MAX_FRAME_BYTES =
  2 * Math.max(DEFAULT_CONSENSUS_LIMITS.maxBlockBytes, MAX_TRANSACTION_BYTES) +
  64 * DEFAULT_CONSENSUS_LIMITS.maxFetchRefs +
  2048;

/** K / 4 each: the newest final checkpoint is then half of K old at most, and what lies above its floor is still kept by all. */
export const CHECKPOINT_ROUNDS = DEFAULT_RETAINED_ROUNDS / 4;
/** Some 20,000 transfers: what whoever starts from a checkpoint settles again takes a few seconds, however many it missed. */
const CHECKPOINT_BYTES = 4 * 1024 * 1024;
/** Part of the committee's rules, like K. */
const HEARTBEAT_ROUNDS = DEFAULT_RETAINED_ROUNDS / 4;

/** What stays the same from one beginning to the next. */
export interface NodeTools {
  readonly config: NodeConfig;
  /** Of the committee file: epoch 0. */
  readonly first: Committee;
  readonly genesis: LedgerGenesis;
  /** secp256k1 secret. */
  readonly identity: Uint8Array;
  readonly address: Address;
  readonly keys: EpochKeys;
  readonly engines: Readonly<Record<Suite, Engine>>;
  readonly reshare: ReshareScheme;
  readonly worker: ReshareWorker;
  readonly verdicts: Verdicts;
  readonly store: Store;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
  readonly version: string;
  /** Where the API listens; a node that begins again keeps its port. */
  readonly apiPort: number;
  readonly onFatal: (error: unknown) => void;
  readonly onBehind: (epoch: bigint) => void;
  readonly onLeft: (undecided: readonly SignedInstruction[]) => void;
}

export interface EpochRun {
  readonly node: Node;
  readonly url: string;
  close(): Promise<void>;
}

/**
 * `start` undefined: the first epoch. The store's log must be of the epoch that begins so, and `index` ours in it. Opens
 * everything, or nothing; the store stays open. Throws KeyError, TransportError, StoreError, LedgerError `badSnapshot`.
 */
export async function runEpoch(tools: NodeTools, start: EpochStart | undefined, index: number): Promise<EpochRun> {
  const { config, first, genesis, identity, engines, reshare, store, metrics, logger } = tools;
  const committee = start?.committee ?? first;
  const shares = await sharesOf(tools, committee, index);
  const signer = createNativeSigner();
  const member: MemberConfig = {
    committee,
    genesis,
    start,
    checkpoint: loadCheckpoint(store),
    checkpointRounds: CHECKPOINT_ROUNDS,
    checkpointBytes: CHECKPOINT_BYTES,
    heartbeatRounds: HEARTBEAT_ROUNDS,
    self: index,
    secrets: { identity, shares },
    signsIn: (epoch) => signsIn(loadLoss(store), epoch),
    engines,
    createCoin: ({ id, epoch, keys }, share) =>
      createCoin({
        engine: engines["bls12-381"],
        key: keys["bls12-381"],
        committeeId: id,
        epoch,
        ...(share === undefined ? {} : { secretShare: share }),
      }),
    reshare,
    identities: signer,
    blockSigner: signer,
    retainedRounds: DEFAULT_RETAINED_ROUNDS,
    activityWindow: DEFAULT_ACTIVITY_WINDOW,
    consensusLimits: DEFAULT_CONSENSUS_LIMITS,
    limits: DEFAULT_MEMBER_LIMITS,
    pacing: config.pacing,
  };
  const node = new Node({
    member,
    transport: createLibp2pTransport({
      committeeId: committee.id,
      self: index,
      identity,
      listen: config.p2p.listen,
      members: start === undefined ? config.p2p.peers : peersOf(config, start.peers),
      limits: { maxFrameBytes: MAX_FRAME_BYTES },
    }),
    peersOf: (announced) => peersOf(config, announced),
    store,
    createResharer: (hooks) =>
      createResharer({
        ...tools,
        ...hooks,
        sign: (digest) => signer.sign(identity, digest),
        holds: shares === undefined ? undefined : committee,
      }),
    inboxReach: INBOX_LOOKAHEAD,
    createInboxes: (from) => createWatchers(tools, from),
    market: config.market === undefined ? undefined : createMarketPoller({ ...config.market, logger }),
    logger,
    metrics,
    nowMs: () => performance.now(),
    onFatal: tools.onFatal,
    onBehind: tools.onBehind,
    onLeft: tools.onLeft,
  });
  const server = createServer(tools, node);
  try {
    await node.start();
    const { url } = await server.listen();
    logger.info("the node runs", {
      index,
      epoch: committee.epoch,
      committeeId: committee.id,
      api: url,
      address: tools.address,
    });
    return { node, url, close: () => closeBoth(server, node) };
  } catch (error) {
    await closeBoth(server, node);
    throw error;
  }
}

async function closeBoth(server: { close(): Promise<void> }, node: Node): Promise<void> {
  await server.close();
  await node.stop();
}

/** Undefined: this member follows the epoch without signing, until it has opened them. Throws KeyError. */
async function sharesOf(
  { keys, engines, identity, store, logger }: NodeTools,
  committee: Committee,
  index: number,
): Promise<Shares | undefined> {
  const { epoch } = committee;
  const shares = await keys.shares(epoch);
  if (epoch === 0n && shares !== undefined) {
    checkMemberKeys({ identity, shares }, { committee, index, engines });
    return shares;
  }
  if (shares !== undefined && isShareOf(engines, committee.keys, index, shares)) return shares;
  // Shares of an epoch that is over are erased; what closed it is stored then.
  if (epoch === 0n && store.epochs().length === 0) {
    throw new KeyError("keyFileMissing", `The key folder has no ${shareFile(SUITES[0])}`, {
      details: { path: keys.directory },
    });
  }
  logger.warn("no shares of this epoch in the key folder: this member signs nothing until it has opened them", {
    epoch,
  });
  return undefined;
}

/** What the operator says comes first: it may know a shorter way than the one that everybody was told. */
function peersOf(config: NodeConfig, peers: readonly ProposedMember[]): PeerConfig[] {
  return peers.map(({ address, publicKey, multiaddrs }) => {
    const configured = config.p2p.peers.find((peer) => peer.address === address)?.multiaddrs ?? [];
    const usable = usableAddresses([...configured, ...multiaddrs], publicKey);
    return { address, publicKey, multiaddrs: [...new Set(usable)] };
  });
}

function createWatchers({ config, genesis, logger }: NodeTools, from: (chainId: bigint) => InboxStart) {
  return config.chains.map((chain) => {
    const start = from(chain.chainId);
    const { vault } = genesis.chains.find(({ chainId }) => chainId === chain.chainId)!;
    return createInboxWatcher({
      chainId: chain.chainId,
      vault,
      rpcs: chain.rpcUrls,
      requiredAgreement: chain.requiredAgreement,
      finality: chain.finality,
      fromIndex: start.index,
      fromHash: start.hash,
      fromBlock: start.block ?? chain.fromBlock,
      pollingIntervalMs: chain.pollingIntervalMs,
      logger: logger.child({ chainId: chain.chainId.toString() }),
    });
  });
}

function createServer(tools: NodeTools, node: Node): ReturnType<typeof createApiServer> {
  const { config, first, genesis, store, metrics, logger, version, apiPort } = tools;
  const { host, corsOrigins, requestsPerSecond } = config.api;
  return createApiServer(
    createNodeView({ node, first, genesis, store, metrics }),
    {
      version,
      host,
      port: apiPort,
      cors: corsOrigins.length === 0 ? undefined : { origins: corsOrigins },
      rateLimit: requestsPerSecond === 0 ? undefined : { perSecond: requestsPerSecond, burst: 4 * requestsPerSecond },
    },
    logger,
  );
}
