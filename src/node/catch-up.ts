/**
 * Learns the newest epoch from members' APIs, for whoever is no part of the network yet or fell out of it (join.ts). Each answer is
 * verified on its own (epoch-proof.ts): a member that lies, or is behind, costs a request and the next one is asked.
 */
import { type ApiClient, createApiClient } from "../api/client.ts";
import type { EpochAnswer } from "../api/reconfiguration.ts";
import { headerDigest } from "../batch/header.ts";
import { KeyError } from "../keys/port.ts";
import { Ledger } from "../ledger/ledger.ts";
import { createReshareScheme } from "../ledger/reconfiguration/scheme.ts";
import type { EpochsView, ReshareScheme } from "../ledger/reconfiguration/types.ts";
import type { LedgerGenesis } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { addressOf } from "../lib/ecdsa.ts";
import { isClocklessError } from "../lib/errors.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { compareBigint } from "../lib/math.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Committee } from "../threshold/committee.ts";
import { createDealEngines } from "../threshold/deal-engines.ts";
import { ThresholdError } from "../threshold/errors.ts";
import {
  type Beginning,
  JoinError,
  requireServed,
  type Trust,
  verifyBeginning,
  verifySnapshot,
} from "./epoch-proof.ts";
import { type EpochStart, indexOf, type LearnContext } from "./epoch-start.ts";
import { firstOf } from "./first-of.ts";
import { isShareOf } from "./resharer.ts";

/** A member may send a snapshot as slowly as it likes; so after a while another one is asked as well. */
const HEDGE_MS = 10_000;

export interface LearnOptions {
  /** Replaces HTTP (tests). */
  readonly createClient?: ((url: string) => ApiClient) | undefined;
  /** Where there is one already: starting the engines takes a moment. */
  readonly scheme?: ReshareScheme | undefined;
  /** How long one member may take for a snapshot before the next one is asked as well. Default 10 s. */
  readonly hedgeMs?: number | undefined;
  /** Told of every answer that was refused, and why; they are logged as well. */
  readonly onRefused?: ((url: string, error: unknown) => void) | undefined;
}

/** What one pass or many have to go on. */
export interface Learner {
  readonly context: LearnContext;
  readonly address: Address;
  readonly trust: Trust;
  readonly clients: readonly ApiClient[];
  readonly restore: Restore;
  readonly scheme: ReshareScheme;
  readonly hedgeMs: number;
  refused(client: ApiClient, error: unknown): void;
}

/** An epoch whose beginning is proven, and what its ledger keeps of the deals that made it. */
export interface LearntEpoch {
  readonly start: EpochStart;
  readonly dealt: EpochsView["dealt"];
}

export async function createLearner(context: LearnContext, options: LearnOptions = {}): Promise<Learner> {
  const { committee, genesis, engines, apis, logger, identity } = context;
  const createClient = options.createClient ?? ((url) => createApiClient({ url }));
  const scheme = options.scheme ?? createReshareScheme({ engines, deals: await createDealEngines("fast") });
  return {
    context,
    address: addressOf(identity),
    trust: { committee, engines },
    clients: apis.map(createClient),
    restore: createRestore(genesis, scheme),
    scheme,
    hedgeMs: options.hedgeMs ?? HEDGE_MS,
    refused(client, error) {
      logRefusal(logger, client.url, error);
      options.onRefused?.(client.url, error);
    },
  };
}

/**
 * The newest epoch above `after` that any of the APIs can prove; one pass over them. Undefined when none can.
 * @throws JoinError aborted
 */
export async function findEpoch(learner: Learner, after: bigint): Promise<LearntEpoch | undefined> {
  const { trust, context } = learner;
  const { signal } = context;
  const answers = await askAll(learner, (client) => client.epoch("latest", { signal }));
  const later = answers.filter(({ client, answer }) => {
    if (answer.committee.epoch >= after) return answer.committee.epoch > after;
    // An old beginning is as certified as ever: whoever took it would sign in an epoch that is over.
    learner.refused(client, staleEpoch(answer, after));
    return false;
  });
  // The newest first: if it is a lie, that costs one verification.
  later.sort((a, b) => compareBigint(b.answer.committee.epoch, a.answer.committee.epoch));
  /** By the header's digest: several members tell of the same beginning. */
  const ledgers = new Map<Hex, Found>();
  for (const { client, answer } of later) {
    const beginning = await tryClient(learner, client, async () => {
      const { handovers } = await client.handovers({ signal });
      return verifyBeginning(trust, answer, handovers);
    });
    if (beginning === undefined) continue;
    const digest = headerDigest(beginning.header, trust.committee.id);
    const found = ledgers.get(digest) ?? (await fetchLedger(learner, client, answer.committee.epoch, beginning));
    if (found === undefined) continue;
    ledgers.set(digest, found);
    const { ledger, snapshot } = found;
    const { committee, peers, dealt } = ledger;
    const isServed = await tryClient(learner, client, async () => {
      requireServed(answer, ledger);
      return true;
    });
    if (isServed) return { start: { ...beginning, committee, peers, snapshot }, dealt };
  }
  return undefined;
}

interface Found {
  readonly snapshot: Uint8Array;
  readonly ledger: ReturnType<Restore>;
}

