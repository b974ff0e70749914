/**
 * A lost disk or a restored backup, declared by the operator: this data directory has forgotten what the member signed, so the member only
 * follows and serves until an epoch begins in which its former life cannot have been. Asking others for one's own last block and going on
 * above it equivocates: a block may still be under way.
 *
 * Which epochs are lost? One of n − f others is at most one behind a former life that went on to the next epoch first, and then it
 * shows the change that leads there (the batch that closes an epoch is signed by n − f members who have settled it). So: the highest
 * epoch that any of n − f others is in, and the one after it while a change to it is running. Each proves where it is: one that names an
 * epoch far ahead would otherwise keep this member from signing for ever.
 */
import type { ApiClient } from "../api/client.ts";
import { isClocklessError } from "../lib/errors.ts";
import type { Hex } from "../lib/hex.ts";
import { quorumOf } from "../lib/math.ts";
import type { Store } from "../storage/port.ts";

const KEY = "node.loss";
const PENDING = "pending";

/** `through` undefined: not found out yet, so nothing is signed in any epoch. */
export interface Loss {
  readonly through: bigint | undefined;
}

/** Undefined: nothing was declared. */
export function loadLoss(store: Pick<Store, "meta">): Loss | undefined {
  const text = store.meta(KEY);
  if (text === undefined) return undefined;
  return { through: text === PENDING ? undefined : BigInt(text) };
}

/** From now on; whatever was declared before is part of what was lost. */
export function declareLoss(store: Pick<Store, "write">): void {
  store.write({ meta: [[KEY, PENDING]] });
}

export function saveLoss(store: Pick<Store, "write">, through: bigint): void {
  store.write({ meta: [[KEY, through.toString()]] });
}

export function signsIn(loss: Loss | undefined, epoch: bigint): boolean {
  return loss === undefined || (loss.through !== undefined && epoch > loss.through);
}

/** One pass over the APIs of others; undefined while fewer than n − f answer. */
export async function findLostEpochs(options: {
  readonly clients: readonly ApiClient[];
  readonly committeeId: Hex;
  /** n of the newest epoch known here. */
  readonly members: number;
  /** Where our own API answers, if it does. */
  readonly ownUrl: string | undefined;
  /** Throws a typed error unless this API proves that the epoch began, or the one before. */
  readonly requireBegun: (client: ApiClient, epoch: bigint) => Promise<void>;
  readonly signal: AbortSignal;
}): Promise<bigint | undefined> {
  const { clients, committeeId, members, ownUrl, requireBegun, signal } = options;
  const others = clients.filter(({ url }) => ownUrl === undefined || new URL(url).host !== new URL(ownUrl).host);
  const answers = await Promise.all(
    others.map(async (client) => {
      try {
        const answer = await client.reconfiguration({ signal });
        if (answer.committeeId !== committeeId) return [];
        await requireBegun(client, answer.epoch);
        return [answer.attempt === undefined ? answer.epoch : answer.epoch + 1n];
      } catch (error) {
        if (!isClocklessError(error)) throw error;
        return [];
      }
    }),
  );
  const epochs = answers.flat();
  if (epochs.length < quorumOf(members)) return undefined;
  return epochs.reduce((highest, epoch) => (epoch > highest ? epoch : highest));
}
