/**
 * A relayer: carries certificates from members' APIs to hubs and delivers what hubs owe. Anyone may run one, several may
 * run at once, none is trusted; the worst a bad one can do is nothing.
 */
import { createApiClient } from "../api/client.ts";
import { pause } from "../api/sse.ts";
import { createHubClient } from "../chain/hub-client.ts";
import type { JournalPort, JournalRecord } from "../chain/port.ts";
import type { RpcTuning } from "../chain/rpc-endpoint.ts";
import { createRpcPool } from "../chain/rpc-pool.ts";
import { createSigner } from "../chain/signer.ts";
import { TransactionManager } from "../chain/transaction-manager.ts";
import type { Logger, Metrics } from "../telemetry/port.ts";
import { createEngines } from "../threshold/engines.ts";
import type { Engine, Suite } from "../threshold/types.ts";
import { ChainWorker } from "./chain-worker.ts";
import { type RelayerChainConfig, type RelayerConfig, readSenderKey } from "./config.ts";
import { RelayerError } from "./errors.ts";
import { type Journal, openJournal } from "./journal.ts";
import { createRelayerMetrics } from "./metrics.ts";
import { CertificateSource } from "./source.ts";
import type { Plan, RelayerEvent, RelayerStatus } from "./types.ts";

export interface RelayerDependencies {
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
  /** Where `privateKeyEnvironment` is looked up; this room does not read the process. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Default: the fast engines. */
  readonly engines?: Readonly<Record<Suite, Engine>> | undefined;
  /** Default: the journal in `dataDir`. `memory` for dry runs beside a relayer that holds the file. */
  readonly journal?: "file" | "memory" | JournalPort | undefined;
  readonly onEvent?: ((event: RelayerEvent) => void) | undefined;
  readonly now?: (() => number) | undefined;
  readonly rpcTuning?: Partial<RpcTuning> | undefined;
}

export interface Relayer {
  /** One turn over all chains; with `dryRun` nothing is sent or journalled, and the plan says what would be and its cost. */
  runOnce(options?: {
    readonly dryRun?: boolean | undefined;
    readonly signal?: AbortSignal | undefined;
  }): Promise<Plan>;
  /** Turns for ever, `pollingIntervalMs` apart. */
  start(): void;
  /** Resolves when the turn that runs has ended and the journal is closed. */
  stop(): Promise<void>;
  status(): RelayerStatus;
  /** Transactions of the journal, newest first. */
  queue(limit: number): readonly JournalRecord[];
  /** Tries again at once what was put aside because it failed. */
  retry(): void;
}

/** Throws RelayerError `badConfig`, `keyFileMissing`, `keyFilePermissions`, `journalLocked`, `journalFailure`; ChainError `badConfig`. */
export async function createRelayer(config: RelayerConfig, deps: RelayerDependencies): Promise<Relayer> {
  const keys = config.chains.map((chain) => readSenderKey(chain, deps.environment ?? {}));
  const signers = keys.map(createSigner);
  const names = new Set(config.chains.map(({ chainId }, i) => `${chainId} ${signers[i]!.address}`));
  if (names.size < config.chains.length) {
    // Two workers would hand out the same nonces.
    throw new RelayerError("badConfig", "two hubs of one chain need two senders");
  }
  const engines = deps.engines ?? (await createEngines("fast"));
  const journal = chooseJournal(config, deps);
  const now = deps.now ?? (() => Date.now());
  const metrics = deps.metrics === undefined ? undefined : createRelayerMetrics(deps.metrics);
  const source = new CertificateSource({
    apis: config.apis.map((url) => createApiClient({ url })),
    engines,
    logger: deps.logger,
    now,
  });
  const onEvent = (event: RelayerEvent) => {
    metrics?.count(event);
    try {
      deps.onEvent?.(event);
    } catch (error) {
      // A listener's failure must not keep a transaction from being followed.
      deps.logger.error("a relayer event's listener failed", { kind: event.kind, error: String(error) });
    }
  };
  const workers = config.chains.map((chain, i) => {
    const logger = deps.logger.child({ chainId: chain.chainId.toString() });
    const pool = createRpcPool({ chainId: chain.chainId, urls: chain.rpcUrls, tuning: deps.rpcTuning });
    return new ChainWorker({
      config: chain,
      pool,
      hub: createHubClient(pool, chain.hub),
      source,
      logger,
      onEvent,
      now,
      backupMs: config.rank * config.backupDelayMs,
      createManager: (report) =>
        new TransactionManager({
          ...managerOptions(chain),
          pool,
          signer: signers[i]!,
          journal,
          logger,
          now,
          onEvent: report,
        }),
    });
  });
  return new RelayerService(config.pollingIntervalMs, deps.logger, workers, source, journal, metrics?.observe);
}

