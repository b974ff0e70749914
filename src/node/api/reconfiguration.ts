/** The ledger's view of a change as the API tells it: what counts, and by name whom it waits for. Pure. */
import type {
  AttemptAnswer,
  DealsAnswer,
  OpenProposalAnswer,
  ReconfigurationAnswer,
} from "../../api/reconfiguration.ts";
import { RECONFIGURATION_LIMITS } from "../../api/reconfiguration.ts";
import type { AttemptView, EpochsView, OpenProposal } from "../../ledger/reconfiguration/types.ts";
import type { Address } from "../../lib/hex.ts";
import type { Committee } from "../../threshold/committee.ts";
import type { DealBundle } from "../../threshold/deal-select.ts";
import { SUITES } from "../../threshold/types.ts";

/** `epochs` is undefined where the ledger changes no committee. */
export function reconfigurationOf(committee: Committee, epochs: EpochsView | undefined): ReconfigurationAnswer {
  const members = committee.members.map(({ address }) => address);
  return {
    committeeId: committee.id,
    epoch: committee.epoch,
    members,
    peers: epochs?.peers ?? [],
    open: epochs?.open.map((open) => openOf(members, open)) ?? [],
    ...(epochs?.attempt === undefined ? {} : { attempt: attemptOf(members, epochs.attempt) }),
  };
}

function openOf(members: readonly Address[], open: OpenProposal): OpenProposalAnswer {
  return { ...open, waitingFor: without(members, open.approvals) };
}

function attemptOf(members: readonly Address[], attempt: AttemptView): AttemptAnswer {
  const { proposal, digest, kind, phase, dealt, dealersNeeded, keys, readyDigest, ready, readyNeeded } = attempt;
  const { handover, handoversNeeded, closesIn } = attempt;
  const dealers = attempt.contexts[SUITES[0]].dealers;
  const qualified = attempt.qualified.map(({ dealer }) => dealers[dealer]!);
  const keyOf = (suite: (typeof SUITES)[number]) => {
    const { groupKey, publicShares } = keys![suite];
    return { groupKey, publicShares };
  };
  return {
    proposal,
    digest,
    kind,
    phase,
    ...waiting(members, attempt),
    dealt,
    qualified,
    dealersNeeded,
    ...(keys === undefined ? {} : { keys: { "bls12-381": keyOf("bls12-381"), bn254: keyOf("bn254") } }),
    ...(readyDigest === undefined ? {} : { readyDigest }),
    ready,
    readyNeeded,
    ...(handover === undefined ? {} : { handover }),
    handoversNeeded,
    ...(closesIn === undefined ? {} : { closesIn }),
    faults: attempt.faults,
  };
}

/** Who could end the phase, and how many of them it takes. */
function waiting(members: readonly Address[], attempt: AttemptView): Pick<AttemptAnswer, "waitingFor" | "needed"> {
  const { phase, dealt, qualified, dealersNeeded, proposal, ready, readyNeeded, handover, handoversNeeded } = attempt;
  const left = (needed: number, have: number): number => Math.max(0, needed - have);
  switch (phase) {
    case "dealing":
      return { waitingFor: without(members, dealt), needed: left(dealersNeeded, qualified.length) };
    case "opening":
      return {
        waitingFor: without(
          proposal.members.map(({ address }) => address),
          ready,
        ),
        needed: left(readyNeeded, ready.length),
      };
    case "handover": {
      const signed = handover?.signed ?? [];
      return { waitingFor: without(members, signed), needed: left(handoversNeeded, signed.length) };
    }
    case "closing":
      return { waitingFor: [], needed: 0 };
  }
}

function without(members: readonly Address[], done: readonly Address[]): readonly Address[] {
  const have = new Set(done);
  return members.filter((address) => !have.has(address));
}

/**
 * Qualified deals from a position on: of the running attempt, otherwise of the current epoch.
 * Undefined when there is none at that position.
 */
export function dealsOf(epochs: EpochsView | undefined, from: number): DealsAnswer | undefined {
  const attempt = epochs?.attempt;
  const source = attempt ?? epochs?.dealt;
  if (source === undefined || from >= Math.max(1, source.qualified.length)) return undefined;
  return {
    of: attempt === undefined ? "epoch" : "attempt",
    contexts: source.contexts,
    from,
    total: source.qualified.length,
    qualified: fitting(source.qualified.slice(from)),
  };
}

function fitting(bundles: readonly DealBundle[]): readonly DealBundle[] {
  let room: number = RECONFIGURATION_LIMITS.maxDealBytes;
  const end = bundles.findIndex(({ deals }, k) => {
    for (const suite of SUITES) room -= deals[suite]?.length ?? 0;
    return k > 0 && room < 0;
  });
  return end < 0 ? bundles : bundles.slice(0, end);
}
