/**
 * How somebody who is no member yet becomes one, and how a member that missed the end of its epoch comes back: from members' APIs
 * alone, without believing any of them.
 *
 *   the newest epoch has us         verify how it began, open our shares from the deals that its ledger keeps, and start there
 *   a running change names us       verify its deals, open, and send READY to every API until the ledger shows it
 *   otherwise                       wait, and say for what
 *
 * Shares of an attempt are not kept: another attempt may supersede it. When the epoch that they are for has begun they are opened
 * again, from the same encryption key and the deals that the ledger keeps, and written.
 */
import type { AttemptAnswer, ReconfigurationAnswer } from "../api/reconfiguration.ts";
import { pause } from "../api/sse.ts";
import type { Address } from "../lib/hex.ts";
import { aborted, askAll, createLearner, findEpoch, type Learner, type LearnOptions, openShares } from "./catch-up.ts";
import { JoinError } from "./epoch-proof.ts";
import { type EpochStart, indexOf, type LearnContext } from "./epoch-start.ts";
import { createReporter, type JoinProgress, type Tell } from "./join-progress.ts";
import { createReadying, type Readying, type Told } from "./ready.ts";

export type { JoinProgress } from "./join-progress.ts";

const DEFAULT_POLL_MS = 2_000;

export interface JoinOptions extends LearnOptions {
  /** Between two rounds of questions. Default 2 s. */
  readonly pollMs?: number | undefined;
  /** Told whenever something changed; it is logged as well. */
  readonly onProgress?: ((progress: JoinProgress) => void) | undefined;
}

/**
 * Resolves when an epoch above `after` has us: verified, with our shares in the key folder if they could be opened.
 * @throws JoinError aborted; KeyError
 */
export async function joinCommittee(context: LearnContext, options: JoinOptions = {}): Promise<EpochStart> {
  const { logger, signal } = context;
  let learner = await createLearner(context, options);
  const tell = createReporter(logger, options.onProgress);
  const readying = createReadying(tell);
  const after = context.after ?? context.committee.epoch;
  for (;;) {
    const found = await findEpoch(learner, learner.trust.committee.epoch);
    if (found !== undefined) {
      const { committee, header } = found.start;
      const { epoch } = committee;
      if (epoch > after && indexOf(committee, learner.address) !== undefined) {
        const hasShares = await openShares(learner, found);
        tell({ step: "begun", epoch, sequence: header.sequence, hasShares });
        return found.start;
      }
      logger.info("learned of an epoch that is not for this node", { epoch, sequence: header.sequence });
      // What is newest is trusted from now on: old keys may be in anybody's hands one day.
      learner = { ...learner, trust: { ...learner.trust, committee } };
    }
    await takePart(learner, readying, tell);
    await pause(options.pollMs ?? DEFAULT_POLL_MS, signal);
    if (signal.aborted) throw aborted();
  }
}

/** One look at the running change: whatever can be done for it is done. */
async function takePart(learner: Learner, readying: Readying, tell: Tell): Promise<void> {
  const { committee } = learner.trust;
  const { signal } = learner.context;
  const answers = await askAll(learner, async (client) => {
    const answer = await client.reconfiguration({ signal });
    if (answer.committeeId !== committee.id)
      throw new JoinError("wrongCommittee", "a change of another committee", {
        details: { served: answer.committeeId },
      });
    return answer;
  });
  if (answers.length === 0) return tell({ step: "unreachable" });
  // Whoever is in another epoch has nothing to say about this one; a later one is learned of in the next round.
  const current = answers.filter(({ answer }) => answer.epoch === committee.epoch);
  if (current.length === 0) return;
  const running = current.flatMap(({ client, answer }) => (isNamed(answer, learner.address) ? { client, answer } : []));
  if (running.length > 0) return readying.follow(learner, running);
  const open = current
    .flatMap(({ answer }) => answer.open)
    .find(({ proposal }) => hasMember(proposal, learner.address));
  if (open === undefined) return tell({ step: "unnamed", epoch: committee.epoch });
  tell({
    step: "proposed",
    proposal: open.digest,
    approvals: open.approvals.length,
    needed: open.approvalsNeeded,
    waitingFor: open.waitingFor,
  });
}

function isNamed(answer: ReconfigurationAnswer, address: Address): answer is Told["answer"] {
  return answer.attempt !== undefined && hasMember(answer.attempt.proposal, address);
}

function hasMember({ members }: AttemptAnswer["proposal"], address: Address): boolean {
  return members.some((member) => member.address === address);
}
