/** From the keys that a user pinned to the newest of the same committee: only what each key signed about the next one counts. */
import { followLink, type GroupKeys, isFrom, isTo, type KeyLink, keyHashesOf } from "../batch/key-chain.ts";
import type { TrustedCommittee } from "./committee.ts";
import { SdkError } from "./errors.ts";

/** Why a list of handovers leads nowhere: `details.reason` of `badHandover`. */
export type HandoverFault =
  /** Numbers do not run 1, 2, 3, …, or not on from those followed before. */
  | "outOfTurn"
  /** It hands over from another key than the one it should. */
  | "anotherKey"
  /** The old key did not sign it in every suite that is pinned, or it names what can be no key. */
  | "notSigned";

/**
 * A committee with the keys that signed handovers lead to: the same object if there is nothing to follow (a member that lags shows
 * fewer than are known already). Pure; whoever brought the list need not be trusted. Keys are taken from the signed statements, never
 * from what stands beside them.
 *
 * What it cannot see: whether so many shares of a key that was handed over long ago have leaked since that somebody forged another
 * handover. Pin the newest keys you know; whoever followed once never goes back.
 * @param handovers all there are, from number 1 on, as `ApiClient.handovers` gives them
 * @throws SdkError badHandover
 * @example
 * const { handovers } = await createApiClient({ url }).handovers();
 * const present = followHandovers(pinned, handovers);
 */
export function followHandovers(committee: TrustedCommittee, handovers: readonly KeyLink[]): TrustedCommittee {
  let last = committee;
  for (const step of stepsOf(committee, handovers)) last = step;
  return last;
}

/** The committee after each handover that leads on, one by one. @throws SdkError badHandover, when it comes to the one that does not */
export function* stepsOf(
  committee: TrustedCommittee,
  handovers: readonly KeyLink[],
): Generator<TrustedCommittee, void, undefined> {
  handovers.forEach(({ statement: { number } }, k) => {
    if (number !== BigInt(k + 1)) throw refusal("outOfTurn", "handovers are numbered from 1, without a gap", number);
  });
  const start = startOf(committee, handovers);
  if (start === undefined) return;
  let at = committee;
  for (const handover of handovers.slice(start)) {
    const groupKeys = followLink(at.engine, at.committeeId, at.groupKeys, handover);
    if (groupKeys === undefined) throw refusalOf(handover, at.groupKeys);
    const formerKeys = Object.freeze([...at.formerKeys, at.groupKeys]);
    at = Object.freeze({
      ...at,
      groupKeys: Object.freeze(groupKeys),
      handovers: handover.statement.number,
      formerKeys,
    });
    yield at;
  }
}

/** Position of the handover from the present keys; undefined when there is none after them. @throws SdkError badHandover */
function startOf(committee: TrustedCommittee, handovers: readonly KeyLink[]): number | undefined {
  const known = Number(committee.handovers);
  const last = handovers.at(-1);
  if (last === undefined || handovers.length <= known) return undefined;
  if (known > 0) return known;
  // Later keys may have been pinned without their number: each statement names the keys that it is from.
  const hashes = keyHashesOf(committee.groupKeys);
  const start = handovers.findIndex(({ statement }) => isFrom(statement, hashes));
  if (start >= 0) return start;
  if (isTo(last.statement, hashes)) return undefined;
  throw refusal("anotherKey", "no handover is from the pinned keys", undefined);
}

function refusalOf({ statement }: KeyLink, keys: GroupKeys): SdkError {
  const { number } = statement;
  return isFrom(statement, keyHashesOf(keys))
    ? refusal("notSigned", `the old key did not sign handover ${number}`, number)
    : refusal("anotherKey", `handover ${number} is not from the key before it`, number);
}

function refusal(reason: HandoverFault, message: string, number: bigint | undefined): SdkError {
  return new SdkError("badHandover", message, { details: { reason, number } });
}
