/**
 * Puts a node together from its configuration, decides where it begins, and begins again when the committee went on without it:
 *
 *   the store knows an epoch of ours     go on there, from its snapshot and log
 *   the committee file lists us          the first epoch
 *   otherwise                            learn from members' APIs when an epoch has us (join.ts)
 */
import { readFileSync } from "node:fs";
import { createApiClient } from "../api/client.ts";
import { openEpochKeys } from "../keys/epoch-keys.ts";
import { createNativeKeyAgreement } from "../keys/native-agreement.ts";
import type { PasswordSource } from "../keys/port.ts";
import { createReshareScheme } from "../ledger/reconfiguration/scheme.ts";
import type { SignedInstruction } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { addressOf } from "../lib/ecdsa.ts";
import { ClocklessError } from "../lib/errors.ts";
import { lockDirectory, MEMBER_LOCK_FILE } from "../storage/lock.ts";
import { openSqliteStore } from "../storage/sqlite.ts";
import type { Logger } from "../telemetry/port.ts";
import { createPrometheusMetrics } from "../telemetry/prometheus.ts";
import type { Committee } from "../threshold/committee.ts";
import { createDealEngines } from "../threshold/deal-engines.ts";
import { createEngines } from "../threshold/engines.ts";
import { catchUp, type LearnOptions } from "./catch-up.ts";
import { parseCommitteeFile } from "./committee-file.ts";
import type { NodeConfig } from "./config.ts";
import { type EpochStart, indexOf, type LearnContext, loadEpochStart, storedEpochOf } from "./epoch-start.ts";
import { joinCommittee } from "./join.ts";
import { createNodeMetrics } from "./metrics.ts";
import type { Node } from "./node.ts";
import { createReshareThread } from "./reshare-thread.ts";
import { type EpochRun, type NodeTools, runEpoch } from "./run-epoch.ts";
import { createVerdicts } from "./verdicts.ts";

/** Between two passes over members' APIs while peers say that we are behind. */
const CATCH_UP_PAUSE_MS = 3_000;

export class NodeConfigError extends ClocklessError<
  "notInCommittee" | "peersMismatch" | "unknownChain" | "unreadableFile"
> {
  override readonly name = "NodeConfigError";
}

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

/** Runs one epoch's beginning after the other; what the node goes through by itself needs none of this. */
class Supervisor {
  #tools: NodeTools;
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  #run: EpochRun | undefined;
  #begun: Promise<void> = Promise.resolve();
  /** Learning in the background, or beginning again: one at a time. */
  #learning: Promise<void> | undefined;
  #hasWarned = false;

