/**
 * Decides where a node begins, and begins again when the committee went on without it:
 *
 *   the store was declared lost          follow the newest epoch that members' APIs prove, without signing (loss.ts)
 *   the store knows an epoch of ours     go on there, from its snapshot and log
 *   the committee file lists us          the first epoch
 *   otherwise                            learn from members' APIs when an epoch has us (join.ts)
 */
import { type ApiClient, createApiClient } from "../api/client.ts";
import { pause } from "../api/sse.ts";
import { DEFAULT_ACTIVITY_WINDOW, DEFAULT_RETAINED_ROUNDS } from "../consensus/limits.ts";
import type { SignedInstruction } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { checkpointAfter, leadsFurther } from "../member/checkpoints.ts";
import type { Checkpoint } from "../member/types.ts";
import type { Committee } from "../threshold/committee.ts";
import { backfill, gapBefore, loadGaps } from "./backfill.ts";
import { catchUp, type LearnOptions, newestCommittee } from "./catch-up.ts";
import { findCheckpoint, isFarBehind } from "./checkpoint-catch-up.ts";
import { loadCheckpoint, storedCheckpointOf } from "./checkpoint-record.ts";
import { NodeConfigError } from "./config.ts";
import { JoinError, verifyBeginning } from "./epoch-proof.ts";
import { type EpochStart, indexOf, type LearnContext, loadEpochStart, storedEpochOf } from "./epoch-start.ts";
import { firstIndex } from "./first-index.ts";
import { handOn } from "./hand-on.ts";
import { joinCommittee } from "./join.ts";
import { findLostEpochs, loadLoss, saveLoss, signsIn } from "./loss.ts";
import { signedRoundOf } from "./replay.ts";
import { CHECKPOINT_ROUNDS, type EpochRun, type NodeTools, runEpoch } from "./run-epoch.ts";

/** Between two passes over members' APIs while peers say that we are behind. */
const CATCH_UP_PAUSE_MS = 3_000;

/** In the same round for so long, a member asks whether its epoch is over. */
const STILL_MS = 5_000;

/** How long a member that does not answer may delay our start. */
const START_PATIENCE_MS = 3_000;

/** Runs one epoch's beginning after the other; what the node goes through by itself needs none of this. */
export class Supervisor {
  #tools: NodeTools;
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  #run: EpochRun | undefined;
  #begun: Promise<void> = Promise.resolve();
  /** Learning in the background, or beginning again: one at a time. */
  #learning: Promise<void> | undefined;
  #hasWarned = false;
  /** What was settled when it was last called behind within its epoch. */
  #settledBefore: bigint | undefined;
  #settlingLoss: Promise<void> | undefined;
  #filling: Promise<void> | undefined;
  #watching: Promise<void> | undefined;

  constructor(tools: Omit<NodeTools, "onBehind" | "onLeft">, signal: AbortSignal | undefined) {
    this.#tools = {
      ...tools,
      onBehind: (epoch) =>
        this.#learn(() => (epoch > this.run.node.committee.epoch ? this.#catchUp(true) : this.#catchUpWithin())),
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
    await this.#beginSomewhere();
    if (this.#tools.config.join !== undefined) this.#watching = this.#watch();
  }

  async #beginSomewhere(): Promise<void> {
    const { store, first, address, config } = this.#tools;
    if (loadLoss(store) !== undefined) return this.#beginAfterLoss();
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
    this.#learnt(start);
    await this.#begin(start);
  }

