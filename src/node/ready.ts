/** A member-to-be in a running change: verifies the deals, opens its shares of the next epoch, and says READY. */
import type { ApiClient } from "../api/client.ts";
import type { AttemptAnswer, DealsAnswer, ReconfigurationAnswer } from "../api/reconfiguration.ts";
import { encodeTransaction } from "../ledger/reconfiguration/codec.ts";
import { proposalDigest, readyDigest } from "../ledger/reconfiguration/digests.ts";
import { makeReady } from "../ledger/reconfiguration/make.ts";
import { contextsOf } from "../ledger/reconfiguration/proposal.ts";
import { faultOfAnnouncements } from "../ledger/reconfiguration/scheme.ts";
import { equalBytes } from "../lib/bytes.ts";
import { signDigest } from "../lib/ecdsa.ts";
import type { Hex } from "../lib/hex.ts";
import type { DealContext } from "../threshold/associated-data.ts";
import type { Committee } from "../threshold/committee.ts";
import { type DealBundle, dealersNeeded } from "../threshold/deal-select.ts";
import { ThresholdError } from "../threshold/errors.ts";
import { SUITES, type Suite } from "../threshold/types.ts";
import { aborted, type Learner, tryClient } from "./catch-up.ts";
import { JoinError } from "./epoch-proof.ts";
import type { Tell } from "./join-progress.ts";

/** A member's word of a change that names us. */
export interface Told {
  readonly client: ApiClient;
  readonly answer: ReconfigurationAnswer & { readonly attempt: AttemptAnswer };
}

export interface Readying {
  follow(learner: Learner, told: readonly Told[]): Promise<void>;
}

/** Our READYs of one attempt. One is enough; a member that tells of other deals than the rest leads to another. */
interface Readies {
  readonly transactions: Uint8Array[];
  /** APIs whose deals were opened, or were not worth opening. */
  readonly asked: Set<string>;
}

/** Attempts remembered: members that lie may tell of many. */
const MAX_ATTEMPTS = 16;

export function createReadying(tell: Tell): Readying {
  const attempts = new Map<Hex, Readies>();
  const readiesOf = (digest: Hex): Readies => {
    const readies = attempts.get(digest) ?? { transactions: [], asked: new Set<string>() };
    attempts.delete(digest);
    attempts.set(digest, readies);
    if (attempts.size > MAX_ATTEMPTS) attempts.delete(attempts.keys().next().value!);
    return readies;
  };

  /** Opens the deals of one API; false when there is nothing new to hand in. */
  const open = async (learner: Learner, { client, answer }: Told, readies: Readies): Promise<boolean> => {
    const { url } = client;
    if (readies.asked.has(url)) return false;
    const ready = await tryClient(learner, client, async () => {
      try {
        return await openAttempt(learner, client, answer.attempt, tell);
      } catch (error) {
        // The same deals again would be no better; a broken connection may be.
        if (error instanceof JoinError || error instanceof ThresholdError) readies.asked.add(url);
        if (error instanceof JoinError && error.code === "wrongDeals") await requireRunning(learner, client, answer);
        throw error;
      }
    });
    if (ready === undefined) return false;
    readies.asked.add(url);
    if (readies.transactions.some((known) => equalBytes(known, ready))) return false;
    readies.transactions.push(ready);
    return true;
  };

  const serve = async (learner: Learner, told: readonly Told[], readies: Readies): Promise<void> => {
    for (const each of told) if (readies.transactions.length > 0 || (await open(learner, each, readies))) break;
    if (readies.transactions.length === 0) return;
    const handed = await Promise.all(
      told.map(async (each) => [each, await handIn(learner, each.client, readies)] as const),
    );
    for (const [each, verdict] of handed) {
      // Who opens more slowly than n′ − f′ others is not waited for, and not told before.
      if (verdict !== "refused") continue;
      // It knows other deals than whoever we opened with. Each of the two may be the one that lies.
      if (await open(learner, each, readies)) await handIn(learner, each.client, readies);
      else learner.refused(each.client, new JoinError("refusedReady", "a member does not take this node's READY"));
    }
  };

  return {
    async follow(learner, told) {
      const opening = told.filter(({ answer }) => answer.attempt.keys !== undefined);
      const isReady = ({ answer }: Told): boolean => answer.attempt.ready.includes(learner.address);
      const shown = opening.find(isReady);
      tellWhereItStands((shown ?? opening[0] ?? told[0])!.answer.attempt, shown !== undefined, tell);
      // One API that says we are ready may lie, so the others are served as long as they say we are not.
      const lacking = Map.groupBy(
        opening.filter((each) => !isReady(each)),
        ({ answer }) => answer.attempt.digest,
      );
      for (const [digest, group] of lacking) await serve(learner, group, readiesOf(digest));
    },
  };
}

function tellWhereItStands(answer: AttemptAnswer, isReady: boolean, tell: Tell): void {
  const { proposal, phase, waitingFor, ready, readyNeeded, qualified, dealersNeeded } = answer;
  const { attempt } = proposal;
  if (isReady) tell({ step: "ready", attempt, phase, ready: ready.length, needed: readyNeeded, waitingFor });
  else if (answer.keys === undefined)
    tell({ step: "dealing", attempt, deals: qualified.length, needed: dealersNeeded, waitingFor });
}

