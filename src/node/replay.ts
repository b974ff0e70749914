/** What a node's store has for a member that comes back. */
import type { Certificate } from "../batch/types.ts";
import type { LedgerEvent } from "../ledger/types.ts";
import type { Member } from "../member/member.ts";
import type { MemberEffect, ReshareTask } from "../member/types.ts";
import type { Store } from "../storage/port.ts";
import { decodeBatchHead } from "./batch-json.ts";
import type { NodeParts } from "./node-parts.ts";

const CERTIFICATES_AT_ONCE = 1_000;

/** Newest first; of this epoch only, because what came before is not replayed. Some come twice. */
function* certificatesAfter(store: Store, sequence: bigint): Iterable<Certificate> {
  for (let before: bigint | undefined; ; ) {
    const page = store.certificates({ limit: CERTIFICATES_AT_ONCE, ...(before === undefined ? {} : { before }) });
    for (const { sequence: at, suite, signature } of page) {
      if (at <= sequence) return;
      const batch = store.batch(at);
      if (batch !== undefined) yield { header: decodeBatchHead(batch.json).header, suite, signature };
    }
    const last = page.at(-1);
    if (last === undefined || page.length < CERTIFICATES_AT_ONCE) return;
    // A page may end between the suites of one batch.
    before = last.sequence + 1n;
  }
}

/** Highest round of the epoch in which the register has a block of ours; 0 when it has none. */
export function signedRoundOf(store: Store, epoch: bigint): number {
  const top = store.registerTop("block");
  return top === undefined || top.position >> 64n !== epoch ? 0 : Number(BigInt.asUintN(64, top.position));
}

/** What becomes of what a replay brings up. */
export interface ReplayHooks {
  readonly collect: (effect: MemberEffect) => void;
  /** All that was collected. */
  readonly write: () => void;
  readonly settled: (events: readonly LedgerEvent[]) => void;
  readonly task: (task: ReshareTask) => void;
}

/** Gives a new member what its store kept. Throws ConsensusError, StoreError when that is not what was written. */
export function restoreMember(
  {
    store,
    logger,
    nowMs,
    member: { checkpoint, start, committee },
  }: Pick<NodeParts, "store" | "logger" | "nowMs" | "member">,
  member: Member,
  hooks: ReplayHooks,
): void {
  const started = nowMs();
  const newest = store.latestBatch()?.sequence ?? 0n;
  member.restore(
    {
      log: store.log(),
      registered: (kind, position) => store.register(kind, position),
      certificates: certificatesAfter(store, (checkpoint ?? start)?.header.sequence ?? 0n),
      signedRound: signedRoundOf(store, committee.epoch),
      listens: true,
    },
    (effect) => {
      if (effect.kind === "persist") hooks.collect(effect);
      if (effect.kind === "task") hooks.task(effect.task);
      if (effect.kind !== "batch") return;
      // With a batch everything that belongs to it was written; another one under its number must not get past the store.
      if (store.batch(effect.batch.header.sequence)?.digest !== effect.batch.digest) hooks.collect(effect);
      hooks.settled(effect.batch.events);
    },
  );
  hooks.write();
  logger.info("replayed the store", {
    epoch: committee.epoch,
    batches: member.ledger.sequence,
    stored: newest,
    round: member.consensus.highestRound,
    ms: Math.round(nowMs() - started),
  });
}
