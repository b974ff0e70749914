/** What a node says about itself, to its log and its metrics. */
import type { LedgerEvent } from "../ledger/types.ts";
import type { MemberEffect, TransactionCode } from "../member/types.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Committee } from "../threshold/committee.ts";
import type { NodeMetrics } from "./metrics.ts";

interface Outlets {
  readonly logger: Logger;
  readonly metrics: NodeMetrics;
}

/** `committee`: of the epoch in which it was said. */
export function reportEffect({ logger, metrics }: Outlets, effect: MemberEffect, { members }: Committee): void {
  switch (effect.kind) {
    case "batch":
      metrics.batch(effect.batch);
      reportChanges(logger, effect.batch.events);
      break;
    case "certificate":
      metrics.certificates.add({ suite: effect.certificate.suite });
      break;
    case "punish":
      logger.warn("a member misbehaves; muted for a while", {
        member: effect.member,
        address: members[effect.member]?.address,
        code: effect.code,
        ...effect.details,
      });
      metrics.faults.add({ peer: effect.member, code: effect.code });
      break;
    case "exposed":
      logger.error("a member signed two blocks for one round: slashable, keep this line", {
        member: effect.author,
        address: members[effect.author]?.address,
        round: effect.first.round,
        first: effect.first.digest,
        second: effect.second.digest,
      });
      break;
    case "behind":
      // Without a round it is about another epoch, which the node looks after.
      if (effect.round > 0) {
        logger.warn("this member fell further behind than peers keep blocks for: it needs a checkpoint to go on from", {
          epoch: effect.epoch,
          round: effect.round,
        });
      }
      break;
    case "epoch":
      reportEpoch(logger, effect);
      break;
  }
}

function reportEpoch(
  logger: Logger,
  { change, header, self, undecided }: MemberEffect & { readonly kind: "epoch" },
): void {
  const { epoch, members } = change.committee;
  if (self !== undefined) {
    logger.info("a new epoch begins", { epoch, members: members.length, self, closedBy: header.sequence });
    return;
  }
  logger.warn("this member left the committee: it serves what it has, and signs nothing new", {
    epoch,
    closedBy: header.sequence,
    undecided: undecided.length,
  });
}

function reportChanges(logger: Logger, events: readonly LedgerEvent[]): void {
  for (const event of events) {
    if (event.kind !== "reconfiguration") continue;
    const { kind: _, step, ...fields } = event;
    logger.info(`the committee changes: ${step}`, fields);
  }
}

/** Codes of what the node itself had handed in. */
export function reportRefused({ logger }: Pick<Outlets, "logger">, codes: readonly TransactionCode[]): void {
  const refused = codes.filter((code) => code !== "accepted" && code !== "known");
  if (refused.length > 0) logger.warn("this member refused what its own node made", { codes: refused });
}
