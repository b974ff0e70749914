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
  /** Batch that is settled here already: an older checkpoint is of no use. */
  readonly after: bigint;
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

/** One pass over the APIs; undefined when none can prove a checkpoint after `after`. */
export async function findCheckpoint(context: CheckpointContext): Promise<Checkpoint | undefined> {
  const { clients, committee, engines, after, signal } = context;
  const heads = await Promise.all(
    clients.map(async (client) => {
      const head = await attempt(context, client, () => client.checkpoint({ signal }));
      return head === undefined || head.header.sequence <= after ? [] : [{ client, head }];
    }),
  );
  // The newest first: if it is a lie, that costs one verification.
  const offers = heads.flat().sort((a, b) => compareBigint(b.head.header.sequence, a.head.header.sequence));
  for (const { client, head } of offers) {
    if (!isCertified(head, committee, engines)) {
      refused(context, client, "its header is not certified by this epoch's committee", "warn");
      continue;
    }
    const { sequence } = head.header;
    const checkpoint = await attempt(context, client, async () => {
      const order = await client.checkpointPart(sequence, "order", { signal });
      const snapshot = await client.checkpointPart(sequence, "snapshot", { signal });
      const whole = { ...head, snapshot, order };
      verify(context, whole);
      return whole;
    });
    if (checkpoint !== undefined) return checkpoint;
  }
  return undefined;
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
  requireEpoch(Ledger.restore(genesis, header, snapshot, reshare === undefined ? {} : { reshare }), committee);
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