/** What is certified may come from anybody: from the one that told us of it, or whoever else is faster. */
async function fetchLedger(
  learner: Learner,
  client: ApiClient,
  epoch: bigint,
  beginning: Beginning,
): Promise<Found | undefined> {
  const { clients, context, restore, hedgeMs } = learner;
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, done.signal]);
  const sources = [client, ...clients.filter((other) => other !== client)];
  const ask = (source: ApiClient): Promise<Found | undefined> =>
    tryClient(learner, source, async () => {
      const snapshot = await source.snapshot(epoch, { signal });
      return done.signal.aborted ? undefined : { snapshot, ledger: verifySnapshot(beginning, snapshot, restore) };
    });
  try {
    return await firstOf(sources, ask, hedgeMs);
  } finally {
    done.abort();
  }
}

/**
 * Whether our shares of an epoch are in the key folder, after opening them if they can be opened. Throws KeyError when the folder
 * fails.
 */
export async function openShares({ context, address }: Learner, { start, dealt }: LearntEpoch): Promise<boolean> {
  const { keys, worker, engines, logger } = context;
  const { committee } = start;
  const { epoch } = committee;
  const index = indexOf(committee, address);
  assert(index !== undefined, "only members have shares");
  const stored = await keys.shares(epoch);
  // Others may be there: of an attempt that a later one superseded.
  if (stored !== undefined && isShareOf(engines, committee.keys, index, stored)) return true;
  if (dealt === undefined) return false;
  const { attempt: number, recipients } = dealt.contexts["bls12-381"];
  const announced = recipients[index]!.encryptionKey;
  const secret = await keys.encryptionKey(epoch, number, announced);
  if (secret === undefined) {
    logger.error("the encryption key that was announced is not in the key folder: this member follows without shares", {
      epoch,
      attempt: number,
      announced,
    });
    return false;
  }
  try {
    const shares = await worker.open(dealt.contexts, dealt.qualified, committee.keys, index, secret);
    await keys.saveShares(epoch, shares, committee.keys, index);
    return true;
  } catch (error) {
    // The deals are the ledger's: no member can mend this, and the others go on without our share.
    if (!(error instanceof ThresholdError)) throw error;
    logger.error("this member's shares do not open: it follows without them", { epoch, attempt: number, error });
    return false;
  } finally {
    secret.fill(0);
  }
}

/**
 * For a node that starts, or was told that it is behind: the newest epoch above `after` that has us, with our shares opened if they
 * can be. One pass over the APIs; undefined when none can prove such an epoch now. @throws JoinError aborted, KeyError
 */
export async function catchUp(context: LearnContext, options: LearnOptions = {}): Promise<EpochStart | undefined> {
  const learner = await createLearner(context, options);
  const found = await findEpoch(learner, context.after ?? context.committee.epoch);
  if (found === undefined || indexOf(found.start.committee, learner.address) === undefined) return undefined;
  await openShares(learner, found);
  return found.start;
}

/** The committee of the newest epoch above `after` that any API can prove now; undefined: none can. One pass. @throws JoinError aborted */
export async function newestCommittee(
  context: LearnContext,
  options: LearnOptions = {},
): Promise<Committee | undefined> {
  const learner = await createLearner(context, options);
  return (await findEpoch(learner, context.after ?? context.committee.epoch))?.start.committee;
}

/** Asks all APIs at once; answers in their order, failures reported. @throws JoinError aborted */
export async function askAll<A>(
  learner: Learner,
  ask: (client: ApiClient) => Promise<A>,
): Promise<{ readonly client: ApiClient; readonly answer: A }[]> {
  const answers = await Promise.all(
    learner.clients.map(async (client) => {
      const answer = await tryClient(learner, client, () => ask(client));
      return answer === undefined ? [] : [{ client, answer }];
    }),
  );
  return answers.flat();
}

/** What one API has to give, or undefined when it fails or lies: then the next one is asked. @throws JoinError aborted */
export async function tryClient<A>(learner: Learner, client: ApiClient, ask: () => Promise<A>): Promise<A | undefined> {
  const { signal } = learner.context;
  if (signal.aborted) throw aborted();
  try {
    return await ask();
  } catch (error) {
    if (signal.aborted) throw aborted(error);
    // Anything else is a bug of ours or a full disk, and must be seen.
    if (!isClocklessError(error) || error instanceof KeyError) throw error;
    // Another one was faster.
    if (error.code === "aborted") return undefined;
    learner.refused(client, error);
    return undefined;
  }
}

export function aborted(cause?: unknown): JoinError {
  return new JoinError("aborted", "stopped by the caller", { cause });
}

export type Restore = (
  header: EpochStart["header"],
  snapshot: Uint8Array,
) => {
  readonly committee: Committee;
  readonly peers: EpochsView["peers"];
  readonly dealt: EpochsView["dealt"];
};

function createRestore(genesis: LedgerGenesis, reshare: ReshareScheme): Restore {
  return (header, snapshot) => {
    const { epochs } = Ledger.restore(genesis, header, snapshot, { reshare });
    assert(epochs !== undefined, "a ledger with a scheme knows its epochs");
    const { committee, peers, dealt } = epochs;
    return { committee, peers, dealt };
  };
}

function staleEpoch({ committee }: EpochAnswer, after: bigint): JoinError {
  return new JoinError("staleEpoch", "an epoch that is over", { details: { served: committee.epoch, known: after } });
}

function logRefusal(logger: Logger, api: string, error: unknown): void {
  const code = isClocklessError(error) ? error.code : "unknown";
  const isLie = error instanceof JoinError;
  // A member may be down, slow or a little behind. What is signed wrongly is not an accident.
  const level = isLie && code !== "staleEpoch" ? "warn" : "debug";
  logger[level]("cannot use what a member's API answers; the next one is asked", {
    api,
    code,
    message: isClocklessError(error) ? error.shortMessage : String(error),
  });
}