class RelayerService implements Relayer {
  readonly #pollingIntervalMs: number;
  readonly #logger: Logger;
  readonly #workers: readonly ChainWorker[];
  readonly #source: CertificateSource;
  readonly #journal: Journal;
  readonly #observe: ((status: RelayerStatus) => void) | undefined;
  #abort: AbortController | undefined;
  #loop: Promise<void> | undefined;
  /** Turns never overlap: two at once would reserve the same nonces. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    pollingIntervalMs: number,
    logger: Logger,
    workers: readonly ChainWorker[],
    source: CertificateSource,
    journal: Journal,
    observe: ((status: RelayerStatus) => void) | undefined,
  ) {
    this.#pollingIntervalMs = pollingIntervalMs;
    this.#logger = logger;
    this.#workers = workers;
    this.#source = source;
    this.#journal = journal;
    this.#observe = observe;
  }

  runOnce(options: { dryRun?: boolean | undefined; signal?: AbortSignal | undefined } = {}): Promise<Plan> {
    const next = this.#turn.then(() => this.#runTurn(options.dryRun ?? false, options.signal));
    this.#turn = next.catch(() => undefined);
    return next;
  }

  start(): void {
    if (this.#loop !== undefined) throw new RelayerError("badConfig", "the relayer runs already");
    const abort = new AbortController();
    this.#abort = abort;
    this.#loop = this.#runForEver(abort.signal);
    // Whoever started it learns of a fatal error from stop(); an unhandled rejection would hide the log line before it.
    this.#loop.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#abort?.abort();
    for (const worker of this.#workers) worker.close();
    try {
      await this.#loop;
      await this.#turn;
    } finally {
      this.#loop = undefined;
      this.#journal.close();
    }
  }

  status(): RelayerStatus {
    const chains = this.#workers.map((worker) => worker.status());
    return {
      isRunning: this.#loop !== undefined && this.#abort?.signal.aborted === false,
      chains,
      ...this.#source.health(),
    };
  }

  queue(limit: number): readonly JournalRecord[] {
    return this.#journal.list(limit);
  }

  retry(): void {
    for (const worker of this.#workers) worker.retry();
  }

  async #runTurn(dryRun: boolean, signal: AbortSignal | undefined): Promise<Plan> {
    // A chain that is down or slow costs the others at most its RPC time-outs.
    const plans = await Promise.all(this.#workers.map((worker) => worker.turn(dryRun, signal)));
    if (!dryRun) this.#observe?.(this.status());
    return {
      actions: plans.flatMap((plan) => plan.actions),
      waiting: plans.flatMap((plan) => plan.waiting),
      problems: plans.flatMap((plan) => plan.problems),
    };
  }

  async #runForEver(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.runOnce({ signal });
      } catch (error) {
        if (signal.aborted) return;
        // Only the journal and bugs come here: go no further without a record of what is sent.
        this.#logger.error("the relayer stops", { error: String(error) });
        throw error;
      }
      await pause(this.#pollingIntervalMs, signal);
    }
  }
}

function managerOptions(chain: RelayerChainConfig) {
  const { finality, maxFeePerGasWei: maxFeePerGasCapWei, replaceAfterMs, lowBalanceWei } = chain;
  return { finality, maxFeePerGasCapWei, replaceAfterMs, lowBalanceWei };
}

function chooseJournal(config: RelayerConfig, deps: RelayerDependencies): Journal {
  if (deps.journal === "memory") return openJournal(undefined);
  if (deps.journal === undefined || deps.journal === "file") return openJournal(config.dataDir);
  return { list: () => [], close: () => undefined, ...bound(deps.journal) };
}

function bound(journal: JournalPort): JournalPort {
  return {
    reserve: (record) => journal.reserve(record),
    update: (record) => journal.update(record),
    open: (chainId, sender) => journal.open(chainId, sender),
  };
}