/**
 * Our READY for what one API serves of an attempt, verified and opened. Undefined when this node lacks the key.
 * @throws JoinError badProposal, wrongDeals; ThresholdError
 */
async function openAttempt(
  learner: Learner,
  client: ApiClient,
  { proposal, digest, kind }: AttemptAnswer,
  tell: Tell,
): Promise<Uint8Array | undefined> {
  const { context, trust, address, scheme } = learner;
  const { committee, engines } = trust;
  const { epoch, attempt } = proposal;
  requireProposal(committee, proposal, digest);
  const index = proposal.members.findIndex((member) => member.address === address);
  const announced = proposal.members[index]!.encryptionKey;
  const secret = await context.keys.encryptionKey(epoch, attempt, announced);
  if (secret === undefined) {
    tell({ step: "keyMissing", attempt, announced });
    return undefined;
  }
  tell({ step: "opening", attempt });
  let shares: Record<Suite, Uint8Array> | undefined;
  try {
    const dealers = committee.members.map((member) => member.address);
    const contexts = contextsOf(committee.id, dealers, committee.keys, proposal, kind);
    const qualified = await fetchDeals(learner, client, contexts);
    const key = (suite: Suite) => scheme.aggregate(contexts[suite], qualified);
    const keys = { "bls12-381": key("bls12-381"), bn254: key("bn254") };
    shares = await context.worker.open(contexts, qualified, keys, index, secret);
    const scope = { epoch, attempt };
    const message = readyDigest(committee.id, scope, digest, keys);
    const sign = (hash: Hex): Hex => signDigest(context.identity, hash);
    const made = makeReady(committee.id, engines, scope, message, address, shares, sign);
    return encodeTransaction(made);
  } finally {
    secret.fill(0);
    for (const suite of SUITES) shares?.[suite].fill(0);
  }
}

/** Who approved it is the committee's business; that our announcement is in it as we made it is ours. */
function requireProposal(committee: Committee, proposal: AttemptAnswer["proposal"], digest: Hex): void {
  const details = { epoch: proposal.epoch, attempt: proposal.attempt, digest };
  if (proposal.epoch !== committee.epoch + 1n || proposalDigest(committee.id, proposal) !== digest)
    throw new JoinError("badProposal", "not a proposal for the next epoch with that digest", { details });
  const fault = faultOfAnnouncements(committee.id, proposal);
  if (fault !== undefined)
    throw new JoinError("badProposal", "an announcement in the proposal is not in order", {
      details: { ...details, fault },
    });
}

/** As many valid deals of different dealers as make the keys. @throws JoinError wrongDeals */
async function fetchDeals(
  { context: { worker, signal } }: Learner,
  client: ApiClient,
  contexts: Readonly<Record<Suite, DealContext>>,
): Promise<readonly DealBundle[]> {
  const context = contexts["bls12-381"];
  const needed = dealersNeeded(context);
  const wrong = (reason: string, details: Record<string, unknown> = {}): JoinError =>
    new JoinError("wrongDeals", reason, { details });
  const qualified: DealBundle[] = [];
  while (qualified.length < needed) {
    const answer: DealsAnswer = await client.reconfigurationDeals({ from: qualified.length, signal });
    const { of, from, total } = answer;
    const isNext = of === "attempt" && from === qualified.length && total === needed && answer.qualified.length > 0;
    if (!isNext || qualified.length + answer.qualified.length > needed)
      throw wrong("not the deals of this attempt", { of, from, total, needed });
    for (const bundle of answer.qualified) {
      const { dealer, deals } = bundle;
      if (context.dealers[dealer] === undefined || qualified.some((other) => other.dealer === dealer))
        throw wrong("a deal of nobody, or a second one of somebody", { dealer });
      for (const suite of SUITES) {
        const bytes = deals[suite];
        const fault = bytes === undefined ? "missing" : await worker.verify(contexts[suite], dealer, bytes);
        if (signal.aborted) throw aborted();
        if (fault !== undefined) throw wrong("a deal is not valid", { dealer, suite, fault });
      }
      qualified.push(bundle);
    }
  }
  return qualified;
}

/**
 * Deals are served of the attempt while it runs, then of the epoch that it made, and opening takes seconds: whoever went on meanwhile
 * did not serve wrong deals. A liar that says so saves itself a warning; it is not asked again for this attempt either way.
 * @throws JoinError staleEpoch, wrongCommittee
 */
async function requireRunning(learner: Learner, client: ApiClient, { epoch, attempt }: Told["answer"]): Promise<void> {
  const now = await client.reconfiguration({ signal: learner.context.signal });
  if (now.epoch === epoch && now.attempt?.digest === attempt.digest && now.attempt.phase === attempt.phase) return;
  const details = { epoch, attempt: attempt.proposal.attempt };
  throw new JoinError("staleEpoch", "the change went on while its deals were opened", { details });
}

/** Whether one API takes any of our READYs. */
async function handIn(
  learner: Learner,
  client: ApiClient,
  { transactions }: Readies,
): Promise<"taken" | "refused" | "late" | "unreachable"> {
  const { signal } = learner.context;
  const results = await tryClient(learner, client, () => client.submitTransactions(transactions, { signal }));
  if (results === undefined) return "unreachable";
  if (results.some(({ code }) => code === "accepted" || code === "known")) return "taken";
  return results.every(({ code }) => code === "notCurrent" || code === "unavailable") ? "late" : "refused";
}
