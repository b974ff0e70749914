/** Puts a node together from its configuration: keys, store, engines, the thread for heavy work; supervisor.ts runs what comes of it. */
import { openEpochKeys } from "../keys/epoch-keys.ts";
import { createNativeKeyAgreement } from "../keys/native-agreement.ts";
import { installNativeKeccak } from "../keys/native-keccak.ts";
import type { PasswordSource } from "../keys/port.ts";
import { createReshareScheme } from "../ledger/reconfiguration/scheme.ts";
import { addressOf } from "../lib/ecdsa.ts";
import { lockDirectory, MEMBER_LOCK_FILE } from "../storage/lock.ts";
import { openSqliteStore } from "../storage/sqlite.ts";
import type { Logger } from "../telemetry/port.ts";
import { createPrometheusMetrics } from "../telemetry/prometheus.ts";
import { createDealEngines } from "../threshold/deal-engines.ts";
import { createEngines } from "../threshold/engines.ts";
import { countBytesWithHeap } from "./collector.ts";
import { parseCommitteeFile } from "./committee-file.ts";
import { type NodeConfig, NodeConfigError } from "./config.ts";
import { createNodeMetrics } from "./metrics.ts";
import type { Node } from "./node.ts";
import { readText } from "./read-text.ts";
import { createReshareThread } from "./reshare-thread.ts";
import { Supervisor } from "./supervisor.ts";
import { createVerdicts } from "./verdicts.ts";

export interface RunningNode {
  /** Another one after the node began again. */
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
  /** Ends the wait of who is no member yet. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens everything, or nothing: whatever fails closes what was opened before and throws its typed error. For who is no member yet
 * it resolves when an epoch has it, which may take days.
 */
export async function startNode(options: StartOptions): Promise<RunningNode> {
  const { config, password, logger, version, onFatal } = options;
  countBytesWithHeap();
  await installNativeKeccak();
  const { committee: first, genesis, definition } = parseCommitteeFile(readText(config.committeeFile));
  if (definition === undefined) {
    logger.warn("INSECURE: the committee file holds no signed definition, so one process may have dealt all keys", {
      committeeFile: config.committeeFile,
    });
  }
  checkChains(
    config,
    genesis.chains.map(({ chainId }) => chainId),
  );
  const closers: (() => void | Promise<void>)[] = [];
  const opened = <T>(thing: T, close: (thing: T) => void | Promise<void>): T => {
    closers.unshift(() => close(thing));
    return thing;
  };
  try {
    const strength = config.keys.light ? "lightForDevnet" : "full";
    const keys = openEpochKeys({ directory: config.keys.directory, password, strength });
    const identity = await keys.identity();
    const address = addressOf(identity);
    // Two processes with one key folder would sign twice, whatever data directories they have.
    opened(lockDirectory(config.keys.directory, MEMBER_LOCK_FILE), (lock) => lock.release());
    const engines = await createEngines("fast");
    const store = opened(openSqliteStore({ directory: config.dataDir, committeeId: first.id }), (it) => it.close());
    const worker = opened(createReshareThread(), (it) => it.close());
    const verdicts = createVerdicts(worker);
    const reshare = createReshareScheme({
      engines,
      deals: await createDealEngines("fast"),
      agreement: createNativeKeyAgreement(),
      faultOfDeal: verdicts.faultOfDeal,
    });
    const labels = { member: config.index === undefined ? address : String(config.index) };
    const metrics = createNodeMetrics(createPrometheusMetrics({ withProcess: true, defaultLabels: labels }));
    const shared = { config, first, genesis, identity, address, keys, engines, reshare, worker, verdicts, store };
    const supervisor = new Supervisor(
      { ...shared, metrics, logger, version, apiPort: config.api.port, onFatal },
      options.signal,
    );
    closers.unshift(() => supervisor.stop());
    await supervisor.begin();
    return {
      get node() {
        return supervisor.run.node;
      },
      get url() {
        return supervisor.run.url;
      },
      stop: () => closeAll(closers),
    };
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

async function closeAll(closers: readonly (() => void | Promise<void>)[]): Promise<void> {
  for (const close of closers) await close();
}

function checkChains(config: NodeConfig, chainIds: readonly bigint[]): void {
  for (const { chainId } of config.chains) {
    if (!chainIds.includes(chainId)) {
      throw new NodeConfigError("unknownChain", `the committee serves no hub on chain ${chainId}`, {
        details: { chainId, served: chainIds },
      });
    }
  }
}
