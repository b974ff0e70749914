/** What members say about a change, from several of them at once: the one that is furthest speaks for all. */
import { type ApiClient, createApiClient } from "../../api/client.ts";
import type { AttemptAnswer, ReconfigurationAnswer } from "../../api/reconfiguration.ts";
import { isClocklessError } from "../../lib/errors.ts";
import type { Hex } from "../../lib/hex.ts";
import type { ThresholdKey } from "../../threshold/types.ts";
import { ReshareError, UsageError } from "../errors.ts";

export interface Asked {
  readonly clients: readonly ApiClient[];
  /** Of the member that is furthest. */
  readonly answer: ReconfigurationAnswer;
  /** Who did not answer, and why. */
  readonly silent: readonly { readonly url: string; readonly code: string }[];
}

/** Throws UsageError missingOption, ReshareError wrongCommittee when members speak of different ones; an ApiError when nobody answers. */
export async function askMembers(
  urls: readonly string[] | undefined,
  options: { readonly committeeId?: Hex | undefined; readonly signal: AbortSignal },
): Promise<Asked> {
  if (urls === undefined) throw new UsageError("missingOption", "say whom to ask: --api URL, several times if you can");
  const clients = urls.map((url) => createApiClient({ url }));
  const silent: { url: string; code: string }[] = [];
  const answers: ReconfigurationAnswer[] = [];
  let last: unknown;
  await Promise.all(
    clients.map(async (client) => {
      try {
        answers.push(await client.reconfiguration({ signal: options.signal }));
      } catch (error) {
        if (!isClocklessError(error) || error.code === "aborted") throw error;
        last = error;
        silent.push({ url: client.url, code: error.code });
      }
    }),
  );
  const [first] = answers;
  if (first === undefined) throw last;
  const expected = options.committeeId ?? first.committeeId;
  const stranger = answers.find(({ committeeId }) => committeeId !== expected);
  if (stranger !== undefined) {
    throw new ReshareError("wrongCommittee", "an asked member is of another committee", {
      details: { expected, told: stranger.committeeId },
    });
  }
  return { clients, silent, answer: answers.reduce((best, each) => (isFurther(each, best) ? each : best)) };
}

function isFurther(a: ReconfigurationAnswer, b: ReconfigurationAnswer): boolean {
  const [left, right] = [progressOf(a), progressOf(b)];
  const k = left.findIndex((value, i) => value !== right[i]);
  return k >= 0 && left[k]! > right[k]!;
}

const PHASES: readonly AttemptAnswer["phase"][] = ["dealing", "opening", "handover", "closing"];

/** Compared from left to right. */
function progressOf({ epoch, attempt, open }: ReconfigurationAnswer): bigint[] {
  const approvals = open.reduce((sum, { approvals: list }) => sum + list.length, 0);
  if (attempt === undefined) return [epoch, 0n, 0n, 0n, BigInt(approvals)];
  const { phase, dealt, qualified, ready, handover, closesIn } = attempt;
  const done = dealt.length + qualified.length + ready.length + (handover?.signed.length ?? 0);
  const phaseAt = BigInt(PHASES.indexOf(phase) + 1);
  return [epoch, attempt.proposal.attempt, phaseAt, BigInt(-(closesIn ?? 0)), BigInt(done), BigInt(approvals)];
}

/** What a past committee of a group key is told by: who was in it, and how many of them could sign. */
export interface PastCommittee {
  readonly epoch: bigint;
  readonly members: readonly Hex[];
  readonly threshold: number;
}

/**
 * The committees that held shares of the current group key, newest first, by the word of whichever member still knows them.
 * `undefined`: an older one is not known any more to anybody who was asked.
 */
export async function committeesOfTheKey(
  clients: readonly ApiClient[],
  epoch: bigint,
  signal: AbortSignal,
): Promise<readonly PastCommittee[] | undefined> {
  const found: PastCommittee[] = [];
  let groupKey: ThresholdKey["groupKey"] | undefined;
  for (let at = epoch; at >= 0n; at--) {
    const answer = await firstAnswer(clients, (client) => client.epoch(at, { signal }));
    const committee = answer?.committee;
    const key = committee?.keys["bls12-381"]?.groupKey;
    if (committee === undefined || key === undefined) return undefined;
    groupKey ??= key;
    if (key !== groupKey) break;
    found.push({ epoch: at, members: committee.members.map(({ address }) => address), threshold: committee.threshold });
  }
  return found;
}

async function firstAnswer<T>(
  clients: readonly ApiClient[],
  ask: (client: ApiClient) => Promise<T>,
): Promise<T | undefined> {
  for (const client of clients) {
    try {
      return await ask(client);
    } catch (error) {
      if (!isClocklessError(error) || error.code === "aborted") throw error;
    }
  }
  return undefined;
}