  constructor(tools: Omit<NodeTools, "onBehind" | "onLeft">, signal: AbortSignal | undefined) {
    this.#tools = {
      ...tools,
      onBehind: () => this.#learn(() => this.#catchUp()),
      onLeft: (undecided) => this.#left(undecided),
    };
    this.#signal = signal === undefined ? this.#stopping.signal : AbortSignal.any([signal, this.#stopping.signal]);
  }

  /** What the node has running already. */
  get #learnOptions(): LearnOptions {
    return { scheme: this.#tools.reshare };
  }

  get run(): EpochRun {
    assert(this.#run !== undefined, "there is a run between begin and stop");
    return this.#run;
  }

  async begin(): Promise<void> {
    const { store, first, address, config } = this.#tools;
    const stored = loadEpochStart(store);
    if (stored !== undefined) return this.#begin(stored);
    if (config.index !== undefined || indexOf(first, address) !== undefined) return this.#begin(undefined);
    if (config.join === undefined) {
      throw new NodeConfigError(
        "notInCommittee",
        `${address} is no member in the committee file; join.apis says whom to ask for a later epoch that has it`,
        { details: { address } },
      );
    }
    const start = await joinCommittee(this.#context(undefined), this.#learnOptions);
    store.write({ epoch: storedEpochOf(start, true) });
    await this.#begin(start);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#learning;
    await this.#run?.close();
    this.#run = undefined;
  }

  async #begin(start: EpochStart | undefined): Promise<void> {
    const index = start === undefined ? firstIndex(this.#tools) : indexOf(start.committee, this.#tools.address);
    assert(index !== undefined, "an epoch that a node begins in has it");
    this.#begun = runEpoch(this.#tools, start, index).then((run) => {
      this.#run = run;
    });
    await this.#begun;
  }

  /** Peers went on to an epoch that we did not see begin: what they keep of ours is not enough to follow any more. */
  async #catchUp(): Promise<void> {
    const { logger, config } = this.#tools;
    const start = await catchUp(this.#context(this.run.node.committee.epoch), this.#learnOptions);
    if (start !== undefined) return this.#beginAgain(start);
    logger.warn("no API of join.apis could prove a later epoch that has this member; it is tried again", {
      apis: config.join?.apis,
    });
    await pause(CATCH_UP_PAUSE_MS, this.#signal);
  }

  #left(undecided: readonly SignedInstruction[]): void {
    void this.#handOn(undecided);
    // Whoever left may be elected again, if it says whom to ask.
    if (this.#tools.config.join === undefined) return;
    this.#learn(async () =>
      this.#beginAgain(await joinCommittee(this.#context(this.run.node.committee.epoch + 1n), this.#learnOptions)),
    );
  }

  async #beginAgain(start: EpochStart): Promise<void> {
    const { store, logger } = this.#tools;
    logger.info("going on in a later epoch, from what members' APIs proved", {
      epoch: start.committee.epoch,
      sequence: start.header.sequence,
    });
    const { node, url, close } = this.run;
    const undecided = node.member.undecided();
    await close();
    // Meanwhile it may have come there by itself.
    const stored = loadEpochStart(store);
    const newest = stored !== undefined && stored.committee.epoch >= start.committee.epoch ? stored : start;
    if (newest === start) store.write({ epoch: storedEpochOf(start, true) });
    this.#tools = { ...this.#tools, apiPort: Number(new URL(url).port) };
    await this.#begin(newest);
    if (undecided.length > 0) await this.run.node.submit(undecided);
  }

  /** In the background, unless that is going on. Its failure ends the node: it neither follows nor is where it was. */
  #learn(work: () => Promise<void>): void {
    const { config, logger, onFatal } = this.#tools;
    if (config.join === undefined) {
      if (!this.#hasWarned)
        logger.error("set join.apis to other members' APIs: without them this node cannot learn what it missed");
      this.#hasWarned = true;
      return;
    }
    if (this.#learning !== undefined || this.#signal.aborted) return;
    // Peers may speak before the run is there; if it cannot begin, whoever wanted it hears of that.
    this.#learning = this.#begun
      .then(work, () => {})
      .catch((error: unknown) => {
        if (!this.#signal.aborted) onFatal(error);
      })
      .finally(() => {
        this.#learning = undefined;
      });
  }

  /** To members who can still decide them; each checks for itself. */
  async #handOn(instructions: readonly SignedInstruction[]): Promise<void> {
    const { config, logger } = this.#tools;
    if (instructions.length === 0) return;
    for (const url of config.join?.apis ?? []) {
      try {
        await createApiClient({ url }).submit(instructions, { signal: this.#signal });
        return logger.info("handed on what this member's users were waiting for", { url, count: instructions.length });
      } catch (error) {
        logger.warn("a member did not take what this member's users were waiting for", { url, error });
      }
    }
    logger.error("instructions of this member's users are not decided: they have to be submitted to another member", {
      count: instructions.length,
    });
  }

  #context(after: bigint | undefined): LearnContext {
    const { config, genesis, identity, keys, worker, engines, logger, first } = this.#tools;
    const committee: Committee = this.#run?.node.committee ?? first;
    return {
      ...{ apis: config.join?.apis ?? [], committee, genesis, identity, keys, worker, engines, logger, after },
      signal: this.#signal,
    };
  }
}

/** In the first epoch the configuration says which member this is; the keys are checked against it. */
function firstIndex({ config, first, address }: Pick<NodeTools, "config" | "first" | "address">): number {
  const n = first.members.length;
  const index = config.index ?? indexOf(first, address);
  if (index === undefined || index >= n) {
    throw new NodeConfigError("notInCommittee", `index ${index} is no member: the committee has members 0 to ${n - 1}`);
  }
  const mismatch = first.members.findIndex((member, i) => config.p2p.peers[i]?.address !== member.address);
  if (mismatch >= 0 || config.p2p.peers.length !== n) {
    throw new NodeConfigError(
      "peersMismatch",
      "p2p.peers must list every committee member's address in the committee's order",
      {
        details: { index: mismatch >= 0 ? mismatch : n },
      },
    );
  }
  return index;
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

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new NodeConfigError("unreadableFile", `cannot read ${path}`, { details: { path }, cause });
  }
}
