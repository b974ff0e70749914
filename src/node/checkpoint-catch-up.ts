/**
 * For a member that fell further behind within its epoch than peers keep blocks for, or that came late into it: the newest checkpoint
 * that any member's API can prove. The committee's certificates sign its header, and the header commits to the ledger and the order.
 */
import type { ApiClient } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import { headerDigest } from "../batch/header.ts";
import { decodeOrderTail, deriveCheckpoint, type OrderRules } from "../consensus/checkpoint.ts";
import { genesisHash } from "../ledger/genesis.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { ReshareScheme } from "../ledger/reconfiguration/types.ts";
import { badSnapshot } from "../ledger/snapshot/bytes.ts";
import type { LedgerGenesis } from "../ledger/types.ts";
import { isClocklessError } from "../lib/errors.ts";
import { compareBigint, maxFaulty } from "../lib/math.ts";
import { isCertified } from "../member/checkpoints.ts";
import { epochGenesis } from "../member/member.ts";
import type { Checkpoint } from "../member/types.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Committee } from "../threshold/committee.ts";
import type { Engine, Suite } from "../threshold/types.ts";
import type { EpochRecord } from "./epoch-start.ts";
import { firstOf } from "./first-of.ts";

/** How long one member may take before the next one is asked as well. */
const HEDGE_MS = 10_000;

export interface CheckpointContext {
  readonly clients: readonly ApiClient[];
  /** Of the epoch to go on in. */
  readonly committee: Committee;
  /** Of a later epoch than the first: what started it. */
  readonly start: Pick<EpochRecord, "header"> | undefined;
  readonly genesis: LedgerGenesis;
  readonly engines: Readonly<Record<Suite, Engine>>;
  /** Absent where the committee cannot change. */
  readonly reshare?: ReshareScheme | undefined;
  /** K and A of the committee. */
  readonly rules: Pick<OrderRules, "retainedRounds" | "activityWindow">;
  /** Only a checkpoint of a later batch is of use: than the own newest one (`leadsFurther`), or, at a start, than what is settled. */
  readonly after: bigint;
  /** Default 10 s. */
  readonly hedgeMs?: number | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Whether at least one honest member says that its round is more than `margin` above ours: then going on from a checkpoint is less work
 * than taking every block since. Performance only: what we would go on from is proven.
 */
export async function isFarBehind(options: {
  readonly clients: readonly ApiClient[];
  readonly committee: Committee;
  readonly ownRound: number;
  readonly margin: number;
  readonly signal: AbortSignal;
}): Promise<boolean> {
  const { clients, committee, ownRound, margin, signal } = options;
  const rounds = await Promise.all(
    clients.map(async (client) => {
      try {
        const { epoch, round } = await client.status({ signal });
        return epoch === committee.epoch ? round : 0;
      } catch (error) {
        if (!isClocklessError(error)) throw error;
        return 0;
      }
    }),
  );
  const witnessed = rounds.sort((a, b) => b - a)[maxFaulty(committee.members.length)] ?? 0;
  return witnessed > ownRound + margin;
}

/**
 * One pass over the APIs; undefined when none can prove a checkpoint after `after`. A member may send its own as slowly as it likes, so
 * after a while the next one is asked as well, and each for the newest that it has by then: members keep no older ones for long.
 */
export async function findCheckpoint(context: CheckpointContext): Promise<Checkpoint | undefined> {
  const { clients, after, signal, hedgeMs = HEDGE_MS } = context;
  const heads = await Promise.all(
    clients.map(async (client) => {
      const head = await attempt(context, client, () => client.checkpoint({ signal }));
      return head === undefined || head.header.sequence <= after ? [] : [{ client, sequence: head.header.sequence }];
    }),
  );
  // The newest first: if it is a lie, that costs one verification.
  const offers = heads.flat().sort((a, b) => compareBigint(b.sequence, a.sequence));
  const done = new AbortController();
  const raced = { ...context, signal: AbortSignal.any([signal, done.signal]) };
  const ask = ({ client }: (typeof offers)[number]) => attempt(raced, client, () => fetchFrom(raced, client));
  try {
    return await firstOf(offers, ask, hedgeMs);
  } finally {
    done.abort();
  }
}

async function fetchFrom(context: CheckpointContext, client: ApiClient): Promise<Checkpoint | undefined> {
  const { committee, engines, after, signal } = context;
  const head = await client.checkpoint({ signal });
  const { sequence } = head.header;
  if (sequence <= after) return undefined;
  if (!isCertified(head, committee, engines)) {
    refused(context, client, "its header is not certified by this epoch's committee", "warn");
    return undefined;
  }
  const order = await client.checkpointPart(sequence, "order", { signal });
  const snapshot = await client.checkpointPart(sequence, "snapshot", { signal });
  // Another one was faster, and verifying takes a while.
  if (signal.aborted) return undefined;
  const whole = { ...head, snapshot, order };
  verify(context, whole);
  return whole;
}

/** @throws LedgerError badSnapshot; ConsensusError badCheckpoint */
function verify({ committee, start, genesis, reshare, rules }: CheckpointContext, checkpoint: Checkpoint): void {
  const { header, snapshot, order } = checkpoint;
  const startsFrom = start === undefined ? genesisHash(genesis) : headerDigest(start.header, committee.id);
  deriveCheckpoint(decodeOrderTail(order), header.commit, {
    members: committee.members.length,
    genesisHash: epochGenesis(committee.id, startsFrom),
    ...rules,
  });
  let ledger: Ledger;
  try {
    ledger = Ledger.restore(genesis, header, snapshot, reshare === undefined ? {} : { reshare });
  } catch (error) {
    if (isClocklessError(error)) throw error;
    // Whatever foreign bytes did in there: one lying API must not end this process.
    throw badSnapshot("bytes that are no ledger", { reason: String(error) });
  }
  requireEpoch(ledger, committee);
}

/** The closing batch is certified like any other, but the next epoch's order goes on from it. */
function requireEpoch(ledger: Ledger, { epoch }: Committee): void {
  if (ledger.epoch !== epoch) throw badSnapshot("the batch that closed the epoch", { epoch: ledger.epoch });
}

async function attempt<A>(
  context: CheckpointContext,
  client: ApiClient,
  ask: () => Promise<A>,
): Promise<A | undefined> {
  try {
    return await ask();
  } catch (error) {
    // Anything else is a bug of ours, and must be seen.
    if (!isClocklessError(error)) throw error;
    // A member may be down, busy, or have none yet, and join.apis may name ourselves. What is wrong in itself is not an accident.
    const isAccident = error instanceof ApiError && (error.isTransient || error.code === "unknownCheckpoint");
    if (!context.signal.aborted) refused(context, client, error.shortMessage, isAccident ? "debug" : "warn");
    return undefined;
  }
}

function refused({ logger }: CheckpointContext, { url }: ApiClient, reason: string, level: "debug" | "warn"): void {
  logger[level]("cannot use a member's checkpoint; the next one is asked", { api: url, reason });
}