  /** Where the store is, unless members' APIs prove a later epoch: keys of what is over are erased, and nobody serves it any more. */
  async #beginAfterLoss(): Promise<void> {
    const { store, first, address, config, logger } = this.#tools;
    const stored = loadEpochStart(store);
    const known = stored?.committee.epoch ?? (indexOf(first, address) === undefined ? undefined : first.epoch);
    let newest: EpochStart | undefined;
    if (config.join !== undefined) {
      const context = { ...this.#context(known), committee: stored?.committee ?? first };
      newest =
        known === undefined
          ? await joinCommittee(context, this.#learnOptions)
          : await catchUp(context, this.#learnOptions);
      if (newest !== undefined) this.#learnt(newest);
    }
    await this.#begin(newest ?? stored);
    const { epoch } = this.run.node.committee;
    const loss = loadLoss(store);
    if (signsIn(loss, epoch)) return;
    logger.warn(
      "this data directory was declared lost: the member follows and serves, and signs nothing until a later epoch",
      {
        epoch,
        through: loss?.through ?? "not found out yet",
      },
    );
    if (loss?.through === undefined) this.#settlingLoss = this.#settleLoss();
  }

  /** Until n − f others have said where they are; only then is it known in which epoch this member may sign again. */
  async #settleLoss(): Promise<void> {
    const { store, logger, onFatal } = this.#tools;
    const clients = this.#clients();
    if (clients.length === 0)
      logger.error("set join.apis to the other members' APIs: without them this member never signs again");
    try {
      while (!this.#signal.aborted) {
        const { node, url } = this.run;
        const { committee } = node;
        const { id, members } = committee;
        const through = await findLostEpochs({
          ...{ clients, committeeId: id, members: members.length, ownUrl: url, signal: this.#signal },
          requireBegun: (client, epoch) => this.#requireBegun(client, committee, epoch),
        });
        if (through !== undefined) {
          saveLoss(store, through);
          logger.warn("this member signs again in the first epoch after this one", { through });
          await this.#learning;
          if (this.run.node.committee.epoch > through) await this.#replaceRun(() => loadEpochStart(store));
          return;
        }
        await pause(CATCH_UP_PAUSE_MS, this.#signal);
      }
    } catch (error) {
      if (!this.#signal.aborted) onFatal(error);
    }
  }

  /** Between the end of an epoch and its last certificate a member is in the next one and cannot show it yet. @throws JoinError; ApiError */
  async #requireBegun(client: ApiClient, committee: Committee, epoch: bigint): Promise<void> {
    if (epoch <= committee.epoch + 1n) return;
    const call = { signal: this.#signal };
    const [answer, { handovers }] = await Promise.all([client.epoch("latest", call), client.handovers(call)]);
    verifyBeginning({ committee, engines: this.#tools.engines }, answer, handovers);
    if (epoch > answer.committee.epoch + 1n)
      throw new JoinError("staleEpoch", "a later epoch than it can show the beginning of", { details: { epoch } });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#settlingLoss;
    await this.#learning;
    await this.#filling;
    await this.#watching;
    await this.#run?.close();
    this.#run = undefined;
  }

  async #begin(start: EpochStart | undefined): Promise<void> {
    const index = start === undefined ? firstIndex(this.#tools) : indexOf(start.committee, this.#tools.address);
    assert(index !== undefined, "an epoch that a node begins in has it");
    this.#begun = this.#skipAhead(start).then(async () => {
      this.#run = await runEpoch(this.#tools, start, index);
    });
    await this.#begun;
    this.#fillGaps();
  }

  /**
   * A member that was away for long goes on from the newest checkpoint at once, although the others may still have every block since:
   * to settle again what is settled would take it a good part of the time that it was away.
   */
  async #skipAhead(start: EpochStart | undefined): Promise<void> {
    const { store, first, logger } = this.#tools;
    const committee = start?.committee ?? first;
    const clients = this.#clients(START_PATIENCE_MS);
    const ownRound = signedRoundOf(store, committee.epoch);
    const isFar = await isFarBehind({
      ...{ clients, committee, ownRound, margin: CHECKPOINT_ROUNDS, signal: this.#signal },
    });
    if (!isFar) return;
    const checkpoint = await this.#findCheckpoint(clients, committee, start, store.latestBatch()?.sequence ?? 0n);
    if (checkpoint === undefined) return;
    this.#goOnFrom(checkpoint);
    logger.info("this member was away for long: going on from a checkpoint that a member's API proved", {
      sequence: checkpoint.header.sequence,
    });
  }

  #goOnFrom(checkpoint: Checkpoint): void {
    const { store, first } = this.#tools;
    store.write({ ...gapBefore(store, checkpoint.header, first.id), checkpoint: storedCheckpointOf(checkpoint) });
  }

  #learnt(start: EpochStart): void {
    const { store, first } = this.#tools;
    store.write({ ...gapBefore(store, start.header, first.id), epoch: storedEpochOf(start, true) });
  }

  /** What it skipped is fetched for its API, as long as something is missing; one at a time. */
  #fillGaps(): void {
    const { store, first, logger, onFatal } = this.#tools;
    if (this.#filling !== undefined || loadGaps(store).length === 0 || this.#signal.aborted) return;
    const clients = this.#clients();
    if (clients.length === 0) return;
    this.#filling = backfill({
      ...{ store, clients, committeeId: first.id, logger, signal: this.#signal },
      ledger: () => this.run.node.member.ledger,
    })
      .catch((error: unknown) => {
        if (!this.#signal.aborted) onFatal(error);
      })
      .finally(() => {
        this.#filling = undefined;
      });
  }

  #clients(timeoutMs?: number): ApiClient[] {
    return (this.#tools.config.join?.apis ?? []).map((url) => createApiClient({ url, timeoutMs }));
  }

  #findCheckpoint(
    clients: readonly ApiClient[],
    committee: Committee,
    start: EpochStart | undefined,
    after: bigint,
  ): Promise<Checkpoint | undefined> {
    const { genesis, engines, reshare, logger } = this.#tools;
    return findCheckpoint({
      ...{ genesis, engines, reshare, logger, committee, start, clients, after },
      rules: { retainedRounds: DEFAULT_RETAINED_ROUNDS, activityWindow: DEFAULT_ACTIVITY_WINDOW },
      signal: this.#signal,
    });
  }

  /**
   * Our epoch is over, and we did not see the next one begin: what peers keep of ours is not enough to follow any more. Where the newest
   * one does not have us, from now on we are somebody who may be elected. Unless we were `told`, it is only a question.
   */
  async #catchUp(isTold: boolean): Promise<void> {
    const { logger, config, address, keys } = this.#tools;
    const { node } = this.run;
    const { committee } = node;
    const context = this.#context(committee.epoch);
    const newest = await newestCommittee(context, this.#learnOptions);
    if (newest === undefined) {
      if (!isTold) return;
      logger.warn("no API of join.apis could prove a later epoch; it is tried again", { apis: config.join?.apis });
      return pause(CATCH_UP_PAUSE_MS, this.#signal);
    }
    logger.warn("the epoch of this member is over, by what members' APIs proved", {
      own: committee.epoch,
      epoch: newest.epoch,
    });
    if (indexOf(newest, address) === undefined) {
      keys.eraseBefore(newest.epoch);
      // Then `onLeft` is told what our users wait for.
      return node.leave();
    }
    await this.#beginAgain(await joinCommittee(context, this.#learnOptions));
  }

  /**
   * A member hears that its epoch is over from its peers in it. If they are in no committee any more, or in one that does not know us,
   * nobody says so: whoever was away while it was left out, and is elected again later, would wait for a round of the old epoch for ever.
   */
  async #watch(): Promise<void> {
    let last: { readonly committee: Committee; readonly round: number } | undefined;
    while (!this.#signal.aborted) {
      const { committee, member } = this.run.node;
      const round = member.consensus.highestRound;
      if (last?.committee === committee && last.round === round) this.#learn(() => this.#catchUp(false));
      last = { committee, round };
      await pause(STILL_MS, this.#signal);
    }
  }

  /** Our own epoch, but more rounds behind than anybody keeps blocks for. */
  async #catchUpWithin(): Promise<void> {
    const { store, logger } = this.#tools;
    const { node } = this.run;
    const { committee, member } = node;
    const start = loadEpochStart(store);
    const { sequence } = member.ledger;
    const after = checkpointAfter(sequence, this.#settledBefore, node.checkpoint());
    const checkpoint = await this.#findCheckpoint(this.#clients(), committee, start, after);
    this.#settledBefore = sequence;
    if (checkpoint === undefined) {
      logger.warn("no API of join.apis could prove a newer checkpoint of this epoch; it is tried again");
      return pause(CATCH_UP_PAUSE_MS, this.#signal);
    }
    logger.info("going on from a checkpoint that a member's API proved", { sequence: checkpoint.header.sequence });
    await this.#replaceRun(() => {
      // Meanwhile another epoch may have begun, or our own way may have led further.
      const current = loadEpochStart(store);
      const isSameEpoch = current?.committee.epoch === start?.committee.epoch;
      if (isSameEpoch && leadsFurther(checkpoint, loadCheckpoint(store))) this.#goOnFrom(checkpoint);
      return current;
    });
  }

  #left(undecided: readonly SignedInstruction[]): void {
    void handOn(this.#tools, undecided, this.#signal);
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
    await this.#replaceRun(() => {
      // Meanwhile it may have come there by itself.
      const stored = loadEpochStart(store);
      const newest = stored !== undefined && stored.committee.epoch >= start.committee.epoch ? stored : start;
      if (newest === start) this.#learnt(start);
      return newest;
    });
  }

  /** `prepare`, between the old run and the new one, changes the store and says where to begin; what users wait for goes along. */
  async #replaceRun(prepare: () => EpochStart | undefined): Promise<void> {
    const { node, url, close } = this.run;
    const undecided = node.member.undecided();
    await close();
    const newest = prepare();
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

  #context(after: bigint | undefined): LearnContext {
    const { config, genesis, identity, keys, worker, engines, logger, first } = this.#tools;
    const committee: Committee = this.#run?.node.committee ?? first;
    return {
      ...{ apis: config.join?.apis ?? [], committee, genesis, identity, keys, worker, engines, logger, after },
      signal: this.#signal,
    };
  }
}
