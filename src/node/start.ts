/** Puts a node together from its configuration: keys, store, engines, transport, watchers, API. */
import { readFileSync } from "node:fs";
import { createInboxWatcher } from "../chain/inbox-watcher.ts";
import { DEFAULT_ACTIVITY_WINDOW, DEFAULT_CONSENSUS_LIMITS, DEFAULT_RETAINED_ROUNDS } from "../consensus/limits.ts";
import { checkMemberKeys, loadMemberKeys } from "../keys/member-keys.ts";
import type { PasswordSource } from "../keys/port.ts";
import { INBOX_LOOKAHEAD } from "../ledger/limits.ts";
import { isSignatureBy, signDigest } from "../lib/ecdsa.ts";
import { ClocklessError } from "../lib/errors.ts";
import { DEFAULT_MEMBER_LIMITS } from "../member/limits.ts";
import type { MemberConfig } from "../member/types.ts";
import { openSqliteStore } from "../storage/sqlite.ts";
import type { Logger } from "../telemetry/port.ts";
import { createPrometheusMetrics } from "../telemetry/prometheus.ts";
import { createCoin } from "../threshold/coin.ts";
import type { Committee } from "../threshold/committee.ts";
import { createEngines } from "../threshold/engines.ts";
import { createLibp2pTransport } from "../transport/libp2p.ts";
import { createApiServer } from "./api/server.ts";
import { parseCommitteeFile } from "./committee-file.ts";
import type { NodeConfig } from "./config.ts";
import { createMarketPoller } from "./market.ts";
import { createNodeMetrics } from "./metrics.ts";
import { type InboxStart, Node } from "./node.ts";
import { createNodeView } from "./view.ts";

/** An answer to a fetch ends with the block that brings it past one block's size; references and framing come on top. */
const MAX_FRAME_BYTES = 2 * DEFAULT_CONSENSUS_LIMITS.maxBlockBytes + 64 * DEFAULT_CONSENSUS_LIMITS.maxFetchRefs + 2048;

export class NodeConfigError extends ClocklessError<
  "notInCommittee" | "peersMismatch" | "unknownChain" | "unreadableFile"
> {
  override readonly name = "NodeConfigError";
}

export interface RunningNode {
  readonly node: Node;
  /** Where the API answers. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly config: NodeConfig;
  readonly password: PasswordSource;
  readonly logger: Logger;
  readonly version: string;
  readonly onFatal: (error: unknown) => void;
}

/** Opens everything, or nothing: whatever fails closes what was opened before and throws its typed error. */
export async function startNode({ config, password, logger, version, onFatal }: StartOptions): Promise<RunningNode> {
  const { committee, genesis, definition } = parseCommitteeFile(readText(config.committeeFile));
  if (definition === undefined) {
    logger.warn("INSECURE: the committee file holds no signed definition, so one process may have dealt all keys", {
      committeeFile: config.committeeFile,
    });
  }
  checkConfig(
    config,
    committee,
    genesis.chains.map(({ chainId }) => chainId),
  );
  const engines = await createEngines("fast");
  const keys = await loadMemberKeys(config.keys.directory, password);
  checkMemberKeys(keys, { committee, index: config.index, engines });
  const store = openSqliteStore({ directory: config.dataDir, committeeId: committee.id });
  const closers: (() => Promise<void>)[] = [async () => store.close()];
  try {
    const metrics = createNodeMetrics(
      createPrometheusMetrics({ withProcess: true, defaultLabels: { member: String(config.index) } }),
    );
    const transport = createLibp2pTransport({
      committeeId: committee.id,
      self: config.index,
      identity: keys.identity,
      listen: config.p2p.listen,
      members: config.p2p.peers,
      limits: { maxFrameBytes: MAX_FRAME_BYTES },
    });
    const member: MemberConfig = {
      committee,
      genesis,
      self: config.index,
      secrets: keys,
      engines,
      coin: createCoin({
        engine: engines["bls12-381"],
        key: committee.keys["bls12-381"],
        committeeId: committee.id,
        epoch: committee.epoch,
        secretShare: keys.shares["bls12-381"],
      }),
      identities: {
        sign: signDigest,
        verify: (digest, signature, address) => isSignatureBy(address, digest, signature),
      },
      retainedRounds: DEFAULT_RETAINED_ROUNDS,
      activityWindow: DEFAULT_ACTIVITY_WINDOW,
      consensusLimits: DEFAULT_CONSENSUS_LIMITS,
      limits: DEFAULT_MEMBER_LIMITS,
      pacing: config.pacing,
    };
    const node = new Node({
      member,
      store,
      transport,
      inboxReach: INBOX_LOOKAHEAD,
      createInboxes: (from) =>
        config.chains.map((chain) => {
          const start: InboxStart = from(chain.chainId);
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
        }),
      market: config.market === undefined ? undefined : createMarketPoller({ ...config.market, logger }),
      logger,
      metrics,
      nowMs: () => performance.now(),
      onFatal,
    });
    closers.unshift(() => node.stop());
    await node.start();
    const view = createNodeView({ node, committee, genesis, self: config.index, store, transport, metrics });
    const { corsOrigins, requestsPerSecond } = config.api;
    const server = createApiServer(
      view,
      {
        version,
        host: config.api.host,
        port: config.api.port,
        cors: corsOrigins.length === 0 ? undefined : { origins: corsOrigins },
        rateLimit: requestsPerSecond === 0 ? undefined : { perSecond: requestsPerSecond, burst: 4 * requestsPerSecond },
      },
      logger,
    );
    closers.unshift(() => server.close());
    const { url } = await server.listen();
    logger.info("the node runs", {
      index: config.index,
      committeeId: committee.id,
      api: url,
      address: committee.members[config.index]!.address,
    });
    return { node, url, stop: () => closeAll(closers) };
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

/** The node itself closes the store; closing twice is harmless. */
async function closeAll(closers: readonly (() => Promise<void>)[]): Promise<void> {
  for (const close of closers) await close();
}

function checkConfig(config: NodeConfig, committee: Committee, chainIds: readonly bigint[]): void {
  const n = committee.members.length;
  if (config.index >= n) {
    throw new NodeConfigError(
      "notInCommittee",
      `index ${config.index} is no member: the committee has members 0 to ${n - 1}`,
    );
  }
  const mismatch = committee.members.findIndex(({ address }, index) => config.p2p.peers[index]?.address !== address);
  if (mismatch >= 0 || config.p2p.peers.length !== n) {
    throw new NodeConfigError(
      "peersMismatch",
      "p2p.peers must list every committee member's address in the committee's order",
      {
        details: { index: mismatch >= 0 ? mismatch : n },
      },
    );
  }
  for (const { chainId } of config.chains) {
    if (!chainIds.includes(chainId)) {
      throw new NodeConfigError("unknownChain", `the committee serves no hub on chain ${chainId}`, {
        details: { chainId, served: chainIds },
      });
    }
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new NodeConfigError("unreadableFile", `cannot read ${path}`, { details: { path }, cause });
  }
}
