/** Checkpoints within an epoch as the store keeps them: a restart goes on from the newest instead of the epoch's beginning. */
import * as z from "zod";
import * as wire from "../api/wire.ts";
import { decodeOrderTail } from "../consensus/checkpoint.ts";
import { ConsensusError } from "../consensus/errors.ts";
import { isCertified } from "../member/checkpoints.ts";
import type { Checkpoint, MemberConfig } from "../member/types.ts";
import type { Store, StoredCheckpoint } from "../storage/port.ts";
import { SUITES } from "../threshold/types.ts";

const head: z.ZodType<Pick<Checkpoint, "header" | "certificates">> = z.object({
  header: wire.batchHeader,
  certificates: wire.list(wire.certificate, SUITES.length),
});

/** Where the order goes on from needs no block at or below this round; `retainedRounds` is K. */
export function floorOf({ order }: Pick<Checkpoint, "order">, retainedRounds: number): number {
  const last = decodeOrderTail(order).records.at(-1);
  return last === undefined ? 0 : Math.max(0, last.leader.round - retainedRounds);
}

export function storedCheckpointOf({ header, certificates, snapshot, order }: Checkpoint): StoredCheckpoint {
  return { sequence: header.sequence, json: JSON.stringify(z.encode(head, { header, certificates })), snapshot, order };
}

/**
 * A checkpoint may come from our own disk, where a bit may have flipped; others would be given it, and nothing else looks at its
 * certificates. Throws ConsensusError `badCheckpoint`.
 */
export function requireCertified({ checkpoint, committee, engines }: MemberConfig): void {
  if (checkpoint === undefined || isCertified(checkpoint, committee, engines)) return;
  throw new ConsensusError("badCheckpoint", "the checkpoint to go on from is not certified by this committee", {
    details: { sequence: checkpoint.header.sequence },
  });
}

/** Of the epoch that the store's log is of; undefined before the first one in it. */
export function loadCheckpoint(store: Store): Checkpoint | undefined {
  const stored = store.checkpoint();
  return stored && { ...head.parse(JSON.parse(stored.json)), snapshot: stored.snapshot, order: stored.order };
}
